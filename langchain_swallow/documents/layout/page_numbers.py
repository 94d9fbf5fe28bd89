"""Numbers of pages in their headers and footers: those that keep step with the pages."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Edge = Literal["top", "bottom"]
EDGES: tuple[Edge, ...] = ("top", "bottom")
# Two pages in five, and at least three, have a number.
MIN_PAGES = 3
MIN_SHARE = 0.4
# A company's address may stand below the number.
_DEPTH = 2
_MAX_LINE_CHARACTERS = 100
_OF_ALL = r"\s*(?:[/／]|of)\s*\d{1,5}"
_BARE = r"(\d{1,5})"
_FORMS = (
    rf"[-–—―(\[]\s*{_BARE}\s*[-–—―)\]]",
    rf"{_BARE}(?:{_OF_ALL}\s*(?:頁|ページ)?|\s*(?:頁|ページ))",
    rf"(?:[Pp](?:age)?\.?|ページ)\s*{_BARE}(?:{_OF_ALL})?",
    _BARE,
)
_PATTERNS = [
    (form is not _BARE, pattern)
    for form in _FORMS
    for pattern in (re.compile(rf"^{form}(?=\s|$)"), re.compile(rf"(?<!\S){form}$"))
]


class PageNumber(NamedTuple):
    """A line read as a page's number, the words beside it, and whether it is written as one."""

    number: int
    words: str
    is_marked: bool


def page_numbers(line: str) -> Iterator[PageNumber]:
    """What a line may be read as.

    >>> list(page_numbers("就業規則 3 / 12"))[0]
    PageNumber(number=3, words='就業規則', is_marked=True)
    """
    if len(line) > _MAX_LINE_CHARACTERS:
        return
    for is_marked, pattern in _PATTERNS:
        if found := pattern.search(line):
            words = f"{line[: found.start()]} {line[found.end() :]}".strip()
            yield PageNumber(int(found[1]), words, is_marked)


def from_edge(lines: Sequence[str], edge: Edge) -> Sequence[str]:
    """Lines from the first on, or from the last back."""
    return lines if edge == "top" else lines[::-1]


class Steps:
    """At which edge of the pages their numbers are, and how far ahead of the index.

    Args:
        pages: The lines of each that are not empty.
    """

    def __init__(self, pages: Sequence[Sequence[str]]) -> None:
        counts: Counter[tuple[Edge, int]] = Counter()
        for index, page in enumerate(pages):
            lines = [(edge, line) for edge in EDGES for line in from_edge(page, edge)[:_DEPTH]]
            counts.update({(e, n.number - index) for e, line in lines for n in page_numbers(line)})
        min_pages = max(MIN_PAGES, MIN_SHARE * sum(map(bool, pages)))
        self._steps = {step for step, count in counts.items() if count >= min_pages}

    def number(self, index: int, edge: Edge, line: str) -> PageNumber | None:
        """The page's number in a line at an edge of this page."""
        if not self._steps:
            return None
        found = (n for n in page_numbers(line) if (edge, n.number - index) in self._steps)
        return next(found, None)
