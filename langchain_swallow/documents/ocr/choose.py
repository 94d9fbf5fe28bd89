"""Chooses the OCR engine."""

from langchain_swallow.documents.ocr.engine import OcrEngine
from langchain_swallow.documents.ocr.tesseract import Tesseract


def choose_ocr(ocr: OcrEngine | bool) -> OcrEngine | None:
    """Return the engine: `Tesseract` for `True`, and `None` for `False`.

    Raises:
        MissingDependencyError: Tesseract or Pillow is not installed.
    """
    if isinstance(ocr, bool):
        return Tesseract() if ocr else None
    return ocr
