"""`SwallowFAISS`: passages, metadata and vectors; exact cosine search; saved without pickle.

`index_folder` has the format.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray
from tqdm import tqdm
from typing_extensions import Self

from langchain_swallow.errors import EmbeddingError, IndexStoreError
from langchain_swallow.index_folder import Passage, read_index, read_manifest, write_index

Filter = dict[str, Any] | Callable[[Document], bool]

_EMBED_AT_ONCE = 64


class SwallowFAISS(VectorStore):
    """A FAISS index with exact search and scores that keep their meaning.

    A score is (1 + cosine) / 2, in [0, 1]: 1 for the same direction, 0 for the opposite.

    Args:
        embedding: Encoder of passages and questions.

    Adding a document with an id that is there replaces it.
    """

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self._documents: dict[str, Document] = {}
        self._numbers: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._next_number = 0
        self._index: Any = None
        # Counts changes, so that what is derived from the documents knows when it is old.
        self.version = 0

    @property
    def embeddings(self) -> Embeddings:
        """The encoder."""
        return self._embedding

    @property
    def documents(self) -> list[Document]:
        """All documents, in order of their first addition."""
        return list(self._documents.values())

    def __len__(self) -> int:
        return len(self._documents)

    # Building

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store of these texts."""
        store = cls(embedding)
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
        """
        listed = list(texts)
        sources = metadatas if metadatas is not None else [{}] * len(listed)
        names = [name or str(uuid.uuid4()) for name in ids or [""] * len(listed)]
        if not len(listed) == len(sources) == len(names):
            raise ValueError(
                f"{len(listed)} texts, {len(sources)} metadatas and {len(names)} ids: "
                "give one of each for every text."
            )
        vectors = self._embed(listed, sources, progress)
        documents = [
            Document(id=name, page_content=text, metadata=dict(metadata))
            for name, text, metadata in zip(names, listed, sources, strict=True)
        ]
        # A later document of the same id replaces an earlier one, here as in two calls.
        latest = {document.id or "": i for i, document in enumerate(documents)}
        self._put([documents[i] for i in latest.values()], vectors[list(latest.values())])
        return names

    def _embed(
        self, texts: list[str], metadatas: Sequence[dict[str, Any]], progress: bool
    ) -> NDArray[np.float32]:
        """Vectors, shape (n, dim); texts of like length together, which wastes less padding."""
        shown = [passage_text(t, m) for t, m in zip(texts, metadatas, strict=True)]
        order = sorted(range(len(shown)), key=lambda i: len(shown[i]))
        rows: list[list[float]] = [[]] * len(shown)
        with tqdm(total=len(shown), desc="Embedding", disable=not progress) as bar:
            for start in range(0, len(order), _EMBED_AT_ONCE):
                part = order[start : start + _EMBED_AT_ONCE]
                vectors = self._embedding.embed_documents([shown[i] for i in part])
                for i, vector in zip(part, vectors, strict=True):
                    rows[i] = vector
                bar.update(len(part))
        return _unit(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    def _put(self, documents: list[Document], vectors: NDArray[np.float32]) -> None:
        if not documents:
            return
        if self._index is None:
            self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        if vectors.shape[1] != self._index.d:
            raise EmbeddingError(
                f"Vectors of {vectors.shape[1]} dimensions do not go into an index of "
                f"{self._index.d}. Use the embedding the index was made with."
            )
        self._remove_vectors([d.id or "" for d in documents])
        numbers = np.arange(self._next_number, self._next_number + len(documents))
        self._next_number += len(documents)
        self._index.add_with_ids(vectors, numbers.astype(np.int64))
        for number, document in zip(numbers.tolist(), documents, strict=True):
            name = document.id or ""
            self._documents[name] = document
            self._numbers[name] = number
            self._ids[number] = name
        self.version += 1

    def _remove_vectors(self, names: Iterable[str]) -> None:
        numbers = [self._numbers.pop(name) for name in names if name in self._numbers]
        for number in numbers:
            del self._ids[number]
        if numbers:
            self._index.remove_ids(np.array(numbers, dtype=np.int64))

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool | None:
        """Remove documents by id, or all with `None`; ids that are not there are no error."""
        names = list(self._documents) if ids is None else ids
        self._remove_vectors(names)
        for name in names:
            self._documents.pop(name, None)
        self.version += 1
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids; those that are not there are left out."""
        found = [self._documents[name] for name in ids if name in self._documents]
        return [document.model_copy(deep=True) for document in found]

    # Searching

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **_: Any
    ) -> list[tuple[Document, float]]:
        """The `k` nearest documents with scores in [0, 1], best first.

        Args:
            query: A question.
            k: How many; fewer where fewer match.
            filter: Metadata that must be equal, or a function of a Document. Applied before the
                search: `k` of those that match are found.
        """
        return self.similarity_search_by_vector_with_score(
            self._embedding.embed_query(query), k, filter
        )

    def similarity_search_by_vector_with_score(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`, for a vector of shape (dim,)."""
        return [
            (self._documents[self._ids[number]].model_copy(deep=True), _score(cosine))
            for number, cosine in self._nearest(embedding, k, filter)
        ]

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
        vector = self._embedding.embed_query(query)
        numbers = [number for number, _ in self._nearest(vector, fetch_k, filter)]
        stored = [self._index.reconstruct(number) for number in numbers]
        chosen = maximal_marginal_relevance(
            np.array(vector, dtype=np.float32), stored, lambda_mult=lambda_mult, k=k
        )
        return [self._documents[self._ids[numbers[i]]].model_copy(deep=True) for i in chosen]

    def query_scores(self, query: str) -> NDArray[np.float32]:
        """Scores of all documents, shape (n,), in the order of `documents`."""
        if not self._documents:
            return np.zeros(0, dtype=np.float32)
        found = dict(self._nearest(self._embedding.embed_query(query), len(self), None))
        return np.array([_score(found[self._numbers[name]]) for name in self._documents])

    def _nearest(
        self, embedding: list[float], k: int, filter: Filter | None
    ) -> list[tuple[int, float]]:
        """(number, cosine) pairs, best first."""
        if self._index is None or k < 1 or not self._documents:
            return []
        parameters = None
        if filter is not None:
            matches = _predicate(filter)
            numbers = [self._numbers[n] for n, d in self._documents.items() if matches(d)]
            if not numbers:
                return []
            selector = faiss.IDSelectorBatch(np.array(numbers, dtype=np.int64))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        cosines, found = self._index.search(
            _unit([embedding]), min(k, len(self)), params=parameters
        )
        pairs = zip(found[0].tolist(), cosines[0].tolist(), strict=True)
        return [(number, cosine) for number, cosine in pairs if number >= 0]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return float

    # Saving and loading

    def save_local(self, folder: str | Path) -> None:
        """Write the index; one that is there already is replaced as a whole.

        Raises:
            IndexStoreError: The folder holds something else.
        """
        passages = [
            Passage(self._numbers[name], name, document.page_content, document.metadata)
            for name, document in self._documents.items()
        ]
        vectors = b"" if self._index is None else faiss.serialize_index(self._index).tobytes()
        details = {
            "metric": "cosine",
            "documents": len(self),
            "dimension": None if self._index is None else self._index.d,
            "embedding": describe(self._embedding),
        }
        write_index(Path(folder), passages, vectors, details)

    @classmethod
    def load_local(cls, folder: str | Path, embeddings: Embeddings) -> Self:
        """Read an index written by `save_local`.

        Raises:
            FileNotFoundError: There is no index.
            IndexStoreError: It is damaged, of another version, or made with another embedding.
        """
        made_with, given = read_manifest(folder)["embedding"], describe(embeddings)
        if made_with != given:
            raise IndexStoreError(
                f"{folder} was made with the embedding {made_with}, this is {given}. "
                "Load it with that one, or index the documents again."
            )
        passages, vectors = read_index(Path(folder))
        store = cls(embeddings)
        if vectors:
            store._index = faiss.deserialize_index(np.frombuffer(vectors, dtype=np.uint8))
        for passage in passages:
            store._documents[passage.id] = Document(
                id=passage.id, page_content=passage.text, metadata=passage.metadata
            )
            store._numbers[passage.id] = passage.number
            store._ids[passage.number] = passage.id
        store._next_number = max(store._ids, default=-1) + 1
        return store


def passage_text(text: str, metadata: dict[str, Any]) -> str:
    """What is embedded, searched and prompted for a passage: its place, then its text.

    A row of a price list or a clause does not say what it is about; its title and headings do.
    """
    parts = [metadata.get("title"), *str(metadata.get("headings", "")).split(" > ")]
    place = [str(part) for part in dict.fromkeys(parts) if part]
    # A section begins with its own heading; it need not stand there twice.
    if place and text.startswith(place[-1]):
        del place[-1]
    return f"{' > '.join(place)}\n{text}" if place else text


def describe(embedding: Embeddings) -> dict[str, str]:
    """What tells two encoders apart: class, model and prefixes."""
    names = ("model", "model_name", "query_prefix", "passage_prefix")
    values = {name: getattr(embedding, name, None) for name in names}
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    return {"class": type(embedding).__name__, **known}


def _predicate(filter: Filter) -> Callable[[Document], bool]:
    if callable(filter):
        return filter
    return lambda document: all(document.metadata.get(k) == v for k, v in filter.items())


def _unit(vectors: Any) -> NDArray[np.float32]:
    array = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(array).all():
        raise EmbeddingError("The embedding returned a non-finite vector.")
    return array / np.where(norms == 0, 1, norms)


def _score(cosine: float) -> float:
    return min(1.0, max(0.0, (1 + cosine) / 2))
