"""`HybridRetriever`: fuses BM25 over character n-grams with dense similarity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from pydantic import ConfigDict, Field

from langchain_swallow._system.renamed import RenamedField, RenamedFields
from langchain_swallow.retrieval.fusion import Ranked, Scores
from langchain_swallow.retrieval.fusion_weights import LEXICAL_WEIGHT
from langchain_swallow.retrieval.index.metric import similarity
from langchain_swallow.retrieval.index.neighbors import join_neighbors
from langchain_swallow.retrieval.index.segment import Passage
from langchain_swallow.retrieval.index.snapshot import Snapshot
from langchain_swallow.retrieval.rerankers import Reranker
from langchain_swallow.retrieval.searching import Filter, adapt_filter
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.passages import copy_key, passage_text
from langchain_swallow.text.surrogates import replace_surrogates
from langchain_swallow.text.terms import Tokenizer, strip_question_words, sudachi_terms

# Candidates for the steps that select among them: reranker, diversity, one chunk per document.
_CANDIDATES = 50
# The texts of at least this many chunks are read for proximity. More of them change nothing:
# docs/benchmarks.md, Retrieval.
_MIN_READ = 10
# If too few chunks are left without duplicates, this multiple of them is read, up to the maximum.
_READ_GROWTH, _MAX_READ = 4, 1000


class HybridRetriever(RenamedFields, BaseRetriever):
    """Retriever that fuses BM25 over character 1-grams and 2-grams with dense similarity.

    The score of a chunk is the weighted sum of two scores in [0, 1]: BM25 divided by its upper
    bound for the question, and the similarity of the vectors, scaled from the worst chunk to the
    best. BM25 decides if the question repeats the words of a chunk, and the vectors decide if it
    does not. Question words (いつ, どのくらい, ですか) count for the vectors only. For the best
    chunks, part of BM25's weight goes to proximity: the share of the question's terms that occur
    within the length of a sentence. The default weight is in the middle of a plateau:
    `docs/benchmarks.md`, Retrieval.

    Args:
        store: The vector store to search.
        k: Number of chunks to return; default 4.
        lexical_weight: Weight of BM25 and proximity, in [0, 1]; the vectors have the rest. Default
            0.68.
        tokenizer: The terms that BM25 counts: `"ngram"`, the default, for 1-grams and 2-grams;
            `"sudachi"` for words and 2-grams, so that spelling variants (引っ越し, 引越) match
            (extra `sudachi`); or a function from a text to its terms. It gets normalized texts
            (NFKC, lower case): those of chunks, and the question without its question words.
        filter: Metadata filter or function of a Document, as for the store. It is applied before
            the search. Default `None`.
        score_threshold: Minimum score of a returned chunk, in [0, 1]; default `None`. If a question
            shares no term with any chunk, the best chunk has the score 1 - lexical_weight.
        min_lexical_score: Minimum BM25 score, in [0, 1], used together with `min_dense_score`. If
            no chunk reaches either minimum, nothing is returned, and a RAG chain refuses without
            calling the model. If one of the two is 0, the default, there is no minimum.
        min_dense_score: Minimum similarity, in [0, 1]; default 0. A suitable value depends on the
            embedding model.
        reranker: Reorders the best candidates by reading the question and a chunk together, such
            as `SwallowReranker`. Default `None`.
        diversity: From 0, the default, which takes the best chunks, to 1, which takes the chunks
            that differ most from each other (maximal marginal relevance).
        one_per_document: Whether to return only the best chunk of each source; default `False`.
        neighbors: Number of chunks of the same section, before and after each one, to join to it;
            default 0.
        candidates: Number of chunks among which `reranker`, `diversity` and `one_per_document`
            select; default 50.

    Of chunks with the same headings and words, as in copies of a file, the best one is returned.
    `also_in` in its metadata lists the sources of the others. If the text is short, the titles must
    be equal too.

    You can also pass `k`, `filter` and `score_threshold` per call: `invoke(question, k=8)`. The
    option `hypothetical_document` of a call is a text that resembles the chunk to find.

    The metadata of a returned document has its scores: `score`, `lexical_score`, `proximity_score`,
    `dense_score`, and with a reranker `rerank_score`.
    """

    least_lexical = RenamedField("min_lexical_score")
    least_dense = RenamedField("min_dense_score")
    neighbours = RenamedField("neighbors")
    words = RenamedField(
        "tokenizer",
        convert=lambda words: "sudachi" if words else "ngram",
        restore=lambda tokenizer: tokenizer == "sudachi",
    )

    store: SwallowFAISS
    k: int = Field(default=4, ge=1)
    lexical_weight: float = Field(default=LEXICAL_WEIGHT, ge=0, le=1)
    tokenizer: Literal["ngram", "sudachi"] | Tokenizer = "ngram"
    filter: Any = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    min_lexical_score: float = Field(default=0.0, ge=0, le=1)
    min_dense_score: float = Field(default=0.0, ge=0, le=1)
    reranker: Any = None
    diversity: float = Field(default=0.0, ge=0, le=1)
    one_per_document: bool = False
    neighbors: int = Field(default=0, ge=0)
    candidates: int = Field(default=_CANDIDATES, ge=1)

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: Filter | None = None,
        score_threshold: float | None = None,
        hypothetical_document: str = "",
        like: str = "",
    ) -> list[Document]:
        snapshot = self.store.snapshot()
        query = replace_surrogates(query)
        if not len(snapshot) or not query.strip():
            return []
        limit = self.k if k is None else k
        vector = self.store.query_vector(query, hypothetical_document, like=like)
        keywords = strip_question_words(query)
        ranked = self._ranked(
            snapshot, keywords, vector, filter if filter is not None else self.filter
        )
        if not ranked.reach(self.min_lexical_score, self.min_dense_score):
            return []
        min_score = self.score_threshold if score_threshold is None else score_threshold
        choosing = bool(self.reranker or self.diversity or self.one_per_document)
        count = max(limit, self.candidates) if choosing else limit
        hits = [
            hit
            for hit in self._best_chunks(snapshot, keywords, ranked, count)
            if hit.score >= (min_score or 0)
        ]
        documents = self._documents(snapshot, hits, ranked)
        if self.reranker is not None:
            documents = _rerank(self.reranker, query, documents)
        if self.one_per_document:
            documents = _first_of_each_source(documents)
        if self.diversity:
            documents = self._diversify(snapshot, documents, vector, limit)
        return [_drop_row_number(document) for document in documents[:limit]]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        # LangChain's default implementation does not pass on options of a call.
        search: Any = self._get_relevant_documents
        return await run_in_executor(
            None, search, query, run_manager=run_manager.get_sync(), **options
        )

    def _ranked(
        self, snapshot: Snapshot, keywords: str, vector: Scores, filter: Filter | None
    ) -> Ranked:
        lexical = snapshot.lexical_scores(keywords, self._terms())
        distances = snapshot.distances(vector)
        dense = similarity(distances, snapshot.metric)
        admitted = None if filter is None else snapshot.admitted(adapt_filter(filter))
        products = distances if snapshot.metric == "ip" else None
        return Ranked(lexical, dense, self.lexical_weight, admitted, products)

    def _best_chunks(
        self, snapshot: Snapshot, keywords: str, ranked: Ranked, count: int
    ) -> list["ScoredChunk"]:
        """The best chunks without duplicates, ordered by scores that include proximity."""
        reading = max(count, _MIN_READ)
        while True:
            hits = self._read(snapshot, keywords, ranked, reading)
            distinct = _merge_duplicates(hits)
            if len(distinct) >= count or len(hits) < reading or reading >= _MAX_READ:
                return distinct[:count]
            reading *= _READ_GROWTH

    def _read(
        self, snapshot: Snapshot, keywords: str, ranked: Ranked, count: int
    ) -> list["ScoredChunk"]:
        numbers = ranked.best(count)
        passages = snapshot.passages(snapshot.places(numbers))
        texts = [passage_text(passage.text, passage.metadata) for passage in passages]
        proximities = snapshot.proximities(keywords, texts)
        scores = ranked.with_proximity(numbers, proximities)
        order = np.argsort(-scores, kind="stable").tolist()
        return [
            ScoredChunk(numbers[i], passages[i], float(scores[i]), float(proximities[i]))
            for i in order
        ]

    def _documents(
        self, snapshot: Snapshot, hits: Sequence["ScoredChunk"], ranked: Ranked
    ) -> list[Document]:
        passages = [hit.passage for hit in hits]
        if self.neighbors:
            numbers = [hit.number for hit in hits]
            passages = join_neighbors(snapshot, numbers, passages, self.neighbors)
        return [
            Document(
                id=passage.id,
                page_content=passage.text,
                metadata={
                    **passage.metadata,
                    **_score_metadata(hit, ranked),
                    **hit.duplicate_sources(),
                    _ROW_NUMBER: hit.number,
                },
            )
            for hit, passage in zip(hits, passages, strict=True)
        ]

    def _diversify(
        self, snapshot: Snapshot, documents: list[Document], vector: Scores, limit: int
    ) -> list[Document]:
        places = snapshot.places([document.metadata[_ROW_NUMBER] for document in documents])
        chosen = maximal_marginal_relevance(
            vector,
            list(snapshot.vectors(places)),
            lambda_mult=1 - self.diversity,
            k=limit,
        )
        return [documents[i] for i in chosen]

    def _terms(self) -> Tokenizer | None:
        """The function that BM25 uses; `None` for n-grams, which the index has already."""
        if self.tokenizer == "ngram":
            return None
        return sudachi_terms() if self.tokenizer == "sudachi" else _normalizing(self.tokenizer)


# The index keeps statistics per function, so the same tokenizer is always the same function.
@lru_cache
def _normalizing(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer of search keys, which questions already are, as one of texts."""
    return lambda text: tokenizer(normalize(text))


