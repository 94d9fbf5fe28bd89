"""Orders the characters of pages in vertical writing into lines."""

import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# In heights of a character. In a column, the next character may be this far to the side, as commas
# are, and this far below. A larger step is a space, and the largest a new run. Runs whose centers
# differ less than the tolerance are in one column.
_MAX_ASIDE = 0.5
_MAX_BELOW = 1.35
_MIN_SPACE = 1.65
_MAX_WITH_SPACE = 2.3
_COLUMN_TOLERANCE = 0.35
# The maximum distance of ruby from its column, and between horizontal letters.
_MAX_APART = 1.6
# The minimum gaps between blocks, one below the other and side by side.
_MIN_BLOCK_GAP_BELOW = 1.3
_MIN_BLOCK_GAP_BESIDE = 3.0
# Ruby (furigana) is at most this much of the size; text of such a different size is another line.
_MAX_RUBY_RATIO = 0.65
# Maximum number of figures side by side within a column.
_MAX_FIGURES = 3
_KANA = re.compile(r"[\u3041-\u30ffー]+")
_FULL_WIDTH = re.compile(r"[\u3005-\u3007\u3041-\u30ff\u3400-\u9fff]")
_FORMS = str.maketrans(
    "︐︑︒︓︔︕︖︗︘︙︰︱︲︵︶︷︸︹︺︻︼︽︾︿﹀﹁﹂﹃﹄﹇﹈",
    "，、。：；！？〖〗…‥—–（）｛｝〔〕【】《》〈〉「」『』［］",
)


