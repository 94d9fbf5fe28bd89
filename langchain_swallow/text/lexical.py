"""BM25 over character 1-grams and 2-grams of the search key; a dictionary is optional.

LangChain's default BM25 splits at spaces, which Japanese does not have: recall@1 on JSQuAD .02.
This finds .90, see docs/benchmarks.md (Robertson & Zaragoza 2009 for the formula; k1 1.2, b .75).
"""

import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.text.normalize import normalize

Tokenizer = Callable[[str], list[str]]

_WORD = re.compile(r"[^\W_]+")
_CONTENT_WORDS = frozenset(
    {"名詞", "動詞", "形容詞", "形状詞", "副詞", "接頭辞", "接尾辞", "代名詞"}
)
_K1, _B = 1.2, 0.75


def character_ngrams(text: str) -> list[str]:
    """1-grams and 2-grams of the search key, not across spaces and punctuation.

    >>> character_ngrams("有給 休暇")
    ['有', '有給', '給', '休', '休暇', '暇']
    """
    return [
        gram
        for word in _WORD.findall(normalize(text))
        for i in range(len(word))
        for gram in (word[i], word[i : i + 2])[: 2 if i + 1 < len(word) else 1]
    ]


def sudachi_terms() -> Tokenizer:
    """A tokenizer that adds words to the 2-grams: Sudachi's short units, in normalised form.

    Inflected and variant spellings meet (引っ越し, 引越), and particles do not count.

    Raises:
        MissingDependencyError: The `sudachi` extra is not installed.
    """
    try:
        from sudachipy import Dictionary, SplitMode
    except ImportError as error:
        raise MissingDependencyError(
            "Words need SudachiPy, which is not installed. "
            "Install it using `pip install langchain-swallow[sudachi]`."
        ) from error
    dictionary = Dictionary()
    # A tokenizer keeps state while it works; the dictionary does not.
    local = threading.local()

    def terms(text: str) -> list[str]:
        if not hasattr(local, "tokenizer"):
            local.tokenizer = dictionary.create(SplitMode.A)
        words = [
            normalize(morpheme.normalized_form())
            for morpheme in local.tokenizer.tokenize(normalize(text))
            if morpheme.part_of_speech()[0] in _CONTENT_WORDS
        ]
        return words + [gram for gram in character_ngrams(text) if len(gram) == 2]

    return terms


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
        """Scores of shape (texts,), 0 where no term is shared."""
        scores = np.zeros(self._size, dtype=np.float32)
        for term, weight in Counter(self._tokenize(query)).items():
            if term in self._postings:
                rows, frequencies = self._postings[term]
                found = len(rows)
                idf = math.log(1 + (self._size - found + 0.5) / (found + 0.5))
                scores[rows] += (
                    weight * idf * frequencies * (_K1 + 1) / (frequencies + self._norm[rows])
                )
        return scores
