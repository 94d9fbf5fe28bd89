"""Reads HTML as sections; for ruby (furigana), only the base text is kept."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from langchain_swallow.documents.readers.html_tree import ancestors, parse_page, text_content
from langchain_swallow.documents.readers.section import Section, SectionBuilder, Sections
from langchain_swallow.documents.readers.table_cells import Cell, spanned_rows

# Marks a line break of the page, since line breaks of the source are white space.
_LINE_SEPARATOR = "\u2028"
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_BLOCKS = _HEADINGS | frozenset(
    "p li dt dd div pre blockquote section article main address figcaption td th table caption "
    "header footer aside form fieldset legend details summary dialog option hr center".split()
)
_NUMBER = re.compile(r"\s*([0-9]{1,4})\s*")
# A longer heading is one that was never closed.
_MAX_HEADING = 200


def read_html(text: str) -> Sections:
    """Read the sections of an HTML page, by its headings.

    `left_out` counts what is not text of the page: navigation, tables of contents, scripts and
    ruby readings. The page's `<title>` is its heading if it has no `<h1>`.
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
        # The title is text, not part of the heading path: it often has the name of the site.
        beginning = sections[0] if sections else Section("")
        sections[:1] = [replace(beginning, text=f"{title}\n\n{beginning.text}".strip())]
    return Sections(sections, page.left_out)


class _Walk:
    """Collects the blocks of a page in reading order.

    A block with blocks inside, or a table with tables inside, is only a container. The walk uses a
    list instead of recursion, since pages may be nested thousands of elements deep. It takes the
    tree apart, so that its memory serves for the texts.
    """

    def __init__(self, root: Any, builder: SectionBuilder) -> None:
        self._builder = builder
        self._with_blocks = ancestors(root.iter(*_BLOCKS))
        self._with_breaks = ancestors(root.iter("br"))
        self._with_tables = ancestors(root.iter("table"))
        self._containers = self._with_tables | ancestors(root.iter(*_HEADINGS))
        self._text: list[str] = []
        # Texts, elements whose blocks come next, and `None` at the end of a block.
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
            element.clear()

    def _parts(self, element: Any) -> Iterator[Any]:
        """The texts of an element, and the blocks in it."""
        if element.text:
            yield element.text
        for child in element:
            tag = child.tag
            if tag in _BLOCKS or child in self._with_blocks:
                yield child
            elif isinstance(tag, str):  # not a comment
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
        # What remains is the caption, and text between cells in broken pages.
        self._builder.block(" ".join(_lines(self._element_text(element))))
        for line in spanned_rows(rows):
            self._builder.block(line)

    def _cell(self, element: Any) -> Cell:
        text = " ".join(_lines(self._element_text(element)))
        spans = _span(element, "colspan"), _span(element, "rowspan")
        return Cell(text, *spans, is_name=element.tag == "th")

    def _element_text(self, element: Any) -> str:
        """The text of an element, with `_LINE_SEPARATOR` between its lines and blocks."""
        if element.tag == "br":
            return _LINE_SEPARATOR
        if not len(element):
            return element.text or ""
        has_lines = element in self._with_blocks or element in self._with_breaks
        for inside in element.iter("br", *_BLOCKS) if has_lines else ():
            if inside is not element:
                inside.text = f"{_LINE_SEPARATOR}{inside.text or ''}"
                inside.tail = f"{_LINE_SEPARATOR}{inside.tail or ''}"
        return str(text_content(element))


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(_clean, text.split(_LINE_SEPARATOR)))


def _span(element: Any, name: str) -> int:
    """The number of rows or columns that a cell spans; 1 if the attribute is not a number."""
    found = _NUMBER.fullmatch(element.get(name, "1"))
    return max(1, int(found[1])) if found else 1


def _clean(text: str) -> str:
    """Join text into one line; those between Japanese characters leave no space."""
    parts: list[str] = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        if parts and (_is_spaced(parts[-1][-1]) or _is_spaced(line[0])):
            parts.append(" ")
        parts.append(line)
    return " ".join("".join(parts).split())


def _is_spaced(char: str) -> bool:
    """Whether a character is of a script that has spaces between words."""
    if char <= "\x7f":
        return True
    return char.isalnum() and unicodedata.east_asian_width(char) not in ("W", "F", "H")
