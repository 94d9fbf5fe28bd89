"""Writes the tables of pages, with the header of the page before where one continues without it."""

import re
from collections.abc import Callable, Sequence

from langchain_swallow.documents.layout.vertical import Box
from langchain_swallow.documents.readers.pdf_tables import PageTable
from langchain_swallow.documents.readers.table_cells import Cell, header_rows, spanned_rows

# The columns of a table differ by at most this much from page to page, in points.
_NEAR = 3.0
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
        self._header: Sequence[Sequence[Cell]] = ()

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
        above = [t for t, (_, box) in zip(texts, lines, strict=True) if box.y > tables[first].box.y]
        continues = self._continues(tables[first], above, texts) and not tables[first].has_head(raw)
        rows = [
            spanned_rows([*self._header, *cells], has_header=True)
            if continues and i == first
            else spanned_rows(cells)
            for i, cells in enumerate(written)
        ]
        if not (continues and first == last):
            self._header = header_rows(written[last])
        self._lines, self._widths = texts, tables[last].widths
        self._below = [
            t for t, (_, box) in zip(texts, lines, strict=True) if box.y < tables[last].box.y
        ]
        return rows

    def _continues(self, table: PageTable, above: list[str], lines: list[str]) -> bool:
        return (
            bool(self._header)
            and len(table.widths) == len(self._widths)
            and all(abs(a - b) <= _NEAR for a, b in zip(table.widths, self._widths, strict=True))
            and len(above) <= _MAX_RUNNING
            and set(above) <= set(self._lines)
            and len(self._below) <= _MAX_RUNNING
            and set(self._below) <= set(lines)
        )


def _without_numbers(line: str) -> str:
    """A line without page numbers and the like, by which running lines compare."""
    return _NUMBER.sub("", "".join(line.split()))
