"""Reads CSV and TSV files as one section, in which each row repeats the column names."""

import csv
import io
import re
import threading
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import overload

from langchain_swallow.documents.readers.delimiters import find_delimiter, without_declaration
from langchain_swallow.documents.readers.section import Section
from langchain_swallow.documents.readers.table_rows import rows_and_first
from langchain_swallow.documents.readers.table_words import is_value
from langchain_swallow.errors import DocumentError
from langchain_swallow.text.row_numbers import ROW_OFFSETS, row_offsets

# The maximum size of a cell is a setting of the process, so changes need a lock.
_LIMIT = threading.Lock()
# No text has it; `decode` refuses files with NUL bytes.
_CELL_END = "\0"
_NOTE = re.compile(r"[※*（(]?\s*(?:注|備考|出典|出所|資料|単位|source|notes?\b)|※", re.IGNORECASE)


def read_csv(text: str) -> list[Section]:
    """Write each row as 見出し: 値、見出し: 値, with blank lines between rows.

    The blank lines keep a chunk from cutting a row. The delimiter is detected: a comma, tab,
    semicolon or vertical bar. Lines before the header, such as a title, and notes below the table
    are written as they are.

    Raises:
        DocumentError: A row is not valid, or a quotation mark is open to the end.
    """
    text, declared = without_declaration(text)
    return _section(text, declared or find_delimiter(text))


def read_tsv(text: str) -> list[Section]:
    """Read a table as `read_csv` does; the delimiter is the tab if there is one."""
    text, declared = without_declaration(text)
    return _section(text, declared or find_delimiter(text, preferred="\t"))


class _Rows(Sequence[list[str]]):
    """Rows of cells; a file of 50 MB takes 0.4 GiB less than as lists of strings.

    `numbers` has their numbers in the file, from 1, as spreadsheets count them.
    """

    def __init__(self, joined: list[str], numbers: "array[int]") -> None:
        self._joined = joined
        self.numbers = numbers

    def append(self, row: list[str], number: int) -> None:
        self.numbers.append(number)
        self._joined.append(_CELL_END.join(cell.replace(_CELL_END, "") for cell in row))

    def __len__(self) -> int:
        return len(self._joined)

    @overload
    def __getitem__(self, index: int) -> list[str]: ...
    @overload
    def __getitem__(self, index: slice) -> "_Rows": ...
    def __getitem__(self, index: int | slice) -> "list[str] | _Rows":
        if isinstance(index, slice):
            return _Rows(self._joined[index], self.numbers[index])
        return self._joined[index].split(_CELL_END)


def _section(text: str, delimiter: str) -> list[Section]:
    # The rows are freed before their lines are joined.
    lines, numbers = _written(_rows(text, delimiter))
    offsets = row_offsets(zip(numbers, lines, strict=True))
    return [Section("\n\n".join(lines), fields=((ROW_OFFSETS, offsets),))] if lines else []


def _written(rows: _Rows) -> tuple[list[str], "array[int]"]:
    """The lines, and the number of the row that each is of."""
    if not rows:
        return [], rows.numbers
    start, end = _table(rows)
    table, first = rows_and_first(rows[start:end])
    numbers = rows.numbers[:start] + rows.numbers[start + first : end]
    # The names of columns without values are in the header.
    numbers += rows.numbers[start : start + len(table) - (end - start - first)]
    lines = [*map(_alone, rows[:start]), *table, *map(_alone, rows[end:])]
    return lines, numbers + rows.numbers[end:]


def _rows(text: str, delimiter: str) -> _Rows:
    with _LIMIT:
        before = csv.field_size_limit(max(len(text), csv.field_size_limit()))
        try:
            return _parsed(text, delimiter)
        finally:
            csv.field_size_limit(before)


def _parsed(text: str, delimiter: str) -> _Rows:
    """The rows that are not empty."""
    rows = _Rows([], array("q"))
    begun = line = 0
    lines = csv.reader(_lines(text), delimiter=delimiter)
    try:
        for number, row in enumerate(lines, 1):
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append(cells, number)
            begun, line = line, lines.line_num
    except csv.Error as error:
        raise DocumentError(f"it is not a valid table from line {line + 1} on: {error}.") from error
    if line - begun > 1 and _is_open(text, begun, delimiter):
        raise DocumentError(
            f"it is not a valid table from line {begun + 1} on: the rest is one cell. A quotation "
            "mark may be open; close it."
        )
    return rows


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends, one at a time: `io.StringIO` takes twice the memory of the text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _is_open(text: str, line: int, delimiter: str) -> bool:
    """Whether the last row, which begins after `line` lines, ends inside quotation marks."""
    last = "\n".join(text.split("\n")[line:])
    try:
        list(csv.reader(io.StringIO(last, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _table(rows: _Rows) -> tuple[int, int]:
    """Find the table among other lines; return its first row and the one after its last."""
    widths = Counter(_width(row) for row in rows)
    width = max(widths, key=lambda width: (width > 1, widths[width]), default=0)
    start, end = 0, len(rows)
    while start < end and _width(rows[start]) < width and sum(map(bool, rows[start])) <= 2:
        start += 1
    # A header may have fewer names than the rows have cells.
    if start == end or any(map(is_value, rows[start])):
        start = 0
    while end > start + 1 and _width(rows[end - 1]) == 1 < width and _NOTE.match(rows[end - 1][0]):
        end -= 1
    return start, end


def _width(row: list[str]) -> int:
    """The number of cells up to the last non-empty one."""
    return max((i for i, cell in enumerate(row, 1) if cell), default=0)


def _alone(row: list[str]) -> str:
    first, *others = filter(None, row)
    if not others:
        return first
    return f"{first.rstrip(':：')}: {'、'.join(others)}"
