"""Reads CSV and TSV files as one section, in which each row repeats the column names."""

import csv
import io
import re
import threading
from collections import Counter

from langchain_swallow.documents.readers.delimiters import find_delimiter, without_declaration
from langchain_swallow.documents.readers.section import Section
from langchain_swallow.documents.readers.table_rows import table_rows
from langchain_swallow.documents.readers.table_words import is_value
from langchain_swallow.errors import DocumentError

# The maximum size of a cell is a setting of the process, so changes need a lock.
_LIMIT = threading.Lock()
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


def _section(text: str, delimiter: str) -> list[Section]:
    rows = [row for row in _rows(text, delimiter) if any(row)]
    start, end = _table(rows)
    lines = [
        *map(_alone, rows[:start]),
        *table_rows(rows[start:end]),
        *map(_alone, rows[end:]),
    ]
    return [Section("\n\n".join(lines))] if lines else []


def _rows(text: str, delimiter: str) -> list[list[str]]:
    with _LIMIT:
        before = csv.field_size_limit(max(len(text), csv.field_size_limit()))
        try:
            return _parsed(text, delimiter)
        finally:
            csv.field_size_limit(before)


def _parsed(text: str, delimiter: str) -> list[list[str]]:
    rows = []
    begun = line = 0
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in lines:
            rows.append([cell.strip() for cell in row])
            begun, line = line, lines.line_num
    except csv.Error as error:
        raise DocumentError(f"it is not a valid table from line {line + 1} on: {error}.") from error
    if line - begun > 1 and _is_open(text, begun, delimiter):
        raise DocumentError(
            f"it is not a valid table from line {begun + 1} on: the rest is one cell. A quotation "
            "mark may be open; close it."
        )
    return rows


def _is_open(text: str, line: int, delimiter: str) -> bool:
    """Whether the last row, which begins after `line` lines, ends inside quotation marks."""
    last = "\n".join(text.split("\n")[line:])
    try:
        list(csv.reader(io.StringIO(last, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _table(rows: list[list[str]]) -> tuple[int, int]:
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
