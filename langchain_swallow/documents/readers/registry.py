"""Chooses the reader of a file by its extension."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from langchain_swallow.documents.encoding import decode
from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.layout import join_wrapped_lines
from langchain_swallow.documents.readers.aozora import is_aozora, read_aozora
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.csv import read_csv, read_tsv
from langchain_swallow.documents.readers.docx import read_docx
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.jsonl import read_jsonl
from langchain_swallow.documents.readers.lines import with_lines
from langchain_swallow.documents.readers.markdown import read_markdown
from langchain_swallow.documents.readers.pdf import read_pdf
from langchain_swallow.documents.readers.pptx import read_pptx
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.documents.readers.spreadsheet import read_spreadsheet
from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.errors import DocumentError

_ZIP = ".zip"


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, or of a file inside an archive.

    `inside` is the path in the archive, and `encoding` the codec of a text file. `error` is the
    reason why nothing was read, and `left_out` has the parts that were not read. `is_ignored` is
    whether the file is in an archive and is not read there, as it would not be in a folder.
    """

    sections: tuple[Section, ...] = ()
    inside: str = ""
    encoding: str = ""
    error: str = ""
    left_out: tuple[LeftOut, ...] = ()
    is_ignored: bool = False


def _read_plain(text: str) -> list[Section]:
    if is_aozora(text):
        return read_aozora(text)
    pages = [join_wrapped_lines(text)]
    return [Section(body, path) for _, path, body in split_at_headings(pages)]


_TEXT_FORMATS: dict[str, Callable[[str], list[Section]]] = {
    ".txt": _read_plain,
    ".text": _read_plain,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
}
_BINARY_FORMATS: dict[str, Callable[[bytes, str], list[Section]]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".docm": read_docx,
    ".pptx": read_pptx,
    ".pptm": read_pptx,
    ".ppsx": read_pptx,
    ".xlsx": read_xlsx,
    ".xlsm": read_xlsx,
    **dict.fromkeys((".xls", ".xlsb", ".ods"), read_spreadsheet),
}
# Unsupported document formats, and the formats in which their programs can save them.
_SAVED_AS = {
    **dict.fromkeys((".doc", ".dot", ".rtf", ".odt"), ".docx"),
    **dict.fromkeys((".ppt", ".pps", ".odp"), ".pptx"),
}
# Formats whose sections begin with text of the file itself, so that its line can be found.
_VERBATIM = frozenset({".txt", ".text", ".md", ".markdown"})
SUFFIXES = frozenset({*_TEXT_FORMATS, *_BINARY_FORMATS, _ZIP})
# Formats that are unpacked or parsed in C: an untrusted file may crash the process or fill memory.
UNTRUSTED = frozenset({*_BINARY_FORMATS, _ZIP, ".html", ".htm", ".xhtml"})


def read_content(data: bytes, name: str) -> list[Content]:
    """Read the sections of a file, or of each file in an archive.

    Args:
        data: The bytes of the file.
        name: Its path, for its format and for error messages.

    Returns:
        One `Content`, or one for each file in the archive.

    Raises:
        DocumentError: The file cannot be read, or its format is unknown. For a file inside an
            archive, `error` or `is_ignored` is set instead.
    """
    suffix = _suffix(name)
    if suffix == _ZIP:
        return list(_read_archive(data, name))
    if suffix in _BINARY_FORMATS:
        read = _BINARY_FORMATS[suffix](data, name)
        return [Content(tuple(read), left_out=_left_out(read))]
    if suffix not in _TEXT_FORMATS:
        raise DocumentError(f"{name} has an unknown format. {what_to_do(suffix)}")
    decoded = decode(data, name=name)
    plain = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        sections = _TEXT_FORMATS[suffix](plain)
    except DocumentError as error:
        raise DocumentError(f"{name}: {error}") from error
    left_out = _left_out(sections)
    if not sections:
        left_out += (LeftOut("the file has no text", is_loss=False),)
    if suffix in _VERBATIM:
        sections = list(with_lines(sections, plain))
    return [Content(tuple(sections), encoding=decoded.encoding, left_out=left_out)]


def _left_out(sections: list[Section]) -> tuple[LeftOut, ...]:
    """What a reader left out; a reader that never leaves anything out returns a plain list."""
    return sections.left_out if isinstance(sections, Sections) else ()


def what_to_do(suffix: str) -> str:
    """Tell how to convert files of an unknown format, or which formats are known.

    >>> what_to_do(".doc")
    'Save .doc as .docx. LibreOffice does it for many: `soffice --headless --convert-to docx *.doc`'
    """
    if newer := _SAVED_AS.get(suffix):
        many = f"soffice --headless --convert-to {newer[1:]} *{suffix}"
        return f"Save {suffix} as {newer}. LibreOffice does it for many: `{many}`"
    return f"Known are {', '.join(sorted(SUFFIXES))}."


def is_document(suffix: str) -> bool:
    """Whether an unsupported format is a document format that can be converted."""
    return suffix in _SAVED_AS


def _read_archive(data: bytes, name: str) -> list[Content]:
    archive = Archive(data, name, reads=_is_read)
    contents = [Content(inside=inside, is_ignored=True) for inside in archive.others]
    for inside in archive.names():
        where = f"{name}/{inside}"
        try:
            if _suffix(inside) == _ZIP:
                raise DocumentError(f"{where} is an archive in an archive. Unpack the outer one.")
            (content,) = read_content(archive.read(inside), where)
        except DocumentError as error:
            content = Content(error=str(error))
        contents.append(replace(content, inside=inside))
    return contents


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or a lock file of Office."""
    return name.startswith((".", "~$")) or name == "__MACOSX"


def _is_read(inside: str) -> bool:
    """Whether a file in an archive is of a known format and not hidden."""
    hidden = any(map(is_hidden, PurePosixPath(inside).parts))
    return not hidden and _suffix(inside) in SUFFIXES


def _suffix(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()
