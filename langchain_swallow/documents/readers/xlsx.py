"""Reads Excel workbooks as sections of the tables, forms and prose on their sheets."""

from typing import Any

from langchain_swallow.documents.readers.archive import Archive, open_office_file
from langchain_swallow.documents.readers.office_pictures import OfficePictures
from langchain_swallow.documents.readers.relations import Relation, main_part, relations
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.documents.readers.sheet import Sheet
from langchain_swallow.documents.readers.sheet_text import (
    HIDDEN_SHEET,
    hidden_parts,
    sheet_sections,
)
from langchain_swallow.documents.readers.xlsx_drawings import (
    drawn_sections,
    read_comments,
    read_drawings,
)
from langchain_swallow.documents.readers.xlsx_sheet import Book, read_sheet, shared_strings
from langchain_swallow.documents.readers.xlsx_styles import MAIN, cell_styles
from langchain_swallow.documents.readers.xml import parse_xml

_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_UNCOMPUTED = "formula without a stored value; open the file in Excel and save it"
_MISSING = "sheet that the file names and does not have; the file may be damaged"


def read_xlsx(data: bytes, name: str) -> Sections:
    """Read the sheets of a workbook as Excel shows them: values with units, not formulas.

    `sheet_text` describes how the tables and forms of a sheet are written. Comments, and the texts
    of shapes, SmartArt and charts follow. Hidden sheets, rows and columns are in `left_out`. A
    formula without a stored value is written as （未計算: =B2*100）, and is in `left_out` too.

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
    pictures = OfficePictures(archive)
    for number, entry in enumerate(workbook.iter(f"{MAIN}sheet"), 1):
        part = parts.get(entry.get(_ID, ""))
        if part is None or part.path not in archive:
            left_out.append(LeftOut(_MISSING, number))
            continue
        title = entry.get("name", "")
        if entry.get("state", "visible") != "visible":
            left_out.append(LeftOut(HIDDEN_SHEET, number))
            continue
        sheet = Sheet()
        if part.kind != "chartsheet":
            sheet = read_sheet(archive.read(part.path), name, book)
            sections += sheet_sections(title, sheet)
            if sheet.uncomputed:
                left_out.append(LeftOut(_UNCOMPUTED, number, sheet.uncomputed))
            left_out += hidden_parts(sheet, number)
        related = relations(archive, part.path, name).values()
        drawn = read_drawings(archive, related, name, number, sheet, pictures)
        sections += drawn_sections(title, read_comments(archive, related, name, sheet), drawn)
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
