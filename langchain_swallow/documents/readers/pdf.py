"""Reads a PDF as one section per heading and page, without cutting sentences.

Running lines and tables of contents are removed and counted.

pypdfium2, pypdf and pdfminer are tried in this order. Pages with too large a share of garbage
characters are reported instead of being indexed.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence

from langchain_swallow.documents.layout.contents import without_contents
from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import join_wrapped_pages, remove_spacing
from langchain_swallow.documents.layout.outline import outline_paths, set_apart
from langchain_swallow.documents.layout.running_lines import split_running_lines
from langchain_swallow.documents.layout.vertical import usual_punctuation
from langchain_swallow.documents.readers.pdf_outline import pdf_outline
from langchain_swallow.documents.readers.pdf_pages import PdfPages, read_pages
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.errors import DocumentError

_MAX_GARBAGE = 0.05
# pdfium's FPDF_ERR_PASSWORD.
_PASSWORD_ERROR = 4
_GARBAGE = re.compile(r"\(cid:\d+\)|[\ufffd\ue000-\uf8ff]|[\x00-\x08\x0e-\x1f]")


def read_pdf(data: bytes, name: str) -> Sections:
    """Read the sections of a PDF, and repair spaces, line breaks and sentences across pages.

    `left_out` has the pages without text, running lines, and entries of tables of contents.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is damaged, needs a password, or has no readable text.
    """
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
    best = max(read, key=_readable_characters, default=[])
    if not _readable_characters(best):
        raise DocumentError(
            f"{name} has no readable text ({'; '.join(reasons)}). It needs OCR, or another export."
        )
    return _sections(best, data, _unread(best, read))


def _unread(best: list[str], read: list[list[str]]) -> Iterator[LeftOut]:
    """Report what is left out of pages, with what pypdfium2 knows about them."""
    known = next((pages for pages in read if isinstance(pages, PdfPages)), None)
    yield from (part for part in known.left_out if part.page is None) if known else ()
    for index, text in enumerate(best):
        page_parts = [part for part in known.left_out if part.page == index + 1] if known else []
        if text.strip() and not _is_garbage(text):
            yield from page_parts if known is best else ()
        elif any(_is_garbage(pages[index]) for pages in read if index < len(pages)):
            yield LeftOut("unreadable characters; the page needs OCR", index + 1)
        elif known:
            yield from page_parts
        else:
            yield LeftOut("no text; the page may need OCR", index + 1)


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


def _readable_characters(pages: Sequence[str]) -> int:
    return sum(len("".join(page.split())) for page in pages if not _is_garbage(page))


def _sections(pages: list[str], data: bytes, unread: Iterable[LeftOut]) -> Sections:
    known = pages if isinstance(pages, PdfPages) else None
    outline = known.outline if known else pdf_outline(data)
    plain = ["" if _is_garbage(page) else _plain(page) for page in pages]
    bodies, running = split_running_lines(plain, known.places if known else None)
    without_entries = without_contents(bodies)
    texts = join_wrapped_pages(set_apart(without_entries, outline))
    whole = ["\n".join([*words, text]) for words, text in zip(running, texts, strict=True)]
    sections = [
        Section(text.strip(), headings, page=index + 1)
        for index, headings, text in split_at_headings(whole, outline_paths(whole, outline))
    ]
    left_out = list(unread)
    left_out += _fewer_lines("running header, footer or page number", plain, bodies)
    left_out += _fewer_lines("entry of a table of contents", bodies, without_entries)
    return Sections(sections, left_out)


def _fewer_lines(reason: str, before: list[str], after: list[str]) -> Iterator[LeftOut]:
    """Report how many lines of each page were removed by design."""
    for number, texts in enumerate(zip(before, after, strict=True), 1):
        had, has = (sum(bool(line.strip()) for line in text.split("\n")) for text in texts)
        if had > has:
            yield LeftOut(reason, number, had - has, is_loss=False)


def _plain(page: str) -> str:
    # pdfium marks a hyphen at the end of a line with U+FFFE; tabs separate columns up to here.
    lines = page.replace("\r\n", "\n").replace("\ufffe", "")
    return remove_spacing(usual_punctuation(lines)).replace("\t", " ")
