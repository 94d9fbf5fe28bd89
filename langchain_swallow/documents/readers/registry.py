"""Reads a file by its extension, and the files in archives and mail."""

import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from langchain_swallow.documents.encoding import decode
from langchain_swallow.documents.ocr.current import using_ocr
from langchain_swallow.documents.ocr.engine import OcrEngine
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.container import Container, Member
from langchain_swallow.documents.readers.formats import (
    ARCHIVE,
    BINARY_FORMATS,
    CONTAINERS,
    HTML,
    TEXT_FORMATS,
    VERBATIM,
    file_suffix,
    is_hidden,
    readable_suffixes,
    what_to_do,
)
from langchain_swallow.documents.readers.html_encoding import decode_page
from langchain_swallow.documents.readers.lines import with_lines
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.errors import DocumentError

# Mail may be attached to mail, and archives too.
_MAX_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, or of a file inside an archive.

    `inside` is the path in the archive, and `encoding` the codec of a text file. `error` is the
    reason why nothing was read, and `left_out` has the parts that were not read. `is_ignored` is
    whether the file is in an archive and is not read there, as it would not be in a folder. `data`
    has the bytes of a file for which the caller has its own reader.
    """

    sections: tuple[Section, ...] = ()
    inside: str = ""
    encoding: str = ""
    error: str = ""
    left_out: tuple[LeftOut, ...] = ()
    is_ignored: bool = False
    data: bytes = b""


def read_content(
    data: bytes, name: str, others: Collection[str] = (), ocr: OcrEngine | None = None
) -> list[Content]:
    """Read the sections of a file, or of each file in an archive.

    Args:
        data: The bytes of the file.
        name: Its path, for its format and for error messages.
        others: Extensions for which the caller has readers. Files in an archive that have one of
            them are returned with their `data`.
        ocr: Recognizes the text of pictures; `None` leaves them out.

    Returns:
        One `Content`, or one for each file in the archive or attached to the mail.

    Raises:
        DocumentError: The file cannot be read, or its format is unknown. For a file inside an
            archive, `error` or `is_ignored` is set instead.
    """
    return read_content_once(lambda: data, name, others, ocr)


def read_content_once(
    take: Callable[[], bytes],
    name: str,
    others: Collection[str] = (),
    ocr: OcrEngine | None = None,
) -> list[Content]:
    """Read a file as `read_content` does, and free its bytes when they are decoded.

    Args:
        take: Returns the bytes, and keeps no reference to them. It is called once at most.
        name: As for `read_content`, like the others.
        others: See there.
        ocr: See there.
    """
    with using_ocr(ocr):
        return _read(take, name, frozenset(others), ())


def _read(
    take: Callable[[], bytes], name: str, others: frozenset[str], outer: tuple[str, ...]
) -> list[Content]:
    """Read a file; `outer` has the extensions of the files around it."""
    suffix = file_suffix(name)
    if suffix == ARCHIVE and ARCHIVE in outer:
        raise DocumentError(f"{name} is an archive in an archive. Unpack the outer one.")
    if len(outer) > _MAX_DEPTH:
        raise DocumentError(f"{name} is nested too deep. Save the file alone.")
    if suffix == ARCHIVE:
        archive = Archive(take(), name, reads=lambda inside: _is_read(inside, others))
        return _read_members(Container(_members(archive)), name, others, (*outer, suffix))
    if suffix in CONTAINERS:
        return _read_members(CONTAINERS[suffix](take(), name), name, others, (*outer, suffix))
    if suffix in BINARY_FORMATS:
        read = BINARY_FORMATS[suffix](take(), name)
        return [Content(tuple(read), left_out=_left_out(read))]
    if suffix not in TEXT_FORMATS:
        raise DocumentError(f"{name} has an unknown format. {what_to_do(suffix)}")
    return [_read_text(take, name, suffix)]


def _read_text(take: Callable[[], bytes], name: str, suffix: str) -> Content:
    decoded = (decode_page if suffix in HTML else decode)(take(), name=name)
    plain = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        sections = TEXT_FORMATS[suffix](plain)
    except DocumentError as error:
        raise DocumentError(f"{name}: {error}") from error
    left_out = _left_out(sections)
    if not sections:
        left_out += (LeftOut("the file has no text", is_loss=False),)
    if suffix in VERBATIM:
        sections = list(with_lines(sections, plain))
    return Content(tuple(sections), encoding=decoded.encoding, left_out=left_out)


def _left_out(sections: list[Section]) -> tuple[LeftOut, ...]:
    """What a reader left out; a reader that never leaves anything out returns a plain list."""
    return sections.left_out if isinstance(sections, Sections) else ()


def _members(archive: Archive) -> Iterator[Member]:
    for path in archive.others:
        yield Member(path, None)
    for path in archive.names():
        yield Member(path, functools.partial(archive.read, path))


def _read_members(
    container: Container, name: str, others: frozenset[str], outer: tuple[str, ...]
) -> list[Content]:
    contents = []
    if (own := container.sections) is not None:
        contents.append(Content(tuple(own), left_out=own.left_out))
    for member in container.members:
        for part in _read_member(member, f"{name}/{member.path}", others, outer):
            inside = f"{member.path}/{part.inside}" if part.inside else member.path
            contents.append(replace(part, inside=inside))
    return contents


def _read_member(
    member: Member, where: str, others: frozenset[str], outer: tuple[str, ...]
) -> list[Content]:
    if member.read is None or not _is_read(member.path, others):
        return [Content(is_ignored=True)]
    try:
        if file_suffix(member.path) in others:
            return [Content(data=member.read())]
        return _read(member.read, where, others, outer)
    except DocumentError as error:
        return [Content(error=str(error))]
    except MemoryError:
        raise
    except Exception as error:  # a parser may raise anything on an untrusted file
        return [Content(error=f"{where} cannot be read: {error!r}.")]


def _is_read(inside: str, others: frozenset[str]) -> bool:
    """Whether a file in an archive is of a known format and not hidden."""
    hidden = any(map(is_hidden, PurePosixPath(inside).parts))
    return not hidden and file_suffix(inside) in readable_suffixes() | others
