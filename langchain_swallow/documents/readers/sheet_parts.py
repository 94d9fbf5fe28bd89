"""Divides the lines of a sheet into tables and forms."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_swallow.documents.readers.sheet_boxes import Box, Line
from langchain_swallow.documents.readers.sheet_heads import Head, find_head
from langchain_swallow.documents.readers.sheet_totals import is_total
from langchain_swallow.documents.readers.table_words import is_label, is_period, is_value

_MAX_TITLE_CHARACTERS = 60
_SECTION = re.compile(r"[■◆▼●◎□◇]\s*[^\s■◆▼●◎□◇].*|【[^】]+】|[<＜][^>＞]+[>＞]")
_NOTES = ("※", "＊", "*", "注", "（注", "(注", "【注")
_PLACEHOLDER = frozenset(
    ("-", "ー", "―", "－", "—", "なし", "無", "未定", "×", "○", "…", "n/a", "N/A")
)


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that are written in the same way: the rows of a table, or, without a head, a form.

    `title` is the text of a line over the whole width, above them.
    """

    head: Head | None
    lines: list[Line]
    title: str = ""


def split_parts(lines: Sequence[Line]) -> Iterator[Part]:
    """Divide lines into parts, top down."""
    width = _width(lines)
    title = ""
    form: list[Line] = []
    i = 0
    while i < len(lines):
        head = find_head(lines, i)
        if head and not head.is_marked and form and _is_like_field(form[-1], lines[i]):
            head = None
        if head is None and not _is_band(lines, i, width):
            form.append(lines[i])
            i += 1
            continue
        if form:
            yield Part(None, form, title)
            form = []
        if head is None:
            title = lines[i].boxes[0].text
            i += 1
            continue
        begin = i + head.depth
        i = _end(lines, begin, head)
        yield Part(head, list(lines[begin:i]), title)
    if form:
        yield Part(None, form, title)


def _is_like_field(above: Line, line: Line) -> bool:
    """Whether a line has its boxes below the names and values of a form, and no label for a value.

    A name that is not known as one, such as 交通, is then not the head of a table.
    """
    lefts = [[box.left for box in one.boxes] for one in (above, line)]
    return (
        lefts[0] == lefts[1]
        and len(line.boxes) % 2 == 0
        and any(is_label(box.text) for box in above.boxes[::2])
        and not any(is_label(box.text) for box in (*above.boxes[1::2], *line.boxes[1::2]))
    )


def _width(lines: Sequence[Line]) -> int:
    boxes = [box for line in lines for box in line.boxes]
    return max((b.right for b in boxes), default=0) - min((b.left for b in boxes), default=0)


def _is_band(lines: Sequence[Line], i: int, width: int) -> bool:
    """Whether a line is the title of the lines below: one box over the whole width, or ■ …."""
    boxes = lines[i].boxes
    return (
        len(boxes) == 1
        and (boxes[0].width == width > 1 or _SECTION.fullmatch(boxes[0].text) is not None)
        and len(boxes[0].text) <= _MAX_TITLE_CHARACTERS
        and not boxes[0].text.startswith(_NOTES)
        and i + 1 < len(lines)
        and len(lines[i + 1].boxes) > 1
    )


def _end(lines: Sequence[Line], begin: int, head: Head) -> int:
    """The line after the last row of a table."""
    # By column: how many values it has so far; 0 if it has other texts.
    values: dict[int, int] = {}
    has_plain_first = False
    for i in range(begin, len(lines)):
        line = lines[i]
        if not head.fits(line):
            return i
        if i > begin:
            below = lines[i + 1] if i + 1 < len(lines) else None
            if len(line.boxes) == 1 and _ends_table(line.boxes[0], head, lines, i):
                return i
            if head.is_marked and _is_like_head(line) and below and not _is_all_marked(below):
                return i
            if head.is_marked and has_plain_first and _is_field(line):
                return i
            if _is_other_head(lines, i, head, values, is_second=i == begin + 1):
                return i
        for box in line.boxes:
            column = head.columns(box)[0]
            if box.text not in _PLACEHOLDER:
                count = values.get(column)
                values[column] = is_value(box.text) * (1 if count is None else count and count + 1)
        has_plain_first = has_plain_first or not (line.boxes and line.boxes[0].look)
    return len(lines)


def _ends_table(box: Box, head: Head, lines: Sequence[Line], i: int) -> bool:
    """Whether a line of one box is a note, or the title of another table."""
    if box.text.startswith(_NOTES) or len(box.text) > _MAX_TITLE_CHARACTERS:
        return True
    is_wide = len(head.columns(box)) > 1
    begins_at_left = head.columns(box)[0] == 0
    if not (is_wide or begins_at_left) or i + 2 >= len(lines):
        return False
    other = find_head(lines, i + 1)
    return other is not None and (other.is_marked == head.is_marked) and _is_new(lines[i + 1])


def _is_new(line: Line) -> bool:
    return not any(is_value(box.text) and not is_period(box.text) for box in line.boxes) and (
        _is_all_marked(line) or sum(is_label(box.text) for box in line.boxes) * 2 > len(line.boxes)
    )


def _is_all_marked(line: Line) -> bool:
    return all(box.look for box in line.boxes)


def _is_like_head(line: Line) -> bool:
    return (
        len(line.boxes) > 1
        and _is_all_marked(line)
        and not any(is_value(box.text) and not is_period(box.text) for box in line.boxes)
    )


def _is_field(line: Line) -> bool:
    """Whether a line is a marked name and its plain value."""
    if len(line.boxes) < 2:
        return False
    first, second = line.boxes[:2]
    return bool(first.look) and second.look != first.look and not is_total(first.text)


def _is_other_head(
    lines: Sequence[Line], i: int, head: Head, values: dict[int, int], *, is_second: bool
) -> bool:
    """Whether a line names columns whose cells above are values, or has the next labels of a form.

    In a form, labels may be above their values: 会社名 | 部署 / 青空製作所 | 営業部 / 電話 | 内線.
    """
    boxes = lines[i].boxes
    texts = [box.text for box in boxes]
    if len(boxes) < 2 or len(set(texts)) < len(texts) or not _PLACEHOLDER.isdisjoint(texts):
        return False
    labels = sum(map(is_label, texts))
    if is_second and is_label(texts[0]) and 2 * labels >= len(texts):
        return find_head(lines, i) is not None
    counts = [values.get(head.columns(box)[0], 0) for box in boxes]
    named = [box.text for box, count in zip(boxes, counts, strict=True) if count]
    if not named or any(map(is_value, named)) or find_head(lines, i) is None:
        return False
    return 2 * labels > len(boxes) or (len(named) > 1 and min(filter(None, counts)) > 1)
