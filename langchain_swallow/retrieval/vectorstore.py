"""`SwallowFAISS`: LangChain's vector store interface over the index in `retrieval.index`.

The index stores chunks, metadata and vectors without pickle. Scores do not depend on the other
chunks in the index.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from typing_extensions import Self

from langchain_swallow.documents.access import EVERYONE
from langchain_swallow.retrieval.embeddings.batches import embed_by_length
from langchain_swallow.retrieval.embeddings.describe import (
    describe_embedding_model,
    warn_without_prompts,
)
from langchain_swallow.retrieval.index.access import Membership, VisibleIndex
from langchain_swallow.retrieval.index.current import CurrentIndex
from langchain_swallow.retrieval.index.folder import IndexFolder
from langchain_swallow.retrieval.index.manifest import Manifest
from langchain_swallow.retrieval.index.metric import Metric, prepare_vectors
from langchain_swallow.retrieval.index.origins import with_origins
from langchain_swallow.retrieval.index.segment import Passage, make_passages
from langchain_swallow.retrieval.index.snapshot import Snapshot
from langchain_swallow.retrieval.index.vectors import Kind
from langchain_swallow.retrieval.searching import (
    Filter,
    SearchableStore,
    adapt_filter,
    to_document,
)
from langchain_swallow.text.passages import passage_text


class SwallowFAISS(SearchableStore):
    """A FAISS index as a LangChain vector store.

    Args:
        embedding: Embedding model of chunks and questions, any `Embeddings` of LangChain. A warning
            says if a model that was trained with prompts is used without them.
        metric: `"cosine"` (default), `"ip"` or `"l2"`. Scores are in [0, 1] and depend only on the
            two vectors: (1 + cos) / 2, 1 / (1 + e^-x) for an inner product x, 1 / (1 + d) for a
            squared distance d.
        index: `"flat"` searches exactly. `"hnsw"` is faster and approximate in segments of at least
            10,000 chunks; it finds nearly all of the nearest chunks. `"auto"`, the default, is flat
            below 200,000 chunks and HNSW from there on.
        path: Folder of the index; an existing index is opened. Every change is on disk when its
            call returns, and a killed process leaves either the old or the new index, never a mix.
            With `None`, the default, changes stay in memory until `save_local`.
        wait_s: Seconds to wait while another process writes to the folder; default 10.

    A document with the id of an existing one replaces it. Filters are applied before the search, so
    that `k` matching documents are found: `{"部署": "総務"}`, `{"page": {"$gte": 3}}`,
    `{"$or": [{"年": {"$in": [2025, 2026]}}, {"$not": {"草案": True}}]}`. The operators are `$eq`,
    `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists` and `$contains`. A filter can also
    be a function of a Document, which then reads every chunk.

    One thread of one process writes at a time, and the others wait. Readers see complete changes
    only, including those of other processes.

    Raises:
        ValueError: `metric` or `index` is not one of these values.
        IndexStoreError: The folder's index is damaged, or was made with another embedding model or
            metric.
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
            removed = " Version 0.2 removed ivfpq; use hnsw." if str(index) == "ivfpq" else ""
            raise ValueError(f"index must be flat, hnsw or auto, not {index!r}.{removed}")
        warn_without_prompts(embedding)
        super().__init__(embedding)
        manifest = Manifest(
            metric=metric, index=index, embedding=describe_embedding_model(embedding)
        )
        self._index: CurrentIndex | VisibleIndex = CurrentIndex(
            manifest, None if path is None else Path(path), wait_s
        )

    @property
    def _metric(self) -> Metric:
        return self._index.manifest.metric  # type: ignore[return-value]

    @property
    def documents(self) -> list[Document]:
        """All documents, in the order in which they were last added."""
        return [to_document(passage) for passage in self.snapshot().everything()]

    def __len__(self) -> int:
        return len(self.snapshot())

    def snapshot(self) -> Snapshot:
        """The immutable index at this moment; later changes create a new snapshot."""
        return self._index.snapshot()

    def for_groups(
        self, groups: Iterable[str], *, default_groups: Iterable[str] = (EVERYONE,)
    ) -> Self:
        """The part of this store that members of these groups may see.

        Args:
            groups: Groups of the person; a document is visible if one of its groups is among them.
            default_groups: Groups of documents that have none; default: everyone.

        The groups of a document are the list `groups` in its metadata, or `folder_groups`, which
        the rules of its folder give (`.access.toml`) and which comes first. `["*"]` is everyone,
        `[]` nobody.

        The result is a store that follows this one. All of its methods, and retrievers over it,
        return what a store with only the visible documents would return: documents, scores, counts
        and BM25 statistics. Searches are exhaustive, also in segments with HNSW. It cannot be
        changed (`AccessError`). Computing what is visible takes a moment after each change, so keep
        the store for a person's next question.

            store.for_groups({"人事"}).as_retriever()
            HybridRetriever(store=store.for_groups(["人事", "役員"]))
        """
        if isinstance(groups, str) or isinstance(default_groups, str):
            raise ValueError(
                f"groups must be a collection of names, not the text {groups!r}. Pass [{groups!r}]."
            )
        membership = Membership(frozenset(groups), frozenset(default_groups))
        visible = copy.copy(self)
        visible._index = VisibleIndex(self._index, membership)
        return visible

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
        """Create a store of these texts; with a `path`, add them to the index in the folder."""
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
        """Embed and add texts; returns their ids.

        Args:
            texts: Texts of the chunks. Titles and headings in the metadata are embedded with them.
            metadatas: One dict per text; default: empty.
            ids: One id per text. For `None`, and for a `None` in the list, a new id is made.
            progress: Whether to show a progress bar on stderr; default `False`.

        Raises:
            ValueError: `metadatas` or `ids` differ in length from `texts`.
            EmbeddingError: The embedding model returned vectors of another dimension, or non-finite
                ones.
        """
        passages = make_passages(list(texts), metadatas, ids)
        if passages:
            embedded_texts = [passage_text(p.text, p.metadata) for p in passages]
            self.add_passages(
                passages, embed_by_length(self._embedding, embedded_texts, progress=progress)
            )
        return [passage.id for passage in passages]

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, Sequence[float]]],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
    ) -> list[str]:
        """Like `add_texts`, for texts that are already embedded with this embedding model."""
        pairs = list(text_embeddings)
        passages = make_passages([text for text, _ in pairs], metadatas, ids)
        if passages:
            self.add_passages(passages, [vector for _, vector in pairs])
        return [passage.id for passage in passages]

    def add_passages(self, passages: list[Passage], vectors: Any) -> None:
        """Like `add_embeddings`, for chunks that can have the location of their file.

        Args:
            passages: The chunks.
            vectors: Their vectors, shape (n, dim).
        """
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
        """Remove documents by id, by the `source` in their metadata, or by a filter.

        Args:
            ids: Ids to remove.
            source: One or several sources whose documents are removed.
            filter: Filter whose matching documents are removed.

        If you pass none of the three, all documents are removed. Ids and sources that the index
        does not have are ignored.

        Returns:
            Always `True`.
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
        """Replace the `source` of documents by another one, without embedding them again."""

        def moved(p: Passage) -> Passage:
            return replace(p, metadata={**p.metadata, "source": new}, origin=None)

        self.change(lambda before: before.changing([old], lambda p: with_origins([moved(p)])[0]))

    def optimize(self) -> None:
        """Merge all segments and drop deleted chunks, which makes searches as fast as possible.

        An index of a version before 0.2.0 is rewritten in the current layout, IVF-PQ as HNSW.
        """
        self.change(Snapshot.compacted)

    def transaction(self) -> AbstractContextManager[None]:
        """Combine the changes of a `with` block into one; if the block raises, none is made.

        Other threads wait with their changes, and see the old store until the block ends.
        """
        return self._index.transaction()

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids, in their order; unknown ids are left out."""
        return [to_document(passage) for passage in self.snapshot().with_ids(ids)]

    def sources(self) -> dict[str, str | None]:
        """Sources of all documents → the `content_hash` of each.

        The hash is `None` if the documents of a source have none, or have several because they are
        from different versions of the file.
        """
        hashes: dict[str, set[str | None]] = {}
        for source, digest in self.snapshot().distinct("source", "content_hash"):
            if source is not None:
                hashes.setdefault(str(source), set()).add(digest)
        entries = sorted(hashes.items())
        return {source: known.pop() if len(known) == 1 else None for source, known in entries}

    # Saving and loading

    def save_local(self, folder: str | Path) -> None:
        """Write the index to a folder, in one segment; an index in the folder is replaced.

        Raises:
            IndexStoreError: The folder contains other files.
            AccessError: This is a store from `for_groups`, and the folder is the whole index's.
        """
        if isinstance(self._index, VisibleIndex):
            self._index.check_copy(Path(folder))
        IndexFolder(Path(folder)).replace(self.snapshot(), self._index.manifest)

    @classmethod
    def load_local(cls, folder: str | Path, embeddings: Embeddings) -> Self:
        """Read an index from a folder; changes stay in memory.

        To keep changes on disk, pass the folder to the constructor as `path` instead. Vectors are
        memory-mapped, not copied.

        Raises:
            FileNotFoundError: There is no index in the folder.
            IndexStoreError: The index is damaged, has another format version, or was made with
                another embedding model.
        """
        stored = IndexFolder(Path(folder)).read()
        manifest = stored.manifest
        store = cls(embeddings, metric=manifest.metric, index=manifest.index)  # type: ignore[arg-type]
        assert isinstance(store._index, CurrentIndex)
        store._index.take(stored, folder)
        return store

    def change(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Replace the current snapshot by what `change` returns for it."""
        self._index.change(change)
