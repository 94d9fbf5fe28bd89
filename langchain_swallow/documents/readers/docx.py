"""Reads Word documents as sections by heading styles, without their tables of contents.

An entry of a table of contents is kept if no paragraph has its text. For ruby (furigana), only the
base text is kept.

The XML is read directly, since docx2txt prints ruby readings before the base text, python-docx
loses the base text, and both lose automatic numbers (第１条).
"""

import re
from collections.abc import Iterator
from typing import Any

from langchain_swallow.documents.layout.contents import names_contents
from langchain_swallow.documents.layout.headings import split_at_headings
from langchain_swallow.documents.layout.titles import Titles
from langchain_swallow.documents.readers.archive import open_office_file
from langchain_swallow.documents.readers.docx_numbering import Numbering
from langchain_swallow.documents.readers.docx_parts import (
    Parts,
    comments_in,
    read_comments,
    read_notes,
    running_texts,
)
from langchain_swallow.documents.readers.docx_styles import (
    W,
    contents_styles,
    heading_levels,
    paragraph_level,
    property_value,
)
from langchain_swallow.documents.readers.docx_tables import table_cells
from langchain_swallow.documents.readers.docx_text import Texts
from langchain_swallow.documents.readers.graphics import Graphics
from langchain_swallow.documents.readers.math_text import M
from langchain_swallow.documents.readers.office_pictures import OfficePictures
from langchain_swallow.documents.readers.recognized import picture_text
from langchain_swallow.documents.readers.relations import main_part
from langchain_swallow.documents.readers.section import LeftOut, Section, SectionBuilder, Sections
from langchain_swallow.documents.readers.table_cells import spanned_rows
from langchain_swallow.text.normalize import normalize

# Elements that only wrap paragraphs and tables.
_WRAPPERS = frozenset(
    f"{W}{name}" for name in ("customXml", "ins", "moveTo", "smartTag", "dir", "bdo")
)
_READ = frozenset((f"{W}p", f"{W}tbl", f"{W}altChunk", f"{M}oMathPara", f"{M}oMath"))
_CHOICES = ("AlternateContent", "Choice", "Fallback")
_MAX_TITLE_CHARACTERS = 200
_PAGE = re.compile(r"\s+[0-9ivxlc]+\s*\Z")
_CONTENTS = "entry of a table of contents"
_IMPORTED = "document imported at opening (altChunk)"


def read_docx(data: bytes, name: str) -> Sections:
    """Read the sections of a Word document.

    Automatic numbers are part of the text, and notes are where they are cited. Comments follow the
    paragraph or table that they are about. Texts of headers and footers are at the end, unless the
    document has them elsewhere.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.

    Raises:
        DocumentError: The file is not a Word document, is encrypted, or is a decompression bomb.
    """
    archive = open_office_file(data, name)
    parts = Parts(archive, main_part(archive, name, usual="word/document.xml"), name)
    document = parts.main
    styles = parts.root("styles")
    numbering = Numbering(parts.root("numbering"), styles)
    texts = Texts(document, numbering, read_notes(parts))
    comments = read_comments(parts)
    graphics = Graphics(archive, parts.related, name, OfficePictures(archive))
    levels, contents = heading_levels(styles), contents_styles(styles)
    builder = SectionBuilder()
    body = document.find(f"{W}body")
    entries = _contents_entries(body, contents)
    titles = _titles(body, entries)
    imported = repeated = 0
    for element in () if body is None else _blocks(body):
        if element in entries and _is_repeated(texts.text(element), titles):
            repeated += bool(texts.text(element).strip())
            continue
        if element.tag == f"{W}tbl":
            for row in spanned_rows(table_cells(element, texts)):
                builder.block(row)
        elif element.tag == f"{W}altChunk":
            imported += 1
        else:
            text, level = texts.text(element), paragraph_level(element, levels)
            if level and text.strip():
                builder.heading(level, text.strip())
            else:
                builder.block(text)
        for text in [*graphics.lines(element), *comments_in(element, comments)]:
            builder.block(text)
        while graphics.recognized:
            builder.aside(*picture_text(graphics.recognized.pop(0)))
    sections = list(_with_headings(builder.sections()))
    if running := running_texts(parts, "\n".join(section.text for section in sections)):
        sections.append(Section("\n\n".join(running)))
    left_out = [LeftOut(_IMPORTED, count=imported)] if imported else []
    if repeated:
        left_out.append(LeftOut(_CONTENTS, count=repeated, is_loss=False))
    return Sections(sections, [*left_out, *graphics.left_out(has_text=bool(sections))])


def _style(element: Any) -> str | None:
    return property_value(element.find(f"{W}pPr"), "pStyle")


def _contents_entries(body: Any, contents: frozenset[str]) -> set[Any]:
    """Paragraphs of tables of contents, by their style or by the control that Word fills."""
    if body is None:
        return set()
    entries = {p for p in body.iter(f"{W}p") if _style(p) in contents}
    for control in body.iter(f"{W}sdt"):
        part = control.find(f"{W}sdtPr/{W}docPartObj")
        if property_value(part, "docPartGallery") == "Table of Contents":
            entries.update(control.iter(f"{W}p"))
    return entries


def _titles(body: Any, entries: set[Any]) -> Titles:
    """Texts that entries of tables of contents may repeat: headings and captions."""
    if not entries:
        return Titles([])
    others = [p for p in body.iter(f"{W}p") if p not in entries]
    paragraph_texts = ("".join(t.text or "" for t in p.iter(f"{W}t")) for p in others)
    return Titles(text for text in paragraph_texts if len(text) <= _MAX_TITLE_CHARACTERS)


def _is_repeated(entry: str, titles: Titles) -> bool:
    without_page = _PAGE.sub("", entry)
    return without_page in titles or entry in titles or names_contents(normalize(entry))


def _with_headings(sections: list[Section]) -> Iterator[Section]:
    """Sections by heading styles; without such styles, by lines that look like headings."""
    if any(section.headings for section in sections):
        yield from sections
        return
    for section in sections:
        if section.fields:
            yield section
            continue
        for _, headings, text in split_at_headings([section.text]):
            yield Section(text, headings)


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, including those in content controls (w:sdt)."""
    for element in parent:
        if not isinstance(element.tag, str):
            continue
        if element.tag == f"{W}sdt":
            content = element.find(f"{W}sdtContent")
            yield from () if content is None else _blocks(content)
        elif element.tag in _WRAPPERS or element.tag.endswith(_CHOICES):
            yield from _blocks(element)
        elif element.tag in _READ:
            yield element
