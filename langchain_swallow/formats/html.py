"""HTML → sections; ruby keeps its base and loses the reading."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import lxml.html

from langchain_swallow.formats.section import Section, SectionBuilder
from langchain_swallow.formats.table_cells import Cell, spanned_rows

_DROPPED = frozenset("rt rp script style noscript template nav head".split())
# Tables of contents and links between pages, as DocBook, Sphinx and wikis mark them.
_NAVIGATION = frozenset("toc toctree-wrapper navheader navfooter breadcrumb breadcrumbs".split())
# What lists them without a mark.
_LISTS = frozenset("ul ol dl table".split())
_LEAST_LINKS = 3
# The ¶ beside a heading, which Sphinx and others add to link to it.
_LINKS_TO_HEADINGS = frozenset(["headerlink", "anchor"])
# A line break of the page; those of its source are white space.
_LINE_SEPARATOR = "\u2028"
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_BLOCKS = frozenset(
    "p li dt dd div pre blockquote section article main address figcaption td th".split()
)


def read_html(text: str) -> list[Section]:
    """Sections of an HTML page, by its headings."""
    if not text.strip():
        return []
    # lxml refuses a text that says how it was encoded, as XHTML does; it is decoded already.
    root = lxml.html.document_fromstring(_XML_DECLARATION.sub("", text))
    title = root.findtext(".//title")
    targets = {*root.xpath("//@id"), *root.xpath("//a/@name")}
    elements = [e for e in root.iter() if isinstance(e.tag, str)]
    for element in [e for e in elements if _is_dropped(e) or _has_only_links(e, targets)]:
        if element.getparent() is not None:
            element.drop_tree()
    builder = SectionBuilder()
    if title and root.find(".//h1") is None:
        builder.heading(1, _clean(title))
    _walk(root, builder)
    return builder.sections()


def _is_dropped(element: Any) -> bool:
    if element.tag in _DROPPED or element.get("role") == "navigation":
        return True
    classes = element.get("class", "").split()
    if not _LINKS_TO_HEADINGS.isdisjoint(classes):
        return len(element.text_content().strip()) <= 1
    return not _NAVIGATION.isdisjoint(classes)


def _has_only_links(element: Any, targets: set[str]) -> bool:
    """Whether it is a list of places of the page: a table of contents that is not marked as one."""
    if element.tag not in _LISTS:
        return False
    links = [
        link
        for link in element.iter("a")
        if (place := link.get("href", "")).startswith("#") and unquote(place[1:]) in targets
    ]
    linked = sum(_letters(link) for link in links)
    return len(links) >= _LEAST_LINKS and linked == _letters(element)


def _letters(element: Any) -> int:
    return len("".join(element.text_content().split()))


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
    else:
        _walk_inside(element, builder)


def _walk_inside(element: Any, builder: SectionBuilder) -> None:
    """Texts of an element, with what is set apart in them: links, bold letters."""
    text = element.text or ""
    for child in element:
        if not isinstance(child.tag, str):
            pass  # a comment
        elif _is_inline(child):
            text += _text(child)
        else:
            _add_text(text, builder)
            text = ""
            _walk(child, builder)
        text += child.tail or ""
    _add_text(text, builder)


def _text(element: Any) -> str:
    """Text of an element, its lines and blocks apart by `_LINE_SEPARATOR`."""
    if element.tag == "br":
        return _LINE_SEPARATOR
    for inside in element.iter("br", *_BLOCKS):
        if inside is not element:
            inside.text = f"{_LINE_SEPARATOR}{inside.text or ''}"
            inside.tail = f"{_LINE_SEPARATOR}{inside.tail or ''}"
    return str(element.text_content())


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(_clean, text.split(_LINE_SEPARATOR)))


def _add_text(text: str, builder: SectionBuilder) -> None:
    builder.block("\n".join(_lines(text)))


def _cell(element: Any) -> Cell:
    text = " ".join(_lines(_text(element)))
    return Cell(text, _span(element, "colspan"), _span(element, "rowspan"))


def _span(element: Any, name: str) -> int:
    """How many rows or columns a cell says it spans, if that is a number."""
    found = re.fullmatch(r"\s*([0-9]{1,4})\s*", element.get(name, ""))
    return max(1, int(found[1])) if found else 1


def _is_inline(element: Any) -> bool:
    return not (_is_block(element) or _has_blocks(element))


def _is_block(element: Any) -> bool:
    tag = element.tag
    return tag in _BLOCKS or tag == "table" or bool(re.fullmatch("h[1-6]", tag))


def _has_blocks(element: Any) -> bool:
    return any(isinstance(e.tag, str) and _is_block(e) for e in element.iterdescendants())


def _clean(text: str) -> str:
    # A line break between Japanese characters is layout; str.split() would keep a space there.
    joined = re.sub(r"(?<=[^\x00-\x7f])\s*\n\s*(?=[^\x00-\x7f])", "", text)
    return " ".join(joined.replace("\xa0", " ").split())
