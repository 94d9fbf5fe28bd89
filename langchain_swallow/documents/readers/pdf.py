"""Reads a PDF as one section per heading and page.

pypdfium2, pypdf and pdfminer are tried in this order. Pages without text, or with too large a share
of garbage characters, are read by OCR if there is an engine, and reported otherwise.
"""

import io
import re
from collections.abc import Iterator, Sequence

from langchain_swallow.documents.ocr.current import current_ocr
from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText
from langchain_swallow.documents.readers.paged import paged_sections
from langchain_swallow.documents.readers.pdf_ocr import recognize_pages, recognize_pictures
from langchain_swallow.documents.readers.pdf_outline import pdf_outline
from langchain_swallow.documents.readers.pdf_pages import PdfPages, read_pages
from langchain_swallow.documents.readers.pdf_unread import NEEDS_OCR, NO_TEXT, UNREADABLE
from langchain_swallow.documents.readers.recognized import ocr_fields, picture_text
from langchain_swallow.documents.readers.section import Fields, LeftOut, Section, Sections
from langchain_swallow.errors import DocumentError

_MAX_GARBAGE = 0.05
# An unreadable page may have this many times the characters of one that was read.
_MAX_ADDED = 1.2
# pdfium's FPDF_ERR_PASSWORD.
_PASSWORD_ERROR = 4
# Some fonts name kana as rare kanji: の is 䛾. No text has as many of them.
_GARBAGE = re.compile(r"\(cid:\d+\)|[\ufffd\ue000-\uf8ff\u3400-\u4dbf]|[\x00-\x08\x0e-\x1f]")


def read_pdf(data: bytes, name: str) -> Sections:
    """Read the sections of a PDF, and repair spaces, line breaks and sentences across pages.

    `left_out` has the pages without text, running lines, and entries of tables of contents. With a
    `current_ocr`, pages without text, and large pictures on the others, are recognized.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is damaged, needs a password, or has no readable text.
    """
    read, reasons = _extract(data, name)
    best = max(read, key=_readable_characters, default=[])
    known = best if isinstance(best, PdfPages) else None
    for index in range(len(best)):
        if _lacks_characters(index, best, read):
            best[index] = ""
    scan = _Scan(best, list(_unread(best, read)))
    ocr = current_ocr()
    if ocr:
        scan.recognize(data, ocr)
    if not any(page.strip() for page in scan.pages):
        reasons += [part.reason for part in scan.left_out if part.reason not in reasons]
        needs = "another export" if ocr else "OCR (`ocr=True`, `--ocr`), or another export"
        raise DocumentError(
            f"{name} has no readable text ({'; '.join(reasons)}). It needs {needs}."
        )
    sections = paged_sections(
        scan.pages,
        outline=known.outline if known else pdf_outline(data),
        places=known.places if known else None,
        fields=scan.fields,
    )
    in_order = sorted([*sections, *scan.pictures], key=lambda section: section.page or 0)
    return Sections(in_order, [*scan.left_out, *sections.left_out])


def _extract(data: bytes, name: str) -> tuple[list[list[str]], list[str]]:
    """The pages as each extractor reads them, and the reasons to try another one."""
    reasons = []
    read: list[list[str]] = []
    for extract in (_pdfium_pages, _pypdf_pages, _pdfminer_pages):
        try:
            pages = extract(data)
        except MemoryError:
            raise
        except Exception as error:  # each extractor has its own errors for damaged files
            if _needs_password(error):
                raise DocumentError(
                    f"{name} needs a password. Save a copy without a password, and read the copy."
                ) from error
            reasons.append(f"{extract.__name__.strip('_')}: {error}")
            continue
        read.append(pages)
        if not "".join(pages).strip():
            reasons.append("no text")
        elif any(map(_is_garbage, pages)):
            reasons.append("unreadable characters")
        else:
            break
    return read, reasons


class _Scan:
    """Pages as they were extracted, to which `recognize` adds what only pictures have.

    `pages` has the texts, without unreadable ones. `pictures` has the texts of pictures on pages
    with text, and `fields` the metadata of whole pages that were recognized.
    """

    def __init__(self, extracted: list[str], left_out: list[LeftOut]) -> None:
        self.pages = ["" if _is_garbage(page) else page for page in extracted]
        self.left_out = left_out
        self.fields: dict[int, Fields] = {}
        self.pictures: list[Section] = []

    def recognize(self, data: bytes, ocr: OcrEngine) -> None:
        """Recognize the pages without text, and the large pictures on the others."""
        unread = {part.page for part in self.left_out if part.reason in NEEDS_OCR and part.page}
        self.left_out = [part for part in self.left_out if part.reason not in NEEDS_OCR]
        for number, read in recognize_pages(data, sorted(unread), ocr):
            if isinstance(read, OcrText):
                self.pages[number - 1] = read.text
                self.fields[number] = ocr_fields(read)
            else:
                self.left_out.append(read)
        with_text = {number for number, page in enumerate(self.pages, 1) if page.strip()}
        for number, read in recognize_pictures(data, sorted(with_text - unread), ocr):
            if isinstance(read, OcrText):
                text, fields = picture_text(read)
                self.pictures.append(Section(text, page=number, fields=fields))
            else:
                self.left_out.append(read)


def _unread(best: list[str], read: list[list[str]]) -> Iterator[LeftOut]:
    """Report what is left out of pages, with what pypdfium2 knows about them."""
    known = next((pages for pages in read if isinstance(pages, PdfPages)), None)
    yield from (part for part in known.left_out if part.page is None) if known else ()
    for index, text in enumerate(best):
        page_parts = [part for part in known.left_out if part.page == index + 1] if known else []
        if text.strip() and not _is_garbage(text):
            yield from page_parts if known is best else ()
        elif any(_is_garbage(pages[index]) for pages in read if index < len(pages)):
            yield LeftOut(UNREADABLE, index + 1)
        elif known:
            yield from page_parts
        else:
            yield LeftOut(NO_TEXT, index + 1)


def _pdfium_pages(data: bytes) -> list[str]:
    return read_pages(data)


def _pypdf_pages(data: bytes) -> list[str]:
    import pypdf

    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def _pdfminer_pages(data: bytes) -> list[str]:
    from pdfminer.high_level import extract_text
    from pdfminer.layout import LAParams

    # Japanese text has more line spacing than pdfminer's default allows within a paragraph.
    text = extract_text(io.BytesIO(data), laparams=LAParams(line_margin=1.3))
    return text.split("\f")[:-1]


def _needs_password(error: Exception) -> bool:
    return getattr(error, "err_code", None) == _PASSWORD_ERROR


def _is_garbage(text: str) -> bool:
    return len(_GARBAGE.findall(text)) > _MAX_GARBAGE * len(text)


def _lacks_characters(index: int, best: list[str], read: list[list[str]]) -> bool:
    """Whether a page is readable only because characters that others cannot name were dropped."""
    count = _MAX_ADDED * _characters(best[index])
    others = [pages[index] for pages in read if index < len(pages)]
    return any(_is_garbage(text) and _characters(text) > count for text in others)


def _characters(text: str) -> int:
    return len("".join(_GARBAGE.sub("x", text).split()))


def _readable_characters(pages: Sequence[str]) -> int:
    return sum(len("".join(page.split())) for page in pages if not _is_garbage(page))
