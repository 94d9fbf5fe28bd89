"""Reads the text of DrawingML shapes, which PowerPoint and Excel share."""

from typing import Any

from langchain_swallow.documents.readers.math_text import M, math_text

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"


def shape_text(element: Any) -> str:
    """Return the text of a shape or table cell, one line per paragraph."""
    lines = []
    for paragraph in element.iter(f"{A}p"):
        parts = [
            "\n"
            if node.tag == f"{A}br"
            else math_text(node)
            if node.tag == f"{M}oMath"
            else node.text or ""
            for node in paragraph.iter(f"{A}t", f"{A}br", f"{M}oMath")
        ]
        lines.append("".join(parts).strip())
    return "\n".join(filter(None, lines))


def remove_fallbacks(root: Any) -> None:
    """Remove the copies of content that are for older programs, and keep the first choice."""
    for alternatives in list(root.iter(f"{_MC}AlternateContent")):
        if alternatives.find(f"{_MC}Choice") is not None:
            for fallback in alternatives.findall(f"{_MC}Fallback"):
                alternatives.remove(fallback)
            for choice in alternatives.findall(f"{_MC}Choice")[1:]:
                alternatives.remove(choice)
