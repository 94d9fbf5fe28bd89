"""Citation marks in an answer: let through while it streams, checked when it is whole."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from langchain_core.documents import Document

from langchain_swallow.rag.answer import Citation
from langchain_swallow.text.normalize import normalize, normalize_with_offsets
from langchain_swallow.text.sentences import sentence_spans

_MARK = re.compile(r"[ \u3000]*[\[［]\s*([0-9]+(?:\s*[,、，]\s*[0-9]+)*)\s*[\]］]")
_OPEN_MARK = re.compile(r"[ \u3000]*(?:[\[［][\s0-9,、，]*)?$")
# Shorter common runs are particles and chance.
_SHORTEST_QUOTE = 4


class CitationFilter:
    """Removes marks whose number no passage has, from text that arrives in pieces.

    Args:
        count: Number of passages; marks 1 … count stay, written as `[1]`.
    """

    def __init__(self, count: int) -> None:
        self.removed: list[int] = []
        self._count = count
        self._held = ""

    def push(self, text: str) -> str:
        """What can be shown; the beginning of a possible mark is held back."""
        self._held += text
        held = _OPEN_MARK.search(self._held)
        cut = held.start() if held else len(self._held)
        shown, self._held = self._held[:cut], self._held[cut:]
        return _MARK.sub(self._replace, shown)

    def finish(self) -> str:
        """What was held back."""
        shown, self._held = self._held, ""
        return _MARK.sub(self._replace, shown)

    def _replace(self, match: re.Match[str]) -> str:
        numbers = [int(n) for n in re.findall("[0-9]+", match[1])]
        known = [n for n in numbers if 1 <= n <= self._count]
        self.removed += [n for n in numbers if n not in known]
        # The model's own spacing before the mark stays.
        space = match[0][: len(match[0]) - len(match[0].lstrip(" \u3000"))]
        return space + "".join(f"[{n}]" for n in known) if known else ""


def find_citations(text: str, documents: Sequence[Document]) -> tuple[Citation, ...]:
    """The citations of a whole answer, one a number, each checked against its passage."""
    found: dict[int, Citation] = {}
    claim = ""
    for start, end in sentence_spans(text):
        # The words before a mark are its claim; after 。 that is the sentence before.
        sentence, position = text[start:end], 0
        for match in _MARK.finditer(sentence):
            claim = sentence[position : match.start()].strip() or claim
            position = match.end()
            for number in (int(n) for n in re.findall("[0-9]+", match[1])):
                if 1 <= number <= len(documents):
                    checked = _check(number, documents[number - 1], claim)
                    if number not in found or checked.verified > found[number].verified:
                        found[number] = checked
        claim = sentence[position:].strip() or claim
    return tuple(found.values())


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
