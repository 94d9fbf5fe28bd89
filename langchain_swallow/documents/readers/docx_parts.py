"""Reads the notes, comments, headers and footers of a Word document."""

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.docx_styles import W
from langchain_swallow.documents.readers.drawing import remove_fallbacks
from langchain_swallow.documents.readers.relations import relations
from langchain_swallow.documents.readers.xml import parse_xml
from langchain_swallow.errors import DocumentError

_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PAGE = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|SECTION)\b", re.IGNORECASE)
# Texts that accompany a page number.
_BESIDE_PAGE = re.compile(r"[\W\d_]|ページ|頁|枚|全|中|第|page|of|p", re.IGNORECASE)


class Parts:
    """The parts that a document refers to; `main` is the root of the document itself.

    Args:
        archive: The file.
        path: The path of the main part.
        name: How error messages name the file.

    Raises:
        DocumentError: The main part is missing or damaged.
    """

    def __init__(self, archive: Archive, path: str, name: str) -> None:
        self._archive, self._name = archive, name
        self._folder = posixpath.dirname(path)
        self.main = parse_xml(archive.read(path), name)
        remove_fallbacks(self.main)
        self.related = relations(archive, path, name)
        self._paths = {part.kind: part.path for part in self.related.values()}

    def root(self, kind: str) -> Any:
        """Return the root of a part, such as "styles"; `None` if it is missing or damaged."""
        # Without a relationship, a part is at the path that Word uses.
        return self.at(self._paths.get(kind, posixpath.join(self._folder, f"{kind}.xml")))

    def at(self, path: str) -> Any:
        """Return the root of the part with this path; `None` if it is missing or damaged."""
        try:
            root = parse_xml(self._archive.read(path), self._name)
        except DocumentError:
            return None
        remove_fallbacks(root)
        return root


def read_notes(parts: Parts) -> dict[tuple[str, str], str]:
    """Texts of footnotes and endnotes, by ("footnote" or "endnote", id); separators are empty."""
    found = {}
    for kind in ("footnote", "endnote"):
        root = parts.root(f"{kind}s")
        for note in () if root is None else root.iter(f"{W}{kind}"):
            text = "".join(node.text or "" for node in note.iter(f"{W}t")).strip()
            found[kind, note.get(f"{W}id", "")] = text
    return found


def read_comments(parts: Parts) -> dict[str, str]:
    """Texts of comments, by id."""
    root = parts.root("comments")
    return {
        comment.get(f"{W}id", ""): "\n".join(_paragraphs(comment))
        for comment in (() if root is None else root.iter(f"{W}comment"))
    }


def comments_in(element: Any, comments: dict[str, str]) -> Iterator[str]:
    """Yield the comments on an element of the document."""
    for reference in element.iter(f"{W}commentReference") if comments else ():
        if text := comments.get(reference.get(f"{W}id", "")):
            yield f"（コメント: {text}）"


def running_texts(parts: Parts, body: str) -> list[str]:
    """Return the texts of the headers and footers in use, once each, without page numbers.

    A text that is also a line of the body, as the title often is, is left out.
    """
    lines = {line.strip() for line in body.split("\n")}
    found: dict[str, None] = {}
    for kind in ("header", "footer"):
        for reference in parts.main.iter(f"{W}{kind}Reference"):
            part = parts.related.get(reference.get(f"{_R}id", ""))
            root = None if part is None else parts.at(part.path)
            for text in () if root is None else _paragraphs(root):
                found[text] = None
    return [text for text in found if text not in lines]


def _paragraphs(root: Any) -> Iterator[str]:
    for paragraph in root.iter(f"{W}p"):
        if text := _without_pages(paragraph):
            yield text


def _without_pages(paragraph: Any) -> str:
    """Text of a paragraph without page numbers; empty if nothing else is in it."""
    parts: list[str] = []
    has_page = False
    # For each open field: whether it shows a page number.
    fields: list[bool] = []
    for node in paragraph.iter(*_FIELD_PARTS):
        kind = node.get(f"{W}fldCharType")
        if kind == "begin":
            fields.append(False)
        elif kind == "end" and fields:
            fields.pop()
        elif node.tag == f"{W}instrText" and fields:
            fields[-1] = fields[-1] or bool(_PAGE.match(node.text or ""))
            has_page = has_page or fields[-1]
        elif node.tag == f"{W}tab":
            parts.append(" ")
        elif node.tag == f"{W}t" and next(node.iterancestors(f"{W}p")) is paragraph:
            simple = next(node.iterancestors(f"{W}fldSimple"), None)
            is_page = simple is not None and bool(_PAGE.match(simple.get(f"{W}instr", "")))
            has_page = has_page or is_page
            if not is_page and not any(fields):
                parts.append(node.text or "")
    text = " ".join("".join(parts).split())
    if has_page and not _BESIDE_PAGE.sub("", text):
        return ""
    return text if any(map(str.isalnum, text)) else ""


_FIELD_PARTS = (f"{W}t", f"{W}tab", f"{W}fldChar", f"{W}instrText")
