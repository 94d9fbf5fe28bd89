"""Reads documents of other office programs: what LibreOffice makes of them, as .docx or .pptx."""

from pathlib import PurePosixPath

from langchain_swallow.documents.readers.docx import read_docx
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.html_encoding import decode_page
from langchain_swallow.documents.readers.libreoffice import CONVERTED, convert
from langchain_swallow.documents.readers.pptx import read_pptx
from langchain_swallow.documents.readers.section import Sections

_READERS = {".docx": read_docx, ".pptx": read_pptx}
# The folders of the main parts of new Office files, which some people rename to .doc or .ppt.
_NEWER = {b"word/": read_docx, b"ppt/": read_pptx}


def read_converted(data: bytes, name: str) -> Sections:
    """Read .doc, .rtf, .odt, .ppt, .odp and the like.

    A file that is really a new Office file, or a web page that a program has named .doc, is read as
    what it is.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: LibreOffice is not installed, or could not convert the file.
    """
    if data.startswith(b"PK") and b"[Content_Types].xml" in data:
        for folder, read in _NEWER.items():
            if folder in data:
                return read(data, name)
    if data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<html", b"<!doctype html")):
        return read_html(decode_page(data, name).text)
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return _READERS[CONVERTED[suffix]](convert(data, suffix, name), name)
