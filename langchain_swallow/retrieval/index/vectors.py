"""Vectors of a segment: always the exact vectors, and for large segments an HNSW graph.

The exact vectors answer filters that admit few rows: at a selectivity of 1%, the graph alone finds
one of five. They are also needed to merge segments.
"""

import functools
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from langchain_swallow._system.machine import allowed_cores
from langchain_swallow.retrieval.index.earlier import in_row_order
from langchain_swallow.retrieval.index.metric import Array, Metric, faiss_metric, similarity

Kind = Literal["flat", "hnsw", "auto"]
Mask = NDArray[np.bool_]
# Distances and rows, best first.
Nearest = tuple[Array, NDArray[np.int64]]

# A flat search of this many vectors of 384 dimensions takes 16 ms on one core.
_AUTO_HNSW_FROM = 200_000
# Smaller segments are always searched exactly.
_APPROXIMATE_FROM = 10_000
# The fewer rows a filter admits, the more nodes the graph must visit, and the fewer rows an
# exhaustive search must compare. Both take the same time if rows × share² is about 600 (1,000,000
# vectors of 384 dimensions, one core), but there the graph misses some rows.
_EXHAUSTIVE_BELOW = 1500
_HNSW_M = 32
_EF_CONSTRUCTION = 100
_EF_SEARCH = 128
# The search width is chosen so that this multiple of k rows is admitted, if the filter admits as
# many rows near the query as elsewhere. The second value is used if fewer than k were admitted.
_HNSW_OVERSAMPLING = (2, 4)
# With a larger width, a graph misses more than one in twenty rows, and takes as long as an
# exhaustive search.
_MAX_EF_SEARCH = 1000
# Masks are cached, because packing a mask of a million rows takes as long as a graph search.
_MAX_CACHED_MASKS = 8
# With a selector, FAISS scans on one core. Without one, it divides the rows among all cores, with
# BLAS calls of one row each (FAISS pull request 5000), which takes 2.4 times as long on two cores.
_EVERY_ROW = faiss.SearchParameters(sel=faiss.IDSelectorAll())


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Rows of a segment, best first.

    Args:
        rows: Numbers of the rows.
        farness: Squared L2 distances, or inner products with their sign changed; less is better.
            Rows are compared by it, because large inner products all have the score 1.
        scores: Scores in [0, 1].
    """

    rows: NDArray[np.int64]
    farness: Array
    scores: Array


@dataclass(frozen=True, slots=True, eq=False)
class RowFilter:
    """A mask of rows, a FAISS selector with the same rows, and the number of admitted rows."""

    mask: Mask
    selector: Any
    count: int


class Vectors:
    """The searchable vectors of a segment.

    Args:
        exact: Flat FAISS index.
        graph: HNSW index of the same rows; `None` searches exhaustively.
        metric: Metric of the scores.
        mapped: Memory-mapped file that `exact` is a view of; the reference keeps it open. Default
            `None`.
        is_outdated: Whether the files have the layout of an earlier version (`earlier`); default
            `False`.
    """

    def __init__(
        self,
        exact: Any,
        graph: Any,
        metric: Metric,
        *,
        mapped: Any = None,
        is_outdated: bool = False,
    ) -> None:
        self._exact, self._graph, self._mapped = exact, graph, mapped
        self.metric, self.is_outdated = metric, is_outdated
        self._cached_filters: deque[RowFilter] = deque(maxlen=_MAX_CACHED_MASKS)

    @classmethod
    def build(cls, rows: Array, metric: Metric, kind: Kind) -> "Vectors":
        """Index the rows from `prepare_vectors`, shape (n, dim)."""
        dimension, number = rows.shape[1], faiss_metric(metric)
        if len(rows) < (_AUTO_HNSW_FROM if kind == "auto" else _APPROXIMATE_FROM) or kind == "flat":
            exact = faiss.IndexFlat(dimension, number)
            exact.add(rows)
            return cls(exact, None, metric)
        # In a container, FAISS would start a thread for each core of the whole machine.
        faiss.omp_set_num_threads(min(faiss.omp_get_max_threads(), allowed_cores()))
        graph = faiss.IndexHNSWFlat(dimension, _HNSW_M, number)
        graph.hnsw.efConstruction = _EF_CONSTRUCTION
        graph.add(rows)
        # The storage of the graph is the flat index, so that the vectors are in memory only once.
        return cls(faiss.downcast_index(graph.storage), graph, metric)

    def __len__(self) -> int:
        return int(self._exact.ntotal)

    @property
    def kind(self) -> str:
        """Kind of the index: `"flat"` or `"hnsw"`."""
        return "flat" if self._graph is None else "hnsw"

    @property
    def dimension(self) -> int:
        """Dimension of the vectors."""
        return int(self._exact.d)

    def rows(self, numbers: NDArray[np.int64]) -> Array:
        """The vectors of these rows, float32, shape (n, dim)."""
        all_rows = faiss.rev_swig_ptr(self._exact.get_xb(), len(self) * self.dimension)
        rows: Array = all_rows.reshape(len(self), self.dimension)[numbers]
        return rows

    def search(
        self, query: Array, k: int, admitted: Mask | None = None, *, is_exhaustive: bool = False
    ) -> SearchResult:
        """The `k` best of the admitted rows.

        Args:
            query: Vector from `prepare_vectors`, shape (dim,).
            k: Maximum number of rows; fewer are returned if fewer are admitted.
            admitted: Mask of shape (n,), which must not be changed later because it is cached;
                `None`, the default, admits all rows.
            is_exhaustive: Whether to compare the query with every admitted row; default `False`.
        """
        row_filter = None if admitted is None else self._row_filter(admitted)
        k = min(k, len(self) if row_filter is None else row_filter.count)
        if k < 1:
            return self._result(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
        use_graph = not is_exhaustive and self._should_use_graph(row_filter)
        nearest = self._search_graph(query, k, row_filter) if use_graph else None
        if nearest is None:
            return self._search_exactly(query, k, row_filter)
        return self._result(nearest[1], nearest[0])

    def distances(self, query: Array) -> Array:
        """Squared L2 distances, or inner products, of all rows, shape (n,)."""
        # BLAS is not used, because its sums depend on the number of threads.
        compare = faiss.fvec_L2sqr_ny if self.metric == "l2" else faiss.fvec_inner_products_ny
        query = np.ascontiguousarray(query, dtype=np.float32)
        distances = np.empty(len(self), dtype=np.float32)
        output, query_pointer = faiss.swig_ptr(distances), faiss.swig_ptr(query)
        compare(output, query_pointer, self._exact.get_xb(), self.dimension, len(self))
        return distances

    def write(self, exact: Path, fast: Path) -> list[Path]:
        """Write the exact vectors and, if there is one, the graph.

        Args:
            exact: File for the vectors.
            fast: File for the graph.

        Returns:
            The files that were written.
        """
        with exact.open("wb") as file:
            padding = _padding()
            file.write(bytes([padding]) + bytes(padding - 1))
            _write(file, self._exact, 0)
        if self._graph is None:
            return [exact]
        with fast.open("wb") as file:
            _write(file, self._graph, faiss.IO_FLAG_SKIP_STORAGE)
        return [exact, fast]

    @classmethod
    def read(
        cls, exact: Path, fast: Path | None, metric: Metric, *, order: Path | None = None
    ) -> "Vectors":
        """Memory-map the exact vectors without copying them, and read the graph.

        Args:
            exact: File of the vectors.
            fast: File of the graph; `None` if there is none.
            metric: Metric of the scores.
            order: File with the order of the rows in the layout of an earlier version (`earlier`);
                default `None`.

        Raises:
            RuntimeError: A file has another format. Check the checksums first, because FAISS does
                not validate what it reads.
            ValueError: The file with the order is damaged.
        """
        mapped = np.memmap(exact, dtype=np.uint8, mode="r")
        inside = mapped[int(mapped[0]) :]
        reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(inside), inside.size)
        flat, graph = faiss.read_index(reader), None
        if fast is not None:
            with fast.open("rb") as file:
                source = faiss.PyCallbackIOReader(file.read, 1 << 20)
                graph = faiss.read_index(source, faiss.IO_FLAG_SKIP_STORAGE)
        is_earlier = order is not None or isinstance(graph, faiss.IndexIVF)
        if is_earlier:
            flat, graph = in_row_order(flat, graph, order)
        if graph is not None:
            graph.storage, graph.own_fields = flat, False
        return cls(flat, graph, metric, mapped=mapped, is_outdated=is_earlier)

    def _row_filter(self, admitted: Mask) -> RowFilter:
        """The filter of a mask, cached because the same few masks are used again and again."""
        for known in list(self._cached_filters):
            if known.mask is admitted:
                return known
        selector = faiss.IDSelectorBitmap(np.packbits(admitted, bitorder="little"))
        row_filter = RowFilter(admitted, selector, int(np.count_nonzero(admitted)))
        self._cached_filters.append(row_filter)
        return row_filter

    def _should_use_graph(self, row_filter: RowFilter | None) -> bool:
        """Whether the graph is faster than comparing the query with every admitted row."""
        graph_gain = len(self) * self._share(row_filter) ** 2
        return self._graph is not None and graph_gain >= _EXHAUSTIVE_BELOW

    def _share(self, row_filter: RowFilter | None) -> float:
        """Share of the rows that are admitted, in [0, 1]."""
        return 1.0 if row_filter is None else row_filter.count / len(self)

    def _search_exactly(self, query: Array, k: int, row_filter: RowFilter | None) -> SearchResult:
        parameters, count = _EVERY_ROW, len(self)
        if row_filter is not None:
            parameters = faiss.SearchParameters(sel=row_filter.selector)
            count = row_filter.count
        distances, rows = self._exact.search(query[None], min(k + 1, count), params=parameters)
        if count > k and distances[0][k - 1] == distances[0][k]:
            return self._first_of_equal(query, k, row_filter)
        return self._result(rows[0][:k], distances[0][:k])

    def _first_of_equal(self, query: Array, k: int, row_filter: RowFilter | None) -> SearchResult:
        """The best rows; of equal ones the first, while FAISS's choice depends on other rows."""
        admitted = np.arange(len(self)) if row_filter is None else np.flatnonzero(row_filter.mask)
        distances = self.distances(query)[admitted]
        farness = self._farness(distances)
        near = np.flatnonzero(farness <= np.partition(farness, k - 1)[k - 1])
        kept = near[np.argsort(farness[near], kind="stable")[:k]]
        return self._result(admitted[kept], distances[kept])

    def _result(self, rows: NDArray[np.int64], distances: Array) -> SearchResult:
        return SearchResult(rows, self._farness(distances), similarity(distances, self.metric))

    def _farness(self, distances: Array) -> Array:
        return distances if self.metric == "l2" else -distances

    def _search_graph(self, query: Array, k: int, row_filter: RowFilter | None) -> Nearest | None:
        """The nearest rows; `None` if the graph found too few, so that it may have missed some."""
        for factor in _HNSW_OVERSAMPLING:
            width = max(_EF_SEARCH, int(factor * k / self._share(row_filter)))
            if width > _MAX_EF_SEARCH:
                break
            distances, rows = self._graph_candidates(query, k, row_filter, width)
            if len(rows) == k:
                return distances, rows
        return None

    def _graph_candidates(
        self, query: Array, k: int, row_filter: RowFilter | None, width: int
    ) -> Nearest:
        """Up to `k` admitted rows among the `width` nearest ones."""
        # FAISS's selector is not used: it collects admitted rows from all visited nodes, so that a
        # filter that admits few rows near the query would return rows that are far from it.
        count = k if row_filter is None else min(width, len(self))
        graph_distances, neighbors = self._graph.search(
            query[None], count, params=_graph_parameters(width)
        )
        distances, rows = graph_distances[0], neighbors[0]
        is_admitted = rows >= 0 if row_filter is None else row_filter.mask[rows] & (rows >= 0)
        return distances[is_admitted][:k], rows[is_admitted][:k]


@functools.lru_cache(maxsize=64)
def _graph_parameters(width: int) -> Any:
    return faiss.SearchParametersHNSW(efSearch=width)


def _padding() -> int:
    """Bytes before FAISS's data, 1 to 64, so that the vectors start at a multiple of 64 bytes.

    A memory-mapped file starts at a page boundary. NumPy would copy vectors that are not aligned to
    floats.
    """
    header = faiss.serialize_index(faiss.IndexFlat(1)).size
    return int(64 - header % 64)


def _write(file: BinaryIO, index: Any, flags: int) -> None:
    # A callback is used, because FAISS's fopen fails for Japanese paths on Windows.
    writer = faiss.PyCallbackIOWriter(file.write, 1 << 20)
    faiss.write_index(index, writer, flags)
    # The destructor writes the rest of the buffer.
    del writer
