"""Orders pages of two columns whose file has each row of both columns together."""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from langchain_swallow.documents.readers.pdf_characters import Characters, Word

_Span = tuple[int, int]

# In heights of a character: the minimum gap between columns, and how near most lines of the left
# column end to it. Cells of a table and labels of values end anywhere.
_MIN_GAP = 1.5
_MAX_SHORT = 2.0
_MIN_FULL = 0.6
MIN_ROWS = 6
_MIN_LENGTH = 12


class _Split(NamedTuple):
    """A line with a wide gap: the character after it, where it is, and the height of the line."""

    at: int
    left: float
    right: float
    size: float


def in_two_columns(lines: Sequence[_Span], characters: Characters) -> Iterator[_Span]:
    """Yield the lines, those of two columns divided, the left column first.

    Args:
        lines: The page's lines as half-open spans of its characters.
        characters: Those of the page.
    """
    split = [(line, _widest_gap(characters.words(line))) for line in lines]
    for has_gap, group in itertools.groupby(split, key=lambda pair: pair[1] is not None):
        pairs = [(line, gap) for line, gap in group if gap is not None or not has_gap]
        gaps = [gap for _, gap in pairs if gap is not None]
        if gaps and _are_columns([line for line, _ in pairs], gaps):
            yield from ((line[0], gap.at) for (line, _), gap in zip(pairs, gaps, strict=True))
            yield from ((gap.at, line[1]) for (line, _), gap in zip(pairs, gaps, strict=True))
        else:
            yield from (line for line, _ in pairs)


def _widest_gap(words: Sequence[Word]) -> _Split | None:
    if len(words) < 2 or sum(word.length for word in words) < 2 * _MIN_LENGTH:
        return None
    one, other = max(itertools.pairwise(words), key=lambda pair: pair[1].left - pair[0].right)
    size = statistics.median(word.size for word in words)
    is_wide = other.left - one.right >= _MIN_GAP * size
    return _Split(other.start, one.right, other.left, size) if is_wide else None


def _are_columns(lines: Sequence[_Span], gaps: Sequence[_Split]) -> bool:
    """Whether the gaps are at one place, and the lines on their left reach it."""
    left, right = max(gap.left for gap in gaps), min(gap.right for gap in gaps)
    size = statistics.median(gap.size for gap in gaps)
    lengths = [
        min(gap.at - start, end - gap.at) for (start, end), gap in zip(lines, gaps, strict=True)
    ]
    full = sum(left - gap.left <= _MAX_SHORT * size for gap in gaps)
    return (
        len(gaps) >= MIN_ROWS
        and right - left >= size
        and statistics.median(lengths) >= _MIN_LENGTH
        and full >= _MIN_FULL * len(gaps)
    )
