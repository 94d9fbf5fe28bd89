"""Pages of a PDF whose text cannot be read: scanned ones, and letters drawn as outlines."""

from collections.abc import Iterable, Iterator
from typing import Any

from langchain_swallow.documents.readers.section import LeftOut

# More text than a stamp, a fax's head line or a page's number is a text layer.
_MAX_STAMP_CHARACTERS = 200
# Shares of the page: pictures that are one, text no larger than a stamp's, a small logo.
_MIN_PICTURE_SHARE = 0.6
_MAX_STAMP_SHARE = 0.02
_MAX_LOGO_SHARE = 0.01
# With fewer lines and rectangles it is a blank page with a frame.
_MAX_FRAME_PATHS = 30
# The OCR's text behind a picture.
_INVISIBLE_TEXT_MODE = 3

_Box = tuple[float, float, float, float]


def why_unread(page: Any, textpage: Any, text: str, number: int) -> Iterator[LeftOut]:
    """What a page has in place of text, or beside only a few words.

    Args:
        page: Of pypdfium2, as its text page is.
        textpage: What its few characters are measured on.
        text: What was read of it.
        number: The page's, from 1.
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
            yield LeftOut(
                "a picture with only a few words beside it; the page may need OCR", number
            )
    elif pictures > _MAX_LOGO_SHARE or drawn > _MAX_FRAME_PATHS:
        yield LeftOut("no text layer; the page needs OCR", number)
    else:
        yield LeftOut("blank page", number, is_loss=False)


def _objects(page: Any) -> tuple[float, int, bool]:
    """The share of the page that pictures cover, how much is drawn, and whether text is hidden."""
    import pypdfium2.raw as pdfium

    pictures: list[_Box] = []
    drawn = 0
    is_ocr = False
    for item in page.get_objects():
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            # Places within a form are not the page's.
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
    """The share of a page that boxes take, at most all of it."""
    left, bottom, right, top = page.get_bbox()
    covered = 0.0
    for x0, y0, x1, y1 in boxes:
        width, height = min(x1, right) - max(x0, left), min(y1, top) - max(y0, bottom)
        covered += max(0.0, width) * max(0.0, height)
    return min(1.0, covered / max(1.0, (right - left) * (top - bottom)))
