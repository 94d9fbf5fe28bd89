"""Finds the head of a table among the lines of a sheet: the names of its columns.

A head has one or several rows. A name may span the names below it, merged or not, and the last row
may have units.
"""

import bisect
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_swallow.documents.readers.sheet_boxes import Box, Line
from langchain_swallow.documents.readers.sheet_values import is_list_mark, is_unit
from langchain_swallow.documents.readers.table_layout import detect_layout
from langchain_swallow.documents.readers.table_words import (
    is_label,
    is_period,
    is_value,
    value_kind,
)

_SAMPLE = 30
_GAP_SAMPLE = 8
_MAX_DEPTH = 5
_MAX_NAME_CHARACTERS = 40
_WEEKDAYS = frozenset("月火水木金土日祝")
_UNIT = re.compile(
    r"[(（\[［〔].{1,8}[)）\]］〕]|[百千万億]?円|％|%|[人名個件台枚本時日月年回kgmt㎡㎥]{1,2}"
)


@dataclass(frozen=True, slots=True)
class Head:
    """The names of the columns, and the first column of the sheet that each has.

    `depth` is the number of lines, and `is_marked` is whether all of them are bold or filled.
    """

    lefts: list[int]
    names: list[str]
    depth: int
    is_marked: bool

    def columns(self, box: Box) -> range:
        """Return which columns of the table a box covers; empty if it is left of the table."""
        first = bisect.bisect_right(self.lefts, box.left) - 1
        return range(max(first, 0), bisect.bisect_left(self.lefts, box.right) if first >= 0 else 0)

    def fits(self, line: Line) -> bool:
        """Whether each box of a line is in a column of its own.

        A unit may follow its number, and the last of several columns may have more boxes.
        """
        last = -1
        for box in line.boxes:
            columns = self.columns(box)
            if not columns:
                return False
            is_last = 2 <= last == len(self.lefts) - 1
            if columns[0] <= last and not is_last and not is_unit(box.text):
                return False
            last = columns[-1]
        return True


def find_head(lines: Sequence[Line], begin: int) -> Head | None:
    """Return the head that begins at a line, or `None`."""
    depth = _depth(lines, begin)
    if begin + depth < len(lines) and _is_row_name(lines[begin], lines[begin + depth]):
        first = lines[begin]
        named = Line(first.row, first.boxes[1:], [*first.above, first.boxes[0]])
        lines = [*lines[:begin], named, *lines[begin + 1 : begin + _SAMPLE + _MAX_DEPTH]]
        depth = _depth(lines, begin)
    rows = lines[begin : begin + depth]
    if not depth or _has_values(rows[0]):
        return None
    following = lines[begin + depth : begin + depth + _SAMPLE]
    lefts, names = _columns(rows)
    boxes = [box for line in rows for box in line.boxes]
    head = Head(lefts, names, depth, all(box.look for box in boxes))
    head = _with_unnamed(head, following, has_gaps=all(box.width == 1 for box in boxes))
    sample = list(_while_fitting(head, following))
    return head if sample and _is_head(boxes, head, sample) else None


def _depth(lines: Sequence[Line], begin: int) -> int:
    """How many lines a head has that begins at a line; 0 if none can begin there."""
    boxes = lines[begin].boxes
    if len(boxes) < 2 or is_list_mark(boxes[0].text):
        return 0
    if any(len(box.text) > _MAX_NAME_CHARACTERS or box.text.endswith("。") for box in boxes):
        return 0
    depth = 1
    while depth < _MAX_DEPTH and begin + depth < len(lines) - 1 and _goes_on(lines, begin, depth):
        depth += 1
    return depth


def _is_row_name(line: Line, below: Line) -> bool:
    """Whether the first box names all rows of a table inside a form: it is beside its head."""
    return len(line.boxes) > 2 and line.boxes[0].bottom > below.row >= line.boxes[1].bottom


def _while_fitting(head: Head, lines: Sequence[Line]) -> Iterator[Line]:
    for line in lines:
        if not head.fits(line):
            return
        yield line


def _has_values(line: Line) -> bool:
    """Whether a line has values, except for a calendar's dates, which are names."""
    values = [box.text for box in line.boxes if is_value(box.text) and not is_period(box.text)]
    return bool(values) and not (
        len(values) > 2 and all(value_kind(text) == "date" for text in values)
    )


