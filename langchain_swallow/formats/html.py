"""HTML → sections; ruby keeps its base and loses the reading."""

import re
from typing import Any

import lxml.html

from langchain_swallow.formats.section import Section, SectionBuilder
from langchain_swallow.formats.table_cells import Cell, spanned_rows

_DROPPED = ["rt", "rp", "script", "style", "noscript", "template", "nav", "head"]
# Tables of contents and links between pages, as DocBook, Sphinx and wikis mark them.
_NAVIGATION = ["toc", "toctree-wrapper", "navheader", "navfooter", "breadcrumb", "breadcrumbs"]
# A line break of the page; those of its source are white space.
_LINE_SEPARATOR = "\u2028"
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_BLOCKS = frozenset("p li dt dd div pre blockquote section article main address figcaption".split())


def read_html(text: str) -> list[Section]:
    """Sections of an HTML page, by its headings."""
    if not text.strip():
        return []
    # lxml refuses a text that says how it was encoded, as XHTML does; it is decoded already.
    root = lxml.html.document_fromstring(_XML_DECLARATION.sub("", text))
    title = root.findtext(".//title")
    for name in _DROPPED:
        for element in list(root.iter(name)):
            element.drop_tree()
    navigation = root.xpath(".//*[@role='navigation']")
    for element in navigation + [e for name in _NAVIGATION for e in root.find_class(name)]:
        if element.getparent() is not None:
            element.drop_tree()
    # The ¶ beside a heading, which Sphinx and others add to link to it.
    for element in root.find_class("headerlink") + root.find_class("anchor"):
        if len(element.text_content().strip()) <= 1:
            element.drop_tree()
    builder = SectionBuilder()
    if title and root.find(".//h1") is None:
        builder.heading(1, _clean(title))
    _walk(root, builder)
    return builder.sections()


def _walk(element: Any, builder: SectionBuilder) -> None:
    """Blocks in reading order; one with blocks inside, a table with tables, is only a container."""
    if not isinstance(element.tag, str):
        return
    if re.fullmatch("h[1-6]", element.tag):
        builder.heading(int(element.tag[1]), _clean(element.text_content()))
    elif element.tag == "table" and element.find(".//table") is None:
        rows = [
            [_cell(cell) for cell in row if cell.tag in ("th", "td")] for row in element.iter("tr")
        ]
        for row in spanned_rows(rows):
            builder.block(row)
    elif element.tag == "pre":
        builder.block(element.text_content().strip("\n"))
    elif element.tag in _BLOCKS and not _has_blocks(element):
        for br in element.iter("br"):
            br.tail = f"{_LINE_SEPARATOR}{br.tail or ''}"
        lines = element.text_content().split(_LINE_SEPARATOR)
        builder.block("\n".join(filter(None, map(_clean, lines))))
    else:
        builder.block(_clean(element.text or ""))
        for child in element:
            _walk(child, builder)
            builder.block(_clean(child.tail or ""))


def _cell(element: Any) -> Cell:
    return Cell(
        _clean(element.text_content()), _span(element, "colspan"), _span(element, "rowspan")
    )


def _span(element: Any, name: str) -> int:
    """How many rows or columns a cell says it spans, if that is a number."""
    found = re.fullmatch(r"\s*([0-9]{1,4})\s*", element.get(name, ""))
    return max(1, int(found[1])) if found else 1


def _has_blocks(element: Any) -> bool:
    return any(
        isinstance(child.tag, str)
        and (child.tag in _BLOCKS or child.tag == "table" or re.fullmatch("h[1-6]", child.tag))
        for child in element.iterdescendants()
    )


def _clean(text: str) -> str:
    # A line break between Japanese characters is layout; str.split() would keep a space there.
    joined = re.sub(r"(?<=[^\x00-\x7f])\s*\n\s*(?=[^\x00-\x7f])", "", text)
    return " ".join(joined.replace("\xa0", " ").split())
