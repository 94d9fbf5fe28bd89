"""Excel workbooks → one section a sheet; each row carries its headers."""

import io
import warnings
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.archive import Archive
from langchain_swallow.formats.section import Section, table_rows


def read_xlsx(data: bytes, name: str) -> list[Section]:
    """Sheets of a workbook: values, not formulas; hidden sheets too.

    A row of one cell above a table is its title, and becomes a heading.

    Raises:
        DocumentError: It is no workbook, encrypted, or a decompression bomb.
    """
    import openpyxl

    Archive(data, name)
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
    return [section for title, rows in sheets for section in _sheet(title, rows)]


def _values(sheet: Any) -> list[list[str]]:
    return [[_shown(value) for value in row] for row in sheet.iter_rows(values_only=True)]


def _sheet(title: str, rows: Iterable[list[str]]) -> list[Section]:
    filled = [_trimmed(row) for row in rows if any(row)]
    headings = [title]
    while len(filled) > 1 and sum(map(bool, filled[0])) == 1 < sum(map(bool, filled[1])):
        headings.append("".join(filled.pop(0)))
    if not filled:
        return []
    return [Section("\n\n".join(table_rows(filled)), tuple(headings))]


def _trimmed(row: list[str]) -> list[str]:
    """Without empty cells at the end; a sheet may be formatted to its last column."""
    while row and not row[-1]:
        row = row[:-1]
    return row


def _shown(value: Any) -> str:
    """A value as its reader sees it; dates without the midnight that Excel adds."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.time() == time() else "%Y-%m-%d %H:%M")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
