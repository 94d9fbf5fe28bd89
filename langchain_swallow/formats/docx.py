"""Word documents → sections by heading styles; ruby keeps its base and loses the reading.

Read from the XML itself: docx2txt prints the reading before the base, python-docx loses the base,
and both lose the numbers that Word writes by itself (第１条).
"""

import re
from collections.abc import Iterator
from typing import Any

from langchain_swallow.errors import DocumentError
from langchain_swallow.formats.archive import Archive
from langchain_swallow.formats.docx_numbering import Numbering, int_of, value_of
from langchain_swallow.formats.section import Section, SectionBuilder
from langchain_swallow.formats.table_cells import Cell, spanned_rows
from langchain_swallow.formats.xml import parse_xml
from langchain_swallow.text.headings import split_at_headings

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# The reading of ruby; where a text that was moved stood; the second copy of a text box, for older
# programs.
_UNREAD = frozenset({f"{_W}rt", f"{_W}moveFrom", f"{_MC}Fallback"})


def read_docx(data: bytes, name: str) -> list[Section]:
    """Sections of a Word document, with its automatic numbers, and its notes where they are cited.

    Raises:
        DocumentError: It is no Word document, encrypted, or a decompression bomb.
    """
    archive = Archive(data, name)
    document = parse_xml(archive.read("word/document.xml"), name)
    styles = _part(archive, "styles", name)
    numbering = Numbering(_part(archive, "numbering", name), styles)
    texts = _Texts(document, numbering, _notes(archive, name))
    headings = {} if styles is None else _heading_styles(styles)
    builder = SectionBuilder()
    body = document.find(f"{_W}body")
    for element in () if body is None else _blocks(body):
        if element.tag == f"{_W}p":
            text, level = texts.of(element), _level(element, headings)
            if level and text.strip():
                builder.heading(level, text.strip())
            else:
                builder.block(text)
        elif element.tag == f"{_W}tbl":
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


def _part(archive: Archive, part: str, name: str) -> Any:
    """Root of a part of the document; `None` where it has none, or a damaged one."""
    try:
        return parse_xml(archive.read(f"word/{part}.xml"), name)
    except DocumentError:
        return None


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, those in content controls (w:sdt) too."""
    for element in parent:
        if element.tag == f"{_W}sdt":
            content = element.find(f"{_W}sdtContent")
            yield from () if content is None else _blocks(content)
        else:
            yield element


def _heading_styles(styles: Any) -> dict[str, int]:
    """Style id → level; in Japanese Word the ids are numbers and the names tell."""
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


def _cells(table: Any, texts: "_Texts") -> list[list[Cell]]:
    """Cells by row; those that a cell from above goes on in are counted as its rows."""
    rows: list[list[Cell]] = []
    above: dict[int, Cell] = {}
    for row in _own(table, "tr"):
        cells: list[Cell] = []
        column = 0
        for element in _own(row, "tc"):
            columns = int_of(value_of(element.find(f"{_W}tcPr"), "gridSpan"), 1)
            merge = element.find(f"{_W}tcPr/{_W}vMerge")
            goes_on = merge is not None and merge.get(f"{_W}val") != "restart"
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
    return [e for e in parent.iter(f"{_W}{tag}") if next(e.iterancestors(within)) is parent]


def _notes(archive: Archive, name: str) -> dict[tuple[str, str], str]:
    """Texts of footnotes and endnotes, by kind and id; Word's separators have none."""
    found = {}
    for kind in ("footnote", "endnote"):
        root = _part(archive, f"{kind}s", name)
        for note in () if root is None else root.iter(f"{_W}{kind}"):
            text = "".join(node.text or "" for node in note.iter(f"{_W}t")).strip()
            found[kind, note.get(f"{_W}id", "")] = text
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
        paragraphs = (p for p in document.iter(f"{_W}p") if not _inside(p, _UNREAD))
        self._numbers = {p: numbering.number(p) for p in paragraphs}
        self._notes = notes

    def of(self, element: Any) -> str:
        """Text of a paragraph or cell, in reading order."""
        parts: list[str] = []
        for node in element.iter():
            if node.tag == f"{_W}t" and not _inside(node, _UNREAD):
                parts.append(node.text or "")
            elif node.tag in (f"{_W}br", f"{_W}cr"):
                parts.append("\n")
            elif node.tag == f"{_W}tab":
                parts.append("\t")
            elif node.tag in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
                parts.append(self._note(node))
            elif node.tag == f"{_W}p":
                parts.append("\n" if parts and node is not element else "")
                parts.append(self._numbers.get(node, ""))
        text = "".join(parts)
        # A number alone is an empty item.
        return text if text.strip() != self._numbers.get(element, "").strip() else ""

    def _note(self, reference: Any) -> str:
        kind = reference.tag.removeprefix(_W).removesuffix("Reference")
        text = self._notes.get((kind, reference.get(f"{_W}id", "")))
        return f"（注: {text}）" if text else ""


def _inside(node: Any, tags: frozenset[str]) -> bool:
    return any(ancestor.tag in tags for ancestor in node.iterancestors())
