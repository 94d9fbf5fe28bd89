"""A passage → its places: rows and sentences, each with the headings it is under.

The place of a quote says what the quote is about: the other cells of its row, the sentences before
it, and the headings above it.
"""

import re
from dataclasses import dataclass

from langchain_core.documents import Document

from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.sentences import sentence_spans

_HEADING = re.compile(r"[^。、:]{1,40}|.{1,60}[か?]。?|[#■◆●【].{1,60}|q[.:].{1,80}")
# 日当は次の表のとおりとする。 is about each row of the table below.
_LEAD = re.compile("(?:次|以下|下記|別表)[^。]{0,15}(?:表|とおり|通り)")
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A row or a sentence of a passage.

    Args:
        start: Where it begins in the passage, in characters.
        end: Where it ends.
        text: Its text, normalized.
        headings: The title and the headings that it is under, normalized.
        before: The sentences before it in its paragraph, normalized.
    """

    start: int
    end: int
    text: str
    headings: str
    before: str


def find_places(document: Document) -> list[Place]:
    """The places of a passage, in order."""
    above = normalize(context(document))
    passage = document.page_content
    found: list[Place] = []
    heading, before, last_end, heading_end = "", "", 0, 0
    for start, end in _spans(passage):
        text = normalize(passage[start:end]).strip()
        if "\n\n" in passage[last_end:start]:
            before = ""
        last_end = end
        found.append(Place(start, end, text, f"{above}\n{heading}", before))
        before += f"{text}\n"
        if start < heading_end:
            continue
        line = passage[start:].split("\n", 1)[0]
        if _HEADING.fullmatch(normalize(line).strip(" *_")):
            heading, heading_end = normalize(line), start + len(line)
        elif _LEAD.search(text):
            heading += f"\n{text}"
    return found


def context(document: Document) -> str:
    """The title and the headings of a passage."""
    return " ".join(str(document.metadata.get(name, "")) for name in ("title", "headings"))


def _spans(passage: str) -> list[tuple[int, int]]:
    return [
        (start + line.start(), start + line.end())
        for start, end in sentence_spans(passage)
        for line in _LINE.finditer(passage[start:end])
        if line[0].strip()
    ]
