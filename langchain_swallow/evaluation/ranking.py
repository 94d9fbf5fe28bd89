"""Recall, reciprocal rank and nDCG of a ranking, in [0, 1], as trec_eval computes them.

All functions take `ranked`, distinct ids, best first; `gains`, the gain of each relevant id, where
only gains above 0 count; and `k`, the cutoff rank.
"""

from collections.abc import Mapping, Sequence
from math import log2

Gains = Mapping[str, int]


def recall_at(ranked: Sequence[str], gains: Gains, k: int) -> float:
    """Share of the relevant ids that are among the first k; 0 if no id is relevant."""
    relevant = _relevant(gains)
    return len(relevant & set(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank_at(ranked: Sequence[str], gains: Gains, k: int) -> float:
    """1 / rank of the first relevant id among the first k, else 0. Its mean is MRR@k."""
    relevant = _relevant(gains)
    for rank, name in enumerate(ranked[:k], 1):
        if name in relevant:
            return 1 / rank
    return 0.0


def ndcg_at(ranked: Sequence[str], gains: Gains, k: int) -> float:
    """nDCG@k: discounted cumulative gain of the first k, divided by that of the ideal ranking.

    Järvelin and Kekäläinen (2002), with linear gains and the discount log2(rank + 1), as in
    trec_eval. The value is 0 if no id is relevant.
    """
    best = _dcg(sorted((g for g in gains.values() if g > 0), reverse=True)[:k])
    return _dcg([max(0, gains.get(name, 0)) for name in ranked[:k]]) / best if best else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, 1))


def _relevant(gains: Gains) -> set[str]:
    return {name for name, gain in gains.items() if gain > 0}
