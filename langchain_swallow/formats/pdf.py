"""PDF → one section a page.

pypdfium2 first, pypdf second, pdfminer third; each result is judged by its share of characters that
no one writes, so that a PDF without usable text is reported instead of indexed as garbage.
"""

import io
import re
from collections.abc import Callable

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.section import Section
from langchain_swallow.text.layout import join_wrapped_lines, remove_spacing

_MAX_GARBAGE = 0.05
_GARBAGE = re.compile(r"\(cid:\d+\)|[\ufffd\ue000-\uf8ff]|[\x00-\x08\x0e-\x1f]")


def read_pdf(data: bytes, name: str) -> list[Section]:
    """Pages of a PDF, spaces and line breaks repaired.

    Raises:
        DocumentError: It is damaged, encrypted, or has no text layer.
    """
    reasons = []
    for extract in (_pdfium_pages, _pypdf_pages, _pdfminer_pages):
        try:
            pages = extract(data)
        except MemoryError:
            raise
        except Exception as error:  # every extractor has its own errors for a damaged file
            reasons.append(f"{extract.__name__.strip('_')}: {error}")
            continue
        text = "".join(pages)
        if not text.strip():
            reasons.append("no text")
        elif _garbage_share(text) > _MAX_GARBAGE:
            reasons.append("unreadable characters")
        else:
            return [
                Section(_repair(page), page=number)
                for number, page in enumerate(pages, 1)
                if page.strip()
            ]
    raise DocumentError(
        f"{name} has no readable text ({'; '.join(reasons)}). It needs OCR, or another export."
    )


Extractor = Callable[[bytes], list[str]]


def _pdfium_pages(data: bytes) -> list[str]:
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def _pypdf_pages(data: bytes) -> list[str]:
    import pypdf

    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def _pdfminer_pages(data: bytes) -> list[str]:
    from pdfminer.high_level import extract_text
    from pdfminer.layout import LAParams

    # Lines of Japanese text are set wider apart than its default takes for one paragraph.
    text = extract_text(io.BytesIO(data), laparams=LAParams(line_margin=1.3))
    return text.split("\f")[:-1]


def _garbage_share(text: str) -> float:
    return len(_GARBAGE.findall(text)) / max(1, len(text))


def _repair(page: str) -> str:
    # pdfium marks a hyphen at a line's end with U+FFFE.
    plain = page.replace("\r\n", "\n").replace("\ufffe", "")
    return join_wrapped_lines(remove_spacing(plain)).strip()
