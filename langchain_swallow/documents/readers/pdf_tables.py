"""Finds the tables of a PDF page, and writes them as rows with the names of their columns."""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from langchain_swallow.documents.layout.layout import joined_lines
from langchain_swallow.documents.layout.vertical import Box
from langchain_swallow.documents.readers.pdf_characters import Characters
from langchain_swallow.documents.readers.pdf_columns import aligned_grids
from langchain_swallow.documents.readers.pdf_grid import Grid, GridCell, ruled_grids
from langchain_swallow.documents.readers.pdf_notes import Note
from langchain_swallow.documents.readers.pdf_rules import Rules
from langchain_swallow.documents.readers.table_cells import Cell
from langchain_swallow.documents.readers.table_words import is_period, is_value

# A table has at least this many cells with text; a frame or the axes of a chart have fewer.
_MIN_FILLED = 4
# In tables of contents, which are not tables of values.
_LEADERS = re.compile(r"[.．…‥・･_]{3}")


class PageTable:
    """A table of a page: its cells, and the characters in them.

    Args:
        grid: The cells.
        lines: The page's lines as half-open spans of its characters.
        place: The box of a character; `None` for white space.
        is_ruled: Whether it has ruling lines; else it was found by its columns. Default: true.
    """

    def __init__(
        self,
        grid: Grid,
        lines: Sequence[tuple[int, int]],
        place: Callable[[int], Box | None],
        *,
        is_ruled: bool = True,
    ) -> None:
        self.is_ruled = is_ruled
        self._grid = grid
        self._spans: dict[GridCell, list[tuple[int, int]]] = {}
        self._values: dict[GridCell, list[str]] = {}
        self.characters: set[int] = set()
        for line in lines:
            if self._may_cross(line, place):
                self._take(*line, place)

    @property
    def box(self) -> Box:
        """Its box on the page."""
        return self._grid.box

    def is_table(self) -> bool:
        """Whether enough cells have text, in more than one row and column."""
        filled = {*self._spans, *self._values}
        rows, columns = ({cell.row for cell in filled}, {cell.column for cell in filled})
        return len(filled) >= _MIN_FILLED and len(rows) > 1 and len(columns) > 1

    def has_head(self, raw: str) -> bool:
        """Whether the first row has names only, and some column has values below its name.

        Args:
            raw: The characters of the page.
        """
        texts: dict[int, list[str]] = {}
        heads: dict[int, str] = {}
        for cell, spans in self._spans.items():
            text = "".join(raw[start:end] for start, end in spans)
            if cell.row == 0:
                heads[cell.column] = text
            else:
                texts.setdefault(cell.column, []).append(text)
        has_values = any(
            column in heads and 2 * sum(map(is_value, below)) > len(below)
            for column, below in texts.items()
        )
        are_names = all(_may_be_name(text) for text in heads.values())
        return has_values and are_names and len(heads) > 2

    def take_value(self, note: Note) -> bool:
        """Take the value of a form field if it is in a cell without text; whether it was."""
        cell = self._grid.cell_at(note.box.x, note.box.y)
        if cell is None or cell in self._spans or note.is_mark:
            return False
        self._values.setdefault(cell, []).append(note.text)
        return True

    @property
    def widths(self) -> list[float]:
        """The widths of its columns, in points."""
        return [right - left for left, right in itertools.pairwise(self._grid.xs)]

    def cells(self, text: Callable[[int, int], str]) -> list[list[Cell]]:
        """The cells of each row, from left to right.

        Args:
            text: The text of a half-open span of characters.
        """
        rows: list[list[Cell]] = [[] for _ in self._grid.ys[1:]]
        for cell in self._grid.cells():
            lines = [text(start, end).strip() for start, end in self._spans.get(cell, [])]
            lines += self._values.get(cell, [])
            content = joined_lines(lines).replace("\t", " ")
            rows[cell.row].append(Cell(content, cell.columns, cell.rows))
        return rows

    def _may_cross(self, line: tuple[int, int], place: Callable[[int], Box | None]) -> bool:
        """Whether the ends of a line are not both above, or both below, the table."""
        ends = [place(line[0]), place(line[1] - 1)]
        heights = [end.y for end in ends if end is not None]
        box = self._grid.box
        return len(heights) < 2 or not (min(heights) > box.top or max(heights) < box.bottom)

    def _take(self, start: int, end: int, place: Callable[[int], Box | None]) -> None:
        """Take the characters of a line that are in cells."""
        last: GridCell | None = None
        for index in range(start, end):
            box = place(index)
            if box is None:
                continue
            cell = self._grid.cell_at(box.x, box.y)
            if cell is not None:
                self.characters.add(index)
                spans = self._spans.setdefault(cell, [])
                if cell is last:
                    spans[-1] = spans[-1][0], index + 1
                else:
                    spans.append((index, index + 1))
            last = cell


def _may_be_name(text: str) -> bool:
    """Whether a cell of the first row may be the name of its column, such as 4月 or 2026年度."""
    return not is_value(text) or (is_period(text) and not text.strip().isdecimal())


def page_tables(
    rules: Rules, lines: Sequence[tuple[int, int]], characters: Characters
) -> list[PageTable]:
    """Return the tables of a page, ruled ones first.

    Columns without rules and without a header are a table only if they continue one of the page
    before: `ContinuedTables.without_loose` removes those that do not.

    Args:
        rules: Its ruling lines.
        lines: Its lines as half-open spans of its characters.
        characters: Its characters.
    """
    raw, place = characters.raw, functools.cache(characters.visible_box)
    ruled = [PageTable(grid, lines, place) for grid in ruled_grids(rules)]
    tables = [table for table in ruled if table.is_table()]
    taken = set().union(*(table.characters for table in tables))
    free = [
        line for line in lines if taken.isdisjoint(range(*line)) and not _LEADERS.search(raw, *line)
    ]
    grids = aligned_grids(free, characters)
    aligned = [PageTable(grid, free, place, is_ruled=False) for grid in grids]
    return [*tables, *(t for at, t in enumerate(aligned) if at == 0 or t.has_head(raw))]


def without_characters(
    lines: Iterable[tuple[int, int]], removed: set[int], is_space: Callable[[int], bool]
) -> Iterator[tuple[int, int]]:
    """Yield the parts of lines that are outside of tables."""
    for start, end in lines:
        if not any(index in removed for index in range(start, end)):
            yield start, end
            continue
        begins: int | None = None
        for index in range(start, end + 1):
            is_kept = index < end and index not in removed
            if is_kept and begins is None and not is_space(index):
                begins = index
            elif not is_kept and begins is not None:
                yield begins, index
                begins = None
