"""An inverted index of a segment's terms, and BM25 (Robertson and Zaragoza, 2009).

A term is a number: a character, two characters, or the hash of a word. A few sorts therefore count
the terms of a segment without a Python object for each, and the arrays are memory-mapped from a
file.
"""

import io
import math
import mmap
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.retrieval.index.files import save_array
from langchain_swallow.text.normalize import normalize

Terms = Callable[[str], list[str]]
Weights = Mapping[int, int]

_K1, _B = 1.2, 0.75
# Bits to shift the first character of a pair: more than the 21 bits of a code point, so that pairs
# and single characters are different numbers.
_PAIR_SHIFT = 32
_WORD_FLAG = 1 << 63
_ALIGNMENT = 64
# The impacts of a term in at least this share of the rows are stored as an array over all rows.
_MIN_DENSE_SHARE = 0.1
_MIN_CACHED_BYTES = 16 * 1024
_MAX_CACHE_BYTES = 128 * 1024**2
_NAMES = ("keys", "starts", "rows", "counts", "lengths")


class Postings(NamedTuple):
    """Rows that contain a term, ascending, and the term's frequency in each."""

    rows: NDArray[np.int32]
    counts: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Lexical:
    """The terms of a segment's rows.

    Args:
        keys: Distinct terms, ascending, shape (terms,).
        starts: Offset of the postings of term i, and at the end the number of postings, shape
            (terms + 1,).
        rows: Row of each posting.
        counts: Frequency of the term in the row, for each posting; at most 65535.
        lengths: Number of terms in each row, shape (rows,).
    """

    keys: NDArray[np.uint64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint16]
    lengths: NDArray[np.int32]

    @classmethod
    def from_ngrams(cls, texts: Iterable[str]) -> "Lexical":
        """Index the characters and pairs of characters in the search keys of texts."""
        normal = [normalize(text) for text in texts]
        keys, places = ngrams("\n".join(normal))
        ends = np.cumsum([len(text) + 1 for text in normal])
        rows = np.searchsorted(ends, places, side="right").astype(np.int32)
        return cls._from_terms(keys, rows, len(normal))

    @classmethod
    def from_words(cls, texts: Iterable[str], terms: Terms) -> "Lexical":
        """Index the terms that a tokenizer returns for texts."""
        keys: list[int] = []
        places: list[int] = []
        size = 0
        for size, text in enumerate(texts, 1):
            row_keys = [_word_key(term) for term in terms(text)]
            keys += row_keys
            places += [size - 1] * len(row_keys)
        return cls._from_terms(
            np.array(keys, dtype=np.uint64), np.array(places, dtype=np.int32), size
        )

    @classmethod
    def _from_terms(
        cls, keys: NDArray[np.uint64], places: NDArray[np.int32], size: int
    ) -> "Lexical":
        lengths = np.bincount(places, minlength=size).astype(np.int32)
        order = np.lexsort((places, keys))
        keys, places = keys[order], places[order]
        # There is one posting per distinct pair of term and row.
        new = np.ones(len(keys), dtype=bool)
        new[1:] = (keys[1:] != keys[:-1]) | (places[1:] != places[:-1])
        first = np.flatnonzero(new)
        counts = np.minimum(np.diff(first, append=len(keys)), 65535).astype(np.uint16)
        distinct, starts = np.unique(keys[first], return_index=True)
        return cls(distinct, np.append(starts, len(first)), places[first], counts, lengths)

    def postings(self, key: int) -> Postings | None:
        """Postings of a term; `None` if it does not occur."""
        place = int(np.searchsorted(self.keys, np.uint64(key)))
        if place == len(self.keys) or int(self.keys[place]) != key:
            return None
        part = slice(int(self.starts[place]), int(self.starts[place + 1]))
        return Postings(self.rows[part], self.counts[part])

    def write(self, path: Path) -> None:
        """Write the arrays to one file, in NumPy's format without pickle, aligned to 64 bytes."""
        with path.open("wb") as file:
            for name in _NAMES:
                file.write(bytes(-file.tell() % _ALIGNMENT))
                save_array(file, getattr(self, name))

    @classmethod
    def read(cls, path: Path) -> "Lexical":
        """Memory-map a file that `write` wrote.

        Raises:
            ValueError: The file has another format.
        """
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        offset, arrays = 0, {}
        for name in _NAMES:
            offset += -offset % _ALIGNMENT
            head = io.BytesIO(mapped[offset : offset + 256])
            if np.lib.format.read_magic(head) != (1, 0):
                raise ValueError(f"{path} has arrays of an unknown format version")
            shape, _, kind = np.lib.format.read_array_header_1_0(head)
            begin = offset + head.tell()
            arrays[name] = np.frombuffer(mapped, kind, math.prod(shape), begin)
            offset = begin + arrays[name].nbytes
        return cls(**arrays)


class Part(NamedTuple):
    """Terms of a segment, and a mask of its rows that are not deleted; `None` is all rows."""

    lexical: Lexical
    alive: NDArray[np.bool_] | None


class _Impacts(NamedTuple):
    """Saturated term frequencies per row; with `rows` `None`, `values` covers all rows."""

    rows: NDArray[np.int32] | None
    values: NDArray[np.float32]


