"""Word documents → sections by heading styles, without their tables of contents.

Ruby keeps its base and loses the reading.
Read from the XML itself: docx2txt prints the reading before the base, python-docx loses the base,
and both lose the numbers that Word writes by itself (第１条).
"""

import posixpath
from collections.abc import Iterator
from typing import Any

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.archive import Archive, open_office_file
from langchain_swallow.formats.docx_numbering import Numbering
from langchain_swallow.formats.docx_styles import (
    W,
    contents_styles,
    heading_levels,
    int_of,
    level_of,
    value_of,
)
from langchain_swallow.formats.relations import main_part, relations
from langchain_swallow.formats.section import Section, SectionBuilder
from langchain_swallow.formats.table_cells import Cell, spanned_rows
from langchain_swallow.formats.xml import parse_xml
from langchain_swallow.text.headings import split_at_headings

_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# The reading of ruby; where a text that was moved stood; the second copy of a text box, for older
# programs.
_UNREAD = frozenset({f"{W}rt", f"{W}moveFrom", f"{_MC}Fallback"})


def read_docx(data: bytes, name: str) -> list[Section]:
    """Sections of a Word document, with its automatic numbers, and its notes where they are cited.

    Raises:
        DocumentError: It is no Word document, encrypted, or a decompression bomb.
    """
    archive = open_office_file(data, name)
    main = main_part(archive, name, usual="word/document.xml")
    document = parse_xml(archive.read(main), name)
    parts = _Parts(archive, main, name)
    styles = parts.root("styles")
    numbering = Numbering(parts.root("numbering"), styles)
    texts = _Texts(document, numbering, _notes(parts))
    levels, contents = heading_levels(styles), contents_styles(styles)
    builder = SectionBuilder()
    body = document.find(f"{W}body")
    for element in () if body is None else _blocks(body):
        if value_of(element.find(f"{W}pPr"), "pStyle") in contents:
            continue
        if element.tag == f"{W}p":
            text, level = texts.of(element), level_of(element, levels)
            if level and text.strip():
                builder.heading(level, text.strip())
            else:
                builder.block(text)
        elif element.tag == f"{W}tbl":
            for row in spanned_rows(_cells(element, texts)):
                builder.block(row)
    return list(_with_headings(builder.sections()))


def _with_headings(sections: list[Section]) -> Iterator[Section]:
    """Sections as their styles tell, or where a document has no styles, as its lines do."""
    if any(section.headings for section in sections):
        yield from sections
        return
    for section in sections:
        for _, headings, text in split_at_headings([section.text]):
            yield Section(text, headings)


class _Parts:
    """The parts that a document refers to, by their kinds."""

    def __init__(self, archive: Archive, main: str, name: str) -> None:
        self._archive, self._name = archive, name
        self._folder = posixpath.dirname(main)
        self._paths = {part.kind: part.path for part in relations(archive, main, name).values()}

    def root(self, kind: str) -> Any:
        """Root of a part; `None` where there is none, or a damaged one."""
        # Files that say nothing of their parts have them where Word puts them.
        path = self._paths.get(kind, posixpath.join(self._folder, f"{kind}.xml"))
        try:
            return parse_xml(self._archive.read(path), self._name)
        except DocumentError:
            return None


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, those in content controls (w:sdt) too."""
    for element in parent:
        if element.tag == f"{W}sdt":
            part = element.find(f"{W}sdtPr/{W}docPartObj")
            if value_of(part, "docPartGallery") == "Table of Contents":
                continue
            content = element.find(f"{W}sdtContent")
            yield from () if content is None else _blocks(content)
        else:
            yield element


def _cells(table: Any, texts: "_Texts") -> list[list[Cell]]:
    """Cells by row; those that a cell from above goes on in are counted as its rows."""
    rows: list[list[Cell]] = []
    above: dict[int, Cell] = {}
    for row in _own(table, "tr"):
        cells: list[Cell] = []
        column = 0
        for element in _own(row, "tc"):
            columns = int_of(value_of(element.find(f"{W}tcPr"), "gridSpan"), 1)
            merge = element.find(f"{W}tcPr/{W}vMerge")
            goes_on = merge is not None and merge.get(f"{W}val") != "restart"
            if goes_on and column in above:
                above[column].rows += 1
            else:
                above[column] = Cell(texts.of(element).strip(), columns)
                cells.append(above[column])
            column += columns
        rows.append(cells)
    return rows


def _own(parent: Any, tag: str) -> list[Any]:
    """Rows of a table, or cells of a row, without those of tables in it."""
    within = parent.tag
    return [e for e in parent.iter(f"{W}{tag}") if next(e.iterancestors(within)) is parent]


def _notes(parts: _Parts) -> dict[tuple[str, str], str]:
    """Texts of footnotes and endnotes, by kind and id; Word's separators have none."""
    found = {}
    for kind in ("footnote", "endnote"):
        root = parts.root(f"{kind}s")
        for note in () if root is None else root.iter(f"{W}{kind}"):
            text = "".join(node.text or "" for node in note.iter(f"{W}t")).strip()
            found[kind, note.get(f"{W}id", "")] = text
    return found


class _Texts:
    """Texts of paragraphs and cells, with what Word shows in them.

    Args:
        document: Its root.
        numbering: Counts the paragraphs, once and in order.
        notes: By kind and id.
    """

    def __init__(
        self, document: Any, numbering: Numbering, notes: dict[tuple[str, str], str]
    ) -> None:
        paragraphs = (p for p in document.iter(f"{W}p") if not _inside(p, _UNREAD))
        self._numbers = {p: numbering.number(p) for p in paragraphs}
        self._notes = notes

    def of(self, element: Any) -> str:
        """Text of a paragraph or cell, in reading order."""
        parts: list[str] = []
        for node in element.iter():
            if node.tag == f"{W}t" and not _inside(node, _UNREAD):
                parts.append(node.text or "")
            elif node.tag in (f"{W}br", f"{W}cr"):
                parts.append("\n")
            elif node.tag == f"{W}tab":
                parts.append("\t")
            elif node.tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
                parts.append(self._note(node))
            elif node.tag == f"{W}p":
                parts.append("\n" if parts and node is not element else "")
                parts.append(self._numbers.get(node, ""))
        text = "".join(parts)
        # A number alone is an empty item.
        return text if text.strip() != self._numbers.get(element, "").strip() else ""

    def _note(self, reference: Any) -> str:
        kind = reference.tag.removeprefix(W).removesuffix("Reference")
        text = self._notes.get((kind, reference.get(f"{W}id", "")))
        return f"（注: {text}）" if text else ""


def _inside(node: Any, tags: frozenset[str]) -> bool:
    return any(ancestor.tag in tags for ancestor in node.iterancestors())
