"""Term proximity: how many terms of a query are close together in a chunk.

BM25 counts the terms of a whole chunk, so a long chunk contains many terms of a query somewhere.
The chunk that answers the query has them in one sentence. Tao and Zhai (2007) measure the span of
the query's terms. This module measures which share of them the best window of a sentence's length
contains.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.retrieval.index.bm25 import ngrams
from langchain_swallow.text.normalize import normalize

# Length of a window in characters; a Japanese sentence has 40 to 50.
_WINDOW = 40


def proximities(idfs: Mapping[int, float], texts: Sequence[str]) -> NDArray[np.float32]:
    """The weighted share of a query's terms in the best window of each text, in [0, 1], shape (n,).

    Args:
        idfs: Characters and pairs of characters of the query → their weights, above 0.
        texts: Texts of chunks.
    """
    if not idfs or not texts:
        return np.zeros(len(texts), dtype=np.float32)
    keys = [normalize(text) for text in texts]
    ends = np.cumsum([len(key) + 1 for key in keys])
    begins = ends - [len(key) + 1 for key in keys]
    terms, places = ngrams("\n".join(keys))
    term_keys = np.array(sorted(idfs), dtype=np.uint64)
    term_numbers = np.searchsorted(term_keys, terms).clip(max=len(term_keys) - 1)
    is_term = term_keys[term_numbers] == terms
    term_numbers, places = term_numbers[is_term], places[is_term]
    order = np.lexsort((places, term_numbers))
    term_numbers, places = term_numbers[order], places[order]
    # A term counts for the windows that end at or after it, until it leaves the window, occurs
    # again, or the text ends.
    until = np.minimum(places + _WINDOW, ends[np.searchsorted(ends, places, side="right")])
    repeated = np.flatnonzero(term_numbers[1:] == term_numbers[:-1])
    until[repeated] = np.minimum(until[repeated], places[repeated + 1])
    weights = np.array([idfs[key] for key in term_keys.tolist()])
    size = int(ends[-1]) + 1
    gained = np.bincount(places, weights[term_numbers], size) - np.bincount(
        until, weights[term_numbers], size
    )
    best = np.maximum.reduceat(np.cumsum(gained), begins)
    return (best / weights.sum()).clip(0, 1).astype(np.float32)