def _goes_on(lines: Sequence[Line], begin: int, depth: int) -> bool:
    """Whether the head has another line."""
    upper, below = lines[begin + depth - 1], lines[begin + depth]
    if not below.boxes:
        return False
    if len(below.boxes) > 1 and all(_UNIT.fullmatch(box.text) for box in below.boxes):
        return True
    if len(below.boxes) > 2 and all(box.text in _WEEKDAYS for box in below.boxes[1:]):
        return True
    if _has_values(below) or len(below.boxes) < 2:
        return False
    if all(box.bottom < below.boxes[0].bottom for box in below.boxes[1:]):
        # The name of a field that has a table.
        return False
    if all(box.look for box in upper.boxes) and not all(box.look for box in below.boxes):
        return False
    parents = sorted([*upper.boxes, *upper.above], key=lambda box: box.left)
    lefts = [box.left for box in parents]
    # A name of the last row may be left of all those above.
    named = [box for box in below.boxes if box.left >= lefts[0]]
    places = [bisect.bisect_right(lefts, box.left) - 1 for box in named]
    children = Counter(places)
    groups = [parents[i] for i, count in children.items() if count > 1]
    if any(_end(parents, i) <= box.left for i, box in zip(places, named, strict=True)):
        return False
    if any(box.width > 1 for box in groups):
        return True
    if groups:
        # Not merged: names without a name below them, or several groups, tell it from a title.
        has_single = any(i not in children for i in range(len(parents)))
        begins_below = all(
            parents[i].left
            == min(box.left for box, place in zip(named, places, strict=True) if place == i)
            for i, count in children.items()
            if count > 1
        )
        return begins_below and (has_single or len(groups) > 1)
    is_inside = any(box.bottom > below.row for box in upper.boxes)
    return is_inside and all(box.look or is_label(box.text) for box in below.boxes)


def _end(boxes: Sequence[Box], i: int) -> int:
    """The column after a name and the names below it."""
    box = boxes[i]
    if box.width > 1:
        return box.right
    return boxes[i + 1].left if i + 1 < len(boxes) else 1 << 20


def _columns(rows: Sequence[Line]) -> tuple[list[int], list[str]]:
    """The first sheet columns of the table's columns, and their names from all rows."""
    found = {box.left for box in rows[-1].boxes}
    for upper, below in itertools.pairwise(rows):
        children = [box.left for box in below.boxes]
        for i, box in enumerate(upper.boxes):
            if not _between(children, box.left, _end(upper.boxes, i)):
                found.add(box.left)
    lefts = sorted(found)
    names: list[list[str]] = [[] for _ in lefts]
    for line in rows:
        for i, box in enumerate(line.boxes):
            end = box.right if line is rows[-1] else _end(line.boxes, i)
            for place in _between(lefts, box.left, end):
                if box.text not in names[place]:
                    names[place].append(box.text)
    return lefts, [" ".join(parts) for parts in names]


def _between(lefts: Sequence[int], begin: int, end: int) -> range:
    """Which of these columns are in a range of them."""
    return range(bisect.bisect_left(lefts, begin), bisect.bisect_left(lefts, end))


def _with_unnamed(head: Head, following: Sequence[Line], *, has_gaps: bool) -> Head:
    """Add columns without a name that most of the next lines have texts in.

    They are left of the names, as the row names of a cross table, or, if `has_gaps`, between them.
    """
    more: Counter[int] = Counter()
    following = following[:_GAP_SAMPLE]
    for line in following:
        last = range(0)
        for box in line.boxes:
            columns = head.columns(box)
            if not columns or (has_gaps and len(head.lefts) > 2 and columns == last):
                more[box.left] += 1
            last = columns
    full = sum(len(line.boxes) > 1 for line in following)
    added = [left for left, count in more.items() if 2 * count >= full]
    if not added or len(added) >= len(head.lefts):
        return head
    named = dict(zip(head.lefts, head.names, strict=True))
    lefts = sorted([*head.lefts, *added])
    return Head(lefts, [named.get(left, "") for left in lefts], head.depth, head.is_marked)


def _is_head(boxes: Sequence[Box], head: Head, sample: Sequence[Line]) -> bool:
    below = [box for line in sample for box in line.boxes]
    if head.is_marked and not all(box.look for box in below):
        return True
    if not head.is_marked and (
        any(box.look for box in boxes[1:])
        or (boxes[0].look and all(line.boxes and line.boxes[0].look for line in sample))
    ):
        # Marked names and plain values, as in a form.
        return False
    if any(_is_name_inside(line) for line in sample[:3]):
        return False
    rows = [head.names]
    for line in sample:
        texts = [""] * len(head.lefts)
        for box in line.boxes:
            texts[head.columns(box)[0]] = box.text
        rows.append(texts)
    return not _are_fields(rows) and detect_layout(rows, has_header=False).head == 1


def _are_fields(rows: Sequence[Sequence[str]]) -> bool:
    """Whether every other column has the names of values of mixed kinds, as a form has."""
    names = [text for row in rows for text in row[::2] if text]
    values = [text for row in rows for text in row[1::2] if text]
    if len(rows[0]) % 2 or len(rows[0]) < 4 or any(map(is_value, names)):
        return False
    kinds = ({value_kind(row[i]) for row in rows if row[i]} for i in range(1, len(rows[0]), 2))
    return any(len(kind) > 1 for kind in kinds) and (
        sum(map(is_label, values)) * 3 < sum(map(is_label, names)) >= len(rows) / 2
    )


def _is_name_inside(line: Line) -> bool:
    """Whether a marked box follows a plain one, as in a form."""
    looks = [bool(box.look) for box in line.boxes]
    return any(not one and other for one, other in itertools.pairwise(looks))
