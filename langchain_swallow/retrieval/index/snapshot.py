"""Several segments as one immutable index, which readers search.

A change creates a new snapshot, which shares the segments that have not changed. The last two
segments are merged if the last one has at least a quarter of the chunks of the other. There are
therefore few segments, and each chunk is rewritten only a few times.
"""

import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from langchain_swallow.errors import EmbeddingError
from langchain_swallow.retrieval.index.bm25 import (
    BM25Scorer,
    Part,
    Terms,
    ngram_weights,
    word_weights,
)
from langchain_swallow.retrieval.index.filters import Mask
from langchain_swallow.retrieval.index.metric import Array, Metric, similarity
from langchain_swallow.retrieval.index.proximity import proximities
from langchain_swallow.retrieval.index.segment import LiveSegment, Passage, Segment
from langchain_swallow.retrieval.index.vectors import Kind

Filter = Mapping[str, Any] | Callable[[Passage], bool]

_MERGE_FACTOR = 4


class RowRef(NamedTuple):
    """Segment and row of a chunk in the snapshot, and its score."""

    segment: int
    row: int
    score: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable index.

    Args:
        metric: Metric of the scores.
        kind: Kind of the index in new segments: `"flat"`, `"hnsw"` or `"auto"`.
        parts: The segments, in the order of their chunks; default: none.
        is_exhaustive: Whether searches compare the query with every chunk, also in segments with a
            graph; default `False`.

    `scorers` caches the BM25 scorer of each tokenizer.
    """

    metric: Metric
    kind: Kind
    parts: tuple[LiveSegment, ...] = ()
    is_exhaustive: bool = False
    scorers: dict[Terms | None, BM25Scorer] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def dimension(self) -> int | None:
        """Dimension of the vectors; `None` if there are none."""
        return self.parts[0].segment.vectors.dimension if self.parts else None

    @property
    def is_outdated(self) -> bool:
        """Whether a segment has the layout of an earlier version; `compacted` rewrites it."""
        return any(part.segment.vectors.is_outdated for part in self.parts)

    # Reading

    def search(self, query: Array, k: int, filter: Filter | None = None) -> list[RowRef]:
        """The `k` best chunks that a filter admits, best first.

        Of equally near chunks, the earlier one is first.

        Args:
            query: Vector from `prepare_vectors`, shape (dim,).
            k: Maximum number of chunks.
            filter: Metadata filter, or a function of a `Passage`; default `None`.
        """
        found: list[tuple[float, RowRef]] = []
        for number, part in enumerate(self.parts):
            mask = part.admitting(None if filter is None else _mask(part, filter))
            vectors = part.segment.vectors
            result = vectors.search(query, k, mask, is_exhaustive=self.is_exhaustive)
            columns = (result.farness.tolist(), result.rows.tolist(), result.scores.tolist())
            found += [
                (farness, RowRef(number, row, score))
                for farness, row, score in zip(*columns, strict=True)
            ]
        return [ref for _, ref in sorted(found)[:k]]

    def distances(self, query: Array) -> Array:
        """FAISS's distances or inner products of all chunks, shape (n,), as `everything` orders."""
        found = [part.living(part.segment.vectors.distances(query)) for part in self.parts]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)

    def scores(self, query: Array) -> Array:
        """Similarities of all chunks, in [0, 1], shape (n,), in the order of `everything`."""
        return similarity(self.distances(query), self.metric)

    def lexical_scores(self, query: str, terms: Terms | None = None) -> Array:
        """BM25 scores of all chunks, in [0, 1), shape (n,), in the order of `everything`.

        Args:
            query: A question.
            terms: Tokenizer; `None`, the default, counts characters and pairs of characters.
        """
        weights = ngram_weights(query) if terms is None else word_weights(query, terms)
        scores = self._scorer(terms).scores(weights)
        live_scores = [
            part.living(segment_scores)
            for segment_scores, part in zip(scores, self.parts, strict=True)
        ]
        return np.concatenate(live_scores) if live_scores else np.zeros(0, dtype=np.float32)

    def proximities(self, query: str, texts: Sequence[str]) -> Array:
        """Term proximity of a query in each text, in [0, 1], shape (n,); see `proximity`."""
        scorer = self._scorer(None)
        return proximities({key: scorer.idf(key) for key in ngram_weights(query)}, texts)

    def admitted(self, filter: Filter) -> Mask:
        """Mask of the chunks that a filter admits, shape (n,), in the order of `everything`."""
        masks = [part.living(_mask(part, filter)) for part in self.parts]
        return np.concatenate(masks) if masks else np.zeros(0, dtype=bool)

    def places(self, numbers: Sequence[int]) -> list[RowRef]:
        """Segments and rows of the chunks with these numbers in `everything`; their score is 0."""
        rows = [part.rows() for part in self.parts]
        ends = np.cumsum([len(segment_rows) for segment_rows in rows])
        refs = []
        for number in numbers:
            segment = int(np.searchsorted(ends, number, side="right"))
            within = number - (int(ends[segment - 1]) if segment else 0)
            refs.append(RowRef(segment, int(rows[segment][within]), 0.0))
        return refs

    def passages(self, refs: Sequence[RowRef]) -> list[Passage]:
        """Read the chunks of these rows, in their order."""
        rows: dict[int, list[int]] = {}
        for ref in refs:
            rows.setdefault(ref.segment, []).append(ref.row)
        read = {number: self.parts[number].segment.passages(r) for number, r in rows.items()}
        return [read[ref.segment][ref.row] for ref in refs]

    def vectors(self, refs: Sequence[RowRef]) -> Array:
        """The vectors of these rows, shape (n, dim)."""
        rows = [
            self.parts[ref.segment].segment.vectors.rows(np.array([ref.row]))[0] for ref in refs
        ]
        return np.array(rows)

    def everything(self) -> Iterator[Passage]:
        """All chunks, in the order in which they were last added."""
        for part in self.parts:
            for row, passage in part.segment.everything():
                if part.is_alive(row):
                    yield passage

    def with_ids(self, ids: Sequence[str]) -> list[Passage]:
        """The chunks with these ids, in their order; unknown ids are left out."""
        places: dict[str, RowRef] = {}
        for number, part in enumerate(self.parts):
            for name, row in part.segment.rows_of_ids(ids).items():
                if part.is_alive(row):
                    places[name] = RowRef(number, row, 0.0)
        return self.passages([places[name] for name in ids if name in places])

    def of_sources(
        self, sources: Sequence[str], origins: Container[str | None] | None = None
    ) -> tuple[list[Passage], Array]:
        """The chunks with one of these sources and their vectors, shape (n, dim).

        They are in the order of `everything`.

        Args:
            sources: Values of `source` in the metadata.
            origins: Locations of files; chunks of other files are left out. `None`, the default,
                admits all files.
        """
        passages: list[Passage] = []
        vectors: list[Array] = []
        for part in self.parts:
            rows = part.rows_of_sources(sources, origins)
            by_row = part.segment.passages(rows)
            passages += [by_row[row] for row in rows]
            vectors.append(part.segment.vectors.rows(np.array(rows, dtype=np.int64)))
        return passages, np.concatenate(vectors or [np.zeros((0, 0), dtype=np.float32)])

    def distinct(self, *keys: str) -> set[tuple[Any, ...]]:
        """Distinct combinations of the values of these metadata keys, over all chunks.

        Lists and dicts are returned as their `repr`.
        """
        combinations: set[tuple[Any, ...]] = set()
        for part in self.parts:
            columns = [part.segment.column(key) for key in keys]
            codes = np.stack([column.codes[part.rows()] for column in columns], axis=1)
            for row in np.unique(codes, axis=0).tolist():
                values = [c.value(code) for c, code in zip(columns, row, strict=True)]
                combinations.add(tuple(v if v.__hash__ else repr(v) for v in values))
        return combinations

    # Changing

    def adding(self, passages: Sequence[Passage], vectors: Array) -> "Snapshot":
        """A snapshot with additional chunks, which replace existing chunks with the same ids.

        Raises:
            EmbeddingError: The vectors have another dimension than the index.
        """
        if not passages:
            return self
        if self.dimension not in (None, vectors.shape[1]):
            raise EmbeddingError(
                f"Vectors of {vectors.shape[1]} dimensions do not fit into an index of "
                f"{self.dimension}. Use the embedding model that the index was made with."
            )
        # If several chunks of one call have the same id, the last one counts, as in several calls.
        latest = {passage.id: i for i, passage in enumerate(passages)}
        kept = sorted(latest.values())
        new = self._segment([passages[i] for i in kept], vectors[kept])
        before = self.without_ids(list(latest)).parts
        return replace(self, parts=(*before, LiveSegment(new)))._merged()

    def without_ids(self, ids: Sequence[str]) -> "Snapshot":
        """A snapshot without the chunks with these ids."""
        return self._without(lambda part: list(part.segment.rows_of_ids(ids).values()))

    def without_sources(
        self, sources: Sequence[str], origins: Container[str | None] | None = None
    ) -> "Snapshot":
        """A snapshot without the chunks of `of_sources`."""
        return self._without(lambda part: part.segment.rows_of_sources(sources, origins))

    def without_admitted(self, filter: Filter) -> "Snapshot":
        """A snapshot without the chunks that a filter admits."""
        return self._without(lambda part: np.flatnonzero(_mask(part, filter)).tolist())

    def changing(
        self,
        sources: Sequence[str],
        change: Callable[[Passage], Passage],
        origins: Container[str | None] | None = None,
    ) -> "Snapshot":
        """A snapshot in which `change` is applied to the chunks of `of_sources`.

        The vectors stay the same, so `change` must not change the text that is embedded.
        """
        passages, vectors = self.of_sources(sources, origins)
        return self.adding([change(passage) for passage in passages], vectors)

    def compacted(self) -> "Snapshot":
        """A snapshot of the same chunks in one segment, without deleted rows, in today's layout."""
        if len(self.parts) == 1 and self.parts[0].alive is None and not self.is_outdated:
            return self
        return replace(self, parts=(self._joined(self.parts),) if len(self) else ())

    def _scorer(self, terms: Terms | None) -> BM25Scorer:
        if terms not in self.scorers:
            self.scorers[terms] = BM25Scorer([_build_part(part, terms) for part in self.parts])
        return self.scorers[terms]

    def _without(self, find_rows: Callable[[LiveSegment], list[int]]) -> "Snapshot":
        parts = tuple(part.without(find_rows(part)) for part in self.parts)
        return replace(self, parts=parts)._merged()

    def _merged(self) -> "Snapshot":
        parts: list[LiveSegment] = []
        for part in self.parts:
            if not len(part):
                continue
            # More than half of the segment is deleted: rewrite the rest.
            if 2 * len(part) < len(part.segment):
                part = self._joined([part])
            parts.append(part)
        while len(parts) > 1 and len(parts[-2]) <= _MERGE_FACTOR * len(parts[-1]):
            parts[-2:] = [self._joined(parts[-2:])]
        return replace(self, parts=tuple(parts))

    def _joined(self, parts: Sequence[LiveSegment]) -> LiveSegment:
        passages = (
            passage
            for part in parts
            for row, passage in part.segment.everything()
            if part.is_alive(row)
        )
        vectors = [part.segment.vectors.rows(part.rows()) for part in parts]
        return LiveSegment(self._segment(passages, np.concatenate(vectors)))

    def _segment(self, passages: Iterable[Passage], vectors: Array) -> Segment:
        name = uuid.uuid4().hex[:16]
        return Segment.build(name, passages, vectors, self.metric, self.kind)


def _build_part(part: LiveSegment, terms: Terms | None) -> Part:
    segment = part.segment
    return Part(segment.lexical if terms is None else segment.words(terms), part.alive)


def _mask(part: LiveSegment, filter: Filter) -> Mask:
    """Mask of the rows that a filter admits; of deleted ones, it is meaningless."""
    segment = part.segment
    if not callable(filter):
        return segment.mask(filter)
    # A function is not shown deleted chunks, or those that its caller may not see.
    admitted = (part.is_alive(row) and filter(passage) for row, passage in segment.everything())
    return np.fromiter(admitted, dtype=bool, count=len(segment))
