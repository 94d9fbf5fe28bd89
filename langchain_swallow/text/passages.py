"""Chunks of documents: the text that is embedded and prompted, and how chunks are joined."""

from collections.abc import Mapping
from typing import Any

from langchain_swallow.text.normalize import normalize

# Characters from which a text is understood without its title. A shorter one, such as 該当なし。,
# means something different in each document.
_MIN_SELF_CONTAINED = 50
# Two chunks of one section have the same values for these metadata keys.
_SECTION = ("source", "inside", "headings", "page", "line")


def passage_text(text: str, metadata: Mapping[str, Any]) -> str:
    """The text that is embedded, searched and prompted: title and headings, a newline, the text.

    A row of a price list or a clause does not name its topic; its title and headings do.

    Args:
        text: Text of the chunk.
        metadata: Its `title`, `headings` and `table` (the caption) are used, if present.
    """
    headings = str(metadata.get("headings", "")).split(" > ")
    parts = [metadata.get("title"), *headings, metadata.get("table")]
    place = [str(part) for part in dict.fromkeys(parts) if part]
    # A section begins with its own heading, so the last heading would be there twice.
    if place and text.startswith(place[-1]):
        del place[-1]
    return f"{' > '.join(place)}\n{text}" if place else text


def copy_key(text: str, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Key that a chunk shares with its duplicates in other files: headings and normalized text.

    The title is part of the key only if the text is short.
    """
    words = "".join(normalize(text).split())
    title = "" if len(words) >= _MIN_SELF_CONTAINED else str(metadata.get("title", ""))
    return title, str(metadata.get("headings", "")), words


def offsets(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """Half-open span of a chunk in its section, in characters; `None` if its metadata lack it."""
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
    """Join two chunks of one section that touch or overlap; the overlap is kept once.

    `start_index` and `end_index` in the metadata locate a chunk in its section. Sections may have
    the same headings, so only an overlap proves that two chunks are from the same text.

    Args:
        text: Text of a chunk.
        metadata: Its metadata.
        other: Text of another chunk, before or after it.
        other_metadata: The other chunk's metadata.
        min_overlap: Characters that must overlap; default 0, for chunks that only touch.

    Returns:
        The joined text with the metadata of the first argument and the new offsets. `None` if the
        chunks are from different sections, are apart, have no offsets, or differ in the overlap.
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
    for name, outermost in (("row", min), ("last_row", max)):
        if name in metadata and name in other_metadata:
            place[name] = outermost(metadata[name], other_metadata[name])
    whole = first + second[overlap:] if overlap < len(second) else first
    return whole, {**metadata, **place}
