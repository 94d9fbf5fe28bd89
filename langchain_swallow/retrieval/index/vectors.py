"""Vectors of a segment: kept exactly, with a faster index beside them where there are many.

The exact vectors are always there. They answer filters that admit little (a graph as it is finds
one of five at 1 % selectivity), they rank what an approximate index proposes, and segments are
merged from them.
"""

import functools
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from langchain_swallow.retrieval.index.approximate import build_graph, build_lists, list_of_each
from langchain_swallow.retrieval.index.cores import in_parts
from langchain_swallow.retrieval.index.files import save_array
from langchain_swallow.retrieval.index.metric import Array, Metric, faiss_metric, similarity

Kind = Literal["flat", "hnsw", "ivfpq", "auto"]
Mask = NDArray[np.bool_]
# Distances and places, best first.
Nearest = tuple[Array, NDArray[np.int64]]

# A flat search of so many vectors of 384 takes 16 ms on one core.
_AUTO_HNSW_FROM = 200_000
# Smaller segments are searched exactly in any case.
_APPROXIMATE_FROM = 10_000
# A graph must look at more the less a filter admits, an exhaustive search at less: they take the
# same time where count x share^2 is about 600 (1,000,000 vectors of 384, one core), and there the
# graph misses some.
_EXHAUSTIVE_BELOW = 1500
_HNSW_SEARCH = 128
# The graph looks at so many that so many times k of them are admitted, if a filter admits near the
# query as much as elsewhere; the second time where k were not.
_HNSW_LOOKS = (2, 4)
# Wider, a graph misses more than one in twenty, and takes as long as an exhaustive search.
_HNSW_WIDEST = 1000
_IVFPQ_PROBED = 1 / 16
# A sixteenth of a few lists holds .89 of the nearest ten of real texts, so many .99.
_IVFPQ_PROBED_LEAST = 64
# Where so many times k rows are looked into, .97 of the nearest k are found, for k up to 1,000.
_IVFPQ_ROWS = 40
_IVFPQ_ENOUGH = 0.75
# By the bits of a code; those of eight are of before.
_IVFPQ_REFINED = {4: 24.0, 8: 64.0}
# Placing a mask of a million rows takes 2 ms, several times a graph's search.
_KNOWN_MASKS = 8
# Numbers that one core compares in a millisecond.
_OF_A_CORE = 2**23
# With a selector FAISS scans on one core. Without one it divides the rows among all cores, by BLAS
# calls of one row (its pull request 5000), which takes 2.4 times as long on two.
_EVERY_ROW = faiss.SearchParameters(sel=faiss.IDSelectorAll())


@dataclass(frozen=True, slots=True)
class Hits:
    """Rows of a segment and their scores in [0, 1], best first."""

    rows: NDArray[np.int64]
    scores: Array


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """A mask of rows, the same by place and for FAISS, and how many it admits: in each list too."""

    mask: Mask
    placed: Mask
    selector: Any
    count: int
    in_lists: NDArray[np.int64]


