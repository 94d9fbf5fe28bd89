"""Word documents → sections by heading styles; ruby keeps its base and loses the reading.

Read from the XML itself: docx2txt prints the reading before the base, python-docx loses the base.
"""

import re
from collections.abc import Iterator
from typing import Any

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.archive import Archive
from langchain_swallow.formats.section import Section, SectionBuilder, table_rows
from langchain_swallow.formats.xml import parse_xml

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# The reading of ruby; the second copy of a text box, for older programs.
_UNREAD = frozenset({f"{_W}rt", f"{_MC}Fallback"})


def read_docx(data: bytes, name: str) -> list[Section]:
    """Sections of a Word document.

    Raises:
        DocumentError: It is no Word document, encrypted, or a decompression bomb.
    """
    archive = Archive(data, name)
    document = parse_xml(archive.read("word/document.xml"), name)
    headings = _heading_styles(archive, name)
    builder = SectionBuilder()
    body = document.find(f"{_W}body")
    for element in () if body is None else _blocks(body):
        if element.tag == f"{_W}p":
            text, level = _text(element), _level(element, headings)
            if level and text.strip():
                builder.heading(level, text.strip())
            else:
                builder.block(text)
        elif element.tag == f"{_W}tbl":
            rows = [
                [_text(cell).strip() for cell in row.iter(f"{_W}tc")]
                for row in element.iter(f"{_W}tr")
            ]
            for row in table_rows(rows):
                builder.block(row)
    return builder.sections()


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, those in content controls (w:sdt) too."""
    for element in parent:
        if element.tag == f"{_W}sdt":
            content = element.find(f"{_W}sdtContent")
            yield from () if content is None else _blocks(content)
        else:
            yield element


def _heading_styles(archive: Archive, name: str) -> dict[str, int]:
    """Style id → level; in Japanese Word the ids are numbers and the names tell."""
    try:
        styles = parse_xml(archive.read("word/styles.xml"), name)
    except DocumentError:
        return {}
    levels = {}
    for style in styles.iter(f"{_W}style"):
        label = style.find(f"{_W}name")
        text = "" if label is None else label.get(f"{_W}val", "")
        if found := re.fullmatch(r"(?:heading|見出し)\s*([1-9])", text.lower()):
            levels[style.get(f"{_W}styleId", "")] = int(found[1])
        elif text.lower() in ("title", "表題"):
            levels[style.get(f"{_W}styleId", "")] = 1
    return levels


def _level(paragraph: Any, headings: dict[str, int]) -> int | None:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    return None if style is None else headings.get(style.get(f"{_W}val", ""))


def _text(element: Any) -> str:
    """Text of a paragraph or cell, in reading order."""
    parts: list[str] = []
    for node in element.iter():
        if node.tag == f"{_W}t" and not _inside(node, _UNREAD):
            parts.append(node.text or "")
        elif node.tag in (f"{_W}br", f"{_W}cr"):
            parts.append("\n")
        elif node.tag == f"{_W}tab":
            parts.append("\t")
        elif node.tag == f"{_W}p" and parts and node is not element:
            parts.append("\n")
    return "".join(parts)


def _inside(node: Any, tags: frozenset[str]) -> bool:
    return any(ancestor.tag in tags for ancestor in node.iterancestors())
