"""Turns pictures into sections by OCR, or reports why their text is left out."""

from typing import TYPE_CHECKING

from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText
from langchain_swallow.documents.readers.paged import join_plain
from langchain_swallow.documents.readers.section import Fields, LeftOut

if TYPE_CHECKING:
    from PIL.Image import Image

# Smaller pictures are logos, seals and icons, or hold a few words at most; in points.
MIN_PICTURE_WIDTH, MIN_PICTURE_HEIGHT = 100.0, 40.0
# Below it, what engines recognize is not text, but lines and shades of a photo or a drawing.
_MIN_CONFIDENCE = 0.5


def recognize(image: "Image", ocr: OcrEngine, page: int | None) -> OcrText | LeftOut:
    """Return the text of a picture, or why there is none.

    Args:
        image: The picture.
        ocr: The engine.
        page: The page that the picture is or is on, for the report.
    """
    try:
        read = ocr.read(image)
    except MemoryError:
        raise
    except Exception as error:  # an engine of others may raise anything
        return LeftOut(f"OCR failed: {error}", page)
    if not read.text.strip():
        return LeftOut("picture in which OCR found no text", page, is_loss=False)
    if read.confidence < _MIN_CONFIDENCE:
        return LeftOut("picture whose text OCR did not recognize with enough confidence", page)
    return read


def picture_text(read: OcrText) -> tuple[str, Fields]:
    """The text of a picture that stands beside other text, and the metadata of its section."""
    return join_plain(read.text), ocr_fields(read)


def ocr_fields(read: OcrText) -> Fields:
    """Metadata of a section that OCR recognized."""
    return (("ocr", True), ("ocr_confidence", round(read.confidence, 3)))
