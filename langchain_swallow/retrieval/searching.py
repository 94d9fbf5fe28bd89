"""`SearchableStore`: the searches of LangChain's vector store interface over a snapshot."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray

from langchain_swallow._system.renamed import warn_renamed
from langchain_swallow.retrieval.index import snapshot as snapshots
from langchain_swallow.retrieval.index.metric import prepare_vectors
from langchain_swallow.retrieval.index.segment import Passage
from langchain_swallow.retrieval.index.snapshot import RowRef, Snapshot
from langchain_swallow.text.surrogates import replace_surrogates

Filter = Mapping[str, Any] | Callable[[Document], bool]


class SearchableStore(VectorStore):
    """Embeds questions and finds the nearest chunks of the current snapshot.

    Args:
        embedding: Embedding model of chunks and questions.
    """

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model."""
        return self._embedding

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The immutable index at this moment; later changes create a new snapshot."""

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[tuple[Document, float]]:
        """The `k` nearest documents with their scores in [0, 1], best first.

        Args:
            query: A question.
            k: Maximum number of documents; default 4. Fewer are returned if fewer match.
            filter: Metadata filter, or a function of a Document; default `None`.
        """
        return self.similarity_search_by_vector_with_score(
            self._embedding.embed_query(replace_surrogates(query)), k, filter
        )

    def similarity_search_by_vector_with_score(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """Like `similarity_search_with_score`, for a vector of shape (dim,)."""
        snapshot = self.snapshot()
        refs = self._nearest(snapshot, embedding, k, filter)
        passages = snapshot.passages(refs)
        return [(to_document(p), hit.score) for p, hit in zip(passages, refs, strict=True)]

    def similarity_search(
        self, query: str, k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[Document]:
        """The `k` nearest documents, best first."""
        return [d for d, _ in self.similarity_search_with_score(query, k, filter)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[Document]:
        """The `k` documents nearest to a vector of shape (dim,), best first."""
        return [d for d, _ in self.similarity_search_by_vector_with_score(embedding, k, filter)]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **_: Any,
    ) -> list[Document]:
        """Select documents that are near the query and far from each other.

        Args:
            query: A question.
            k: Number of documents to return; default 4.
            fetch_k: Number of nearest documents to select from; default 20.
            lambda_mult: From 0, the most diverse selection, to 1, the nearest documents; default
                0.5.
            filter: Metadata filter, or a function of a Document; default `None`.
        """
        vector = self._embedding.embed_query(replace_surrogates(query))
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **_: Any,
    ) -> list[Document]:
        """Like `max_marginal_relevance_search`, for a vector of shape (dim,)."""
        snapshot = self.snapshot()
        refs = self._nearest(snapshot, embedding, fetch_k, filter)
        chosen = maximal_marginal_relevance(
            np.array(embedding, dtype=np.float32),
            list(snapshot.vectors(refs)),
            lambda_mult=lambda_mult,
            k=k,
        )
        return [to_document(p) for p in snapshot.passages([refs[i] for i in chosen])]

    def query_vector(
        self, query: str, hypothetical_document: str = "", *, like: str = ""
    ) -> NDArray[np.float32]:
        """The vector to search with for a question, shape (dim,).

        Args:
            query: The question.
            hypothetical_document: A text that resembles the chunks to find. Its vector is averaged
                with the question's. Default: none.
            like: The old name of `hypothetical_document`; deprecated.
        """
        if like:
            new = "hypothetical_document"
            warn_renamed("like", new, "query_vector", has_new=bool(hypothetical_document))
            hypothetical_document = like
        rows = [self._embedding.embed_query(replace_surrogates(query))]
        if hypothetical_document.strip():
            rows += self._embedding.embed_documents([replace_surrogates(hypothetical_document)])
        metric = self.snapshot().metric
        mean = prepare_vectors(rows, metric).mean(axis=0, keepdims=True)
        return prepare_vectors(mean, metric)[0]

    def _nearest(
        self, snapshot: Snapshot, embedding: list[float], k: int, filter: Filter | None
    ) -> list[RowRef]:
        query = prepare_vectors([embedding], snapshot.metric)[0]
        return snapshot.search(query, k, None if filter is None else adapt_filter(filter))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return float


def to_document(passage: Passage) -> Document:
    """Convert a chunk of the index to LangChain's `Document`."""
    return Document(id=passage.id, page_content=passage.text, metadata=passage.metadata)


def adapt_filter(filter: Filter) -> snapshots.Filter:
    """Convert a filter to one of the index, whose functions take a `Passage`, not a Document."""
    if callable(filter):
        return lambda passage: bool(filter(to_document(passage)))
    return filter
