"""What a Word document's styles say of its paragraphs, those that they are based on included."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_T = TypeVar("_T")
# The outline levels are 0 to 8, and this one.
_BODY_TEXT = 9
_CONTENTS = re.compile(r"(?:toc|目次)\s*(?:[1-9]|heading|の?見出し)|table of figures|図表目次")


def resolve_styles(styles: Any, read: Callable[[Any], _T | None]) -> dict[str, _T]:
    """By style id what a style has, or else the one that it is based on.

    Args:
        styles: Root of `word/styles.xml`, or `None`.
        read: What a style's element itself has.
    """
    found: dict[str, _T] = {}
    based: dict[str, str] = {}
    for style in () if styles is None else styles.iter(f"{W}style"):
        name = style.get(f"{W}styleId", "")
        if (parent := property_value(style, "basedOn")) is not None:
            based[name] = parent
        if (value := read(style)) is not None:
            found[name] = value
    for name in based:
        ancestor, seen = name, {name}
        while ancestor not in found and based.get(ancestor, name) not in seen:
            ancestor = based[ancestor]
            seen.add(ancestor)
        if ancestor in found:
            found.setdefault(name, found[ancestor])
    return found


def heading_levels(styles: Any) -> dict[str, int]:
    """Style id → level of heading, from 1; 0 is body text."""
    return resolve_styles(styles, _style_level)


def contents_styles(styles: Any) -> frozenset[str]:
    """Ids of the styles of tables of contents, and of figures."""
    return frozenset(resolve_styles(styles, _is_contents_style))


def paragraph_level(paragraph: Any, levels: dict[str, int]) -> int:
    """A paragraph's level of heading, its own or its style's; 0 is body text."""
    properties = paragraph.find(f"{W}pPr")
    direct = _outline_level(properties)
    return levels.get(property_value(properties, "pStyle") or "", 0) if direct is None else direct


def _style_level(style: Any) -> int | None:
    """In Japanese Word the ids are numbers, and the names tell."""
    name = (property_value(style, "name") or "").lower()
    if found := re.fullmatch(r"(?:heading|見出し)\s*([1-9])", name):
        return int(found[1])
    if name in ("title", "表題"):
        return 1
    return _outline_level(style.find(f"{W}pPr"))


def _is_contents_style(style: Any) -> bool | None:
    return bool(_CONTENTS.fullmatch((property_value(style, "name") or "").lower())) or None


def _outline_level(properties: Any) -> int | None:
    written = property_value(properties, "outlineLvl")
    if written is None:
        return None
    level = parse_int(written, _BODY_TEXT)
    return level + 1 if level < _BODY_TEXT else 0


def property_value(element: Any, name: str) -> str | None:
    """The value of a property of an element, `None` where it has none."""
    found = None if element is None else element.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val")


def parse_int(text: str | None, default: int) -> int:
    """A number of a file; what is none is the default."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else default
