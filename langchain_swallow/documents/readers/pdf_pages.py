"""Reads the pages of a PDF with pdfium: text, places of lines, outline, and what is left out."""

from collections.abc import Iterable
from contextlib import closing

from langchain_swallow.documents.layout.outline import Bookmark
from langchain_swallow.documents.layout.running_lines import Place
from langchain_swallow.documents.readers.pdf_continued import ContinuedTables
from langchain_swallow.documents.readers.pdf_fonts import open_pdf
from langchain_swallow.documents.readers.pdf_notes import page_notes
from langchain_swallow.documents.readers.pdf_outline import OutlineReader
from langchain_swallow.documents.readers.pdf_rules import page_rules
from langchain_swallow.documents.readers.pdf_sheet import Sheet
from langchain_swallow.documents.readers.pdf_unread import why_unread
from langchain_swallow.documents.readers.section import LeftOut

# pdfium's FORMTYPE_XFA_FULL: the viewer generates the pages from the form.
_DYNAMIC_XFA = 2


class PdfPages(list[str]):
    """Texts of pages, in which tabs separate columns.

    `places` has the places of lines near a page's edges, `outline` the bookmarks or large lines,
    and `left_out` what was not read as text.
    """

    def __init__(
        self,
        texts: Iterable[str],
        places: list[dict[int, Place]],
        outline: list[Bookmark],
        left_out: list[LeftOut],
    ) -> None:
        super().__init__(texts)
        self.places = places
        self.outline = outline
        self.left_out = left_out


def read_pages(data: bytes) -> PdfPages:
    """Read all pages of a PDF, loading each once.

    Raises:
        pypdfium2.PdfiumError: The file is damaged or needs a password.
    """
    texts: list[str] = []
    places: list[dict[int, Place]] = []
    left_out: list[LeftOut] = []
    with closing(open_pdf(data)) as document:
        document.init_forms()
        if document.get_formtype() == _DYNAMIC_XFA:
            left_out.append(LeftOut("XFA form whose fields only Adobe's programs can read"))
        outline = OutlineReader(document)
        tables = ContinuedTables()
        for index in range(len(document)):
            with closing(document[index]) as page, closing(page.get_textpage()) as textpage:
                outline.look_at(index, textpage)
                notes, comments = page_notes(page, index + 1)
                sheet = Sheet(page, textpage, notes, page_rules(page), tables)
                left_out += comments
                texts.append(sheet.text)
                places.append(sheet.places)
                if sheet.ruby:
                    reason = "reading beside characters (ruby)"
                    left_out.append(LeftOut(reason, index + 1, sheet.ruby, is_loss=False))
                left_out += why_unread(page, textpage, texts[-1], index + 1)
        return PdfPages(texts, places, outline.bookmarks(), left_out)
