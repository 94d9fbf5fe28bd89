"""Recognizes the text of PDF pages that have none, and of large pictures on the others."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from langchain_swallow.documents.layout.vertical import on_page
from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText
from langchain_swallow.documents.readers.pdf_fonts import open_pdf
from langchain_swallow.documents.readers.recognized import (
    MIN_PICTURE_HEIGHT,
    MIN_PICTURE_WIDTH,
    recognize,
)
from langchain_swallow.documents.readers.section import LeftOut

if TYPE_CHECKING:
    from PIL.Image import Image

# Tesseract reads 10-point letters best at this resolution.
_DPI = 300
_POINTS_PER_INCH = 72
# A page of A3 at 300 dpi has 17 million. Larger ones, such as posters, are rendered coarser.
_MAX_PIXELS = 20_000_000
# A picture with this many characters of text over it is a background, or has a layer of OCR text.
_MAX_CHARACTERS_OVER = 10


def recognize_pages(
    data: bytes, pages: Iterable[int], ocr: OcrEngine
) -> Iterator[tuple[int, OcrText | LeftOut]]:
    """Yield the text of whole pages, or why there is none.

    Args:
        data: The bytes of the PDF.
        pages: Numbers of the pages, from 1.
        ocr: The engine.
    """
    with closing(open_pdf(data)) as document:
        document.init_forms()
        for number in pages:
            with closing(document[number - 1]) as page:
                yield number, recognize(_render(page), ocr, number)


def recognize_pictures(
    data: bytes, pages: Iterable[int], ocr: OcrEngine
) -> Iterator[tuple[int, OcrText | LeftOut]]:
    """Yield the texts of the large pictures on pages that have text, or why there is none.

    Args:
        data: The bytes of the PDF.
        pages: Numbers of the pages, from 1.
        ocr: The engine.
    """
    with closing(open_pdf(data)) as document:
        for number in pages:
            with closing(document[number - 1]) as page:
                boxes = list(_picture_boxes(page))
                rendered = _render(page) if boxes else None
                for box in boxes:
                    assert rendered is not None
                    yield number, recognize(_cut(rendered, box), ocr, number)


def _render(page: Any) -> "Image":
    width, height = page.get_size()
    inches = max(1.0, width * height) / _POINTS_PER_INCH**2
    dpi = int(min(_DPI, (_MAX_PIXELS / inches) ** 0.5))
    image: Image = page.render(scale=dpi / _POINTS_PER_INCH, grayscale=True).to_pil()
    image.info["dpi"] = (dpi, dpi)
    return image


def _picture_boxes(page: Any) -> Iterator[Any]:
    """The boxes of large pictures on the rotated page, in points, from top to bottom."""
    import pypdfium2.raw as pdfium

    bounds, rotation = page.get_bbox(), page.get_rotation()
    boxes = []
    with closing(page.get_textpage()) as textpage:
        for item in page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE]):
            # Coordinates inside a form object are not the page's.
            while item.container is not None:
                item = item.container
            bounds_of_item = item.get_bounds()
            over = textpage.get_text_bounded(*bounds_of_item)
            box = on_page(bounds_of_item, bounds, rotation)
            is_large = (
                box.right - box.left >= MIN_PICTURE_WIDTH
                and box.top - box.bottom >= MIN_PICTURE_HEIGHT
            )
            if is_large and len("".join(over.split())) <= _MAX_CHARACTERS_OVER:
                boxes.append(box)
    yield from sorted(dict.fromkeys(boxes), key=lambda box: (-box.top, box.left))


def _cut(image: "Image", box: Any) -> "Image":
    scale = image.info["dpi"][0] / _POINTS_PER_INCH
    cut = image.crop(
        (
            max(0, int(box.left * scale)),
            max(0, int(image.height - box.top * scale)),
            min(image.width, int(box.right * scale) + 1),
            min(image.height, int(image.height - box.bottom * scale) + 1),
        )
    )
    cut.info["dpi"] = image.info["dpi"]
    return cut
