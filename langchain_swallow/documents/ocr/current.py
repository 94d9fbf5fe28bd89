"""The OCR engine for the file that is being read.

Pictures are found deep inside: in PDFs, archives and mail. Readers of other formats need not pass
the engine on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from langchain_swallow.documents.ocr.engine import OcrEngine

_engine: ContextVar[OcrEngine | None] = ContextVar("ocr", default=None)


def current_ocr() -> OcrEngine | None:
    """The engine, or `None` if pictures are left out."""
    return _engine.get()


@contextmanager
def using_ocr(engine: OcrEngine | None) -> Iterator[None]:
    """Recognize the pictures of what is read in this block."""
    token = _engine.set(engine)
    try:
        yield
    finally:
        _engine.reset(token)
