"""Reads the text of Word paragraphs and cells, with numbers, notes and equations."""

from collections.abc import Callable
from typing import Any

from langchain_swallow.documents.readers.docx_numbering import Numbering
from langchain_swallow.documents.readers.docx_styles import W, property_value
from langchain_swallow.documents.readers.math_text import M, math_text
from langchain_swallow.documents.readers.symbols import symbol

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_V = "{urn:schemas-microsoft-com:vml}"
_PARAGRAPH, _TEXT = f"{W}p", f"{W}t"
_NOTES = (f"{W}footnoteReference", f"{W}endnoteReference")
# Ruby readings, deleted text, and the old place of moved text.
_HIDDEN = frozenset({f"{W}rt", f"{W}moveFrom", f"{W}del"})
# Properties too: their tab stops have the same tag as tabs in the text.
_UNREAD = _HIDDEN | {f"{W}{name}" for name in ("pPr", "rPr", "tcPr", "trPr", "tblPr", "sdtPr")}
_SIGNS = {
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}tab": "\t",
    f"{W}ptab": "\t",
    # U+2011, the non-breaking hyphen. A soft hyphen is not text: it only shows at a line's end.
    f"{W}noBreakHyphen": "\u2011",
}


class Texts:
    """Texts of paragraphs and cells as Word shows them.

    Args:
        document: The root of the document.
        numbering: Counts all paragraphs here, so it must not have counted any.
        notes: Texts of footnotes and endnotes, from `read_notes`.
    """

    def __init__(
        self, document: Any, numbering: Numbering, notes: dict[tuple[str, str], str]
    ) -> None:
        paragraphs = (p for p in document.iter(f"{W}p") if not _is_unread(p))
        self._numbers = {p: numbering.number(p) for p in paragraphs}
        self._notes = notes

    def text(self, element: Any) -> str:
        """Return the text of a paragraph or cell, in reading order."""
        parts: list[str] = []
        if element.tag in _WRITERS:
            return _WRITERS[element.tag](element)
        self._add(element, parts, is_first=True)
        text = "".join(parts)
        # A number without text is an empty item.
        return text if text.strip() != self._numbers.get(element, "").strip() else ""

    def _add(self, node: Any, parts: list[str], *, is_first: bool = False) -> None:
        tag = node.tag
        if tag == _PARAGRAPH:
            parts.append("\n" if parts and not is_first else "")
            parts.append(self._numbers.get(node, ""))
        for child in node:
            tag = child.tag
            if tag == _TEXT:
                parts.append(child.text or "")
            elif tag in _SIGNS:
                parts.append(_SIGNS[tag])
            elif tag in _WRITERS:
                parts.append(_WRITERS[tag](child))
            elif tag in _NOTES:
                parts.append(self._note(child))
            elif tag not in _UNREAD:
                self._add(child, parts)

    def _note(self, reference: Any) -> str:
        kind = reference.tag.removeprefix(W).removesuffix("Reference")
        text = self._notes.get((kind, reference.get(f"{W}id", "")))
        return f"（注: {text}）" if text else ""


def _is_unread(node: Any) -> bool:
    return any(ancestor.tag in _HIDDEN for ancestor in node.iterancestors())


def _symbol(node: Any) -> str:
    return symbol(node.get(f"{W}font", ""), node.get(f"{W}char", ""))


def _form_field(node: Any) -> str:
    """The state of a check box, or the chosen entry of a list, in a legacy form field."""
    if (box := node.find(f"{W}checkBox")) is not None:
        state = box.find(f"{W}checked")
        state = box.find(f"{W}default") if state is None else state
        is_on = state is not None and state.get(f"{W}val", "1") in ("1", "true", "on")
        return "☑" if is_on else "☐"
    if (options := node.find(f"{W}ddList")) is not None:
        entries = [e.get(f"{W}val", "") for e in options.findall(f"{W}listEntry")]
        chosen = property_value(options, "result") or property_value(options, "default") or "0"
        return entries[int(chosen)] if chosen.isdigit() and int(chosen) < len(entries) else ""
    return ""


_WRITERS: dict[str, Callable[[Any], str]] = {
    f"{W}sym": _symbol,
    f"{W}ffData": _form_field,
    f"{M}oMath": math_text,
    # Shapes without Word paragraphs, and WordArt.
    f"{_A}t": lambda node: node.text or "",
    f"{_V}textpath": lambda node: node.get("string", ""),
}
