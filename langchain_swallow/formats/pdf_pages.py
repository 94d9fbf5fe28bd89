"""Pages of a PDF as pdfium has them: their text, and where its lines are."""

import ctypes
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from langchain_swallow.formats.pdf_outline import OutlineReader
from langchain_swallow.formats.pdf_unread import why_unread
from langchain_swallow.formats.section import LeftOut
from langchain_swallow.text.layout import JAPANESE
from langchain_swallow.text.outline import Bookmark
from langchain_swallow.text.running_lines import PLACES, Place

# In ems: word processors set Latin letters and Japanese a quarter apart, columns more than one.
_NO_SPACE = 0.3
_COLUMN = 0.45
_FAR = 2.0
_SPACE = re.compile(rf"(?<=[{JAPANESE}]) (?=\S)|(?<=\S) (?=[{JAPANESE}])")
_APART = re.compile(rf"(?<=[{JAPANESE}]) (?=[{JAPANESE}])")
_TOGETHER = re.compile(rf"(?<=[{JAPANESE}])(?=[{JAPANESE}])")
_NUMBER = re.compile(r"^\d{1,5}( +)(?=\S)|(?<=\S)( +)\d{1,5}$")
_HYPHEN = "\ufffe"

_Box = tuple[float, float, float, float]


class PdfPages(list[str]):
    """Texts of pages, in which tabs keep columns apart.

    `places` has where lines near a page's edges are, `left_out` what of the pages is no text.
    """

    def __init__(
        self,
        texts: Iterable[str],
        places: list[dict[int, Place]],
        outline: list[Bookmark],
        left_out: list[LeftOut],
    ) -> None:
        super().__init__(texts)
        self.places = places
        self.outline = outline
        self.left_out = left_out


def read_pages(data: bytes) -> PdfPages:
    """All that pdfium knows of a PDF's pages; each is loaded once."""
    import pypdfium2

    texts: list[str] = []
    places: list[dict[int, Place]] = []
    left_out: list[LeftOut] = []
    with closing(pypdfium2.PdfDocument(data)) as document:
        outline = OutlineReader(document)
        for index in range(len(document)):
            with closing(document[index]) as page, closing(page.get_textpage()) as textpage:
                outline.look_at(index, textpage)
                sheet = _Sheet(page, textpage)
                texts.append(sheet.text())
                places.append(sheet.places())
                left_out += why_unread(page, textpage, texts[-1], index + 1)
        return PdfPages(texts, places, outline.bookmarks(), left_out)


def _is_set_wide(line: str) -> bool:
    """Whether most letters are apart, 就 業 規 則."""
    apart, together = len(_APART.findall(line)), len(_TOGETHER.findall(line))
    return apart > together


class _Sheet:
    """A page with its text as pdfium gives it, in which characters keep their index."""

    def __init__(self, page: Any, textpage: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._textpage = textpage
        self._box = page.get_bbox()
        self._rotation = page.get_rotation()
        self._raw = textpage.get_text_range()
        # Characters are counted as in UTF-16.
        self._is_wide = max(self._raw, default="") > "\uffff"
        self._lines = list(self._visible_lines())
        self._spaces = self._judged_spaces()

    def text(self) -> str:
        """Its lines; what is no space in print is none, and columns are apart by tabs."""
        return "\n".join(self._spaced(start, end) for start, end in self._lines)

    def places(self) -> dict[int, Place]:
        """Of the first and last lines that are not empty, by their index."""
        filled = [line for line in self._lines if self._raw[slice(*line)].strip()]
        near = {*range(min(PLACES, len(filled))), *range(max(0, len(filled) - PLACES), len(filled))}
        return {number: self._place(*filled[number]) for number in sorted(near)}

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
        left, bottom, right, top = self._box
        return any(
            left <= (box[0] + box[2]) / 2 <= right and bottom <= (box[1] + box[3]) / 2 <= top
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
        from_top, from_bottom, height = self._upright(self._character(first))
        number = _NUMBER.search(line)
        is_apart = False
        if number:
            before, after = number.span(number.lastindex or 0)
            is_apart = self._gap(start + before - 1, start + after) >= _FAR
        return Place(height, from_top, from_bottom, is_apart)

    def _upright(self, box: _Box) -> tuple[float, float, float]:
        """Distances from the edges that are above and below as the page is turned, and height."""
        left, bottom, right, top = self._box
        distances = {
            0: (top - box[3], box[1] - bottom),
            90: (box[0] - left, right - box[2]),
            180: (box[1] - bottom, top - box[3]),
            270: (right - box[2], box[0] - left),
        }
        height = box[3] - box[1] if self._rotation % 180 == 0 else box[2] - box[0]
        return *distances[self._rotation], height

    def _gap(self, before: int, after: int) -> float:
        """How far two characters are apart, in ems."""
        one, other = self._character(before), self._character(after)
        apart = (other[0] - one[2], one[0] - other[2], other[1] - one[3], one[1] - other[3])
        size = max(box[side + 2] - box[side] for box in (one, other) for side in (0, 1))
        return max(apart) / size if size else 0.0

    def _is_generated(self, index: int) -> bool:
        return self._pdfium.FPDFText_IsGenerated(self._textpage, self._at(index)) == 1

    def _character(self, index: int) -> _Box:
        """The box of a character: left, bottom, right and top."""
        box = self._pdfium.FS_RECTF()
        self._pdfium.FPDFText_GetLooseCharBox(self._textpage, self._at(index), ctypes.byref(box))
        return box.left, box.bottom, box.right, box.top

    def _at(self, index: int) -> int:
        """The index that pdfium has a character under."""
        if self._is_wide:
            index = len(self._raw[:index].encode("utf-16-le")) // 2
        return self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._textpage, index)
