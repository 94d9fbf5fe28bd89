"""Writes the rows of a table on a sheet, each with the names of its columns."""

from collections.abc import Iterable, Iterator

from langchain_swallow.documents.readers.sheet_boxes import Box, Line
from langchain_swallow.documents.readers.sheet_fields import field_lines
from langchain_swallow.documents.readers.sheet_heads import Head
from langchain_swallow.documents.readers.sheet_totals import is_total
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
    for line in lines:
        if len(line.boxes) == 1 and len(head.columns(line.boxes[0])) == len(head.lefts) > 1:
            group = line.boxes[0].text
            yield [group]
        elif total := _total(head, line):
            yield [total]
        else:
            yield _row(head, line, group)


def _total(head: Head, line: Line) -> str:
    """Totals with one value each, unless the first is a plain cell of the first column."""
    boxes = line.boxes
    if [is_total(box.text) for box in boxes] != [True, False] * max(1, len(boxes) // 2):
        return ""
    if head.columns(boxes[0]) == range(1):
        return ""
    return "、".join(field_lines([line], are_boxed=True))


def _row(head: Head, line: Line, group: str) -> list[str]:
    texts = [""] * len(head.lefts)
    before = [group] if group else []
    for box in sorted([*line.above, *line.boxes], key=lambda box: box.left):
        is_repeated = box.top < line.row
        if is_repeated and len(box.text) > _MAX_REPEATED:
            continue
        columns = _named_columns(head, box)
        if not columns:
            before.append(box.text)
        for i in columns:
            texts[i] = f"{texts[i]}、{box.text}" if texts[i] else box.text
    return ["、".join(before), *texts]


def _named_columns(head: Head, box: Box) -> list[int]:
    """The columns whose names a text has; none if it spans many of them."""
    columns = head.columns(box)
    names = dict.fromkeys(head.names[i] for i in columns)
    if len(names) == 1:
        return [columns[0]]
    if is_total(box.text):
        return []
    return [*columns] if len(columns) == 2 and len(box.text) <= _MAX_REPEATED // 2 else []
