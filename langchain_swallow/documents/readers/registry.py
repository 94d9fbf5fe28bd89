"""A file's bytes → its sections, by the ending of its name."""

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
from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.errors import DocumentError

_ZIP = ".zip"


@dataclass(frozen=True, slots=True)
class Content:
    """What a file, or one inside an archive, holds.

    `inside` is its path in the archive; `encoding` that of a text file; `error` the reason why
    nothing was read; `left_out` what was not, though the rest was. `is_ignored` is a file in an
    archive that is left alone, as it would be in a folder.
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
}
# Documents in formats that are not read, and what their programs can save them as.
_SAVED_AS = {
    **dict.fromkeys((".doc", ".dot", ".rtf", ".odt"), ".docx"),
    **dict.fromkeys((".xls", ".xlsb", ".ods"), ".xlsx"),
    **dict.fromkeys((".ppt", ".pps", ".odp"), ".pptx"),
}
# Their sections begin with what stands in the file.
_VERBATIM = frozenset({".txt", ".text", ".md", ".markdown"})
SUFFIXES = frozenset({*_TEXT_FORMATS, *_BINARY_FORMATS, _ZIP})
# Read by parsers in C, or unpacked: what a stranger's file may crash or fill.
UNTRUSTED = frozenset({*_BINARY_FORMATS, _ZIP, ".html", ".htm", ".xhtml"})


def read_content(data: bytes, name: str) -> list[Content]:
    """Sections of one file; of an archive, of each file in it that can be read.

    Args:
        data: Its bytes.
        name: Its path, for its format and for errors.

    Raises:
        DocumentError: It cannot be read, or its format is not known. A file inside an archive that
            cannot be read has its `error` instead; one of another format `is_ignored`.
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
    """What a reader left out; one that never leaves anything out returns a plain list."""
    return sections.left_out if isinstance(sections, Sections) else ()


def what_to_do(suffix: str) -> str:
    """How to have files of a format read that is not known.

    >>> what_to_do(".doc")
    'Save .doc as .docx. LibreOffice does it for many: `soffice --headless --convert-to docx *.doc`'
    """
    if newer := _SAVED_AS.get(suffix):
        many = f"soffice --headless --convert-to {newer[1:]} *{suffix}"
        return f"Save {suffix} as {newer}. LibreOffice does it for many: `{many}`"
    return f"Known are {', '.join(sorted(SUFFIXES))}."


def is_document(suffix: str) -> bool:
    """Whether files of a format that is not known hold text that could be read in another."""
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
    """Whether a file or folder is one that systems and Office keep beside documents."""
    return name.startswith((".", "~$")) or name == "__MACOSX"


def _is_read(inside: str) -> bool:
    """Whether a file in an archive would be read in a folder."""
    hidden = any(map(is_hidden, PurePosixPath(inside).parts))
    return not hidden and _suffix(inside) in SUFFIXES


def _suffix(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()
