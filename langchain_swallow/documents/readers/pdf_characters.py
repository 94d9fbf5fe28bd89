"""The characters of a PDF page, their boxes, and the words that they make."""

import ctypes
import math
import re
from bisect import bisect_left
from typing import Any, NamedTuple

from langchain_swallow.documents.layout.vertical import Box, Printed, on_page

_WORD = re.compile(r"\S+")


class Word(NamedTuple):
    """Characters without white space between them, and where they are, in points."""

    start: int
    length: int
    left: float
    right: float
    bottom: float
    top: float

    @property
    def size(self) -> float:
        return self.top - self.bottom


class Characters:
    """The characters of a page, by their index in `raw`.

    `width` and `height` are those of the rotated page, in points.

    Args:
        page: A pypdfium2 page.
        textpage: Its text page.
    """

    def __init__(self, page: Any, textpage: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        # Kept, since it is used thousands of times.
        self._handle = textpage.raw
        self._found = pdfium.FS_RECTF()
        self._place_found = ctypes.byref(self._found)
        self._bounds = page.get_bbox()
        self._rotation = page.get_rotation()
        left, bottom, right, top = self._bounds
        self._left, self._bottom = left, bottom
        sides = right - left, top - bottom
        self.width, self.height = sides if self._rotation % 180 == 0 else sides[::-1]
        self.raw: str = textpage.get_text_range()
        # pdfium counts UTF-16 units, and leaves some characters out of its text.
        self._wide = [at for at, char in enumerate(self.raw) if char > "\uffff"]
        self._is_plain = not self._wide and textpage.count_chars() == len(self.raw)
        self._words: dict[tuple[int, int], list[Word]] = {}

    def box(self, index: int) -> Box:
        """The box of a character on the rotated page."""
        box = self._found
        at = index if self._is_plain else self._at(index)
        self._pdfium.FPDFText_GetLooseCharBox(self._handle, at, self._place_found)
        if self._rotation == 0:
            # Not by `on_page`, which takes longer than pdfium.
            return Box(
                box.left - self._left,
                box.bottom - self._bottom,
                box.right - self._left,
                box.top - self._bottom,
            )
        return self.on_page(box.left, box.bottom, box.right, box.top)

    def visible_box(self, index: int) -> Box | None:
        """The box of a character; `None` for white space."""
        return None if self.raw[index].isspace() else self.box(index)

    def printed(self, index: int) -> Printed:
        return Printed(self.raw[index], self.box(index))

    def words(self, line: tuple[int, int]) -> list[Word]:
        """The words of a line, which is a half-open span of characters.

        Only their first and last characters are looked up, since finding the places of all
        characters takes long: pdfium puts a space where the gap is wider than 0.25 em.
        """
        words = self._words.get(line)
        if words is None:
            found = _WORD.finditer(self.raw, *line)
            words = self._words[line] = [self._word(*match.span()) for match in found]
        return words

    def _word(self, start: int, end: int) -> Word:
        first = last = self.box(start)
        if end - start > 1:
            last = self.box(end - 1)
        return Word(
            start,
            end - start,
            min(first.left, last.left),
            max(first.right, last.right),
            min(first.bottom, last.bottom),
            max(first.top, last.top),
        )

    def on_page(self, *box: float) -> Box:
        """The place of a box, given in the coordinates of the file, on the rotated page."""
        return on_page(box, self._bounds, self._rotation)

    def is_space(self, index: int) -> bool:
        return self.raw[index].isspace()

    def is_generated(self, index: int) -> bool:
        """Whether pdfium made the character, such as a space in a gap."""
        return self._pdfium.FPDFText_IsGenerated(self._handle, self._at(index)) == 1

    def is_upright(self, index: int) -> bool:
        angle = self._pdfium.FPDFText_GetCharAngle(self._handle, self._at(index))
        return abs(math.sin(angle - math.radians(self._rotation))) < 0.3

    def _at(self, index: int) -> int:
        """Convert an index in the text to pdfium's index of the character."""
        if self._is_plain:
            return index
        index += bisect_left(self._wide, index)
        return self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._handle, index)