class Box(NamedTuple):
    """A rectangle in points, from the lower left corner of the rotated page."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def x(self) -> float:
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        return (self.bottom + self.top) / 2

    @property
    def size(self) -> float:
        return max(self.right - self.left, self.top - self.bottom)


def on_page(box: Sequence[float], bounds: Sequence[float], rotation: int) -> Box:
    """The place of a box on the rotated page.

    Args:
        box: Left, bottom, right and top in the coordinates of the file, in points.
        bounds: Those of the page.
        rotation: Of the page, clockwise in degrees.
    """
    (x0, y0, x1, y1), (left, bottom, right, top) = box, bounds
    if rotation == 90:
        return Box(y0 - bottom, right - x1, y1 - bottom, right - x0)
    if rotation == 180:
        return Box(right - x1, top - y1, right - x0, top - y0)
    if rotation == 270:
        return Box(top - y1, x0 - left, top - y0, x1 - left)
    return Box(x0 - left, y0 - bottom, x1 - left, y1 - bottom)


class Printed(NamedTuple):
    """A character or a line, and its box."""

    text: str
    box: Box


def usual_punctuation(text: str) -> str:
    """Replace the punctuation forms of vertical writing by the usual ones.

    >>> usual_punctuation("﹁会社﹂とは︑")
    '「会社」とは、'
    """
    return text.translate(_FORMS)


def is_vertical(pairs: Iterable[tuple[Printed, Printed]]) -> bool:
    """Whether consecutive characters are more often below each other than side by side."""
    below = beside = 0
    for (one, here), (other, there) in pairs:
        if _FULL_WIDTH.match(one) and _FULL_WIDTH.match(other):
            size = max(here.size, there.size)
            across, down = abs(there.x - here.x), here.y - there.y
            below += across <= _MAX_ASIDE * size and _MAX_ASIDE * size < down <= _MAX_BELOW * size
            beside += abs(down) <= _MAX_ASIDE * size and there.x > here.x
    return below > beside


def vertical_lines(characters: Sequence[Printed]) -> tuple[list[Printed], int]:
    """Return the lines in reading order, and the number of ruby readings that were left out.

    Columns are read from right to left, and blocks of columns from top to bottom. Horizontal
    lines, such as headers, are separate lines.

    Args:
        characters: The characters in the order of the file.
    """
    sizes = [box.size for text, box in characters if _FULL_WIDTH.match(text)]
    em = statistics.median(sizes) if sizes else 1.0
    runs = list(_runs(characters, em))
    text = [run for run in runs if not _is_ruby(run, runs, em)]
    lines: list[Printed] = []
    last: _Line | None = None
    for line in _ordered(_columns(text, em), em):
        if last and (line.is_across != last.is_across or not _are_alike(last, line)):
            # They are not parts of one sentence.
            lines.append(Printed("", line.box))
        lines.append(Printed(line.text, line.box))
        last = line
    return lines, len(runs) - len(text)


@dataclass
class _Line:
    """A column of characters, or a horizontal line if `is_across`."""

    characters: list[Printed]
    size: float
    is_across: bool = False
    box: Box = field(init=False)

    def __post_init__(self) -> None:
        boxes = [box for _, box in self.characters]
        self.box = Box(
            min(box.left for box in boxes),
            min(box.bottom for box in boxes),
            max(box.right for box in boxes),
            max(box.top for box in boxes),
        )

    @property
    def text(self) -> str:
        text = ""
        above: Printed | None = None
        for printed in self.characters:
            is_far = above and above.box.y - printed.box.y >= _MIN_SPACE * self.size
            if is_far and not self.is_across and not f"{text[-1]}{printed.text}".isspace():
                text = f"{text.rstrip()}\u3000"
            text += printed.text
            above = printed
        return text.strip()


def _runs(characters: Sequence[Printed], em: float) -> Iterator[_Line]:
    """Runs of characters in one direction and of one size."""
    run: list[Printed] = []
    size = em
    # One character alone has no direction.
    is_across: bool | None = None
    for printed in characters:
        char_size = printed.box.size if _FULL_WIDTH.match(printed.text) else size
        if run:
            goes_across = _goes_across(run, printed, size, is_across)
            is_alike = _MAX_RUBY_RATIO * size < char_size < size / _MAX_RUBY_RATIO
            if goes_across is None or not is_alike:
                yield _Line(run, size, bool(is_across))
                run, is_across = [], None
            else:
                is_across = goes_across
        run.append(printed)
        size = char_size
    if run:
        yield _Line(run, size, bool(is_across))


def _goes_across(
    run: Sequence[Printed], printed: Printed, size: float, is_across: bool | None
) -> bool | None:
    """Whether a character continues a run across (not down); `None` if it starts a new run."""
    last = run[-1].box
    down, across = last.y - printed.box.y, printed.box.x - last.x
    is_level = abs(down) <= _MAX_ASIDE / 2 * size
    if is_across is not False and is_level and 0 < across <= _MAX_APART * size:
        return True
    is_in_column = abs(printed.box.x - run[0].box.x) <= _MAX_ASIDE * size
    if not is_across and is_in_column and -_MAX_ASIDE / 2 * size <= down <= _MAX_WITH_SPACE * size:
        return False
    return None


def _is_ruby(run: _Line, runs: Sequence[_Line], em: float) -> bool:
    if run.size > _MAX_RUBY_RATIO * em or not _KANA.fullmatch(run.text):
        return False
    return any(
        0 < run.box.x - other.box.x <= _MAX_APART * other.size
        and other.size * _MAX_RUBY_RATIO >= run.size
        and min(run.box.top, other.box.top) > max(run.box.bottom, other.box.bottom)
        for other in runs
    )


def _columns(runs: Sequence[_Line], em: float) -> list[_Line]:
    """Join the runs of a column, with the figures that are side by side within it."""
    lines = [run for run in runs if run.is_across and len(run.characters) > _MAX_FIGURES]
    parts = [run for run in runs if not run.is_across or len(run.characters) <= _MAX_FIGURES]
    parts.sort(key=lambda run: -run.box.x)
    for group in _apart(parts, lambda run: (-run.box.x, -run.box.x), _COLUMN_TOLERANCE * em):
        column: _Line | None = None
        for run in sorted(group, key=lambda run: -run.box.top):
            if column and column.box.bottom - run.box.top <= em and _are_alike(column, run):
                size = max(column.size, run.size)
                column = _Line([*column.characters, *run.characters], size)
            else:
                lines += [column] if column else []
                column = run
        lines += [column] if column else []
    for line in lines:
        # Such as a page number.
        line.is_across = line.is_across or not _FULL_WIDTH.search(line.text)
    return lines


def _are_alike(one: _Line, other: _Line) -> bool:
    return _MAX_RUBY_RATIO * one.size < other.size < one.size / _MAX_RUBY_RATIO


def _ordered(lines: list[_Line], em: float) -> Iterator[_Line]:
    """The lines of each block; blocks are read from top to bottom, then from right to left."""
    falling = sorted(lines, key=_downward)
    blocks = list(_apart(falling, _downward, _MIN_BLOCK_GAP_BELOW * em))
    if len(blocks) == 1:
        leftward = sorted(lines, key=_leftward)
        blocks = list(_apart(leftward, _leftward, _MIN_BLOCK_GAP_BESIDE * em))
    if len(blocks) > 1:
        for block in blocks:
            yield from _ordered(block, em)
    else:
        across = [line for line in falling if line.is_across]
        yield from across
        columns = [line for line in falling if not line.is_across]
        yield from sorted(columns, key=lambda line: -line.box.x)


def _downward(line: _Line) -> tuple[float, float]:
    return -line.box.top, -line.box.bottom


def _leftward(line: _Line) -> tuple[float, float]:
    return -line.box.right, -line.box.left


def _apart(
    lines: Sequence[_Line], extent: Callable[[_Line], tuple[float, float]], min_gap: float
) -> Iterator[list[_Line]]:
    """Divide lines, sorted by their beginning, into groups with gaps of more than `min_gap`."""
    group: list[_Line] = []
    end = 0.0
    for line in lines:
        begins, ends = extent(line)
        if group and begins - end > min_gap:
            yield group
            group = []
        end = max(end, ends) if group else ends
        group.append(line)
    if group:
        yield group
