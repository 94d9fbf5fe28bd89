"""A passage as it is embedded, searched and shown to a model."""

from collections.abc import Mapping
from typing import Any

from langchain_swallow.text.normalize import normalize

# A shorter text, such as 該当なし。, says nothing without its document.
_MIN_SELF_CONTAINED = 50
# What two passages of one section have in common.
_SECTION = ("source", "inside", "headings", "page", "line")


def passage_text(text: str, metadata: Mapping[str, Any]) -> str:
    """What is embedded, searched and prompted for a passage: its place, then its text.

    A row of a price list or a clause does not say what it is about; its title and headings do.
    """
    parts = [metadata.get("title"), *str(metadata.get("headings", "")).split(" > ")]
    place = [str(part) for part in dict.fromkeys(parts) if part]
    # A section begins with its own heading; it need not stand there twice.
    if place and text.startswith(place[-1]):
        del place[-1]
    return f"{' > '.join(place)}\n{text}" if place else text


def copy_key(text: str, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """What a passage and its copies in other files have in common: headings and words."""
    words = "".join(normalize(text).split())
    title = "" if len(words) >= _MIN_SELF_CONTAINED else str(metadata.get("title", ""))
    return title, str(metadata.get("headings", "")), words


def offsets(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """Where in its section a chunk begins and ends; `None` where its metadata do not say."""
    start, end = metadata.get("start_index"), metadata.get("end_index")
    return (start, end) if isinstance(start, int) and isinstance(end, int) else None


def join_chunks(
    text: str,
    metadata: Mapping[str, Any],
    other: str,
    other_metadata: Mapping[str, Any],
    *,
    min_overlap: int = 0,
) -> tuple[str, dict[str, Any]] | None:
    """Two chunks of one section that touch or overlap as one, with the metadata of the first.

    `start_index` and `end_index` say where in the section each lies, and the overlap stands there
    once. `None` where they are of two sections, apart, without offsets, or not of the same text.
    Of one text they are for certain where they overlap: sections may have the same headings.
    """
    span, other_span = offsets(metadata), offsets(other_metadata)
    if not span or not other_span:
        return None
    if any(metadata.get(name) != other_metadata.get(name) for name in _SECTION):
        return None
    (start, end), (before, after) = span, other_span
    if (end - start, after - before) != (len(text), len(other)):
        return None
    first, second = (other, text) if before <= start else (text, other)
    overlap = min(end, after) - max(start, before)
    if overlap < min_overlap or not first[max(start, before) - min(start, before) :].startswith(
        second[:overlap]
    ):
        return None
    place = {"start_index": min(start, before), "end_index": max(end, after)}
    whole = first + second[overlap:] if overlap < len(second) else first
    return whole, {**metadata, **place}
