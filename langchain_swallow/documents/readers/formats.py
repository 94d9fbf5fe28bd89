"""Lists the formats that can be read, by extension, and says what to do about the others."""

from collections.abc import Callable
from pathlib import PurePosixPath

from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import join_wrapped_lines
from langchain_swallow.documents.ocr.current import current_ocr
from langchain_swallow.documents.readers.aozora import is_aozora, read_aozora
from langchain_swallow.documents.readers.container import Container
from langchain_swallow.documents.readers.converted import read_converted
from langchain_swallow.documents.readers.csv import read_csv, read_tsv
from langchain_swallow.documents.readers.docx import read_docx
from langchain_swallow.documents.readers.eml import read_eml
from langchain_swallow.documents.readers.epub import read_epub
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.image import IMAGES, NEEDS_OCR, read_image
from langchain_swallow.documents.readers.ipynb import read_ipynb
from langchain_swallow.documents.readers.json_tree import read_json
from langchain_swallow.documents.readers.jsonl import read_jsonl
from langchain_swallow.documents.readers.libreoffice import (
    CONVERTED,
    find_soffice,
    how_to_read,
)
from langchain_swallow.documents.readers.markdown import read_markdown
from langchain_swallow.documents.readers.marked_text import read_code, read_rst, read_tex
from langchain_swallow.documents.readers.mbox import read_mbox
from langchain_swallow.documents.readers.msg import read_msg
from langchain_swallow.documents.readers.pdf import read_pdf
from langchain_swallow.documents.readers.pptx import read_pptx
from langchain_swallow.documents.readers.section import Section
from langchain_swallow.documents.readers.spreadsheet import read_spreadsheet
from langchain_swallow.documents.readers.xlsx import read_xlsx

ARCHIVE = ".zip"
HTML = (".html", ".htm", ".xhtml")


def _read_plain(text: str) -> list[Section]:
    if is_aozora(text):
        return read_aozora(text)
    pages = [join_wrapped_lines(text)]
    return [Section(body, path) for _, path, body in split_at_headings(pages)]


_CODE = (
    ".bas .c .cc .cbl .cls .cob .cpp .cs .f90 .go .h .hpp .java .jl .js .jsx .kt .lua .php .pl "
    ".ps1 .py .pyi .r .rb .rs .scala .sh .sql .swift .ts .tsx .vb .vbs"
).split()
TEXT_FORMATS: dict[str, Callable[[str], list[Section]]] = {
    ".txt": _read_plain,
    ".text": _read_plain,
    ".md": read_markdown,
    ".markdown": read_markdown,
    **dict.fromkeys(HTML, read_html),
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".ipynb": read_ipynb,
    ".tex": read_tex,
    ".rst": read_rst,
    **dict.fromkeys(_CODE, read_code),
}
BINARY_FORMATS: dict[str, Callable[[bytes, str], list[Section]]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".docm": read_docx,
    ".dotx": read_docx,
    ".dotm": read_docx,
    ".pptx": read_pptx,
    ".pptm": read_pptx,
    ".ppsx": read_pptx,
    ".ppsm": read_pptx,
    ".potx": read_pptx,
    ".potm": read_pptx,
    ".xlsx": read_xlsx,
    ".xlsm": read_xlsx,
    **dict.fromkeys((".xls", ".xlsb", ".ods"), read_spreadsheet),
    ".epub": read_epub,
    **dict.fromkeys(CONVERTED, read_converted),
    **dict.fromkeys(IMAGES, read_image),
}
# Files that hold other files.
CONTAINERS: dict[str, Callable[[bytes, str], Container]] = {
    ".eml": read_eml,
    ".mbox": read_mbox,
    ".msg": read_msg,
}
# Unsupported document formats, and the programs and formats to save them in.
_SAVED_BY = {
    **dict.fromkeys((".jtd", ".jtt", ".jhd"), "Ichitaro (一太郎) as .docx or PDF"),
    **dict.fromkeys((".xdw", ".xbd"), "DocuWorks as PDF"),
}
# Formats whose sections begin with text of the file itself, so that its line can be found.
VERBATIM = frozenset({".txt", ".text", ".md", ".markdown"})
_BUILT_IN = frozenset({*TEXT_FORMATS, *BINARY_FORMATS, *CONTAINERS, ARCHIVE})
# Formats that are unpacked or parsed in C: an untrusted file may crash the process or fill memory.
UNTRUSTED = frozenset({*BINARY_FORMATS, *CONTAINERS, ARCHIVE, *HTML})


def readable_suffixes() -> frozenset[str]:
    """Return the extensions that can be read here; some need LibreOffice, images need OCR."""
    suffixes = _BUILT_IN if find_soffice() else _BUILT_IN - CONVERTED.keys()
    return suffixes if current_ocr() else suffixes - IMAGES.keys()


def what_to_do(suffix: str) -> str:
    """Tell how to convert files of an unknown format, or which formats are known.

    >>> what_to_do(".xdw")
    "Save .xdw in DocuWorks as PDF, or pass a reader: readers={'.xdw': …}."
    """
    if program := _SAVED_BY.get(suffix):
        return f"Save {suffix} in {program}, or pass a reader: readers={{{suffix!r}: …}}."
    if suffix in CONVERTED:
        return how_to_read(suffix)
    if suffix in IMAGES:
        return NEEDS_OCR
    return f"Known are {', '.join(sorted(readable_suffixes()))}."


def is_document(suffix: str) -> bool:
    """Whether an unsupported format is a document format that can be converted."""
    return suffix in _SAVED_BY or suffix in CONVERTED


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or a lock file of Office."""
    return name.startswith((".", "~$")) or name == "__MACOSX"


def file_suffix(name: str) -> str:
    """Return the extension of a path in lower case, with its dot."""
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()
