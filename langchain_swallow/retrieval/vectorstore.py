"""`SwallowFAISS`: passages, metadata and vectors; scores that keep their meaning; no pickle.

`index` has the storage and the search; here is LangChain's contract.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray
from typing_extensions import Self

from langchain_swallow.retrieval.embeddings.batches import embed_by_length
from langchain_swallow.retrieval.index import snapshot as snapshots
from langchain_swallow.retrieval.index.current import CurrentIndex
from langchain_swallow.retrieval.index.folder import IndexFolder
from langchain_swallow.retrieval.index.manifest import Manifest, describe_embedding_model
from langchain_swallow.retrieval.index.metric import Metric, prepare_vectors
from langchain_swallow.retrieval.index.origins import with_origins
from langchain_swallow.retrieval.index.segment import Passage, make_passages
from langchain_swallow.retrieval.index.snapshot import RowRef, Snapshot
from langchain_swallow.retrieval.index.vectors import Kind
from langchain_swallow.text.passages import passage_text
from langchain_swallow.text.surrogates import replace_surrogates

Filter = Mapping[str, Any] | Callable[[Document], bool]


class SwallowFAISS(VectorStore):
    """A FAISS index with LangChain's interface.

    Args:
        embedding: Encoder of passages and questions.
        metric: `"cosine"`, `"ip"` or `"l2"`. Scores are in [0, 1] and depend on nothing but the two
            vectors: (1 + cos) / 2, 1 / (1 + e^-x) for an inner product x, 1 / (1 + d) for a squared
            distance d.
        index: `"flat"` is exact; `"hnsw"` is faster and finds nearly all, from 10,000 passages on;
            `"auto"` is flat up to 200,000 passages, then HNSW.
        path: A folder. What is there is opened, and every change is on the disk when its call
            returns: a process that is killed leaves the index of before or of after. Without a
            folder changes are in memory until `save_local`.
        wait_s: How long to wait while another process writes to the folder.

    Adding a document with an id that is there replaces it. Filters are applied before the search,
    so that `k` of those that match are found: `{"部署": "総務"}`, `{"page": {"$gte": 3}}`,
    `{"$or": [{"年": {"$in": [2025, 2026]}}, {"$not": {"草案": True}}]}`. Operators are `$eq`,
    `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$contains`. A function of a
    Document works too, and reads every passage.

    One process or thread writes at a time and others wait; readers see complete changes, those of
    other processes too.

    Raises:
        IndexStoreError: The folder's index is damaged, or made with another embedding or metric.
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        metric: Metric = "cosine",
        index: Kind = "auto",
        path: str | Path | None = None,
        wait_s: float = 10.0,
    ) -> None:
        if metric not in ("cosine", "ip", "l2"):
            raise ValueError(f"metric must be cosine, ip or l2, not {metric!r}.")
        if index not in ("flat", "hnsw", "auto"):
            removed = " Version 0.2 has no ivfpq; give hnsw." if str(index) == "ivfpq" else ""
            raise ValueError(f"index must be flat, hnsw or auto, not {index!r}.{removed}")
        self._embedding = embedding
        manifest = Manifest(
            metric=metric, index=index, embedding=describe_embedding_model(embedding)
        )
        self._index = CurrentIndex(manifest, None if path is None else Path(path), wait_s)

    @property
    def embeddings(self) -> Embeddings:
        """The encoder."""
        return self._embedding

    @property
    def _metric(self) -> Metric:
        return self._index.manifest.metric  # type: ignore[return-value]

    @property
    def documents(self) -> list[Document]:
        """All documents, in the order in which they were last added."""
        return [_document(passage) for passage in self.snapshot().everything()]

    def __len__(self) -> int:
        return len(self.snapshot())

    def snapshot(self) -> Snapshot:
        """The index at this moment; changes make another one and leave it as it is."""
        return self._index.snapshot()

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        metric: Metric = "cosine",
        index: Kind = "auto",
        path: str | Path | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store of these texts; with a `path`, added to what is there."""
        store = cls(embedding, metric=metric, index=index, path=path)
        store.add_texts(texts, metadatas, ids=ids, **kwargs)
        return store

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        progress: bool = False,
        **_: Any,
    ) -> list[str]:
        """Embed and add texts; their ids.

        Args:
            texts: What is embedded and returned.
            metadatas: One for each text.
            ids: One for each text; `None`, also of a single one, makes a new id.
            progress: Show a progress bar.

        Raises:
            ValueError: `metadatas` or `ids` have another length than `texts`.
            EmbeddingError: The encoder returned vectors of another length, or non-finite ones.
        """
        passages = make_passages(list(texts), metadatas, ids)
        if passages:
            shown = [passage_text(p.text, p.metadata) for p in passages]
            self.add_passages(passages, embed_by_length(self._embedding, shown, progress=progress))
        return [passage.id for passage in passages]

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
    ) -> list[str]:
        """As `add_texts`, for texts whose vectors are known; they must be of this encoder."""
        pairs = list(text_embeddings)
        passages = make_passages([text for text, _ in pairs], metadatas, ids)
        if passages:
            self.add_passages(passages, [vector for _, vector in pairs])
        return [passage.id for passage in passages]

    def add_passages(self, passages: list[Passage], vectors: Any) -> None:
        """As `add_embeddings`, for passages that may say which file they are of."""
        rows = prepare_vectors(vectors, self._metric)
        located = with_origins(passages)
        self.change(lambda before: before.adding(located, rows))

    def delete(
        self,
        ids: list[str] | None = None,
        *,
        source: str | Sequence[str] | None = None,
        filter: Filter | None = None,
        **_: Any,
    ) -> bool | None:
        """Remove documents by id, by the `source` of their metadata, or by a filter.

        With none of these all are removed. What is not there is no error.
        """
        if source is not None:
            sources = [source] if isinstance(source, str) else list(source)
            self.change(lambda before: before.without_sources(sources))
        if filter is not None:
            condition = adapt_filter(filter)
            self.change(lambda before: before.without_admitted(condition))
        if ids is not None:
            self.change(lambda before: before.without_ids(ids))
        elif source is None and filter is None:
            self.change(lambda before: Snapshot(before.metric, before.kind))
        return True

    def move_source(self, old: str, new: str) -> None:
        """Give the documents of one source another one, without embedding them again."""

        def moved(p: Passage) -> Passage:
            return replace(p, metadata={**p.metadata, "source": new}, origin=None)

        self.change(lambda before: before.changing([old], lambda p: with_origins([moved(p)])[0]))

    def optimize(self) -> None:
        """Join all segments and drop what was deleted; searches are then at their fastest.

        What versions before 0.2.0 laid out otherwise is written as this one does, IVF-PQ as HNSW.
        """
        self.change(Snapshot.compacted)

    def transaction(self) -> AbstractContextManager[None]:
        """Make the changes of a `with` block one change, or none if it raises.

        Other threads wait with theirs, and see the store as it was until the block ends.
        """
        return self._index.transaction()

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids; those that are not there are left out."""
        return [_document(passage) for passage in self.snapshot().with_ids(ids)]

    def sources(self) -> dict[str, str | None]:
        """Sources of all documents, with the `content_hash` of each.

        It is `None` where a source has none, or several: its documents are of different versions.
        """
        hashes: dict[str, set[str | None]] = {}
        for source, digest in self.snapshot().distinct("source", "content_hash"):
            if source is not None:
                hashes.setdefault(str(source), set()).add(digest)
        entries = sorted(hashes.items())
        return {source: known.pop() if len(known) == 1 else None for source, known in entries}

    # Searching

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[tuple[Document, float]]:
        """The `k` nearest documents with scores in [0, 1], best first.

        Args:
            query: A question.
            k: How many; fewer where fewer match.
            filter: Conditions on the metadata, or a function of a Document.
        """
        return self.similarity_search_by_vector_with_score(
            self._embedding.embed_query(replace_surrogates(query)), k, filter
        )

    def similarity_search_by_vector_with_score(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`, for a vector of shape (dim,)."""
        snapshot = self.snapshot()
        refs = self._nearest(snapshot, embedding, k, filter)
        passages = snapshot.passages(refs)
        return [(_document(p), hit.score) for p, hit in zip(passages, refs, strict=True)]

    def similarity_search(
        self, query: str, k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[Document]:
        """The `k` nearest documents, best first."""
        return [d for d, _ in self.similarity_search_with_score(query, k, filter)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[Document]:
        """The `k` nearest documents to a vector."""
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
        """`k` of the `fetch_k` nearest that are near the query and far from each other."""
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
        """As `max_marginal_relevance_search`, for a vector."""
        snapshot = self.snapshot()
        refs = self._nearest(snapshot, embedding, fetch_k, filter)
        chosen = maximal_marginal_relevance(
            np.array(embedding, dtype=np.float32),
            list(snapshot.vectors(refs)),
            lambda_mult=lambda_mult,
            k=k,
        )
        return [_document(p) for p in snapshot.passages([refs[i] for i in chosen])]

    def query_vector(self, query: str, like: str = "") -> NDArray[np.float32]:
        """The vector that a question is searched with, shape (dim,).

        Args:
            query: The question.
            like: A text like the passages that are looked for; its vector is averaged with the
                question's.
        """
        rows = [self._embedding.embed_query(replace_surrogates(query))]
        if like.strip():
            rows += self._embedding.embed_documents([replace_surrogates(like)])
        mean = prepare_vectors(rows, self._metric).mean(axis=0, keepdims=True)
        return prepare_vectors(mean, self._metric)[0]

    def _nearest(
        self, snapshot: Snapshot, embedding: list[float], k: int, filter: Filter | None
    ) -> list[RowRef]:
        query = prepare_vectors([embedding], snapshot.metric)[0]
        return snapshot.search(query, k, None if filter is None else adapt_filter(filter))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return float

    # Saving and loading

    def save_local(self, folder: str | Path) -> None:
        """Write the index, in one segment; one that is there already is replaced as a whole.

        Raises:
            IndexStoreError: The folder holds something else.
        """
        IndexFolder(Path(folder)).replace(self.snapshot(), self._index.manifest)

    @classmethod
    def load_local(cls, folder: str | Path, embeddings: Embeddings) -> Self:
        """Read an index; changes stay in memory. To keep them give the folder as `path` instead.

        Vectors are mapped into memory, not copied.

        Raises:
            FileNotFoundError: There is no index.
            IndexStoreError: It is damaged, of another version, or made with another embedding.
        """
        stored = IndexFolder(Path(folder)).read()
        manifest = stored.manifest
        store = cls(embeddings, metric=manifest.metric, index=manifest.index)  # type: ignore[arg-type]
        store._index.take(stored, folder)
        return store

    def change(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Put a snapshot that is made of the one that is there in its place."""
        self._index.change(change)


def _document(passage: Passage) -> Document:
    return Document(id=passage.id, page_content=passage.text, metadata=passage.metadata)


def adapt_filter(filter: Filter) -> snapshots.Filter:
    """A filter as the index takes it: functions get Documents here and passages there."""
    if callable(filter):
        return lambda passage: bool(filter(_document(passage)))
    return filter
