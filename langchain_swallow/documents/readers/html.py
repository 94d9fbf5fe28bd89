"""HTML → sections; ruby keeps its base and loses the reading."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from langchain_swallow.documents.readers.html_tree import ancestors, parse_page, text_content
from langchain_swallow.documents.readers.section import Section, SectionBuilder, Sections
from langchain_swallow.documents.readers.table_cells import Cell, spanned_rows

# A line break of the page; those of its source are white space.
_LINE_SEPARATOR = "\u2028"
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_BLOCKS = _HEADINGS | frozenset(
    "p li dt dd div pre blockquote section article main address figcaption td th table caption "
    "header footer aside form fieldset legend details summary dialog option hr center".split()
)
_NUMBER = re.compile(r"\s*([0-9]{1,4})\s*")
# Longer, it is a heading that was never closed.
_MAX_HEADING = 200


def read_html(text: str) -> Sections:
    """Sections of an HTML page, by its headings.

    What is on the page and in none of them is counted: navigation and tables of contents, scripts,
    readings of ruby.
    """
    page = parse_page(text) if text.strip() else None
    if page is None:
        return Sections()
    builder = SectionBuilder()
    title = _clean(page.title)
    first = next((_clean(text_content(h)) for h in page.root.iter("h1")), None)
    if title and first is None:
        builder.heading(1, title)
    _Walk(page.root, builder).run()
    sections = builder.sections()
    if title not in (first or title, ""):
        # The path stays the page's own; a title often repeats the name of the site.
        beginning = sections[0] if sections else Section("")
        sections[:1] = [replace(beginning, text=f"{title}\n\n{beginning.text}".strip())]
    return Sections(sections, page.left_out)


class _Walk:
    """Blocks in reading order; one with blocks inside, a table with tables, is only a container.

    What is to be done stands in a list and not on Python's stack: pages are nested thousands deep.
    """

    def __init__(self, root: Any, builder: SectionBuilder) -> None:
        self._builder = builder
        self._with_blocks = ancestors(root.iter(*_BLOCKS))
        self._with_lines = self._with_blocks | ancestors(root.iter("br"))
        self._with_tables = ancestors(root.iter("table"))
        self._containers = self._with_tables | ancestors(root.iter(*_HEADINGS))
        self._text: list[str] = []
        # Texts, elements whose blocks come next, and `None` where a block ends.
        self._agenda: list[Any] = [root]

    def run(self) -> None:
        while self._agenda:
            step = self._agenda.pop()
            if isinstance(step, str):
                self._text.append(step)
                continue
            self._flush()
            if step is not None:
                self._enter(step)

    def _flush(self) -> None:
        if self._text:
            self._builder.block("\n".join(_lines("".join(self._text))))
            self._text.clear()

    def _enter(self, element: Any) -> None:
        tag = element.tag
        if tag in _HEADINGS and element not in self._containers:
            self._heading(element)
        elif tag == "table" and element not in self._with_tables:
            self._table(element)
        elif tag == "pre":
            self._builder.block(text_content(element).strip("\n"))
        else:
            self._agenda += reversed([*self._parts(element), None])

    def _parts(self, element: Any) -> Iterator[Any]:
        """Texts of an element, and the blocks that are set apart in them."""
        if element.text:
            yield element.text
        for child in element:
            tag = child.tag
            if tag in _BLOCKS or child in self._with_blocks:
                yield child
            elif isinstance(tag, str):  # and no comment
                yield self._element_text(child)
            if tail := child.tail:
                yield tail

    def _heading(self, element: Any) -> None:
        lines = list(_lines(self._element_text(element)))
        title = " ".join(lines)
        if len(title) > _MAX_HEADING:
            title, *rest = lines
            self._builder.heading(int(element.tag[1]), title)
            self._builder.block("\n".join(rest))
        elif title:
            self._builder.heading(int(element.tag[1]), title)

    def _table(self, element: Any) -> None:
        rows = []
        for row in element.iter("tr"):
            cells = list(row.iter("th", "td"))
            rows.append([self._cell(cell) for cell in cells])
            for cell in cells:
                cell.clear(keep_tail=True)
        # What is left is its caption, and what broken pages have between cells.
        self._builder.block(" ".join(_lines(self._element_text(element))))
        for line in spanned_rows(rows):
            self._builder.block(line)

    def _cell(self, element: Any) -> Cell:
        text = " ".join(_lines(self._element_text(element)))
        spans = _span(element, "colspan"), _span(element, "rowspan")
        return Cell(text, *spans, is_name=element.tag == "th")

    def _element_text(self, element: Any) -> str:
        """Text of an element, its lines and blocks apart by `_LINE_SEPARATOR`."""
        if element.tag == "br":
            return _LINE_SEPARATOR
        if not len(element):
            return element.text or ""
        for inside in element.iter("br", *_BLOCKS) if element in self._with_lines else ():
            if inside is not element:
                inside.text = f"{_LINE_SEPARATOR}{inside.text or ''}"
                inside.tail = f"{_LINE_SEPARATOR}{inside.tail or ''}"
        return str(text_content(element))


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(_clean, text.split(_LINE_SEPARATOR)))


def _span(element: Any, name: str) -> int:
    """How many rows or columns a cell says it spans, if that is a number."""
    found = _NUMBER.fullmatch(element.get(name, "1"))
    return max(1, int(found[1])) if found else 1


def _clean(text: str) -> str:
    """One line, without the line breaks between Japanese characters, which are layout."""
    parts: list[str] = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        if parts and not (parts[-1][-1] > "\x7f" and line[0] > "\x7f"):
            parts.append(" ")
        parts.append(line)
    return " ".join("".join(parts).split())
