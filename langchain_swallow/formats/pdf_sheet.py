"""A page of a PDF: the text that pdfium has of it, put right by where its characters are."""

import ctypes
import math
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from langchain_swallow.text.layout import JAPANESE
from langchain_swallow.text.running_lines import PLACES, Place
from langchain_swallow.text.vertical import Box, Printed, is_vertical, vertical_lines

# In ems: word processors set Latin letters and Japanese a quarter apart, columns more than one.
_NO_SPACE = 0.3
_COLUMN = 0.45
_FAR = 2.0
_SPACE = re.compile(rf"(?<=[{JAPANESE}]) (?=\S)|(?<=\S) (?=[{JAPANESE}])")
_APART = re.compile(rf"(?<=[{JAPANESE}]) (?=[{JAPANESE}])")
_TOGETHER = re.compile(rf"(?<=[{JAPANESE}])(?=[{JAPANESE}])")
_NUMBER = re.compile(r"^\d{1,5}( +)(?=\S)|(?<=\S)( +)\d{1,5}$")
_HYPHEN = "\ufffe"

# Characters of a page that are looked at, for the direction of its writing.
_SAMPLES = 40


def _is_set_wide(line: str) -> bool:
    """Whether most letters are apart, 就 業 規 則."""
    apart, together = len(_APART.findall(line)), len(_TOGETHER.findall(line))
    return apart > together


class Sheet:
    """A page: its text in reading order, and where lines near its edges are.

    `places` are by the index of a line among those not empty; `ruby` counts the readings beside
    characters in vertical writing, which are not in the text.
    """

    def __init__(self, page: Any, textpage: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._textpage = textpage
        self._bounds = page.get_bbox()
        self._rotation = page.get_rotation()
        left, bottom, right, top = self._bounds
        self._height = top - bottom if self._rotation % 180 == 0 else right - left
        # Characters keep the index that they have here, in which they are counted as in UTF-16.
        self._raw = textpage.get_text_range()
        self._is_wide = max(self._raw, default="") > "\uffff"
        self._lines = list(self._visible_lines())
        self.ruby = 0
        if is_vertical(self._some_pairs()):
            lines, self.ruby = vertical_lines(list(self._characters()))
            self.text = "\n".join(line for line, _ in lines)
            places = [partial(self._place_of, box) for line, box in lines if line]
        else:
            self._spaces = self._judged_spaces()
            self.text = "\n".join(self._spaced(start, end) for start, end in self._lines)
            filled = [line for line in self._lines if self._raw[slice(*line)].strip()]
            places = [partial(self._place, *line) for line in filled]
        near = {*range(len(places))[:PLACES], *range(len(places))[-PLACES:]}
        self.places = {number: places[number]() for number in sorted(near)}

    def _some_pairs(self) -> Iterator[tuple[Printed, Printed]]:
        """Characters from all over the page, upright ones, with those that follow them."""
        for at in range(0, len(self._raw) - 1, len(self._raw) // _SAMPLES + 1):
            rest = (at + ahead for ahead in range(1, 4))
            following = next((i for i in rest if not self._raw[i : i + 1].isspace()), at)
            if self._is_upright(at) and following < len(self._raw):
                yield self._printed(at), self._printed(following)

    def _characters(self) -> Iterator[Printed]:
        for start, end in self._lines:
            for at in range(start, end):
                if not (self._raw[at].isspace() and self._is_generated(at)):
                    yield self._printed(at)

    def _printed(self, index: int) -> Printed:
        return Printed(self._raw[index], self._character(index))

    def _is_upright(self, index: int) -> bool:
        angle = self._pdfium.FPDFText_GetCharAngle(self._textpage, self._at(index))
        return abs(math.sin(angle - math.radians(self._rotation))) < 0.3

    def _visible_lines(self) -> Iterator[tuple[int, int]]:
        """Lines that are on the page, or begin there; a page may be cut out of a larger one."""
        bounded = self._textpage.get_text_bounded().replace("\x02", _HYPHEN)
        start = 0
        for line in self._raw.split("\r\n"):
            end = start + len(line)
            if bounded == self._raw or not line.strip() or self._is_on_page(start, end):
                yield start, end
            start = end + 2

    def _is_on_page(self, start: int, end: int) -> bool:
        left, bottom, right, top = self._bounds
        width = right - left if self._rotation % 180 == 0 else top - bottom
        return any(
            0 <= box.x <= width and 0 <= box.y <= self._height
            for box in (self._character(start), self._character(end - 1))
        )

    def _spaced(self, start: int, end: int) -> str:
        line = self._raw[start:end]
        return _SPACE.sub(lambda space: self._spaces.get(start + space.start(), " "), line)

    def _judged_spaces(self) -> dict[int, str]:
        """What the spaces beside Japanese are that pdfium put where there is a gap."""
        gaps = {}
        for start, end in self._lines:
            line = self._raw[start:end]
            found = [start + space.start() for space in _SPACE.finditer(line)]
            least = _FAR if found and _is_set_wide(line) else _COLUMN
            for at in found:
                if self._is_generated(at):
                    gaps[at] = self._gap(at - 1, at + 1), least
        columns = {self._left(at + 1) for at, (gap, least) in gaps.items() if gap >= least}
        told = {}
        for at, (gap, least) in gaps.items():
            # Narrow cells are hardly apart, but stand below each other.
            is_column = gap >= least or self._left(at + 1) in columns
            told[at] = "\t" if is_column else "" if gap < _NO_SPACE else " "
        return told

    def _left(self, index: int) -> int:
        """The place of a character along its line, to a fifth of a point."""
        return round(5 * self._character(index)[0])

    def _place(self, start: int, end: int) -> Place:
        line = self._raw[start:end]
        first = start + len(line) - len(line.lstrip())
        place = self._place_of(self._character(first))
        if not (number := _NUMBER.search(line)):
            return place
        before, after = number.span(number.lastindex or 0)
        is_apart = self._gap(start + before - 1, start + after) >= _FAR
        return place._replace(number_apart=is_apart)

    def _place_of(self, box: Box) -> Place:
        return Place(box.top - box.bottom, self._height - box.top, box.bottom)

    def _gap(self, before: int, after: int) -> float:
        """How far two characters are apart, in ems."""
        one, other = self._character(before), self._character(after)
        apart = (other[0] - one[2], one[0] - other[2], other[1] - one[3], one[1] - other[3])
        size = max(one.size, other.size)
        return max(apart) / size if size else 0.0

    def _is_generated(self, index: int) -> bool:
        return self._pdfium.FPDFText_IsGenerated(self._textpage, self._at(index)) == 1

    def _character(self, index: int) -> Box:
        """The box of a character on the page as it is turned."""
        box = self._pdfium.FS_RECTF()
        self._pdfium.FPDFText_GetLooseCharBox(self._textpage, self._at(index), ctypes.byref(box))
        left, bottom, right, top = self._bounds
        if self._rotation == 90:
            return Box(box.bottom - bottom, right - box.right, box.top - bottom, right - box.left)
        if self._rotation == 180:
            return Box(right - box.right, top - box.top, right - box.left, top - box.bottom)
        if self._rotation == 270:
            return Box(top - box.top, box.left - left, top - box.bottom, box.right - left)
        return Box(box.left - left, box.bottom - bottom, box.right - left, box.top - bottom)

    def _at(self, index: int) -> int:
        """The index that pdfium has a character under."""
        if self._is_wide:
            index = len(self._raw[:index].encode("utf-16-le")) // 2
        return self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._textpage, index)