class Vectors:
    """Vectors that can be searched.

    Args:
        exact: A flat index.
        fast: An approximate index of the same rows; `None` searches exhaustively.
        kind: What the approximate index is, else `"flat"`.
        metric: Of the scores.
        order: The row that stands at each place of the indexes, shape (n,); `None` where row i is
            at place i.
        mapped: The file that `exact` is a view of, kept as long as it is.
    """

    def __init__(
        self,
        exact: Any,
        fast: Any,
        kind: str,
        metric: Metric,
        *,
        order: NDArray[np.signedinteger] | None = None,
        mapped: Any = None,
    ) -> None:
        self._exact, self._fast, self._mapped = exact, fast, mapped
        self._count = int(exact.ntotal)
        # Four bytes a row are enough for two billion.
        narrow = np.min_scalar_type(-self._count)
        self._order = None if order is None else order.astype(narrow, copy=False)
        self.kind, self.metric = kind, metric
        self._known_masks: deque[Selected] = deque(maxlen=_KNOWN_MASKS)
        if kind == "ivfpq":
            self._refined = faiss.IndexRefine(fast, exact)
            self._refined.own_fields = self._refined.own_refine_index = False

    @classmethod
    def build(cls, rows: Array, metric: Metric, kind: Kind) -> "Vectors":
        """Index rows, shape (n, dim), that `prepared` has made ready."""
        chosen = _chosen_kind(kind, len(rows))
        if chosen == "flat":
            exact = faiss.IndexFlat(rows.shape[1], faiss_metric(metric))
            exact.add(rows)
            return cls(exact, None, chosen, metric)
        build = build_graph if chosen == "hnsw" else build_lists
        fast, exact, order = build(rows, faiss_metric(metric))
        return cls(exact, fast, chosen, metric, order=order)

    def __len__(self) -> int:
        return self._count

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._exact.d)

    def rows(self, numbers: NDArray[np.int64]) -> Array:
        """Vectors of these rows, shape (n, dim)."""
        return self._placed()[numbers if self._order is None else self._places[numbers]]

    def search(self, query: Array, k: int, admitted: Mask | None = None) -> Hits:
        """The `k` best rows of those admitted.

        Args:
            query: A vector that `prepared` has made ready, shape (dim,).
            k: At most; fewer where fewer are admitted.
            admitted: Shape (n,), not to be changed; `None` admits all.
        """
        chosen = None if admitted is None else self._selected(admitted)
        k = min(k, len(self) if chosen is None else chosen.count)
        if k < 1:
            return Hits(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
        found = self._search_fast(query, k, chosen) if self._is_worth_it(chosen) else None
        distances, places = found or self._search_exactly(query, k, chosen)
        rows = places if self._order is None else self._order[places].astype(np.int64)
        return Hits(rows, similarity(distances, self.metric))

    def scores(self, query: Array) -> Array:
        """Scores of all rows, shape (n,)."""
        compare = faiss.fvec_L2sqr_ny if self.metric == "l2" else faiss.fvec_inner_products_ny
        query = np.ascontiguousarray(query, dtype=np.float32)
        placed, found = self._placed(), np.empty(len(self), dtype=np.float32)

        def compared(begin: int, end: int) -> None:
            own, rows = (faiss.swig_ptr(array[begin:end]) for array in (found, placed))
            compare(own, faiss.swig_ptr(query), rows, self.dimension, end - begin)

        in_parts(compared, len(self), 1 + _OF_A_CORE // self.dimension)
        return similarity(found if self._order is None else found[self._places], self.metric)

    def write(self, exact: Path, fast: Path, order: Path) -> list[Path]:
        """Write the files: the second where there is an approximate index, the third for an order.

        Returns:
            Those that are there.
        """
        with exact.open("wb") as file:
            padding = _padding()
            file.write(bytes([padding]) + bytes(padding - 1))
            _write(file, self._exact, 0)
        if self._fast is None:
            return [exact]
        with fast.open("wb") as file:
            _write(file, self._fast, faiss.IO_FLAG_SKIP_STORAGE)
        if self._order is None:
            return [exact, fast]
        with order.open("wb") as file:
            save_array(file, self._order)
        return [exact, fast, order]

    @classmethod
    def read(
        cls, exact: Path, fast: Path | None, order: Path | None, kind: str, metric: Metric
    ) -> "Vectors":
        """Map exact vectors into memory, without copying them, and read what is beside them.

        Raises:
            RuntimeError: They are no such files. Check hashes first: FAISS trusts what it reads.
            ValueError: The same, of the order.
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
        rows = None if order is None else np.load(order, allow_pickle=False)
        return cls(flat, quick, kind, metric, order=rows, mapped=mapped)

    def _placed(self) -> Array:
        """All vectors, shape (n, dim), each at its place."""
        every = faiss.rev_swig_ptr(self._exact.get_xb(), len(self) * self.dimension)
        return every.reshape(len(self), self.dimension)

    def _selected(self, admitted: Mask) -> Selected:
        """What is known of a mask; the same few are asked for again and again."""
        for known in list(self._known_masks):
            if known.mask is admitted:
                return known
        # Not by `[]`, which takes twice as long with places of four bytes.
        placed = admitted if self._order is None else np.take(admitted, self._order)
        selector = faiss.IDSelectorBitmap(np.packbits(placed, bitorder="little"))
        in_lists = np.zeros(0, dtype=np.int64)
        if self.kind == "ivfpq":
            in_lists = np.bincount(self._list_of[placed], minlength=self._fast.nlist)
        count = int(np.count_nonzero(placed))
        found = Selected(admitted, placed, selector, count, in_lists)
        self._known_masks.append(found)
        return found

    def _is_worth_it(self, chosen: Selected | None) -> bool:
        """Whether the faster index is the faster one."""
        wide = len(self) * self._share(chosen) ** 2
        return self._fast is not None and wide >= _EXHAUSTIVE_BELOW

    def _share(self, chosen: Selected | None) -> float:
        """Of the rows, those that are admitted."""
        return 1.0 if chosen is None else chosen.count / len(self)

    def _search_exactly(self, query: Array, k: int, chosen: Selected | None) -> Nearest:
        parameters = _EVERY_ROW
        if chosen is not None:
            parameters = faiss.SearchParameters(sel=chosen.selector)
        distances, places = self._exact.search(query[None], k, params=parameters)
        return distances[0], places[0]

    def _search_fast(self, query: Array, k: int, chosen: Selected | None) -> Nearest | None:
        """The nearest of those looked at; `None` where nearer ones may be elsewhere."""
        if self.kind == "ivfpq":
            return self._search_lists(query, k, chosen)
        share = self._share(chosen)
        for times in _HNSW_LOOKS:
            width = max(_HNSW_SEARCH, int(times * k / share))
            if width > _HNSW_WIDEST:
                break
            distances, places = self._search_graph(query, k, chosen, width)
            if len(places) == k:
                return distances, places
        return None

    def _search_graph(self, query: Array, k: int, chosen: Selected | None, width: int) -> Nearest:
        """Up to `k` of the `width` nearest."""
        # Not by FAISS's selector: that takes what is admitted of all nodes on the way, and a filter
        # that admits little near the query would be answered with what came by.
        wanted = k if chosen is None else min(width, len(self))
        found, near = self._fast.search(query[None], wanted, params=_looking_at(width))
        distances, places = found[0], near[0]
        known = places >= 0 if chosen is None else chosen.placed[places] & (places >= 0)
        return distances[known][:k], places[known][:k]

    def _search_lists(self, query: Array, k: int, chosen: Selected | None) -> Nearest | None:
        probed = self._probed(query, k, chosen)
        if probed > self._fast.nlist / 2:
            return None
        selector = None if chosen is None else chosen.selector
        base = faiss.SearchParametersIVF(sel=selector, nprobe=probed)
        times = _IVFPQ_REFINED[self._fast.pq.nbits]
        refined = faiss.IndexRefineSearchParameters(k_factor=times, base_index_params=base)
        distances, places = self._refined.search(query[None], k, params=refined)
        return (distances[0], places[0]) if places[0, -1] >= 0 else None

    def _probed(self, query: Array, k: int, chosen: Selected | None) -> int:
        """How many lists to look into: a share of them, but at least so many.

        Where those hold much less than that share of what is admitted, twice the further ones that
        it takes: in once, .92 of the nearest ten are found of a filter that admits little near by.
        """
        lists, count = self._fast.nlist, len(self) if chosen is None else chosen.count
        holding = int(_IVFPQ_ROWS * k * lists / count)
        usual = min(lists, max(_IVFPQ_PROBED_LEAST, int(lists * _IVFPQ_PROBED), holding))
        if chosen is None:
            return usual
        wanted = count * usual / lists
        _, near = self._fast.quantizer.search(query[None], usual)
        if chosen.in_lists[near[0]].sum() >= _IVFPQ_ENOUGH * wanted:
            return usual
        _, near = self._fast.quantizer.search(query[None], lists)
        rows = np.cumsum(chosen.in_lists[near[0]])
        return 2 * (1 + int(np.searchsorted(rows, wanted))) - usual

    @functools.cached_property
    def _places(self) -> NDArray[np.signedinteger]:
        """The place of each row, shape (n,), where there is an order."""
        places = np.empty_like(self._order)
        places[self._order] = np.arange(len(self))
        return places

    @functools.cached_property
    def _list_of(self) -> NDArray[np.int64]:
        """The list that holds each place, shape (n,)."""
        return list_of_each(self._fast)


def _chosen_kind(kind: Kind, count: int) -> str:
    if kind == "auto":
        return "hnsw" if count >= _AUTO_HNSW_FROM else "flat"
    return kind if count >= _APPROXIMATE_FROM else "flat"


@functools.lru_cache(maxsize=64)
def _looking_at(width: int) -> Any:
    return faiss.SearchParametersHNSW(efSearch=width)


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
