"""Reads the outline of a PDF: its bookmarks, or else the lines that are larger than the text."""

import ctypes
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from langchain_swallow.documents.layout.outline import Bookmark
from langchain_swallow.documents.readers.pdf_fonts import open_pdf

# The size of the text covers this share of the characters; the rest may be headings.
_TEXT_SHARE = 0.9
# A heading is this much larger than the text, since fonts of one size differ a little in height.
_MIN_SIZE_RATIO = 1.08
# With a larger share of large lines, the document is a poster or a form, not text with headings.
_MAX_LARGE_SHARE = 0.25
_MAX_TITLE_CHARACTERS = 80
_TITLE = re.compile(r".*[^\W\d_].*(?<![。、，])")
_NUMBERED = re.compile(r"[0-9A-Z]+(?:\.[0-9]+)+")
_ENDS = ("\r", "\n")


class _Line(NamedTuple):
    page: int
    top: float
    text: str
    size: float


class OutlineReader:
    """Collects the outline of a pypdfium2 document while its pages are loaded one by one."""

    def __init__(self, document: Any) -> None:
        self._found: list[Bookmark] = []
        self._lines: list[_Line] = []
        # For each page: the heights that its bookmarks point to, by their index.
        self._heights: dict[int, dict[int, float]] = {}
        try:
            self._look_up(document)
        except Exception:  # from pdfium, or a title in a broken encoding: the text may be readable
            self._found, self._heights = [], {}

    def look_at(self, index: int, textpage: Any) -> None:
        """Collect what the outline needs of a page.

        Args:
            index: The page's index, from 0.
            textpage: Its pypdfium2 text page.
        """
        if not self._found:
            self._lines += _lines(index, textpage)
        elif heights := self._heights.get(index):
            for number, top in heights.items():
                share = _share_above(top, textpage)
                self._found[number] = self._found[number]._replace(top=share)

    def bookmarks(self) -> list[Bookmark]:
        """Return the document's bookmarks, or its large lines if it has none."""
        return self._found or _large_lines(self._lines)

    def _look_up(self, document: Any) -> None:
        for entry in document.get_toc():
            place = entry.get_dest()
            page = None if place is None else place.get_index()
            if place is None or page is None or page >= len(document):
                page = -1
            elif (top := _height(place)) is not None:
                self._heights.setdefault(page, {})[len(self._found)] = top
            self._found.append(Bookmark(entry.level, entry.get_title(), page))


def pdf_outline(data: bytes) -> list[Bookmark]:
    """Return the bookmarks of a PDF, or its large lines; empty if pdfium cannot read the file."""
    try:
        with closing(open_pdf(data)) as document:
            reader = OutlineReader(document)
            for index, page in enumerate(document):
                reader.look_at(index, page.get_textpage())
            return reader.bookmarks()
    except MemoryError:
        raise
    except Exception:  # another extractor may be able to read the text
        return []


def _height(place: Any) -> float | None:
    """The height on the page that a bookmark points to, in points; `None` if it has only a page."""
    import pypdfium2.raw as pdfium

    mode, position = place.get_view()
    # Coordinates that are not set are 0.
    return position[1] if mode == pdfium.PDFDEST_VIEW_XYZ and any(position[1:2]) else None


def _share_above(top: float, textpage: Any) -> float:
    above, page = textpage.get_text_bounded(bottom=top), textpage.get_text_bounded()
    return len("".join(above.split())) / max(1, len("".join(page.split())))


def _large_lines(lines: list[_Line]) -> list[Bookmark]:
    """Lines larger than 90% of the text; larger lines have higher levels.

    A size that occurs only once is not a heading's, except that of the title on the first page.
    """
    min_size = _MIN_SIZE_RATIO * _text_size(lines)
    if sum(line.size >= min_size for line in lines) > _MAX_LARGE_SHARE * len(lines):
        return []
    headings = []
    # The lines of one heading are consecutive.
    for (_, size), group in itertools.groupby(lines, key=lambda line: (line.page, line.size)):
        if size >= min_size:
            first, *rest = group
            title = "".join(line.text for line in (first, *rest))
            if len(title) <= _MAX_TITLE_CHARACTERS and _TITLE.fullmatch(title):
                headings.append(first._replace(text=title))
    of_size = _size_levels({heading.size for heading in headings})
    counts = Counter(of_size[heading.size] for heading in headings)
    kept = [
        heading
        for heading in headings
        if counts[level := of_size[heading.size]] > 1 or heading.page == level == 0
    ]
    levels = _numbered_levels(kept, [of_size[heading.size] for heading in kept])
    return [Bookmark(level, h.text, h.page, h.top) for level, h in zip(levels, kept, strict=True)]


def _size_levels(sizes: set[float]) -> dict[float, int]:
    """The level of each size, from 0; sizes that are nearly equal share one."""
    levels: dict[float, int] = {}
    level, largest = -1, math.inf
    for size in sorted(sizes, reverse=True):
        if size * _MIN_SIZE_RATIO < largest:
            level, largest = level + 1, size
        levels[size] = level
    return levels


def _numbered_levels(headings: list[_Line], levels: list[int]) -> list[int]:
    """Give headings of equal number depth, such as 1.1.2 and 1.1.3, the same level.

    Their sizes may differ with the letters in them.
    """
    numbers = [_NUMBERED.match(heading.text) for heading in headings]
    depths = [number[0].count(".") if number else None for number in numbers]
    seen: dict[int, Counter[int]] = {}
    for depth, level in zip(depths, levels, strict=True):
        if depth is not None:
            seen.setdefault(depth, Counter())[level] += 1
    common = {depth: found.most_common(1)[0][0] for depth, found in seen.items()}
    return [
        level if depth is None else common[depth]
        for depth, level in zip(depths, levels, strict=True)
    ]


def _text_size(lines: list[_Line]) -> float:
    """The size that 90% of all characters do not exceed."""
    counts: Counter[float] = Counter()
    for line in lines:
        counts[line.size] += len(line.text)
    characters = 0
    for size in sorted(counts):
        characters += counts[size]
        if characters >= _TEXT_SHARE * counts.total():
            return size
    return math.inf


def _lines(page: int, textpage: Any) -> Iterator[_Line]:
    """Lines of a page with the most frequent height of their characters, in half points."""
    found = list(_page_lines(textpage))
    lengths = [len("".join(text.split())) for text, _ in found]
    for (text, size), above in zip(found, itertools.accumulate(lengths, initial=0), strict=False):
        yield _Line(page, above / max(1, sum(lengths)), text, size)


def _page_lines(textpage: Any) -> Iterator[tuple[str, float]]:
    characters = _characters(textpage)
    for ends, group in itertools.groupby(characters, key=lambda found: found[0] in _ENDS):
        line = [] if ends else list(group)
        sizes = Counter(size for char, size in line if char.strip())
        if sizes:
            yield "".join(char for char, _ in line).strip(), sizes.most_common(1)[0][0]


def _characters(textpage: Any) -> Iterator[tuple[str, float]]:
    """Characters with their heights, in half points; unprintable characters are empty."""
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    for index in range(textpage.count_chars()):
        pdfium.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(box))
        char = chr(pdfium.FPDFText_GetUnicode(textpage, index))
        printed = char in _ENDS or char.isprintable()
        yield char if printed else "", round(2 * abs(box.top - box.bottom)) / 2
