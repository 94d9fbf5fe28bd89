"""Passages with those beside them: a chunk may begin in the middle of what it is about."""

from collections.abc import Sequence
from dataclasses import replace

from langchain_swallow.index.segment import Living, Passage
from langchain_swallow.index.snapshot import Found, Snapshot

# What two passages of one section have in common.
_SECTION = ("source", "headings", "page", "inside")


def with_neighbours(
    now: Snapshot, places: Sequence[Found], passages: Sequence[Passage], count: int
) -> list[Passage]:
    """Each passage joined with up to `count` of its section before and after it.

    The joined passage is of the section's text, from the beginning of the first to the end of the
    last: `start_index` and `end_index` say where, and the overlap of chunks stands there once. A
    passage without such offsets stays as it is.
    """
    return [
        _joined(now.parts[place.segment], place.row, passage, count)
        for place, passage in zip(places, passages, strict=True)
    ]


def _joined(part: Living, row: int, passage: Passage, count: int) -> Passage:
    rows = [r for r in range(row - count, row + count + 1) if 0 <= r < len(part.segment)]
    beside = part.segment.passages([r for r in rows if part.is_alive(r)])
    joined = passage
    for step in (-1, 1):
        for distance in range(1, count + 1):
            other = beside.get(row + step * distance)
            grown = None if other is None else _grown(joined, other)
            if grown is None:
                break
            joined = grown
    return joined


def _grown(passage: Passage, other: Passage) -> Passage | None:
    """Both as one; `None` where they are of two sections, or do not touch."""
    own, its = passage.metadata, other.metadata
    if any(own.get(name) != its.get(name) for name in _SECTION):
        return None
    try:
        start, end = int(own["start_index"]), int(own["end_index"])
        before, after = int(its["start_index"]), int(its["end_index"])
    except KeyError:
        return None
    if before <= start <= after:
        text = other.text[: start - before] + passage.text
    elif start <= before <= end:
        text = passage.text + other.text[end - before :]
    else:
        return None
    place = {"start_index": min(start, before), "end_index": max(end, after)}
    return replace(passage, text=text, metadata={**own, **place})
