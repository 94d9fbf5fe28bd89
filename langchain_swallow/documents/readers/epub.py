"""Reads electronic books (EPUB) as sections by their headings, in reading order."""

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.html import read_html
from langchain_swallow.documents.readers.html_encoding import decode_page
from langchain_swallow.documents.readers.section import LeftOut, Section, Sections
from langchain_swallow.documents.readers.xml import parse_xml
from langchain_swallow.errors import DocumentError

_CONTAINER = "META-INF/container.xml"
_TEXTS = (".xml", ".opf", ".ncx", ".html", ".htm", ".xhtml")
# Names of the package's metadata, and how they are shown.
_ABOUT = {"title": "書名", "creator": "著者", "publisher": "出版社", "description": "説明"}
_IMAGE = "page that is a picture; it needs OCR"
_NO_TEXT = "part of the book without text"


def read_epub(data: bytes, name: str) -> Sections:
    """Read the parts of a book in reading order, after its title, author and description.

    The title is above all headings. A part that is a picture only, as in comics, and one that is
    missing are in `left_out`; its page is the number of the part.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is not a book, is encrypted, or is a decompression bomb.
    """
    archive = Archive(data, name, reads=lambda path: path.lower().endswith(_TEXTS))
    folder = _folder(archive, name)
    package_path = _package(archive, folder, name)
    package = parse_xml(archive.read(package_path), name)
    title = (package.findtext(".//{*}title") or "").strip()
    encrypted = _encrypted(archive, folder, name)
    about = "\n".join(_about(package))
    sections = [Section(about, (title,) if title else ())] if about else []
    left_out: list[LeftOut] = []
    for number, path in enumerate(_spine(package, posixpath.dirname(package_path)), 1):
        if path in encrypted:
            left_out.append(LeftOut("part encrypted by its seller (DRM)", number))
        elif path not in archive:
            left_out.append(LeftOut("part that the file does not have", number))
        else:
            part = _part(archive, path, title, f"{name}/{path}")
            sections += part
            left_out += (replace(one, page=number) for one in part.left_out)
    return Sections(sections, left_out)


def _folder(archive: Archive, name: str) -> str:
    """The folder with the book: none, unless it was packed with its folder, as Debian's are."""
    containers = [path for path in archive.names() if f"/{path}".endswith(f"/{_CONTAINER}")]
    if not containers:
        raise DocumentError(f"{name} is not an EPUB book: it has no {_CONTAINER}.")
    return min(containers, key=len).removesuffix(_CONTAINER)


def _package(archive: Archive, folder: str, name: str) -> str:
    root = parse_xml(archive.read(folder + _CONTAINER), name)
    path = next((e.get("full-path", "") for e in root.iter("{*}rootfile")), "")
    if folder + path not in archive:
        raise DocumentError(f"{name} is a damaged EPUB book: it has no {path!r}.")
    return folder + path


def _about(package: Any) -> Iterator[str]:
    """What the book says of itself, one line for each kind."""
    for kind, label in _ABOUT.items():
        written = ("".join(element.itertext()).strip() for element in package.iter(f"{{*}}{kind}"))
        # A description may be HTML.
        texts = (" ".join(s.text for s in read_html(text)) for text in written)
        if known := "、".join(dict.fromkeys(filter(None, texts))):
            yield f"{label}: {known}"


def _spine(package: Any, folder: str) -> Iterator[str]:
    """Paths of the parts, in reading order, without the table of contents."""
    items = {item.get("id"): item for item in package.iter("{*}item")}
    for entry in package.iter("{*}itemref"):
        item = items.get(entry.get("idref"))
        if item is not None and "nav" not in item.get("properties", "").split():
            href = unquote(item.get("href", "").partition("#")[0])
            yield posixpath.normpath(posixpath.join(folder, href))


def _encrypted(archive: Archive, folder: str, name: str) -> set[str]:
    """Paths of encrypted parts; fonts are often obfuscated, which is not encryption of the text."""
    path = f"{folder}META-INF/encryption.xml"
    if path not in archive:
        return set()
    root = parse_xml(archive.read(path), name)
    return {folder + unquote(e.get("URI", "")) for e in root.iter("{*}CipherReference")}


def _part(archive: Archive, path: str, title: str, name: str) -> Sections:
    text = decode_page(archive.read(path), name).text
    read = read_html(text)
    sections = [
        replace(section, headings=(title, *(h for h in section.headings if h != title)))
        for section in read
        if title
    ] or list(read)
    if sections:
        return Sections(sections, read.left_out)
    is_image = "<img" in text or "<image" in text or "<svg" in text
    return Sections(
        [], [*read.left_out, LeftOut(_IMAGE) if is_image else LeftOut(_NO_TEXT, is_loss=False)]
    )
