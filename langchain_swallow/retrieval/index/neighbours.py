"""Passages with those beside them: a chunk may begin in the middle of what it is about."""

from collections.abc import Sequence
from dataclasses import replace

from langchain_swallow.retrieval.index.segment import Living, Passage
from langchain_swallow.retrieval.index.snapshot import Found, Snapshot
from langchain_swallow.text.passages import join_chunks


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
    grown = passage
    for step in (-1, 1):
        for distance in range(1, count + 1):
            other = beside.get(row + step * distance)
            wider = None if other is None else _grown(grown, other)
            if wider is None:
                break
            grown = wider
    return grown


def _grown(passage: Passage, other: Passage) -> Passage | None:
    both = join_chunks(passage.text, passage.metadata, other.text, other.metadata)
    return both and replace(passage, text=both[0], metadata=both[1])
