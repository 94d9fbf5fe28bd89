"""Writes the rows of a table on a sheet, each with the names of its columns."""

from collections.abc import Iterable, Iterator

from langchain_swallow.documents.readers.sheet_boxes import Box, Line
from langchain_swallow.documents.readers.sheet_fields import field_lines
from langchain_swallow.documents.readers.sheet_heads import Head
from langchain_swallow.documents.readers.sheet_totals import is_total
from langchain_swallow.documents.readers.sheet_values import join_values
from langchain_swallow.documents.readers.table_rows import columnar_rows

# A longer text that spans rows or columns is written once; a shorter one in each.
_MAX_REPEATED = 40


def row_lines(head: Head, lines: Iterable[Line]) -> list[str]:
    """Write the rows of a table as 見出し: 値、見出し: 値.

    A cell that spans rows, such as a group at the left, is in each of them. A cell that spans
    columns is once in its row, or in two columns under both names. A box over all columns names the
    rows below it. A total is named by its own text: 小計: 5,000.

    Args:
        head: The names of the columns.
        lines: The rows.
    """
    return columnar_rows(["", *head.names], _rows(head, lines))


def _rows(head: Head, lines: Iterable[Line]) -> Iterator[list[str]]:
    group = ""
    places = {left: i for i, left in enumerate(head.lefts)}
    for line in lines:
        if len(line.boxes) == 1 and len(head.columns(line.boxes[0])) == len(head.lefts) > 1:
            group = line.boxes[0].text
            yield [group]
        elif total := _total(head, line):
            yield [total]
        else:
            yield _row(head, places, line, group)


def _total(head: Head, line: Line) -> str:
    """Totals with one value each, unless the first is a plain cell of the first column."""
    boxes = line.boxes
    if len(boxes) % 2 or not boxes or head.columns(boxes[0]) == range(1):
        return ""
    if any(is_total(box.text) == bool(i % 2) for i, box in enumerate(boxes)):
        return ""
    return "、".join(field_lines([line], are_boxed=True))


def _row(head: Head, places: dict[int, int], line: Line, group: str) -> list[str]:
    texts = [""] * len(head.lefts)
    before = [group] if group else []
    above = [box for box in line.above if len(box.text) <= _MAX_REPEATED]
    for box in _from_left([*above, *line.boxes]) if above else line.boxes:
        # Most boxes are one cell, just below the name of their column.
        place = places.get(box.left) if box.right == box.left + 1 else None
        columns = _named_columns(head, box) if place is None else [place]
        if not columns:
            before.append(box.text)
        for i in columns:
            texts[i] = join_values([texts[i], box.text]) if texts[i] else box.text
    return ["、".join(before), *texts]


def _from_left(boxes: Iterable[Box]) -> list[Box]:
    return sorted(boxes, key=lambda box: box.left)


def _named_columns(head: Head, box: Box) -> list[int]:
    """The columns whose names a text has; none if it spans many of them."""
    columns = head.columns(box)
    names = dict.fromkeys(head.names[i] for i in columns)
    if len(names) == 1:
        return [columns[0]]
    if is_total(box.text):
        return []
    return [*columns] if len(columns) == 2 and len(box.text) <= _MAX_REPEATED // 2 else []
