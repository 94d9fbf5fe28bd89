"""Finds the tables of a sheet: their titles, rows, and the notes between them.

A region is read from the top. A frame is one block; elsewhere, blank rows divide the region into
blocks. In a block, a row of one cell above a table is a title, including units such as
（単位：円）. A row of one cell below it is a note. Two tables are side by side if a blank column
divides them, and they differ in their rows or repeat a name. After a blank row, a table continues
if the rows there fit its columns and do not look like another header.
"""

import bisect
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from langchain_swallow.documents.readers.sheet import Area, Sheet
from langchain_swallow.documents.readers.sheet_frames import Region
from langchain_swallow.documents.readers.table_words import is_label, is_value

_MAX_TITLES = 3
_MAX_TITLE_CHARACTERS = 60
_MAX_VALUE_CHARACTERS = 20
_SAMPLE = 30
_NOTES = (
    "※",
    "＊",
    "*",
    "注",
    "（注",
    "(注",
    "【注",
    "備考",
    "出典",
    "資料",
    "・",
    "(参考",
    "（参考",
)
_UNIT = re.compile(r"[(（]?\s*単位")
# The limit for cells covered by merged areas, since an area may cover a whole sheet.
_MAX_COVERED_CELLS = 5_000_000


class Line(NamedTuple):
    """A text that is alone in its row, or nearly so."""

    row: int
    column: int
    text: str


@dataclass(slots=True)
class Table:
    """A table of a sheet. Rows and columns count from 0.

    Args:
        titles: The lines above the table.
        rows: Its rows; empty if there are only notes.
        columns: The columns that have texts.
        notes: The lines below the table.
        frame: The rules around it; `None` if it is not ruled.
    """

    titles: list[Line] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    notes: list[Line] = field(default_factory=list)
    frame: Area | None = None


