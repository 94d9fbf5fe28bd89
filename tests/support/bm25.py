"""BM25 as it is written down, term by term: what the index's scores are compared with."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.text.terms import Tokenizer, character_ngrams

_K1, _B = 1.2, 0.75
_NOWHERE = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32))


class BM25:
    """Scores of texts for a query.

    Args:
        texts: The texts; score i belongs to text i.
        tokenize: Text to terms; the same for texts and queries.
    """

    def __init__(self, texts: Sequence[str], tokenize: Tokenizer = character_ngrams) -> None:
        self._tokenize = tokenize
        self._size = len(texts)
        counts = [Counter(tokenize(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], dtype=np.float32)
        mean = float(lengths.sum()) / max(1, len(texts))
        self._norm = _K1 * (1 - _B + _B * lengths / max(1.0, mean))
        postings: dict[str, tuple[list[int], list[int]]] = {}
        for i, count in enumerate(counts):
            for term, frequency in count.items():
                rows, frequencies = postings.setdefault(term, ([], []))
                rows.append(i)
                frequencies.append(frequency)
        self._postings = {
            term: (np.array(rows, dtype=np.int32), np.array(frequencies, dtype=np.float32))
            for term, (rows, frequencies) in postings.items()
        }

    def scores(self, query: str) -> NDArray[np.float32]:
        """Scores of shape (texts,), as shares of the most a text could have; 0 for no term."""
        scores = np.zeros(self._size, dtype=np.float32)
        bound = 0.0
        for term, weight in Counter(self._tokenize(query)).items():
            rows, frequencies = self._postings.get(term, _NOWHERE)
            idf = math.log(1 + (self._size - len(rows) + 0.5) / (len(rows) + 0.5))
            bound += weight * idf * (_K1 + 1)
            scores[rows] += (
                weight * idf * frequencies * (_K1 + 1) / (frequencies + self._norm[rows])
            )
        return scores / bound if bound else scores
