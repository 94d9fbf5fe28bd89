"""Shows how many pictures were recognized so far; a scanned book takes minutes."""

import threading
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText

if TYPE_CHECKING:
    from PIL.Image import Image


class ShownOcr:
    """An engine with a progress bar on stderr, which appears with the first picture.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: OcrEngine) -> None:
        self._engine = engine
        self._bar: Any = None
        self._lock = threading.Lock()

    def read(self, image: "Image") -> OcrText:
        """Recognize a picture, and count it."""
        with self._lock:
            if self._bar is None:
                self._bar = tqdm(desc="OCR", unit=" pages")
        try:
            return self._engine.read(image)
        finally:
            self._bar.update()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
