"""Right and wrong answers to questions on drawn documents, as a chain would check them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from random import Random

from langchain_core.documents import Document

from langchain_swallow.documents.load import load_bytes
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.rag import Claim
from langchain_swallow.rag.citation_checks import find_citations
from tests.support.drawn import KINDS, Asked, lists

# No rule was written with these in view. Whoever looks at their faults moves them to the others.
HELD_OUT = tuple(kind.__name__ for kind in lists.KINDS)
IN_VIEW = tuple(kind for kind in KINDS if kind not in HELD_OUT)
_PASSAGES = 4


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with an answer.

    Args:
        kind: Of the document.
        question: The question.
        answer: It cites the first passage.
        documents: The passages in the prompt.
        why: Why the answer is wrong; empty if it is right.
    """

    kind: str
    question: str
    answer: str
    documents: Sequence[Document]
    why: str = ""

    def status(self) -> str:
        """The status of its citation."""
        (citation,) = find_citations(self.answer, self.documents, self.question)
        return citation.status

    def claim(self) -> Claim:
        """The answer as a support check reads it."""
        return Claim(self.question, self.answer.removesuffix(" [1]"), self.documents[0])


def draw_pairs(kinds: Sequence[str], count: int, seed: int) -> Iterator[Pair]:
    """As many right as wrong answers, each kind as often as any other."""
    rng = Random(seed)
    for i in range(count // 2):
        kind = kinds[i % len(kinds)]
        drawn = KINDS[kind](rng)
        loaded = load_bytes(drawn.text.encode(), PurePath(drawn.name)).documents
        chunks = JapaneseTextSplitter(300).split_documents(loaded)
        asked = rng.choice(drawn.asked)
        yield _pair(kind, asked.question, asked.answer, asked, chunks, rng)
        reasons = [*asked.wrong, *(["not in the document"] if asked.elsewhere else [])]
        why = rng.choice(reasons)
        wrong = asked.wrong.get(why)
        question = asked.question if wrong else asked.elsewhere
        yield _pair(kind, question, wrong or asked.answer, asked, chunks, rng, why)


def _pair(
    kind: str,
    question: str,
    short: str,
    asked: Asked,
    chunks: Sequence[Document],
    rng: Random,
    why: str = "",
) -> Pair:
    form = rng.choice(("{}", "{}です。", asked.sentence))
    said = short if short.endswith("。") else form.format(short)
    cited = _chunk_with((short, asked.answer), [chunk.page_content for chunk in chunks])
    shown = [chunks[cited], *chunks[:cited], *chunks[cited + 1 :]][:_PASSAGES]
    return Pair(kind, question, f"{said} [1]", shown, why)


def _chunk_with(answers: Sequence[str], chunks: Sequence[str]) -> int:
    """The chunk with an answer; a wrong unit is in none, then the one that shares most of it."""
    for words in answers:
        pattern = re.compile(rf"(?<![0-9,]){re.escape(words.rstrip('。'))}")
        if has := [n for n, chunk in enumerate(chunks) if pattern.search(chunk)]:
            return has[0]
    pairs = {answers[-1][i : i + 2] for i in range(len(answers[-1]) - 1)}
    return max(range(len(chunks)), key=lambda n: sum(pair in chunks[n] for pair in pairs))
