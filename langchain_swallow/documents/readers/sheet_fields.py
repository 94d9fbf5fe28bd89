"""Writes the lines of a form or of prose on a sheet: each name with its value.

Names are the cells that are bold or filled while their values are not, labels such as 氏名, texts
that end with a colon, and the texts in one column with these. In a ruled line without such a sign,
every other box is a name.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from langchain_swallow.documents.readers.sheet_boxes import Box, Line
from langchain_swallow.documents.readers.sheet_values import is_list_mark, join_values
from langchain_swallow.documents.readers.table_layout import detect_layout
from langchain_swallow.documents.readers.table_words import is_label, is_value

_COLONS = ":："
_BRACKETED = re.compile(r"[【［\[〔＜<]\S{1,12}[】］\]〕＞>]")


def field_lines(lines: Sequence[Line], *, are_boxed: bool) -> list[str]:
    """Write each line as 項目: 値、項目: 値; a text that spans lines is written once.

    Args:
        lines: The lines.
        are_boxed: Whether rules enclose them.
    """
    names = _find_names(lines, are_boxed)
    written: list[str] = []
    last: list[Box] = []
    for line in lines:
        open_names = [box for box in line.above if box in names]
        if not any(box in names for box in line.boxes) and open_names and written:
            # More of the value whose name spans these lines.
            text = join_values(box.text for box in line.boxes)
            written[-1] += ("\n" if len(line.boxes) == 1 else "、") + text
        elif text := _below_its_name(last, line, names):
            written[-1] += text
        else:
            boxes = sorted([*open_names, *line.boxes], key=lambda box: box.left)
            written.append(_written(boxes, names))
        last = line.boxes
    return [text for text in written if text]


def _below_its_name(last: Sequence[Box], line: Line, names: set[Box]) -> str:
    """The value of a name that is alone in the line above; empty if it is not one."""
    if not len(last) == len(line.boxes) == 1:
        return ""
    (name,), (value,) = last, line.boxes
    is_below = (
        name in names
        and value not in names
        and name.bottom == value.top
        and (name.left, name.right) == (value.left, value.right)
        and name.width > 1
    )
    return f": {value.text}" if is_below else ""


def _find_names(lines: Sequence[Line], are_boxed: bool) -> set[Box]:
    found = _marked_names(lines)
    by_left: dict[int, list[Box]] = defaultdict(list)
    for line in lines:
        for box in line.boxes:
            by_left[box.left].append(box)
        if not any(box in found for box in line.boxes):
            found.update(_label_names(line))
    found |= set(_names_in_columns(lines, by_left, found))
    _add_names_in_groups(lines, found)
    lefts = {box.left for box in found}
    for line in lines:
        if are_boxed or not found.isdisjoint(line.boxes):
            found.update(_names_by_place(line, found, lefts))
    if not found:
        found.update(_names_of_two_columns(lines))
    return found


def _names_in_columns(
    lines: Sequence[Line], by_left: dict[int, list[Box]], names: set[Box]
) -> Iterator[Box]:
    """The short texts in a column of names that are not the values of other names."""
    values = {
        box
        for line in lines
        for name, box in itertools.pairwise(line.boxes)
        if name in names and box not in names
    }
    for boxes in by_left.values():
        if len(boxes) > 2 and 2 * sum(box in names for box in boxes) >= len(boxes):
            for box in boxes:
                if box not in values and not is_value(box.text) and len(box.text) <= 20:
                    yield box


def _add_names_in_groups(lines: Sequence[Line], names: set[Box]) -> None:
    """Add the texts below the names of the same group: 携帯 and 自宅 of 連絡先."""
    for above, line in itertools.pairwise(lines):
        if names.isdisjoint(line.above) or not names.isdisjoint(line.boxes):
            continue
        lefts = {box.left for box in above.boxes if box in names}
        names.update(box for box in line.boxes if box.left in lefts and not is_value(box.text))


def _marked_names(lines: Sequence[Line]) -> set[Box]:
    """The boxes of those looks that names have, which have no values and plain boxes beside."""
    by_look: dict[int, list[Box]] = defaultdict(list)
    beside: Counter[int] = Counter()
    for line in lines:
        for i, box in enumerate(line.boxes):
            by_look[box.look].append(box)
            after = line.boxes[i + 1] if i + 1 < len(line.boxes) else None
            beside[box.look] += after is None or after.look != box.look
    if len(by_look) == 1 and not any(len(line.boxes) == 1 for line in lines):
        by_look.clear()
    return {
        box
        for look, boxes in by_look.items()
        if look
        and 2 * beside[look] > len(boxes)
        and 10 * sum(is_value(box.text) for box in boxes) <= len(boxes)
        for box in boxes
        if not is_value(box.text)
    }


def _label_names(line: Line) -> Iterator[Box]:
    for i, box in enumerate(line.boxes):
        if (
            box.text.endswith(tuple(_COLONS))
            or _BRACKETED.fullmatch(box.text)
            or (is_label(box.text) and not (i and line.boxes[i - 1].text.endswith(tuple(_COLONS))))
        ):
            yield box


def _names_by_place(line: Line, names: set[Box], lefts: set[int]) -> Iterator[Box]:
    """Every other box of a line, if no value is among these and no name among the others.

    If one of them is a name, the others are names only in columns that have names.
    """
    every_other = line.boxes[::2]
    if len(line.boxes) % 2 or not names.isdisjoint(line.boxes[1::2]):
        return
    if any(
        is_value(box.text) or is_list_mark(box.text) or len(box.text) > 20 for box in every_other
    ):
        return
    has_names = not names.isdisjoint(every_other)
    yield from (box for box in every_other if not has_names or box.left in lefts)


def _names_of_two_columns(lines: Sequence[Line]) -> Iterator[Box]:
    lefts = sorted({box.left for line in lines for box in line.boxes})
    if len(lefts) != 2 or len(lines) < 2 or any(is_list_mark(b.text) for b in lines[0].boxes[:1]):
        return
    rows = [[*(box.text for box in line.boxes), ""][:2] for line in lines]
    if 0 in detect_layout(rows, has_header=False).name_columns:
        yield from (line.boxes[0] for line in lines if len(line.boxes) == 2)


def _written(boxes: Sequence[Box], names: set[Box]) -> str:
    """Write a line; names that touch each other are the parts of one name."""
    parts: list[str] = []
    name: list[Box] = []
    values: list[str] = []
    for box in boxes:
        if box not in names:
            values.append(box.text)
            continue
        touches = bool(name) and not values and _touch(name[-1], box)
        if not touches:
            parts.append(_pair(name, values))
            name, values = [], []
        name.append(box)
    parts.append(_pair(name, values))
    if is_list_mark(parts[0]):
        parts[:2] = [" ".join(parts[:2])]
    return "、".join(filter(None, parts))


def _touch(name: Box, other: Box) -> bool:
    """Whether a name is that of a group of which the other is one."""
    return name.bottom - name.top > other.bottom - other.top and name.left < other.left


def _pair(names: Iterable[Box], values: Sequence[str]) -> str:
    name = " ".join(box.text.rstrip(_COLONS + " 　") for box in names)
    if not name and len(values) > 1 and is_list_mark(values[0]):
        values = [f"{values[0]} {values[1]}", *values[2:]]
    value = join_values(values)
    return f"{name}: {value}" if name and value else name or value