# Metadata key for a document's number in the snapshot. It is removed before the documents return.
_ROW_NUMBER = "__place__"


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A retrieved chunk: its number in the snapshot, and its scores in [0, 1]."""

    number: int
    passage: Passage
    score: float
    proximity: float
    also_in: tuple[str, ...] = ()

    def duplicate_sources(self) -> dict[str, list[str]]:
        """Metadata entry with the other sources of the same chunk; empty if there are none."""
        own_source = self.passage.metadata.get("source")
        others = [
            source for source in dict.fromkeys(self.also_in) if source not in ("", own_source)
        ]
        return {"also_in": others} if others else {}


def _score_metadata(hit: ScoredChunk, ranked: Ranked) -> dict[str, float]:
    return {
        "score": hit.score,
        "lexical_score": float(ranked.lexical[hit.number]),
        "proximity_score": hit.proximity,
        "dense_score": float(ranked.dense[hit.number]),
    }


def _merge_duplicates(hits: Sequence[ScoredChunk]) -> list[ScoredChunk]:
    """Keep the best of each group of duplicates, with the sources of the others."""
    by_key: dict[tuple[str, ...], list[ScoredChunk]] = {}
    for hit in hits:
        by_key.setdefault(copy_key(hit.passage.text, hit.passage.metadata), []).append(hit)
    return [
        replace(best, also_in=tuple(str(c.passage.metadata.get("source", "")) for c in copies))
        for best, *copies in by_key.values()
    ]


def _rerank(reranker: Reranker, query: str, documents: list[Document]) -> list[Document]:
    texts = [passage_text(d.page_content, d.metadata) for d in documents]
    scores = reranker.score(query, texts)
    order = np.argsort(-np.asarray(scores), kind="stable").tolist()
    for document, score in zip(documents, scores, strict=True):
        document.metadata["rerank_score"] = float(score)
    return [documents[i] for i in order]


def _first_of_each_source(documents: list[Document]) -> list[Document]:
    first: dict[Any, Document] = {}
    for document in documents:
        first.setdefault(document.metadata.get("source", document.id), document)
    return list(first.values())


def _drop_row_number(document: Document) -> Document:
    del document.metadata[_ROW_NUMBER]
    return document
