"""Reads Excel workbooks as sections of the tables on a sheet; each row repeats its headers."""

import bisect
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_swallow.documents.readers.archive import Archive, open_office_file
from langchain_swallow.documents.readers.relations import Relation, main_part, relations
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.documents.readers.table_cells import Cell, spanned_rows
from langchain_swallow.documents.readers.table_rows import columnar_rows, table_rows
from langchain_swallow.documents.readers.xlsx_drawings import read_comments, read_drawings
from langchain_swallow.documents.readers.xlsx_layout import Covered, Table, find_tables
from langchain_swallow.documents.readers.xlsx_sheet import Book, Sheet, read_sheet, shared_strings
from langchain_swallow.documents.readers.xlsx_styles import MAIN, cell_styles
from langchain_swallow.documents.readers.xml import parse_xml

_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_UNCOMPUTED = "formula without a stored value; open the file in Excel and save it"
_MISSING = "sheet that the file names and does not have; the file may be damaged"
# How many rows are looked at for the marks of a large table.
_SAMPLE = 50


def read_xlsx(data: bytes, name: str) -> Sections:
    """Read the sheets of a workbook as Excel shows them: values with units, not formulas.

    Hidden sheets, comments, and the texts of shapes, SmartArt and charts are read too. A merged
    cell is repeated in each row and column that it spans. Rows of one cell above a table are its
    titles, and become headings. A formula without a stored value is written as
    （未計算: =B2*100）, and is in `left_out` as a loss.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is not a workbook, is encrypted, or is a decompression bomb.
    """
    archive = open_office_file(data, name)
    main = main_part(archive, name, usual="xl/workbook.xml")
    workbook = parse_xml(archive.read(main), name)
    parts = relations(archive, main, name)
    book = _book(archive, workbook, parts, name)
    sections: list[Section] = []
    left_out: list[LeftOut] = []
    for number, entry in enumerate(workbook.iter(f"{MAIN}sheet"), 1):
        part = parts.get(entry.get(_ID, ""))
        if part is None or part.path not in archive:
            left_out.append(LeftOut(_MISSING, number))
            continue
        title = entry.get("name", "")
        sheet = Sheet()
        if part.kind != "chartsheet":
            sheet = read_sheet(archive.read(part.path), name, book)
            sections += _sheet_sections(title, sheet)
            if sheet.uncomputed:
                left_out.append(LeftOut(_UNCOMPUTED, number, sheet.uncomputed))
        related = relations(archive, part.path, name).values()
        drawn = read_drawings(archive, related, name, number)
        if lines := [*read_comments(archive, related, name, sheet), *drawn.lines]:
            sections.append(Section("\n\n".join(lines), (title,)))
        left_out += drawn.left_out
    return Sections(sections, left_out)


def _book(archive: Archive, workbook: Any, parts: dict[str, Relation], name: str) -> Book:
    paths = {part.kind: part.path for part in parts.values()}

    def part(kind: str) -> bytes | None:
        # Without a relationship, a part is at the path that Excel uses.
        path = paths.get(kind, f"xl/{kind}.xml")
        return archive.read(path) if path in archive else None

    styles, strings = part("styles"), part("sharedStrings")
    return Book(
        strings=() if strings is None else shared_strings(strings, name),
        styles=() if styles is None else cell_styles(parse_xml(styles, name)),
        is_1904=_is_on(workbook.find(f"{MAIN}workbookPr"), "date1904"),
        is_never_computed=_is_on(workbook.find(f"{MAIN}calcPr"), "fullCalcOnLoad"),
    )


def _is_on(element: Any, name: str) -> bool:
    return element is not None and element.get(name) in ("1", "true", "on")


def _sheet_sections(title: str, sheet: Sheet) -> Iterator[Section]:
    """The sections of a sheet; consecutive tables with the same titles are one section."""
    covered = Covered(sheet, sorted(sheet.rows))
    texts: list[str] = []
    headings: tuple[str, ...] = (title,)
    for table in find_tables(sheet, covered):
        table_headings = (title, *(line.text for line in table.titles))
        if texts and table_headings != headings:
            yield Section("\n\n".join(texts), headings)
            texts = []
        headings = table_headings
        texts += [*_rows(sheet, covered, table), *(line.text for line in table.notes)]
    if texts:
        yield Section("\n\n".join(texts), headings)


def _rows(sheet: Sheet, covered: Covered, table: Table) -> list[str]:
    if not table.rows:
        return []
    place = {column: i for i, column in enumerate(table.columns)}
    mark = _mark(sheet, table)
    is_plain = not covered.spans or not any(covered.columns(row) for row in table.rows)
    if is_plain and not mark:
        return table_rows(_texts(sheet, table), has_header=False)
    if is_plain and _has_only_head(sheet, table, mark):
        names, *rows = _texts(sheet, table)
        return columnar_rows(names, rows)
    return spanned_rows(
        [list(_cells(sheet, covered, table, row, place, mark)) for row in table.rows]
    )


def _texts(sheet: Sheet, table: Table) -> list[list[str]]:
    rows = sheet.rows
    return [[rows[row].get(column, "") for column in table.columns] for row in table.rows]


def _mark(sheet: Sheet, table: Table) -> int:
    """The look of the first cell, which marks the names of the table; 0 if it is plain."""
    first = sheet.looks.get(table.rows[0], {})
    column = next(c for c in table.columns if c in sheet.rows[table.rows[0]])
    return first.get(column, 0)


def _has_only_head(sheet: Sheet, table: Table, mark: int) -> bool:
    """Whether the first row is marked, and no cell of the next rows is."""
    marked = [
        [sheet.looks.get(row, {}).get(c) == mark for c in table.columns if c in sheet.rows[row]]
        for row in table.rows[:_SAMPLE]
    ]
    return len(marked) > 1 and all(marked[0]) and not any(map(any, marked[1:]))


def _cells(
    sheet: Sheet, covered: Covered, table: Table, row: int, place: dict[int, int], mark: int
) -> Iterator[Cell]:
    """The cells of a row, without empty cells at its end."""
    texts, looks, under = sheet.rows[row], sheet.looks.get(row, {}), covered.columns(row)
    last = max((c for c in table.columns if c in texts or c in under), default=-1)
    for column in table.columns:
        if column > last:
            return
        if (row, column) in covered.spans:
            right, bottom = covered.spans[row, column]
            columns = sum(column <= other < right for other in place)
            rows = sum(row <= other < bottom for other in _near(table.rows, row, bottom))
            yield Cell(texts[column], columns, rows, looks.get(column) == mark > 0)
        elif column not in under:
            yield Cell(texts.get(column, ""), is_name=0 < mark == looks.get(column))


def _near(rows: Sequence[int], top: int, bottom: int) -> Sequence[int]:
    return rows[bisect.bisect_left(rows, top) : bisect.bisect_left(rows, bottom)]