class Covered:
    """The cells of a sheet that merged areas with texts cover.

    `spans` maps the (row, column) of the first cell of an area to the column and the row after its
    last cell.

    Args:
        sheet: The sheet.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.spans: dict[tuple[int, int], tuple[int, int]] = {}
        self._columns: dict[int, set[int]] = {}
        numbers = sorted(sheet.rows) if sheet.merged else []
        width = 1 + max((max(sheet.rows[row]) for row in numbers), default=0)
        remaining = _MAX_COVERED_CELLS
        for area in sheet.merged.values():
            if not sheet.rows.get(area.top, {}).get(area.left):
                continue
            self.spans[area.top, area.left] = area.right, area.bottom
            first, last = (bisect.bisect_left(numbers, row) for row in (area.top, area.bottom))
            columns = range(area.left, min(area.right, width))
            remaining -= (last - first) * len(columns)
            for row in numbers[first:last] if remaining > 0 else ():
                self._columns.setdefault(row, set()).update(columns)

    def columns(self, row: int) -> set[int]:
        """Return the columns of a row that merged areas cover."""
        return self._columns.get(row, _NOTHING)


_NOTHING: set[int] = set()


def find_tables(regions: Iterable[Region], covered: Covered) -> list[Table]:
    """Return the tables and notes of a sheet, in the order of its regions."""
    found: list[Table] = []
    for sheet, frame in regions:
        begin = len(found)
        blocks = _blocks(sheet, covered) if frame is None else [sorted(sheet.rows)]
        for block in blocks:
            tables = (
                _block_tables(sheet, covered, block)
                if frame is None
                else _framed_tables(sheet, block, frame)
            )
            for table in tables:
                if found and table.rows and _is_title(found[-1], table):
                    table.titles[:0] = found.pop().notes
                    begin = min(begin, len(found))
                if len(found) > begin and table.rows and _goes_on(sheet, found[-1], table):
                    _join(found[-1], table)
                else:
                    found.append(table)
    return found


def _framed_tables(sheet: Sheet, block: list[int], frame: Area) -> Iterator[Table]:
    """The tables in a frame; its first rows are their title if they have one text each."""
    first = next((i for i, row in enumerate(block) if len(sheet.rows[row]) > 1), 0)
    titles = _lines(sheet, block[:first])
    if len(titles) > _MAX_TITLES or any(
        len(line.text) > _MAX_TITLE_CHARACTERS or is_label(line.text) for line in titles
    ):
        titles, first = [], 0
    rows = block[first:]
    columns = sorted({column for row in rows for column in sheet.rows[row]})
    yield Table(titles, rows, columns, frame=frame)


def _blocks(sheet: Sheet, covered: Covered) -> Iterator[list[int]]:
    """Groups of rows without a blank row between them."""
    block: list[int] = []
    end = 0
    for row in sorted(sheet.rows):
        if block and row > end:
            yield block
            block = []
        block.append(row)
        bottoms = (covered.spans[row, c][1] for c in sheet.rows[row] if (row, c) in covered.spans)
        end = max(end, row + 1, *bottoms) if covered.spans else row + 1
    if block:
        yield block


def _block_tables(sheet: Sheet, covered: Covered, block: list[int]) -> Iterator[Table]:
    rows = sheet.rows
    full = [i for i, row in enumerate(block) if len(rows[row]) > 1]
    if not full or (len(block) == 1 and any(map(_UNIT.match, rows[block[0]].values()))):
        yield Table(notes=_lines(sheet, block))
        return
    first, last = full[0], len(block)
    if first and _is_row_of_pairs(sheet, block[first - 1], block[first]):
        first -= 1
    while last > full[-1] + 1 and _is_note(sheet, block[last - 1]):
        last -= 1
    titles, notes = _lines(sheet, block[:first]), _lines(sheet, block[last:])
    if len(titles) > _MAX_TITLES:
        yield Table(notes=titles[:-1])
        titles = titles[-1:]
    parts = list(_side_by_side(sheet, covered, block[first:last]))
    for part in parts:
        table = Table(columns=part, rows=[r for r in block[first:last] if _within(rows[r], part)])
        table.titles = [*titles, *_take_titles(sheet, covered, table)]
        table.notes = notes if part is parts[-1] else []
        titles = []
        yield table


def _lines(sheet: Sheet, rows: Sequence[int]) -> list[Line]:
    return [Line(row, column, text) for row in rows for column, text in sheet.rows[row].items()]


def _within(texts: dict[int, str], columns: Sequence[int]) -> bool:
    return any(columns[0] <= column <= columns[-1] for column in texts)


def _is_row_of_pairs(sheet: Sheet, row: int, below: int) -> bool:
    """Whether a single cell is a name without a value, above a name with one."""
    (column, text), *_ = sheet.rows[row].items()
    names = sheet.rows[below]
    values = [other for place, other in names.items() if place > column]
    return (
        column == min(names)
        and is_label(text)
        and is_label(names[column])
        and not any(map(is_label, values))
    )


def _is_note(sheet: Sheet, row: int) -> bool:
    texts = list(sheet.rows[row].values())
    return len(texts) == 1 and (
        len(texts[0]) > _MAX_VALUE_CHARACTERS
        or texts[0].startswith(_NOTES)
        or texts[0].endswith(("。", "）", ")"))
    )


def _is_title(table: Table, below: Table) -> bool:
    """Whether notes are few and short enough to be the title of the table below."""
    return (
        not table.rows
        and all(
            line.row < below.rows[0] and line.column <= below.columns[-1] for line in table.notes
        )
        and len(table.notes) <= _MAX_TITLES
        and all(len(line.text) <= _MAX_TITLE_CHARACTERS for line in table.notes)
        and not _has_notes(table.notes)
    )


def _has_notes(lines: Sequence[Line]) -> bool:
    return any(line.text.startswith(_NOTES) for line in lines)


def _side_by_side(sheet: Sheet, covered: Covered, block: Sequence[int]) -> Iterator[list[int]]:
    """The used columns of each table, from left to right."""
    used: set[int] = set()
    for row in block:
        used |= sheet.rows[row].keys()
    columns = sorted(used)
    gaps = [i for i in range(1, len(columns)) if columns[i] - columns[i - 1] > 1]
    if gaps:
        for row in block:
            used |= covered.columns(row)
        gaps = [i for i in gaps if columns[i] - 1 not in used]
    begin = 0
    for gap in gaps:
        rest = columns[gap : next((g for g in gaps if g > gap), len(columns))]
        if _differ(sheet, block, columns[begin:gap], rest):
            yield columns[begin:gap]
            begin = gap
    yield columns[begin:]


def _differ(sheet: Sheet, block: Sequence[int], left: list[int], right: list[int]) -> bool:
    """Whether columns on two sides of a blank column are different tables."""
    if min(len(left), len(right)) < 2:
        return False
    sides = [
        [{c: texts[c] for c in side if c in texts} for texts in map(sheet.rows.__getitem__, block)]
        for side in (left, right)
    ]
    if [bool(row) for row in sides[0]] != [bool(row) for row in sides[1]]:
        return True
    names = [set(side[0].values()) for side in sides]
    return not names[0].isdisjoint(names[1]) or min(map(len, names)) == 1


def _take_titles(sheet: Sheet, covered: Covered, table: Table) -> list[Line]:
    """Move rows with few cells above the header, such as a title and its unit, to the titles."""
    titles: list[Line] = []
    columns = set(table.columns)
    while len(table.rows) > 2 and len(titles) < _MAX_TITLES:
        row, below = table.rows[:2]
        names = [text for c, text in sheet.rows[below].items() if c in columns]
        row_cells, below_cells = (
            len((sheet.rows[r].keys() | covered.columns(r)) & columns) for r in (row, below)
        )
        if len(names) < 2 or any(map(is_value, names)) or 2 * row_cells > below_cells:
            break
        if _is_group(sheet, row, below, table.columns) or _is_pair(sheet, row, columns):
            break
        titles += [Line(row, c, text) for c, text in sheet.rows[row].items() if c in columns]
        del table.rows[0]
    return titles


def _is_group(sheet: Sheet, row: int, below: int, columns: Sequence[int]) -> bool:
    """Whether several texts name groups of columns: none is at the left, where a title would be."""
    texts = [column for column in sheet.rows[row] if column in columns]
    return len(texts) > 1 and texts[0] != columns[0] and columns[0] in sheet.rows[below]


def _is_pair(sheet: Sheet, row: int, columns: Collection[int]) -> bool:
    """Whether the texts of a row are a name and its value."""
    texts = [text for column, text in sheet.rows[row].items() if column in columns]
    return len(texts) > 1 and (is_label(texts[0]) or texts[0].endswith((":", "：")))


def _goes_on(sheet: Sheet, table: Table, below: Table) -> bool:
    """Whether the rows after a blank row continue the table above."""
    if (
        not table.rows
        or table.frame
        or table.notes
        or not (table.columns[0] <= below.columns[0] and below.columns[-1] <= table.columns[-1])
    ):
        return False
    first = sheet.rows[below.rows[0]]
    has_values = any(map(is_value, first.values()))
    if below.titles and (not has_values or _has_notes(below.titles)):
        return False
    if not has_values and _is_head_like(sheet, table, below):
        return False
    body = table.rows[1 : 1 + _SAMPLE] or table.rows
    for column, text in first.items():
        above = [sheet.rows[row][column] for row in body if column in sheet.rows[row]]
        if above and len(table.rows) > 1 and all(map(is_value, above)) and not is_value(text):
            return False
    return len(table.rows) > 1 or has_values or table.columns == below.columns


def _is_head_like(sheet: Sheet, table: Table, below: Table) -> bool:
    """Whether the first of these rows looks like the header of the table above."""
    looks = [
        {sheet.looks.get(row, {}).get(column, 0) for column in sheet.rows[row]}
        for row in (table.rows[0], table.rows[-1], below.rows[0])
    ]
    if looks[0] != looks[1]:
        return looks[2] == looks[0]
    labels = [
        all(map(is_label, sheet.rows[row].values())) for row in (table.rows[-1], below.rows[0])
    ]
    return len(below.rows) > 1 and labels == [False, True]


def _join(table: Table, below: Table) -> None:
    """Append the rows of a continuation; its titles become rows, since they name groups."""
    added = {*(line.row for line in below.titles), *below.rows}
    # Only the last rows can be after these; sorting all rows for each block would be slow.
    place = bisect.bisect_left(table.rows, min(added))
    table.rows[place:] = sorted(added.union(table.rows[place:]))
    table.columns = sorted({*table.columns, *below.columns})
    table.notes += below.notes