class _Term(NamedTuple):
    """Inverse document frequency of a term, and its impacts in each segment."""

    idf: float
    impacts: list[_Impacts | None]

    @property
    def bytes(self) -> int:
        arrays = [a for one in self.impacts if one is not None for a in one if a is not None]
        return sum(array.nbytes for array in arrays)


class BM25Scorer:
    """BM25 over several segments, as if they were one segment without deleted rows.

    Scores are divided by the upper bound of the query, which is the score of a short text that
    repeats each of the query's terms without end. A score of 0 means no common term. If a query has
    few terms in common with any text, all its scores are low; dividing by the best score would hide
    this.

    Args:
        parts: The segments.

    Impacts of frequent terms are cached, because Japanese questions share their particles, which
    occur in most chunks.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        alive = [
            part.lexical.lengths if part.alive is None else part.lexical.lengths[part.alive]
            for part in parts
        ]
        self._size = sum(map(len, alive))
        mean = sum(float(lengths.sum()) for lengths in alive) / max(1, self._size)
        self._norms = [
            (_K1 * (1 - _B + _B * part.lexical.lengths / max(1.0, mean))).astype(np.float32)
            for part in parts
        ]
        self._cache: OrderedDict[int, _Term] = OrderedDict()
        self._cache_bytes = 0
        self._lock = threading.Lock()

    def scores(self, weights: Weights) -> list[NDArray[np.float32]]:
        """Scores in [0, 1) of each segment's rows, one array of shape (rows,) per segment.

        The scores of deleted rows are meaningless.

        Args:
            weights: Terms of the query, and the frequency of each in it.
        """
        scores = [np.zeros(len(norm), dtype=np.float32) for norm in self._norms]
        terms = [(self._term(key), weight) for key, weight in weights.items()]
        bound = sum(weight * term.idf for term, weight in terms)
        for term, weight in terms:
            factor = np.float32(weight * term.idf / bound)
            for segment_scores, impacts in zip(scores, term.impacts, strict=True):
                if impacts is None:
                    continue
                if impacts.rows is None:
                    segment_scores += factor * impacts.values
                else:
                    segment_scores[impacts.rows] += factor * impacts.values
        return scores

    def idf(self, key: int) -> float:
        """Inverse document frequency of a term, above 0."""
        with self._lock:
            if key in self._cache:
                return self._cache[key].idf
        return self._idf([part.lexical.postings(key) for part in self._parts])

    def _idf(self, postings_per_segment: Sequence[Postings | None]) -> float:
        pairs = zip(postings_per_segment, self._parts, strict=True)
        df = sum(_count_alive(postings, part.alive) for postings, part in pairs if postings)
        return math.log(1 + (self._size - df + 0.5) / (df + 0.5))

    def _term(self, key: int) -> _Term:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        postings_per_segment = [part.lexical.postings(key) for part in self._parts]
        impacts = [
            None if postings is None else _impacts(postings, norm)
            for postings, norm in zip(postings_per_segment, self._norms, strict=True)
        ]
        term = _Term(self._idf(postings_per_segment), impacts)
        if term.bytes >= _MIN_CACHED_BYTES:
            self._cache_term(key, term)
        return term

    def _cache_term(self, key: int, term: _Term) -> None:
        with self._lock:
            if key not in self._cache:
                self._cache[key] = term
                self._cache_bytes += term.bytes
            while self._cache_bytes > _MAX_CACHE_BYTES:
                _, evicted = self._cache.popitem(last=False)
                self._cache_bytes -= evicted.bytes


def _impacts(postings: Postings, norm: NDArray[np.float32]) -> _Impacts:
    counts = postings.counts.astype(np.float32)
    values = counts / (counts + norm[postings.rows])
    if len(values) < _MIN_DENSE_SHARE * len(norm):
        return _Impacts(postings.rows, values)
    # Adding an array over all rows is faster than indexing this many rows.
    dense = np.zeros_like(norm)
    dense[postings.rows] = values
    return _Impacts(None, dense)


def ngrams(key: str) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Characters and pairs of characters of a search key; none spans a space or punctuation.

    Returns:
        The terms, and the offset in characters of each, both of shape (n,).
    """
    codes = np.frombuffer(key.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    # Letters and digits of any script.
    inside = np.char.isalnum(codes.view("<U1"))
    single, pairs = np.flatnonzero(inside), np.flatnonzero(inside[:-1] & inside[1:])
    wide = codes.astype(np.uint64)
    terms = [wide[single], (wide[pairs] << np.uint64(_PAIR_SHIFT)) | wide[pairs + 1]]
    return np.concatenate(terms), np.concatenate([single, pairs])


def ngram_weights(query: str) -> Weights:
    """Frequencies of the characters and pairs of characters in a query."""
    return Counter(ngrams(normalize(query))[0].tolist())


def word_weights(query: str, terms: Terms) -> Weights:
    """Frequencies of the terms that a tokenizer returns for a query."""
    return Counter(_word_key(term) for term in terms(query))


def _count_alive(postings: Postings, alive: NDArray[np.bool_] | None) -> int:
    return len(postings.rows) if alive is None else int(np.count_nonzero(alive[postings.rows]))


def _word_key(term: str) -> int:
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") | _WORD_FLAG
