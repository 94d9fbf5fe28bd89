"""Texts of shapes, which are the same in PowerPoint and in Excel (DrawingML)."""

from typing import Any

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def shape_text(element: Any) -> str:
    """Paragraphs of a shape or of a table's cell, one a line."""
    lines = []
    for paragraph in element.iter(f"{A}p"):
        parts = [
            "\n" if node.tag == f"{A}br" else node.text or ""
            for node in paragraph.iter(f"{A}t", f"{A}br")
        ]
        lines.append("".join(parts).strip())
    return "\n".join(filter(None, lines))
