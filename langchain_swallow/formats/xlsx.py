"""Excel workbooks → one section a sheet; each row carries its headers."""

import io
import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.archive import Archive, open_office_file
from langchain_swallow.formats.drawing import shape_text
from langchain_swallow.formats.relations import relations
from langchain_swallow.formats.section import Section
from langchain_swallow.formats.table_cells import Cell, spanned_rows
from langchain_swallow.formats.xlsx_numbers import shown_number
from langchain_swallow.formats.xml import parse_xml

_WORKBOOK = "xl/workbook.xml"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_CORNER = rb"([A-Z]{1,3})([0-9]{1,7})"
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"%b:%b\"" % (_CORNER, _CORNER))


class Merged(NamedTuple):
    """Cells shown as one: the first row and column, counted from 0, and those after the last."""

    top: int
    left: int
    bottom: int
    right: int


def read_xlsx(data: bytes, name: str) -> list[Section]:
    """Sheets of a workbook as their reader sees them: values, not formulas, with their units.

    Hidden sheets too, and the texts of shapes. Merged cells stand in each row and column they
    span. A row of one cell above a table is its title, and becomes a heading.

    Raises:
        DocumentError: It is no workbook, encrypted, or a decompression bomb.
    """
    import openpyxl

    archive = open_office_file(data, name)
    try:
        with warnings.catch_warnings():
            # Of styles and extensions that do not matter for the values.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            sheets = [(sheet.title, _values(sheet)) for sheet in book.worksheets]
            book.close()
    except MemoryError:
        raise
    except Exception as error:  # openpyxl has no error of its own for a damaged file
        raise DocumentError(f"{name} is no readable workbook: {error!r}.") from error
    paths = _paths(archive, name)
    sections: list[Section] = []
    for title, rows in sheets:
        path = paths.get(title, "")
        own = archive.read(path) if path in archive.names() else b""
        sections += _sheet(title, rows, [_range(match) for match in _MERGED.finditer(own)])
        if shapes := _shapes(archive, path, name):
            sections.append(Section("\n\n".join(shapes), (title,)))
    return sections


def _values(sheet: Any) -> list[list[str]]:
    return [[_shown(cell) for cell in row] for row in sheet.iter_rows()]


def _paths(archive: Archive, name: str) -> dict[str, str]:
    """Where the sheets are, by title: openpyxl does not read all that is in them."""
    if _WORKBOOK not in archive.names():
        return {}
    paths = relations(archive, _WORKBOOK, name)
    sheets = parse_xml(archive.read(_WORKBOOK), name).iter(f"{_MAIN}sheet")
    return {
        sheet.get("name", ""): paths[sheet.get(_ID, "")].path
        for sheet in sheets
        if sheet.get(_ID, "") in paths
    }


def _shapes(archive: Archive, path: str, name: str) -> list[str]:
    """Texts of the shapes on a sheet."""
    found: list[str] = []
    for _, drawing in relations(archive, path, name).values():
        if "/drawings/" in drawing and drawing in archive:
            shapes = parse_xml(archive.read(drawing), name).iter(f"{_DRAWING}sp")
            found += filter(None, map(shape_text, shapes))
    return found


def _range(match: re.Match[bytes]) -> Merged:
    left, top, right, bottom = (part.decode() for part in match.groups())
    return Merged(int(top) - 1, _column(left) - 1, int(bottom), _column(right))


def _column(letters: str) -> int:
    """A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _sheet(title: str, rows: Sequence[list[str]], merged: Iterable[Merged]) -> list[Section]:
    filled = [i for i, row in enumerate(rows) if any(row)]
    headings = [title]
    while len(filled) > 1 and sum(map(bool, rows[filled[0]])) == 1 < sum(
        map(bool, rows[filled[1]])
    ):
        headings.append("".join(rows[filled.pop(0)]))
    if not filled:
        return []
    cells = _cells(rows, filled, merged)
    return [Section("\n\n".join(spanned_rows(cells)), tuple(headings))]


def _cells(
    rows: Sequence[list[str]], filled: Sequence[int], merged: Iterable[Merged]
) -> list[list[Cell]]:
    """Cells of the rows that are filled."""
    spans: dict[tuple[int, int], Cell] = {}
    covered: set[tuple[int, int]] = set()
    kept = set(filled)
    for one in merged:
        inside = [row for row in range(one.top, min(one.bottom, len(rows))) if row in kept]
        if not inside or one.left >= len(rows[inside[0]]):
            continue
        text = rows[one.top][one.left] if one.left < len(rows[one.top]) else ""
        columns = range(one.left, min(one.right, len(rows[inside[0]])))
        covered |= {(row, column) for row in inside for column in columns}
        spans[inside[0], one.left] = Cell(text, len(columns), len(inside))
    return [
        [
            spans.get((row, column)) or Cell(text)
            for column, text in enumerate(_trimmed(rows[row], row, covered))
            if (row, column) in spans or (row, column) not in covered
        ]
        for row in filled
    ]


def _trimmed(row: list[str], number: int, covered: set[tuple[int, int]]) -> list[str]:
    """Without empty cells at the end; a sheet may be formatted to its last column."""
    end = len(row)
    while end and not row[end - 1] and (number, end - 1) not in covered:
        end -= 1
    return row[:end]


def _shown(cell: Any) -> str:
    """A value as its reader sees it; dates without the midnight that Excel adds."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return shown_number(value, cell.number_format or "General")
    return str(value).strip()
