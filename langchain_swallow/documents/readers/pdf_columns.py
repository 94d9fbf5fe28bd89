"""Finds tables without ruling lines: lines whose words stand in the same three or more columns."""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_swallow.documents.readers.pdf_characters import Characters, Word
from langchain_swallow.documents.readers.pdf_grid import Grid, GridCell

# In heights of a character: the minimum gap between words of two cells, and the maximum gap between
# two rows.
_MIN_CELL_GAP = 0.45
_MAX_ROW_GAP = 3.0
# The minimum empty space beside a column in every row, for few rows and for more, which are aligned
# by chance less often.
_MIN_COLUMN_GAPS = {3: 0.8, 5: 0.45}
_MIN_COLUMNS = 3
# The words of text, which have gaps too, begin anywhere.
_MAX_PARTS_IN_CELL, _MIN_ALIGNED = 1.5, 0.6
# Text in three columns has longer lines than the cells of a table, in characters.
_MAX_CELL_LENGTH = 20
# The maximum gap between the lines of a cell, in heights of a character.
_MAX_LINE_GAP = 0.3
# Two lines are level if their centers differ by at most this share of their height.
_LEVEL = 0.4


@dataclass(slots=True)
class _Part:
    """Characters of a line without a wide gap between them."""

    left: float
    right: float
    length: int


@dataclass(slots=True)
class _Row:
    """A line of the page."""

    parts: list[_Part]
    bottom: float
    top: float

    @property
    def size(self) -> float:
        return self.top - self.bottom

    @property
    def y(self) -> float:
        return (self.top + self.bottom) / 2


def aligned_grids(lines: Sequence[tuple[int, int]], characters: Characters) -> Iterator[Grid]:
    """Yield the tables without rules.

    Args:
        lines: The page's lines as half-open spans of its characters.
        characters: Those of the page.
    """
    run: list[_Row] = []
    for row in [*_rows(lines, characters), None]:
        is_row = row is not None and len(row.parts) >= _MIN_COLUMNS
        if run and row and is_row:
            is_row = run[-1].bottom - row.top <= _MAX_ROW_GAP * row.size
        if run and row and not is_row and _continues(run[-1], row):
            run[-1] = _joined(run[-1], row)
            continue
        if run and not is_row:
            if grid := _grid(run):
                yield grid
            run = []
        if row is not None and len(row.parts) >= _MIN_COLUMNS:
            run.append(row)


def _rows(lines: Sequence[tuple[int, int]], characters: Characters) -> Iterator[_Row]:
    """The rows of the page from top to bottom; lines that are level are one row."""
    found = filter(None, (_row(characters.words(line)) for line in lines))
    last: _Row | None = None
    for row in sorted(found, key=lambda row: -row.y):
        if last and last.y - row.y <= _LEVEL * min(last.size, row.size):
            last = _joined(last, row)
            continue
        if last:
            yield last
        last = row
    if last:
        yield last


def _is_aligned(column: _Part, rows: Sequence[_Row]) -> bool:
    """Whether most cells of a column begin, or end, at the same place, and few have gaps."""
    cells = [[p for p in row.parts if column.left <= p.left < column.right] for row in rows]
    filled = [parts for parts in cells if parts]
    if sum(map(len, filled)) > _MAX_PARTS_IN_CELL * len(filled):
        return False
    tolerance = statistics.median(row.size for row in rows) / 2
    lefts, rights = [parts[0].left for parts in filled], [parts[-1].right for parts in filled]
    alike = max(
        sum(abs(place - statistics.median(places)) <= tolerance for place in places)
        for places in (lefts, rights)
    )
    return alike >= _MIN_ALIGNED * len(filled)


def _joined(one: _Row, other: _Row) -> _Row:
    parts = sorted([*one.parts, *other.parts], key=lambda part: part.left)
    return _Row(parts, min(one.bottom, other.bottom), max(one.top, other.top))


def _continues(row: _Row, below: _Row) -> bool:
    """Whether a line has the second lines of cells of a row, but not of its first cell."""
    is_close = row.bottom - below.top <= _MAX_LINE_GAP * below.size
    return is_close and below.parts[0].left >= row.parts[1].left - below.size


def _row(words: Sequence[Word]) -> _Row | None:
    if not words:
        return None
    words = sorted(words, key=lambda word: word.left)
    size = statistics.median(word.size for word in words)
    parts: list[_Part] = []
    for word in words:
        if parts and word.left - parts[-1].right < _MIN_CELL_GAP * size:
            parts[-1].right = max(parts[-1].right, word.right)
            parts[-1].length += word.length
        else:
            parts.append(_Part(word.left, word.right, word.length))
    return _Row(parts, min(word.bottom for word in words), max(word.top for word in words))


def _grid(rows: Sequence[_Row]) -> Grid | None:
    """The table of these lines; `None` if their words do not stand in columns."""
    gaps = [gap for count, gap in _MIN_COLUMN_GAPS.items() if len(rows) >= count]
    lengths = [part.length for row in rows for part in row.parts]
    if not gaps or statistics.median(lengths) > _MAX_CELL_LENGTH:
        return None
    columns: list[_Part] = []
    min_gap = gaps[-1] * statistics.median(row.size for row in rows)
    for part in sorted((p for row in rows for p in row.parts), key=lambda part: part.left):
        if columns and part.left - columns[-1].right < min_gap:
            columns[-1].right = max(columns[-1].right, part.right)
        else:
            columns.append(_Part(part.left, part.right, 0))
    if len(columns) < _MIN_COLUMNS or not all(_is_aligned(column, rows) for column in columns):
        return None
    xs = [columns[0].left - 1]
    xs += [(one.right + other.left) / 2 for one, other in itertools.pairwise(columns)]
    ys = [rows[0].top + 1]
    ys += [(one.bottom + other.top) / 2 for one, other in itertools.pairwise(rows)]
    cells = {(i, j): GridCell(i, j, 1, 1) for i in range(len(rows)) for j in range(len(columns))}
    return Grid([*xs, columns[-1].right + 1], [*ys, rows[-1].bottom - 1], cells)
