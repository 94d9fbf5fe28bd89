"""Several searches as one ranking: by weighted scores, or by reciprocal ranks.

Scores of BM25 and of vectors are of all passages, shape (n,), in [0, 1]. Rankings are documents,
best first, as any retriever gives them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

Scores = NDArray[np.float32]

# What of BM25's weight goes to how close together the question stands in a passage. More changes
# nothing: docs/benchmarks.md, Retrieval.
_PROXIMITY_SHARE = 0.4
# Cormack, Clarke and Büttcher (2009), "Reciprocal Rank Fusion outperforms Condorcet and individual
# Rank Learning Methods".
_RANK_CONSTANT = 60


def weighted(
    lexical: Scores,
    dense: Scores,
    lexical_weight: float,
    admitted: NDArray[np.bool_] | None = None,
) -> Scores:
    """The weighted sum of BM25 and of similarities scaled from the worst passage to the best.

    Args:
        lexical: BM25, as a share of what it could be for the question.
        dense: Similarities; zeros are taken where all are equal.
        lexical_weight: In [0, 1]; the similarities have the rest.
        admitted: What may be found, and is scaled over; `None` is all.
    """
    candidates = dense if admitted is None else dense[admitted]
    scaled = np.zeros_like(dense)
    if len(candidates) and candidates.min() != candidates.max():
        scaled = (dense - candidates.min()) / (candidates.max() - candidates.min())
    fused: Scores = lexical_weight * lexical + (1 - lexical_weight) * scaled
    return fused.clip(0, 1)


def reciprocal_rank(rankings: Sequence[Sequence[Document]]) -> list[Document]:
    """Documents of several rankings, each once, by the sum of their reciprocal ranks."""
    scores: dict[str, float] = {}
    documents: dict[str, Document] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, 1):
            key = document.id or document.page_content
            documents.setdefault(key, document)
            scores[key] = scores.get(key, 0.0) + 1 / (_RANK_CONSTANT + rank)
    return [documents[key] for key in sorted(scores, key=lambda key: -scores[key])]


@dataclass(frozen=True)
class Ranked:
    """Scores of all passages, and which of them may be found."""

    lexical: Scores
    dense: Scores
    lexical_weight: float
    admitted: NDArray[np.bool_] | None

    @cached_property
    def fused(self) -> Scores:
        return weighted(self.lexical, self.dense, self.lexical_weight, self.admitted)

    def best(self, count: int) -> list[int]:
        """Numbers of the best passages; of equal scores the earlier one first, every time."""
        candidates = None if self.admitted is None else np.flatnonzero(self.admitted)
        scores = self.fused if candidates is None else self.fused[candidates]
        near = np.arange(len(scores))
        if count < len(scores):
            # Only what is as good as the last that is wanted need be sorted.
            near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
        numbers = near[np.argsort(-scores[near], kind="stable")[:count]]
        ranking: list[int] = (numbers if candidates is None else candidates[numbers]).tolist()
        return ranking

    def with_proximity(self, numbers: Sequence[int], proximities: Scores) -> Scores:
        """Scores in [0, 1] of passages of which the proximity is known, shape (n,)."""
        share = self.lexical_weight * _PROXIMITY_SHARE
        rows = np.asarray(numbers, dtype=np.int64)
        scores: Scores = self.fused[rows] + share * (proximities - self.lexical[rows])
        return scores.clip(0, 1)

    def reach(self, lexical: float, dense: float) -> bool:
        """Whether a passage that may be found has one of these scores."""
        if not lexical or not dense:
            # Every score is at least 0: nothing to look for.
            return True
        candidates = slice(None) if self.admitted is None else self.admitted
        reached = (self.lexical[candidates] >= lexical) | (self.dense[candidates] >= dense)
        return bool(reached.any())
