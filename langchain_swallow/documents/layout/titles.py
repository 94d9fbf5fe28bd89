"""Compares the entries of a table of contents with the headings of its file."""

from collections.abc import Iterable

from langchain_swallow.documents.layout.outline import without_number
from langchain_swallow.text.normalize import normalize


class Titles:
    """A set of headings, which contains them with and without their number.

    >>> titles = Titles(["第1章 総則", "休暇", "2024年"])
    >>> [entry in titles for entry in ("総則", "2. 休暇", "2025年", "返品は7日以内")]
    [True, True, False, False]
    """

    def __init__(self, titles: Iterable[str]) -> None:
        keys = [_keys(title) for title in titles]
        self._whole = {whole for whole, _ in keys if whole}
        self._known = self._whole | {bare for _, bare in keys if bare}

    def __contains__(self, entry: str) -> bool:
        """Whether an entry is a heading; with different numbers, the two are not the same."""
        whole, bare = _keys(entry)
        return whole in self._known or bare in self._whole


def _keys(title: str) -> tuple[str, str]:
    title = normalize(title).strip()
    return "".join(title.split()), without_number(title)
