"""Defines what an OCR engine is: the picture of a page goes in, and its text comes out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class OcrText:
    """The text of a picture.

    Args:
        text: Its lines in reading order, separated by newlines. Tabs separate the cells of a row.
        confidence: How certain the engine is of the characters, from 0 to 1.
    """

    text: str
    confidence: float


class OcrEngine(Protocol):
    """An OCR engine. `Tesseract` is one; any object with this method can stand in for it."""

    def read(self, image: "Image") -> OcrText:
        """Recognize the text of a picture. Several threads may call it at the same time.

        Args:
            image: A grayscale picture (mode `L`). `image.info["dpi"]` has its resolution in dots
                per inch across and down, where it is known.

        Raises:
            Exception: The text cannot be recognized. The page is then reported in `left_out`.
        """
        ...
