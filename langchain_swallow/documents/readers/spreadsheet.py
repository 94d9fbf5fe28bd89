"""Reads spreadsheets of older Excel and of LibreOffice Calc (.xls, .ods) by calamine.

Calamine gives values without their number formats, rules and fills: 8% is 0.08, and a date is
2025-04-01 whatever its format. Merged areas are known for .xls only, hidden rows for neither.
"""

import datetime
import io
import math
from typing import Any

from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.documents.readers.sheet import Area, Sheet
from langchain_swallow.documents.readers.sheet_text import HIDDEN_SHEET, sheet_sections
from langchain_swallow.documents.readers.spreadsheet_drawings import find_drawings
from langchain_swallow.documents.readers.xls_pictures import count_pictures
from langchain_swallow.documents.readers.xlsx_drawings import drawn_sections
from langchain_swallow.documents.readers.xlsx_usual_numbers import plain_number
from langchain_swallow.errors import DocumentError

_PICTURE = "picture in an .xls file; save the file as .xlsx to have it read"


def read_spreadsheet(data: bytes, name: str) -> Sections:
    """Read the sheets of an .xls, .xlsb or .ods file; hidden sheets are in `left_out`.

    Large pictures of .xlsb and .ods are read by OCR, or are in `left_out`; those of .xls are
    counted there.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is not a spreadsheet, is encrypted, or is damaged.
    """
    import python_calamine

    sections: list[Section] = []
    left_out: list[LeftOut] = []
    drawings = find_drawings(data, name)
    try:
        with python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            for i, about in enumerate(book.sheets_metadata):
                if about.visible != python_calamine.SheetVisibleEnum.Visible:
                    left_out.append(LeftOut(HIDDEN_SHEET, i + 1))
                elif about.typ == python_calamine.SheetTypeEnum.WorkSheet:
                    sheet = _sheet(book.get_sheet_by_index(i))
                    sections += sheet_sections(about.name, sheet)
                    drawn = drawings(i + 1, sheet)
                    sections += drawn_sections(about.name, (), drawn)
                    left_out += drawn.left_out
    except python_calamine.PasswordError as error:
        raise DocumentError(f"{name} is encrypted. Save it without a password.") from error
    except python_calamine.CalamineError as error:
        raise DocumentError(f"{name} is damaged, or not a spreadsheet: {error}.") from error
    if count := count_pictures(data):
        left_out.append(LeftOut(_PICTURE, count=count, is_loss=not sections))
    return Sections(sections, left_out)


def _sheet(read: Any) -> Sheet:
    sheet = Sheet()
    for row, values in enumerate(read.to_python(skip_empty_area=False)):
        texts = {column: text for column, value in enumerate(values) if (text := _shown(value))}
        if texts:
            sheet.rows[row] = texts
    for (top, left), (bottom, right) in read.merged_cell_ranges or ():
        sheet.merged[top, left] = Area(top, left, bottom + 1, right + 1)
    return sheet


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return plain_number(value) if math.isfinite(value) else str(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    return str(value).strip()
