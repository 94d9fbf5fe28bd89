"""Reads the styles of a Word document, with what they inherit from their base styles."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_T = TypeVar("_T")
# Outline levels are 0 to 8 for headings, and this one.
_BODY_TEXT = 9
_CONTENTS = re.compile(r"(?:toc|目次)\s*(?:[1-9]|heading|の?見出し)|table of figures|図表目次")


def resolve_styles(styles: Any, read: Callable[[Any], _T | None]) -> dict[str, _T]:
    """Return a property of each style by its id; a style inherits that of its base style.

    Args:
        styles: The root of `word/styles.xml`, or `None`.
        read: Reads the property from a style's element; `None` if the element does not set it.
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
    """Return the heading level of each style by its id: 1 is the highest, 0 is body text."""
    return resolve_styles(styles, _style_level)


def contents_styles(styles: Any) -> frozenset[str]:
    """Return the ids of the styles of tables of contents and tables of figures."""
    return frozenset(resolve_styles(styles, _is_contents_style))


def paragraph_level(paragraph: Any, levels: dict[str, int]) -> int:
    """Return a paragraph's heading level (0 is body text), from itself or from its style."""
    properties = paragraph.find(f"{W}pPr")
    direct = _outline_level(properties)
    return levels.get(property_value(properties, "pStyle") or "", 0) if direct is None else direct


def _style_level(style: Any) -> int | None:
    """The heading level by the style's name, since the ids of Japanese Word are numbers."""
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
    """Return the value (`w:val`) of a property of an element; `None` if it has none."""
    found = None if element is None else element.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val")


def parse_int(text: str | None, default: int) -> int:
    """Parse a non-negative integer; return the default if the text is not one."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else default
