"""Finds the boxes of a region: its texts, each with the area that a person sees around it.

The area is a merged area, or what rules enclose: on graph paper (方眼紙), a box is many small cells
that are not merged. Texts in one box are one text.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from langchain_swallow.documents.readers.sheet import Area, Sheet
from langchain_swallow.documents.readers.sheet_values import join_values

# More texts in a frame are a list, whose cells are its boxes.
_MAX_RULED_TEXTS = 5000


@dataclass(slots=True, eq=False)
class Box:
    """A text, and the first row and column of its area and those after the last."""

    text: str
    top: int
    left: int
    bottom: int
    right: int
    look: int = 0

    @property
    def width(self) -> int:
        return self.right - self.left


@dataclass(slots=True)
class Line:
    """The boxes that begin in a row, and those that go on from rows above; from left to right."""

    row: int
    boxes: list[Box] = field(default_factory=list)
    above: list[Box] = field(default_factory=list)


def box_lines(
    sheet: Sheet, frame: Area | None, rows: Sequence[int], columns: Sequence[int]
) -> Iterator[Line]:
    """Yield the lines of a table, top down.

    Args:
        sheet: The sheet.
        frame: The frame that encloses the table, if it is ruled.
        rows: The rows of the table.
        columns: Its columns with texts.
    """
    if frame is not None and sum(len(sheet.rows[row]) for row in rows) <= _MAX_RULED_TEXTS:
        cells = itertools.chain.from_iterable(_cells(sheet, rows, columns))
        boxes = sorted(_ruled(sheet, frame, list(cells)), key=lambda box: (box.top, box.left))
        grouped = itertools.groupby(boxes, lambda box: box.top)
        yield from _with_above((row, list(line)) for row, line in grouped)
    else:
        yield from _with_above(zip(rows, _cells(sheet, rows, columns), strict=True))


def _with_above(lines: Iterable[tuple[int, list[Box]]]) -> Iterator[Line]:
    going_on: list[Box] = []
    for row, boxes in lines:
        going_on = [box for box in going_on if box.bottom > row]
        yield Line(row, boxes, going_on)
        going_on = going_on + [box for box in boxes if box.bottom > row + 1]


def _cells(sheet: Sheet, rows: Sequence[int], columns: Sequence[int]) -> Iterator[list[Box]]:
    """The boxes of each row, by merged areas only."""
    for row in rows:
        looks = sheet.looks.get(row, {})
        line = []
        for column, text in sorted(sheet.rows[row].items()):
            if columns[0] <= column <= columns[-1]:
                area = sheet.merged.get((row, column)) if sheet.merged else None
                bottom, right = (area.bottom, area.right) if area else (row + 1, column + 1)
                line.append(Box(text, row, column, bottom, right, looks.get(column, 0)))
        yield line


def _ruled(sheet: Sheet, frame: Area, cells: Sequence[Box]) -> Iterator[Box]:
    """The boxes that rules enclose."""
    by_area: dict[Area, list[Box]] = defaultdict(list)
    for cell in cells:
        is_merged = (cell.top, cell.left) in sheet.merged
        area = None if is_merged else _enclosing(sheet, frame, cell.top, cell.left)
        by_area[area or Area(cell.top, cell.left, cell.bottom, cell.right)].append(cell)
    columns = _columns_without_rules(by_area)
    for area, texts in by_area.items():
        if (area.top, area.bottom) in columns:
            yield from texts
            continue
        lines = itertools.groupby(texts, lambda cell: cell.top)
        text = "\n".join(join_values(cell.text for cell in line) for _, line in lines)
        yield Box(text, area.top, area.left, area.bottom, area.right, texts[0].look)


def _columns_without_rules(by_area: dict[Area, list[Box]]) -> set[tuple[int, int]]:
    """The first row and the end of tables whose rows have no rules between them.

    Two boxes side by side then seem to have several lines each.
    """
    beside: dict[tuple[int, int], int] = defaultdict(int)
    for area, texts in by_area.items():
        beside[area.top, area.bottom] += len({cell.top for cell in texts}) > 1
    return {rows for rows, count in beside.items() if count > 1}


def _enclosing(sheet: Sheet, frame: Area, row: int, column: int) -> Area | None:
    """The area around a cell; `None` if no vertical rule in the frame encloses it."""
    vertical = sheet.left_rules.get(row, 0)
    before, after = vertical & ((2 << column) - 1), vertical >> (column + 1)
    left = max(frame.left, before.bit_length() - 1)
    right = min(frame.right, column + (after & -after).bit_length()) if after else frame.right
    if (left, right) == (frame.left, frame.right):
        return None
    inside = (1 << right) - (1 << left)
    edges = vertical & (inside | 1 << right)

    def goes_on(below: int) -> bool:
        """Whether the area also has the cells above and below this rule."""
        other = below if below > row else below - 1
        return (
            not sheet.top_rules.get(below, 0) & inside
            and sheet.left_rules.get(other, 0) & (inside | 1 << right) == edges
        )

    top, bottom = row, row + 1
    while top > frame.top and goes_on(top):
        top -= 1
    while bottom < frame.bottom and goes_on(bottom):
        bottom += 1
    return Area(top, left, bottom, right)
