"""Fuse several searches into one ranking: by weighted scores, or by reciprocal ranks.

BM25 scores and dense similarities are arrays over all chunks, shape (n,), in [0, 1]. A ranking is a
list of documents, best first, as any retriever returns it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

Scores = NDArray[np.float32]

# Share of BM25's weight that goes to proximity: how close together the terms of the question are in
# a chunk. A larger share changes nothing: docs/benchmarks.md, Retrieval.
_PROXIMITY_SHARE = 0.4
# Cormack, Clarke and Büttcher (2009), "Reciprocal Rank Fusion outperforms Condorcet and individual
# Rank Learning Methods".
_RANK_CONSTANT = 60


def weighted(
    lexical: Scores,
    dense: NDArray[np.floating],
    lexical_weight: float,
    admitted: NDArray[np.bool_] | None = None,
) -> Scores:
    """The weighted sum of BM25 and min-max scaled similarities, in [0, 1], shape (n,).

    Args:
        lexical: BM25 scores divided by their upper bound for the question.
        dense: Similarities, of any range. If they are all equal, they count as zeros.
        lexical_weight: Weight of BM25, in [0, 1]; the similarities have the rest.
        admitted: Mask of the chunks that may be returned, over which similarities are scaled;
            `None` admits all.
    """
    candidates = dense if admitted is None else dense[admitted]
    scaled = np.zeros_like(dense)
    if len(candidates) and candidates.min() != candidates.max():
        scaled = (dense - candidates.min()) / (candidates.max() - candidates.min())
    fused = lexical_weight * lexical + (1 - lexical_weight) * scaled
    return fused.clip(0, 1).astype(np.float32, copy=False)


def reciprocal_rank(rankings: Sequence[Sequence[Document]]) -> list[Document]:
    """Merge rankings by the sum of reciprocal ranks; each document is returned once, best first.

    Documents with the same id, or without ids the same text, are one document.
    """
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
    """Scores of all chunks, shape (n,), and a mask of those that may be returned.

    `products` are inner products to scale instead of `dense`, whose sigmoid of large ones is 1 for
    all of them.
    """

    lexical: Scores
    dense: Scores
    lexical_weight: float
    admitted: NDArray[np.bool_] | None
    products: Scores | None = None

    @cached_property
    def fused(self) -> Scores:
        # The difference of two large inner products may exceed float32.
        dense = self.dense if self.products is None else self.products.astype(np.float64)
        return weighted(self.lexical, dense, self.lexical_weight, self.admitted)

    def best(self, count: int) -> list[int]:
        """Numbers of the best chunks, best first; of equal scores, the earlier chunk is first."""
        candidates = None if self.admitted is None else np.flatnonzero(self.admitted)
        scores = self.fused if candidates is None else self.fused[candidates]
        near = np.arange(len(scores))
        if count < len(scores):
            # Sort only the chunks that score at least as high as the last one to be returned.
            near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
        numbers = near[np.argsort(-scores[near], kind="stable")[:count]]
        ranking: list[int] = (numbers if candidates is None else candidates[numbers]).tolist()
        return ranking

    def with_proximity(self, numbers: Sequence[int], proximities: Scores) -> Scores:
        """Scores of these chunks with their proximities included, in [0, 1], shape (n,)."""
        share = self.lexical_weight * _PROXIMITY_SHARE
        rows = np.asarray(numbers, dtype=np.int64)
        scores: Scores = self.fused[rows] + share * (proximities - self.lexical[rows])
        return scores.clip(0, 1)

    def reach(self, lexical: float, dense: float) -> bool:
        """Whether an admitted chunk has at least this BM25 score or this similarity."""
        if not lexical or not dense:
            # Every score is at least 0.
            return True
        candidates = slice(None) if self.admitted is None else self.admitted
        reached = (self.lexical[candidates] >= lexical) | (self.dense[candidates] >= dense)
        return bool(reached.any())
