"""Join chunks to their neighbors: a chunk may begin in the middle of its topic."""

from collections.abc import Sequence
from dataclasses import replace

from langchain_swallow.retrieval.index.segment import Passage
from langchain_swallow.retrieval.index.snapshot import Snapshot
from langchain_swallow.text.passages import join_chunks


def join_neighbors(
    snapshot: Snapshot, numbers: Sequence[int], passages: Sequence[Passage], count: int
) -> list[Passage]:
    """Join each chunk to up to `count` chunks of its section before and after it.

    The joined chunk is a part of the section's text, with the overlap of chunks only once.
    `start_index` and `end_index` in its metadata are its offsets in the section. A chunk without
    these offsets stays as it is.

    Args:
        snapshot: The index.
        numbers: Numbers of the chunks in `snapshot.everything`.
        passages: The chunks, in the same order.
        count: Maximum number of chunks to join on each side.
    """
    return [
        _joined(snapshot, number, passage, count)
        for number, passage in zip(numbers, passages, strict=True)
    ]


def _joined(snapshot: Snapshot, number: int, passage: Passage, count: int) -> Passage:
    near = range(max(0, number - count), min(len(snapshot), number + count + 1))
    neighbors = dict(zip(near, snapshot.passages(snapshot.places(near)), strict=True))
    joined_passage = passage
    for step in (-1, 1):
        for distance in range(1, count + 1):
            other = neighbors.get(number + step * distance)
            longer = None if other is None else _join(joined_passage, other)
            if longer is None:
                break
            joined_passage = longer
    return joined_passage


def _join(passage: Passage, other: Passage) -> Passage | None:
    result = join_chunks(passage.text, passage.metadata, other.text, other.metadata)
    return result and replace(passage, text=result[0], metadata=result[1])
