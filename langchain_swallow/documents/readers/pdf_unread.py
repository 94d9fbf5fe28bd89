"""Detects PDF pages without a text layer: scans, and letters drawn as outlines."""

from collections.abc import Iterable, Iterator
from typing import Any

from langchain_swallow.documents.readers.section import LeftOut

# More characters than a stamp, the header of a fax or a page number has are a text layer.
_MAX_STAMP_CHARACTERS = 200
# Shares of the page's area: pictures that fill it, text no larger than a stamp, a small logo.
_MIN_PICTURE_SHARE = 0.6
_MAX_STAMP_SHARE = 0.02
_MAX_LOGO_SHARE = 0.01
# With at most this many lines and rectangles, it is a blank page with a frame.
_MAX_FRAME_PATHS = 30
# The text render mode of OCR text behind a picture.
_INVISIBLE_TEXT_MODE = 3

NO_TEXT_LAYER = "no text layer; the page needs OCR"
FEW_WORDS = "a picture with only a few words beside it; the page may need OCR"
UNREADABLE = "unreadable characters; the page needs OCR"
NO_TEXT = "no text; the page may need OCR"
# Reasons for which OCR may give the text of a page.
NEEDS_OCR = frozenset({NO_TEXT_LAYER, FEW_WORDS, UNREADABLE, NO_TEXT})

_Box = tuple[float, float, float, float]


def why_unread(page: Any, textpage: Any, text: str, number: int) -> Iterator[LeftOut]:
    """Report why a page has no text or only a few words; yield nothing for a page with text.

    Args:
        page: A pypdfium2 page.
        textpage: Its text page.
        text: The text that was read from it.
        number: The page number, from 1.
    """
    written = len("".join(text.split()))
    if written > _MAX_STAMP_CHARACTERS:
        return
    pictures, drawn, is_ocr = _objects(page)
    if written:
        is_stamp = (
            pictures >= _MIN_PICTURE_SHARE
            and not is_ocr
            and _share_of_text(page, textpage) < _MAX_STAMP_SHARE
        )
        if is_stamp:
            yield LeftOut(FEW_WORDS, number)
    elif pictures > _MAX_LOGO_SHARE or drawn > _MAX_FRAME_PATHS:
        yield LeftOut(NO_TEXT_LAYER, number)
    else:
        yield LeftOut("blank page", number, is_loss=False)


def _objects(page: Any) -> tuple[float, int, bool]:
    """The share of the page that pictures cover, the number of paths, and whether OCR was run."""
    import pypdfium2.raw as pdfium

    pictures: list[_Box] = []
    drawn = 0
    is_ocr = False
    for item in page.get_objects():
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            # Coordinates inside a form object are not the page's.
            while item.container is not None:
                item = item.container
            pictures.append(item.get_bounds())
        elif item.type == pdfium.FPDF_PAGEOBJ_PATH:
            drawn += 1
        elif item.type == pdfium.FPDF_PAGEOBJ_TEXT:
            is_ocr = (
                is_ocr or pdfium.FPDFTextObj_GetTextRenderMode(item.raw) == _INVISIBLE_TEXT_MODE
            )
    return _share(page, pictures), drawn, is_ocr


def _share_of_text(page: Any, textpage: Any) -> float:
    boxes = (textpage.get_charbox(index) for index in range(textpage.count_chars()))
    return _share(page, boxes)


def _share(page: Any, boxes: Iterable[_Box]) -> float:
    """The share of a page's area that boxes cover, in [0, 1]."""
    left, bottom, right, top = page.get_bbox()
    covered = 0.0
    for x0, y0, x1, y1 in boxes:
        width, height = min(x1, right) - max(x0, left), min(y1, top) - max(y0, bottom)
        covered += max(0.0, width) * max(0.0, height)
    return min(1.0, covered / max(1.0, (right - left) * (top - bottom)))
