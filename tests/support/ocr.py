"""An OCR engine and pictures for tests."""

import io

from PIL import Image

from langchain_swallow.documents.ocr.engine import OcrText


class Engine:
    """Recognizes the same text everywhere, and remembers what it was given."""

    def __init__(self, text="試用期間は三か月です。", confidence=0.9, error=None):
        self.text, self.confidence, self.error = text, confidence, error
        self.seen = []

    def read(self, image):
        self.seen.append((image.mode, image.size, image.info.get("dpi")))
        if self.error:
            raise self.error
        return OcrText(self.text, self.confidence)


def picture(format="PNG", size=(300, 200), frames=1, **options):
    first, *rest = (Image.new("RGB", size, "white") for _ in range(frames))
    more = {"save_all": True, "append_images": rest} if rest else {}
    first.save(written := io.BytesIO(), format, **more, **options)
    return written.getvalue()
