"""Vectors of a segment: kept exactly, with a faster index beside them where there are many.

The exact vectors are always there. They answer filters that admit little (a graph as it is finds
one of five at 1 % selectivity), they rank what an approximate index proposes, and segments are
merged from them.
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from langchain_swallow.errors import EmbeddingError

Metric = Literal["cosine", "ip", "l2"]
Kind = Literal["flat", "hnsw", "ivfpq", "auto"]
Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# A flat search of so many vectors takes a tenth of a second on one core.
_AUTO_HNSW_FROM = 200_000
# Smaller segments are searched exactly in any case.
_APPROXIMATE_FROM = 10_000
# A graph must look at more the less a filter admits, an exhaustive search at less: they take the
# same time where count x share^2 is about 600 (1,000,000 vectors of 384, one core), and there the
# graph misses some.
_EXHAUSTIVE_BELOW = 1500
_HNSW_LINKS = 32
_HNSW_CONSTRUCTION = 100
_HNSW_SEARCH = 128
# So many times k of what the graph looks at should be admitted.
_HNSW_ADMITTED = 3
_IVFPQ_PROBED = 16
_IVFPQ_REFINED = 64
_IVFPQ_TRAINING = 50
# Counting and packing a mask of a million rows takes .04 ms, a sixth of a graph's search.
_KNOWN_MASKS = 8


@dataclass(frozen=True, slots=True)
class Hits:
    """Rows of a segment and their scores in [0, 1], best first."""

    rows: NDArray[np.int64]
    scores: Array


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """A mask, how many rows it admits, and its bits, which must live as long as a search."""

    mask: Mask
    count: int
    bits: NDArray[np.uint8]


class Vectors:
    """Vectors that can be searched.

    Args:
        exact: A flat index.
        fast: An approximate index of the same rows; `None` searches exhaustively.
        kind: What the approximate index is, else `"flat"`.
        metric: Of the scores.
        mapped: The file that `exact` is a view of, kept as long as it is.
    """

    def __init__(
        self, exact: Any, fast: Any, kind: str, metric: Metric, *, mapped: Any = None
    ) -> None:
        self._exact, self._fast, self._mapped = exact, fast, mapped
        self.kind, self.metric = kind, metric
        self._known_masks: deque[Selected] = deque(maxlen=_KNOWN_MASKS)
        if kind == "ivfpq":
            self._refined = faiss.IndexRefine(fast, exact)
            self._refined.own_fields = self._refined.own_refine_index = False

    @classmethod
    def build(cls, rows: Array, metric: Metric, kind: Kind) -> "Vectors":
        """Index rows, shape (n, dim), that `prepared` has made ready."""
        chosen = _chosen_kind(kind, len(rows))
        if chosen == "hnsw":
            fast = _hnsw(rows, metric)
            # The graph's own storage: the vectors are in memory once.
            return cls(faiss.downcast_index(fast.storage), fast, chosen, metric)
        exact = faiss.IndexFlat(rows.shape[1], _faiss_metric(metric))
        exact.add(rows)
        fast = _ivfpq(rows, metric) if chosen == "ivfpq" else None
        return cls(exact, fast, chosen, metric)

    def __len__(self) -> int:
        return int(self._exact.ntotal)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._exact.d)

    def rows(self, numbers: NDArray[np.int64] | None = None) -> Array:
        """Vectors of these rows, or of all, shape (n, dim)."""
        every = faiss.rev_swig_ptr(self._exact.get_xb(), len(self) * self.dimension)
        shaped = every.reshape(len(self), self.dimension)
        return shaped if numbers is None else shaped[numbers]

    def search(self, query: Array, k: int, admitted: Mask | None = None) -> Hits:
        """The `k` best rows of those admitted.

        Args:
            query: A vector that `prepared` has made ready, shape (dim,).
            k: At most; fewer where fewer are admitted.
            admitted: Shape (n,), not to be changed; `None` admits all.
        """
        selector, share = None, 1.0
        if admitted is not None:
            chosen = self._selected(admitted)
            share, k = chosen.count / max(1, len(self)), min(k, chosen.count)
            selector = faiss.IDSelectorBitmap(chosen.bits)
        k = min(k, len(self))
        if k < 1:
            return Hits(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
        if self._fast is None or len(self) * share**2 < _EXHAUSTIVE_BELOW:
            found, rows = self._search_exactly(query, k, selector)
        else:
            found, rows = self._search_fast(query, k, selector, share)
            # What is admitted may all lie where the faster index did not look.
            if rows[0, -1] < 0:
                found, rows = self._search_exactly(query, k, selector)
        known = rows[0] >= 0
        return Hits(rows[0][known], similarity(found[0][known], self.metric))

    def scores(self, query: Array) -> Array:
        """Scores of all rows, shape (n,)."""
        if self.metric == "l2":
            found = ((self.rows() - query) ** 2).sum(axis=1)
        else:
            found = self.rows() @ query
        return similarity(found, self.metric)

    def write(self, exact: Path, fast: Path) -> list[Path]:
        """Write the files; the second only where there is an approximate index."""
        with exact.open("wb") as file:
            padding = _padding()
            file.write(bytes([padding]) + bytes(padding - 1))
            _write(file, self._exact, 0)
        if self._fast is None:
            return [exact]
        with fast.open("wb") as file:
            _write(file, self._fast, faiss.IO_FLAG_SKIP_STORAGE)
        return [exact, fast]

    @classmethod
    def read(cls, exact: Path, fast: Path | None, kind: str, metric: Metric) -> "Vectors":
        """Map exact vectors into memory, without copying them, and read the index beside them.

        Raises:
            RuntimeError: They are no such files. Check hashes first: FAISS trusts what it reads.
        """
        mapped = np.memmap(exact, dtype=np.uint8, mode="r")
        inside = mapped[int(mapped[0]) :]
        reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(inside), inside.size)
        flat, quick = faiss.read_index(reader), None
        if fast is not None:
            with fast.open("rb") as file:
                source = faiss.PyCallbackIOReader(file.read, 1 << 20)
                quick = faiss.read_index(source, faiss.IO_FLAG_SKIP_STORAGE)
        if quick is not None and kind == "hnsw":
            quick.storage, quick.own_fields = flat, False
        return cls(flat, quick, kind, metric, mapped=mapped)

    def _selected(self, admitted: Mask) -> Selected:
        """What is known of a mask; the same few are asked for again and again."""
        for known in list(self._known_masks):
            if known.mask is admitted:
                return known
        bits = np.packbits(admitted, bitorder="little")
        found = Selected(admitted, int(np.count_nonzero(admitted)), bits)
        self._known_masks.append(found)
        return found

    def _search_exactly(self, query: Array, k: int, selector: Any) -> Any:
        parameters = None if selector is None else faiss.SearchParameters(sel=selector)
        return self._exact.search(query[None], k, params=parameters)

    def _search_fast(self, query: Array, k: int, selector: Any, share: float) -> Any:
        if self.kind == "hnsw":
            width = max(_HNSW_SEARCH, 2 * k, int(_HNSW_ADMITTED * k / share))
            wide = faiss.SearchParametersHNSW(sel=selector, efSearch=width)
            return self._fast.search(query[None], k, params=wide)
        probed = max(1, self._fast.nlist // _IVFPQ_PROBED)
        base = faiss.SearchParametersIVF(sel=selector, nprobe=probed)
        refined = faiss.IndexRefineSearchParameters(
            k_factor=float(_IVFPQ_REFINED), base_index_params=base
        )
        return self._refined.search(query[None], k, params=refined)


def prepared(vectors: Any, metric: Metric) -> Array:
    """Float32 rows, shape (n, dim), of unit norm where the metric is cosine.

    Raises:
        EmbeddingError: Vectors of different lengths, or a non-finite one.
    """
    try:
        array = np.ascontiguousarray(vectors, dtype=np.float32)
    except ValueError as error:
        raise EmbeddingError(f"The embedding returned no vectors of one length: {error}.") from None
    if array.ndim != 2:
        raise EmbeddingError(f"The embedding returned vectors of shape {array.shape}.")
    if not np.isfinite(array).all():
        raise EmbeddingError("The embedding returned a non-finite vector.")
    if metric != "cosine":
        return array
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    return array / np.where(norms == 0, 1, norms)


def similarity(found: Array, metric: Metric) -> Array:
    """FAISS's distances as scores in [0, 1], whatever else is in the index.

    Cosine: (1 + cos) / 2. Squared L2 distance d: 1 / (1 + d). Inner product x, which has no bounds:
    1 / (1 + e^-x).
    """
    if metric == "cosine":
        scores = np.clip((1 + found) / 2, 0, 1)
    elif metric == "l2":
        scores = 1 / (1 + np.maximum(found, 0))
    else:
        scores = 1 / (1 + np.exp(-np.clip(found, -80, 80)))
    return scores.astype(np.float32, copy=False)


def _chosen_kind(kind: Kind, count: int) -> str:
    if kind == "auto":
        return "hnsw" if count >= _AUTO_HNSW_FROM else "flat"
    return kind if count >= _APPROXIMATE_FROM else "flat"


def _faiss_metric(metric: Metric) -> int:
    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)


def _hnsw(rows: Array, metric: Metric) -> Any:
    index = faiss.IndexHNSWFlat(rows.shape[1], _HNSW_LINKS, _faiss_metric(metric))
    index.hnsw.efConstruction = _HNSW_CONSTRUCTION
    index.add(rows)
    return index


def _ivfpq(rows: Array, metric: Metric) -> Any:
    count, dimension = rows.shape
    lists = 2 ** int(np.log2(4 * np.sqrt(count)))
    # Eight dimensions a byte; fewer where the dimension does not divide so.
    parts = next(m for m in range(max(1, dimension // 8), 0, -1) if dimension % m == 0)
    index = faiss.index_factory(dimension, f"IVF{lists},PQ{parts}x8", _faiss_metric(metric))
    drawn = np.random.default_rng(0).permutation(count)[: _IVFPQ_TRAINING * lists]
    index.train(rows[np.sort(drawn)])
    index.add(rows)
    return index


def _padding() -> int:
    """Bytes before FAISS's own, 1 to 64, so that its vectors begin at a multiple of 64.

    A mapped file begins at a page; numpy would copy vectors that lie between two floats.
    """
    header = faiss.serialize_index(faiss.IndexFlat(1)).size
    return int(64 - header % 64)


def _write(file: BinaryIO, index: Any, flags: int) -> None:
    # By a callback: FAISS's own fopen fails on Japanese paths on Windows.
    writer = faiss.PyCallbackIOWriter(file.write, 1 << 20)
    faiss.write_index(index, writer, flags)
    # Its destructor writes what is left in its buffer.
    del writer
