"""Writes the tables of pages, with the header of the page before where one continues without it."""

import re
from collections.abc import Callable, Sequence

from langchain_swallow.documents.layout.vertical import Box
from langchain_swallow.documents.readers.pdf_tables import PageTable
from langchain_swallow.documents.readers.table_cells import Cell, header_rows, spanned_rows

# The columns of a table differ by at most this much from page to page, in points.
_NEAR = 3.0
# The places of columns without rules depend on their texts: half of the narrower column.
_NEAR_WITHOUT_RULES = 0.5
# Running headers and footers between the parts of a table.
_MAX_RUNNING = 3
_NUMBER = re.compile(r"\d+")


class ContinuedTables:
    """Writes the tables of a document, page by page.

    A table continues the last one of the page before if only running lines are between them, its
    columns have the same widths, and it has no header of its own.
    """

    def __init__(self) -> None:
        # Of the page before: its lines, those below its last table, and that table.
        self._lines: list[str] = []
        self._below: list[str] = []
        self._widths: list[float] = []
        self._is_ruled = True
        self._header: Sequence[Sequence[Cell]] = ()

    def without_loose(
        self, tables: Sequence[PageTable], lines: Sequence[tuple[str, Box]], raw: str
    ) -> list[PageTable]:
        """Return the tables but columns without rules and header that continue no table.

        Args:
            tables: The tables of the next page.
            lines: The lines outside of them, each with the box of a character.
            raw: The characters of the page.
        """
        top = max(table.box.top for table in tables)
        return [
            table
            for table in tables
            if table.is_ruled
            or table.has_head(raw)
            or (table.box.top == top and self._continues(table, lines))
        ]

    def write(
        self,
        tables: Sequence[PageTable],
        lines: Sequence[tuple[str, Box]],
        raw: str,
        text: Callable[[int, int], str],
    ) -> list[list[str]]:
        """Write the rows of each table of the next page.

        Args:
            tables: The tables.
            lines: The lines outside of tables, each with the box of a character.
            raw: The characters of the page.
            text: The text of a half-open span of characters.
        """
        texts = [_without_numbers(line) for line, _ in lines]
        if not tables:
            self._lines, self._header = texts, ()
            return []
        written = [table.cells(text) for table in tables]
        first = max(range(len(tables)), key=lambda i: tables[i].box.top)
        last = min(range(len(tables)), key=lambda i: tables[i].box.bottom)
        continues = self._continues(tables[first], lines) and not tables[first].has_head(raw)
        rows = [
            spanned_rows([*self._header, *cells], has_header=True)
            if continues and i == first
            else spanned_rows(cells)
            for i, cells in enumerate(written)
        ]
        if not (continues and first == last):
            self._header = header_rows(written[last])
        self._lines, self._widths = texts, tables[last].widths
        self._is_ruled = tables[last].is_ruled
        self._below = [
            t for t, (_, box) in zip(texts, lines, strict=True) if box.y < tables[last].box.y
        ]
        return rows

    def _continues(self, table: PageTable, lines: Sequence[tuple[str, Box]]) -> bool:
        texts = [_without_numbers(line) for line, _ in lines]
        above = [t for t, (_, box) in zip(texts, lines, strict=True) if box.y > table.box.y]
        return (
            bool(self._header)
            and table.is_ruled == self._is_ruled
            and len(table.widths) == len(self._widths)
            and all(map(self._are_near, table.widths, self._widths))
            and len(above) <= _MAX_RUNNING
            and set(above) <= set(self._lines)
            and len(self._below) <= _MAX_RUNNING
            and set(self._below) <= set(texts)
        )

    def _are_near(self, one: float, other: float) -> bool:
        limit = _NEAR if self._is_ruled else _NEAR_WITHOUT_RULES * min(one, other)
        return abs(one - other) <= limit


def _without_numbers(line: str) -> str:
    """A line without page numbers and the like, by which running lines compare."""
    return _NUMBER.sub("", "".join(line.split()))
