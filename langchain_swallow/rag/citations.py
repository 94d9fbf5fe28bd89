"""Citation marks in an answer: checked while it streams, located when it is whole.

A mark's *claim* is what stands before it: the words since the last mark, in their sentence.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from langchain_core.documents import Document

from langchain_swallow.rag.answer import Citation
from langchain_swallow.text.normalize import normalize, normalize_with_offsets
from langchain_swallow.text.sentences import sentence_spans

_MARK_PATTERN = r"[ \u3000]*[\[［]\s*[0-9]+(?:\s*[,、，]\s*[0-9]+)*\s*[\]］]"
_MARK = re.compile(_MARK_PATTERN)
_MARKS_AT_END = re.compile(f"(?:{_MARK_PATTERN})+$")
_OPEN_MARK = re.compile(r"[ \u3000]*(?:[\[［][\s0-9,、，]*)?$")
# Shorter common runs are particles and chance.
_SHORTEST_QUOTE = 4
# A shorter claim stands in too many passages to say which was meant.
_SHORTEST_UNIQUE_CLAIM = 2


class CitationFilter:
    """Corrects marks in text that arrives in pieces.

    A number that no passage has is removed. A number whose passage does not contain the claim,
    while another does word for word, becomes the number of that one.

    Args:
        documents: The passages; marks 1 … n stay, written as `[1]`.

    `removed` has the numbers taken out, `corrected` pairs of what was written and what it became.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self.removed: list[int] = []
        self.corrected: list[tuple[int, int]] = []
        self._keys = [normalize(document.page_content) for document in documents]
        self._cited: dict[int, set[int]] = {}
        self._seen = ""
        self._held = ""

    def push(self, text: str) -> str:
        """What can be shown; the beginning of a possible mark is held back."""
        self._held += text
        held = _OPEN_MARK.search(self._held)
        cut = held.start() if held else len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._checked(ready)

    def finish(self) -> str:
        """What was held back."""
        ready, self._held = self._held, ""
        return self._checked(ready)

    def _checked(self, ready: str) -> str:
        before, self._seen = self._seen, self._seen + ready
        return _MARK.sub(lambda mark: self._replace(mark, before + ready[: mark.start()]), ready)

    def _replace(self, mark: re.Match[str], before: str) -> str:
        claim = normalize(_claim(before)).strip("。 、")
        # Marks that follow one another belong to one claim and name a passage once.
        place = len(_MARKS_AT_END.sub("", before))
        cited = self._cited.setdefault(place, set())
        numbers: list[int] = []
        for written in _numbers(mark):
            right = self._right_number(written, claim)
            if right is None:
                self.removed.append(written)
                continue
            if right != written:
                self.corrected.append((written, right))
            if right not in cited:
                cited.add(right)
                numbers.append(right)
        # The model's own spacing before the mark stays.
        space = mark[0][: len(mark[0]) - len(mark[0].lstrip(" \u3000"))]
        return space + "".join(f"[{n}]" for n in numbers) if numbers else ""

    def _right_number(self, written: int, claim: str) -> int | None:
        if not 1 <= written <= len(self._keys):
            return None
        if len(claim) < _SHORTEST_UNIQUE_CLAIM or claim in self._keys[written - 1]:
            return written
        containing = [i for i, key in enumerate(self._keys, 1) if claim in key]
        return containing[0] if containing else written


def find_citations(text: str, documents: Sequence[Document]) -> tuple[Citation, ...]:
    """The citations of a whole answer, one a number, each checked against its passage."""
    found: dict[int, Citation] = {}
    for mark in _MARK.finditer(text):
        claim = _claim(text[: mark.start()])
        for number in _numbers(mark):
            if 1 <= number <= len(documents):
                checked = _check(number, documents[number - 1], claim)
                if number not in found or checked.verified > found[number].verified:
                    found[number] = checked
    return tuple(found.values())


def _numbers(mark: re.Match[str]) -> list[int]:
    return [int(n) for n in re.findall("[0-9]+", mark[0])]


def _claim(before: str) -> str:
    """The last words before a mark; after 。 or another mark, those before that."""
    for segment in reversed(_MARK.sub("\0", before).split("\0")):
        for start, end in reversed(sentence_spans(segment)):
            if segment[start:end].strip("。、 \u3000\n"):
                return segment[start:end].strip()
    return ""


def _check(number: int, document: Document, claim: str) -> Citation:
    """Find what the claim took from the passage: all of it, or its longest common run."""
    key = normalize_with_offsets(document.page_content)
    wanted = normalize(claim).strip("。 、")
    position = key.text.find(wanted) if wanted else -1
    size = len(wanted)
    if position < 0:
        matcher = SequenceMatcher(None, wanted, key.text, autojunk=False)
        run = matcher.find_longest_match()
        position, size = run.b, run.size
        if size < max(_SHORTEST_QUOTE, len(wanted) / 2):
            return Citation(number, document)
    start, end = key.span(position, position + size)
    quote = document.page_content[start:end]
    return Citation(number, document, quote, start, end, verified=True)
