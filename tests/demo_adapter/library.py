"""A few drawn documents as an index has them: read, split, searched, with their questions."""

from collections.abc import Callable, Sequence
from pathlib import PurePath
from random import Random

from langchain_core.documents import Document

from langchain_swallow.documents.load import load_bytes
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.retrieval.index.bm25 import BM25Scorer, Lexical, Part, ngram_weights
from langchain_swallow.text.passages import passage_text
from tests.support.drawn import Asked, Drawn

# Held out of training: no kind is learned by heart that `tests/benchmarks/demo_kinds.py` measures.
HELD_OUT = (
    "job_posting",
    "contract",
    "bus_times",
    "meeting_rooms",
    "maintenance",
    "survey",
    "side_jobs",
    "storage",
    "two_places",
)


class Library:
    """Passages of drawn documents.

    Args:
        drawn: The documents.
        max_tokens: Of a passage.
    """

    def __init__(self, drawn: Sequence[Drawn], max_tokens: int = 300) -> None:
        splitter = JapaneseTextSplitter(max_tokens)
        self.chunks: list[Document] = []
        # Every question with the number of the passage that has its answer.
        self.asked: list[tuple[Asked, int]] = []
        for document in drawn:
            loaded = load_bytes(document.text.encode(), PurePath(document.name)).documents
            chunks = splitter.split_documents(loaded)
            texts = [passage_text(c.page_content, c.metadata) for c in chunks]
            first = len(self.chunks)
            self.asked += [(asked, first + _answering(asked, texts)) for asked in document.asked]
            self.chunks += chunks
        self.texts = [passage_text(c.page_content, c.metadata) for c in self.chunks]
        self._scorer = BM25Scorer([Part(Lexical.from_ngrams(self.texts), None)])

    def search(self, question: str) -> list[int]:
        """All passages, best first."""
        scores = self._scorer.scores(ngram_weights(question))[0]
        return [int(i) for i in (-scores).argsort(kind="stable")]

    def shown(self, asked: Asked, own: int, count: int, *, with_own: bool) -> list[int]:
        """The best passages with the one that has the answer, or without any that has it."""
        found = self.search(asked.question)
        rank = min(found.index(own), count - 1)
        source = self.chunks[own].metadata["source"]
        others = [
            i
            for i in found
            if i != own
            and (asked.answer not in self.texts[i] or self.chunks[i].metadata["source"] != source)
        ]
        return [*others[:rank], own, *others[rank : count - 1]] if with_own else others[:count]

    def number(self, i: int, documents: Sequence[Document]) -> int:
        """The number in a prompt with these documents of a passage; 0 if it is not there."""
        chunk = self.chunks[i]
        for n, document in enumerate(documents, 1):
            same = document.metadata["source"] == chunk.metadata["source"]
            if same and chunk.page_content in document.page_content:
                return n
        return 0


def draw_library(
    kinds: Sequence[Callable[[Random], Drawn]], rng: Random, max_tokens: int = 300
) -> Library:
    """One document of each kind; of those that differ only in whose they are, the last."""
    made = [kind(rng) for kind in kinds]
    drawn = {document.name.split(" ")[-1]: document for document in made}
    return Library(list(drawn.values()), max_tokens)


def _answering(asked: Asked, texts: Sequence[str]) -> int:
    """Of the passages with the answer the one that shares most with the question."""
    pairs = {asked.question[i : i + 2] for i in range(len(asked.question) - 1)}
    own = {asked.answer[i : i + 2] for i in range(len(asked.answer) - 1)}

    def fitness(i: int) -> tuple[bool, int]:
        return asked.answer in texts[i], sum(p in texts[i] for p in (*pairs, *own))

    return max(range(len(texts)), key=fitness)
