"""Parses HTML into an element tree with only the text that a reader of the page sees.

lxml parses the page, without its size limits. Then scripts, navigation and tables of contents are
removed, and texts in attributes (`alt`, `value`) become texts of their elements.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lxml import etree

from langchain_swallow.documents.layout.titles import Titles
from langchain_swallow.documents.readers.section import LeftOut

_SCRIPTS = frozenset("script style noscript template".split())
_READINGS = frozenset(("rt", "rp"))
# Classes that DocBook, Sphinx and wikis give tables of contents and links between pages.
_NAVIGATION = frozenset("toc toctree-wrapper navheader navfooter breadcrumb breadcrumbs".split())
# Elements that may be a table of contents without such a class.
_LISTS = frozenset("ul ol dl table".split())
_MIN_LINKS = 3
# Classes of the ¶ link that Sphinx and others add to a heading.
_LINKS_TO_HEADINGS = frozenset(["headerlink", "anchor"])
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
_SELF_CLOSED = re.compile(rf"<(?!(?:{_VOID})\b)([A-Za-z][\w:-]*)((?:\s[^<>]*?)?)/>")
# Lengths are limited, so that a page of unclosed "<a" does not take quadratic time.
_TAG = re.compile(r"</?([A-Za-z][^\s/>]{0,100})[^>]{0,5000}>")
# Elements that do not begin a line.
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q s "
    "samp small span strike strong sub sup time tt u var".split()
)
_HEADINGS = tuple(f"h{level}" for level in range(1, 7))
# Elements that keep their tags when the others are removed.
_KEPT = frozenset(("pre", "title", "nav", "ruby", "rt", "rp", *_HEADINGS, *_SCRIPTS))
_NEVER_NESTED = frozenset(("head", "html", "body", *_VOID.split("|")))
_EMBEDDED = tuple("iframe object embed video audio canvas".split())
# The attributes and classes that are read here or by the reader of the tree.
_ATTRIBUTES = frozenset(
    "alt checked class colspan href id name placeholder role rowspan type value".split()
)
_CLASSES = _NAVIGATION | _LINKS_TO_HEADINGS
_PARSED_CHARACTERS = 1 << 16
# Types of fields whose value the page does not show as text.
_UNSEEN = frozenset("hidden password file color range".split())


_NAVIGATION_REASON = "navigation and tables of contents"
_REASONS = {
    **dict.fromkeys((*_SCRIPTS, "head"), "scripts, styles and templates"),
    **dict.fromkeys(_READINGS, "readings (ruby)"),
    "nav": _NAVIGATION_REASON,
}
text_content = etree.XPath("string()", smart_strings=False)


@dataclass(frozen=True, slots=True)
class Page:
    """The root element of a page, its `<title>`, and what was removed from it."""

    root: Any
    title: str
    left_out: tuple[LeftOut, ...]


def parse_page(text: str) -> Page | None:
    """Parse a page; return `None` if it has neither elements nor text.

    libxml2 stops without an error at 2,048 nested elements, which unclosed `<font>` tags of old
    editors reach. A page that it does not read to the end is parsed again without the tags that
    only nest.
    """
    text = _as_html(text)
    left_out: list[LeftOut] = []
    root, is_whole = _parse(text)
    if not is_whole:
        del root
        root, is_whole = _parse(_TAG.sub(_flattened, text))
        if not is_whole:
            left_out.append(LeftOut("text behind what the HTML parser cannot read"))
    if root is None:
        return None
    title = root.findtext("./head/title") or root.findtext("./title") or ""
    left_out += _drop(root)
    left_out += _count_unread(root)
    _show_attributes(root)
    return Page(root, title, tuple(left_out))


def _as_html(text: str) -> str:
    """Convert XHTML to HTML: remove the XML declaration, CDATA and tags such as `<script/>`."""
    is_xml = bool(_XML_DECLARATION.match(text)) or 'xmlns="http://www.w3.org/1999/xhtml"' in text
    first, *others = _XML_DECLARATION.sub("", text).split("<![CDATA[")
    text = first + "".join(map(_without_cdata, others))
    return _SELF_CLOSED.sub(r"<\1\2></\1>", text) if is_xml else text


def ancestors(elements: Iterable[Any]) -> set[Any]:
    """Return all elements that contain one of these."""
    found: set[Any] = set()
    for element in elements:
        parent = element.getparent()
        while parent is not None and parent not in found:
            found.add(parent)
            parent = parent.getparent()
    return found


def _without_cdata(text: str) -> str:
    inside, _, behind = text.partition("]]>")
    return html.escape(inside, quote=False) + behind


def _parse(text: str) -> tuple[Any, bool]:
    """The root element, if any, and whether the parser read to the end."""
    # lxml.html is not used: its elements are Python classes, which take 10% longer.
    parser = etree.HTMLPullParser(events=("end",), huge_tree=True, remove_comments=True)
    root = None
    try:
        for start in range(0, len(text), _PARSED_CHARACTERS):
            parser.feed(text[start : start + _PARSED_CHARACTERS])
            for _, element in parser.read_events():
                _remove_unused_attributes(element.attrib)
        root = parser.close()
    except etree.XMLSyntaxError:  # a page of comments only
        pass
    return root, not any(e.type_name == "ERR_RESOURCE_LIMIT" for e in parser.feed_error_log)


def _remove_unused_attributes(attributes: Any) -> None:
    """Free the memory of attributes, which may be half of a page."""
    for name, value in attributes.items():
        is_unused = name not in _ATTRIBUTES or (name == "href" and not value.startswith("#"))
        if is_unused or (name == "class" and _CLASSES.isdisjoint(value.split())):
            del attributes[name]


def _flattened(tag: re.Match[str]) -> str:
    """Rewrite a tag so that no element is nested in another one of its kind."""
    name = tag[1].lower()
    if name in _NEVER_NESTED or (name in _KEPT and tag[0].startswith("</")):
        return tag[0]
    if name in _KEPT:
        ended = _HEADINGS if name in _HEADINGS else (name,)
        return "".join(f"</{other}>" for other in ended) + tag[0]
    return "" if name in _INLINE else "<p>"


def _drop(root: Any) -> list[LeftOut]:
    """Remove what is not text of the page, and count it."""
    contents = _contents(root)
    counts: Counter[str] = Counter()
    dropped = []
    for element in root.iter("*"):
        if reason := _reason(element, contents):
            dropped.append((element, reason))
    for element, reason in dropped:
        if element.getparent() is not None:
            has_text = next(filter(str.strip, element.itertext()), None) is not None
            counts[reason] += has_text and element.tag != "head"
    _take_out([element for element, _ in dropped])
    return [LeftOut(reason, count=n, is_loss=False) for reason, n in counts.items() if n]


def _count_unread(root: Any) -> Iterator[LeftOut]:
    """Count pictures without a description, and other files that the page shows."""
    # An empty description says that a picture is decoration.
    pictures = sum(image.get("alt") is None for image in root.iter("img"))
    for reason, count in (
        ("picture without a description", pictures),
        ("page, video or drawing inside the page", sum(1 for _ in root.iter(*_EMBEDDED))),
    ):
        if count:
            yield LeftOut(reason, count=count, is_loss=False)


def _take_out(elements: Iterable[Any]) -> None:
    """Remove elements, given in the order of the page, but keep the text after each.

    Texts are joined once per place, since there may be thousands of elements side by side.
    """
    tails: dict[tuple[Any, Any], list[str]] = {}
    for element in elements:
        before, parent = element.getprevious(), element.getparent()
        if parent is not None:
            tails.setdefault((before, parent), []).append(element.tail or "")
            parent.remove(element)
    for (before, parent), texts in tails.items():
        if before is not None:
            before.tail = "".join([before.tail or "", *texts])
        else:
            parent.text = "".join([parent.text or "", *texts])


def _reason(element: Any, contents: set[Any]) -> str:
    """The reason why an element is left out; empty if it is kept."""
    if reason := _REASONS.get(element.tag):
        return reason
    if element in contents or element.get("role") == "navigation":
        return _NAVIGATION_REASON
    if (names := element.get("class")) is None:
        return ""
    classes = names.split()
    if not _LINKS_TO_HEADINGS.isdisjoint(classes) and len(text_content(element).strip()) <= 1:
        return "links to headings"
    return "" if _NAVIGATION.isdisjoint(classes) else _NAVIGATION_REASON


def _contents(root: Any) -> set[Any]:
    """Lists in which all text links to headings of the page: tables of contents without a mark.

    A list with an entry that is not a heading is kept, since its text may be nowhere else. Letters
    are counted in one pass, since lists may be nested as deep as the parser allows.
    """
    places = {link: link.get("href", "") for link in root.iter("a")}
    inside = {link: unquote(place[1:]) for link, place in places.items() if place[:1] == "#"}
    if len(inside) < _MIN_LINKS:
        return set()
    targets = {e.get("id") for e in root.iter("*")} | {a.get("name") for a in root.iter("a")}
    links = {link for link, place in inside.items() if place in targets}
    titles = Titles(text_content(h) for h in root.iter(*_HEADINGS) if not _is_link(h, links))
    links = {link for link in links if text_content(link) in titles}
    outer = [
        e
        for e in ancestors(links)
        if e.tag in _LISTS and next(e.iterancestors(*_LISTS), None) is None
    ]
    return {found for element in outer for found in _contents_in(element, links)}


def _contents_in(root: Any, links: set[Any]) -> Iterator[Any]:
    letters = linked = seen = inside = 0
    begun: list[tuple[int, int, int]] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        is_link = element in links
        if event == "start":
            if element.tag in _LISTS:
                begun.append((letters, linked, seen))
            inside += is_link
            seen += is_link
            size = _letters(element.text)
        else:
            inside -= is_link
            if element.tag in _LISTS:
                before = begun.pop()
                if seen - before[2] >= _MIN_LINKS and letters - before[0] == linked - before[1]:
                    yield element
            size = _letters(element.tail)
        letters += size
        linked += size if inside else 0


def _is_link(heading: Any, links: set[Any]) -> bool:
    """Whether a heading is itself a link of a table of contents, not the target of one."""
    size = _letters(text_content(heading))
    inside = any(_letters(text_content(a)) == size for a in heading.iter("a") if a in links)
    return inside or any(a in links for a in heading.iterancestors("a"))


def _letters(text: str | None) -> int:
    return len("".join(text.split())) if text else 0


def _show_attributes(root: Any) -> None:
    """Copy the texts of pictures and fields from attributes into their elements."""
    for element in root.iter("img", "area", "input", "textarea"):
        if shown := _shown(element):
            element.text = f" {shown} "


def _shown(element: Any) -> str:
    if element.tag in ("img", "area"):
        return str(element.get("alt", "")).strip()
    if element.tag == "textarea":
        return str(element.text or element.get("placeholder", "")).strip()
    kind = element.get("type", "text").strip().lower()
    if kind in ("checkbox", "radio"):
        return "☑" if element.get("checked") is not None else "☐"
    if kind == "image":
        return str(element.get("alt", "")).strip()
    if kind in _UNSEEN:
        return ""
    return str(element.get("value") or element.get("placeholder", "")).strip()
