"""Builds the cells of ruled tables from the ruling lines of a page."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from langchain_swallow.documents.layout.vertical import Box
from langchain_swallow.documents.readers.pdf_rules import Rule, Rules

# Lines that are this close meet, in points.
_NEAR = 3.0
# A border between two cells covers this share of their common side.
_MIN_COVER = 0.7
_MAX_SQUARES = 10_000


@dataclass(frozen=True, slots=True)
class GridCell:
    """The place of a cell, and how many rows and columns it spans."""

    row: int
    column: int
    rows: int
    columns: int


class Grid:
    """The cells between ruling lines.

    Args:
        xs: Places of the vertical lines from left to right, in points.
        ys: Places of the horizontal lines from top to bottom.
        cells: The cell of each square between them, by row and column.
    """

    def __init__(
        self, xs: Sequence[float], ys: Sequence[float], cells: dict[tuple[int, int], GridCell]
    ) -> None:
        self.xs, self.ys, self._cells = xs, ys, cells
        self._rising = ys[::-1]

    def cell_at(self, x: float, y: float) -> GridCell | None:
        """The cell at a point; `None` outside the table."""
        column = bisect.bisect(self.xs, x) - 1
        row = len(self._rising) - 1 - bisect.bisect(self._rising, y)
        return self._cells.get((row, column))

    def cells(self) -> list[GridCell]:
        """All cells, row by row."""
        return sorted(set(self._cells.values()), key=lambda cell: (cell.row, cell.column))

    @property
    def box(self) -> Box:
        """The box of the table."""
        return Box(self.xs[0], self.ys[-1], self.xs[-1], self.ys[0])


def ruled_grids(rules: Rules) -> Iterator[Grid]:
    """Yield the tables with at least two rows and two columns.

    The borders at the left and right may be missing, as they often are in print.
    """
    for across, down in _connected(rules):
        if len(across) < 2 or not down:
            continue
        left, right = min(rule.start for rule in across), max(rule.end for rule in across)
        bottom, top = min(rule.at for rule in across), max(rule.at for rule in across)
        down = [*down, *(Rule(x, bottom, top) for x in (left, right))]
        xs = _places(rule.at for rule in down)
        ys = _places(rule.at for rule in across)[::-1]
        if len(xs) > 2 and len(ys) > 2 and len(xs) * len(ys) <= _MAX_SQUARES:
            yield Grid(xs, ys, _cells(xs, ys, across, down))


def _connected(rules: Rules) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Group lines that cross or touch each other."""
    remaining = set(rules.across)
    unused = set(rules.down)
    while unused:
        across: set[Rule] = set()
        down: set[Rule] = set()
        newly = [unused.pop()]
        while newly:
            down.update(newly)
            met = {rule for rule in remaining if any(_meet(rule, other) for other in newly)}
            remaining -= met
            across |= met
            newly = [rule for rule in unused if any(_meet(other, rule) for other in met)]
            unused.difference_update(newly)
        yield sorted(across), sorted(down)


def _meet(across: Rule, down: Rule) -> bool:
    return (
        across.start - _NEAR <= down.at <= across.end + _NEAR
        and down.start - _NEAR <= across.at <= down.end + _NEAR
    )


def _places(values: Iterable[float]) -> list[float]:
    """Positions of lines in rising order, of those that are near each other the first."""
    places: list[float] = []
    for value in sorted(values):
        if not places or value - places[-1] > _NEAR:
            places.append(value)
    return places


def _cells(
    xs: Sequence[float], ys: Sequence[float], across: Sequence[Rule], down: Sequence[Rule]
) -> dict[tuple[int, int], GridCell]:
    """The cells between the lines; squares without a border between them are one cell."""
    rows, columns = len(ys) - 1, len(xs) - 1
    owner = {(i, j): (i, j) for i in range(rows) for j in range(columns)}

    def find(square: tuple[int, int]) -> tuple[int, int]:
        while owner[square] != square:
            square = owner[square]
        return square

    def join(one: tuple[int, int], other: tuple[int, int]) -> None:
        first, last = sorted((find(one), find(other)))
        owner[last] = first

    for i, j in owner:
        if j + 1 < columns and not _has_border(down, xs[j + 1], ys[i + 1], ys[i]):
            join((i, j), (i, j + 1))
        if i + 1 < rows and not _has_border(across, ys[i + 1], xs[j], xs[j + 1]):
            join((i, j), (i + 1, j))
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for square in owner:
        groups.setdefault(find(square), []).append(square)
    cells: dict[tuple[int, int], GridCell] = {}
    for squares in groups.values():
        (i0, i1), (j0, j1) = ((min(v), max(v) + 1) for v in zip(*squares, strict=True))
        cells |= dict.fromkeys(squares, GridCell(i0, j0, i1 - i0, j1 - j0))
    return cells


def _has_border(rules: Sequence[Rule], at: float, start: float, end: float) -> bool:
    covered = sum(
        max(0.0, min(rule.end, end) - max(rule.start, start))
        for rule in rules
        if abs(rule.at - at) <= _NEAR
    )
    return covered >= _MIN_COVER * (end - start)
