"""Writes a sheet as sections: its tables, forms and prose, each under its titles.

A sheet is more than a table. Rules and blank rows and columns divide it into regions, and each
region into tables and forms. The rows of a table repeat the names of its columns, and the fields of
a form have their names before them, so that each line can be read alone.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

from langchain_swallow.documents.readers.section import LeftOut, Section
from langchain_swallow.documents.readers.sheet import Sheet
from langchain_swallow.documents.readers.sheet_boxes import box_lines
from langchain_swallow.documents.readers.sheet_fields import field_lines
from langchain_swallow.documents.readers.sheet_frames import regions
from langchain_swallow.documents.readers.sheet_parts import split_parts
from langchain_swallow.documents.readers.sheet_rows import row_lines
from langchain_swallow.documents.readers.sheet_tables import Covered, Table, find_tables

HIDDEN_SHEET = "hidden sheet; unhide it to have it read"
_HIDDEN_ROW = "hidden row with texts; unhide it to have it read"
_HIDDEN_COLUMN = "hidden column with texts; unhide it to have it read"
# The last part that begins in these lines has all the lines after them.
_LINES_WITH_PARTS = 2000
_TITLE_MARK = re.compile(r"[■◆▼●◎□◇【＜<]|[(（]?\d{1,2}[)）.．]|第\d+")


def hidden_parts(sheet: Sheet, number: int) -> Iterator[LeftOut]:
    """Yield the hidden rows and columns that were not read.

    Args:
        sheet: The sheet.
        number: Its number, from 1.
    """
    if sheet.hidden_rows:
        yield LeftOut(_HIDDEN_ROW, number, sheet.hidden_rows)
    if sheet.hidden_columns:
        yield LeftOut(_HIDDEN_COLUMN, number, len(sheet.hidden_columns))


def sheet_sections(title: str, sheet: Sheet) -> Iterator[Section]:
    """Yield the sections of a sheet; consecutive tables with the same titles are one section.

    Args:
        title: The name of the sheet.
        sheet: Its cells.
    """
    texts: list[str] = []
    headings: tuple[str, ...] = (title,)
    for titles, written in _tables(sheet):
        if texts and (title, *titles) != headings:
            yield Section("\n\n".join(texts), headings)
            texts = []
        headings = (title, *titles)
        texts += written
    if texts:
        yield Section("\n\n".join(texts), headings)


def _tables(sheet: Sheet) -> Iterator[tuple[list[str], list[str]]]:
    """The titles of each table or form, and its lines; a title 2. is not below the title 1."""
    for table in find_tables(regions(sheet), Covered(sheet)):
        titles = [line.text for line in table.titles]
        if table.rows:
            for part_title, lines in _parts(sheet, table):
                is_next = part_title and "" != _mark(titles) == _mark([part_title])
                above = titles[:-1] if is_next else titles
                yield [*above, *filter(None, [part_title])], lines
        if table.notes or not table.rows:
            yield titles, [line.text for line in table.notes]


def _mark(titles: Sequence[str]) -> str:
    """The mark of the last title, with 0 for its number; empty if it has none."""
    found = _TITLE_MARK.match(titles[-1]) if titles else None
    return re.sub(r"\d+", "0", found[0]) if found else ""


def _parts(sheet: Sheet, table: Table) -> Iterator[tuple[str, list[str]]]:
    lines = box_lines(sheet, table.frame, table.rows, table.columns)
    parts = list(split_parts(list(itertools.islice(lines, _LINES_WITH_PARTS))))
    for part in parts:
        more = lines if part is parts[-1] else ()
        if part.head is None:
            form = [*part.lines, *more]
            yield part.title, field_lines(form, are_boxed=table.frame is not None)
        else:
            yield part.title, row_lines(part.head, itertools.chain(part.lines, more))
