"""PDF → a section for each heading of each page; sentences stay whole.

Running lines and tables of contents are taken out.

pypdfium2 first, pypdf second, pdfminer third; each result is judged by its share of characters that
no one writes, so that a PDF without usable text is reported instead of indexed as garbage.
"""

import io
import re
from collections.abc import Iterator

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.pdf_outline import pdf_outline
from langchain_swallow.formats.section import Section
from langchain_swallow.text.contents import without_contents
from langchain_swallow.text.headings import split_at_headings
from langchain_swallow.text.layout import join_wrapped_pages, remove_spacing
from langchain_swallow.text.outline import Bookmark, outline_paths, set_apart
from langchain_swallow.text.running_lines import split_running_lines

_MAX_GARBAGE = 0.05
_GARBAGE = re.compile(r"\(cid:\d+\)|[\ufffd\ue000-\uf8ff]|[\x00-\x08\x0e-\x1f]")


def read_pdf(data: bytes, name: str) -> list[Section]:
    """Sections of a PDF; spaces, line breaks and sentences over a page's end repaired.

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
            return list(_sections(pages, pdf_outline(data)))
    raise DocumentError(
        f"{name} has no readable text ({'; '.join(reasons)}). It needs OCR, or another export."
    )


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


def _sections(pages: list[str], outline: list[Bookmark]) -> Iterator[Section]:
    bodies, running = split_running_lines([_plain(page) for page in pages])
    texts = join_wrapped_pages(set_apart(without_contents(bodies), outline))
    whole = ["\n".join([*words, text]) for words, text in zip(running, texts, strict=True)]
    for index, headings, text in split_at_headings(whole, outline_paths(whole, outline)):
        yield Section(text.strip(), headings, page=index + 1)


def _plain(page: str) -> str:
    # pdfium marks a hyphen at a line's end with U+FFFE.
    return remove_spacing(page.replace("\r\n", "\n").replace("\ufffe", ""))
