"""Confidence intervals: bootstrap over questions, and paired differences.

Percentile intervals, from Efron and Tibshirani, An Introduction to the Bootstrap (1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 5000
# Seed of the resampling, so that the same values have the same interval.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with the limits of its 95% confidence interval, over `count` questions."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of second minus first on the same questions, its 95% interval, and a p-value.

    `p_value` is the probability of a difference at least this large if the two values are swapped
    at random for each question (two-sided permutation test).
    """

    mean: float
    low: float
    high: float
    p_value: float
    count: int


def estimate_mean(values: Sequence[float]) -> Estimate:
    """The mean of one value per question, with its 95% interval.

    Raises:
        ValueError: There are no values.
    """
    return estimate_ratio(values, [1.0] * len(values))


def estimate_ratio(sums: Sequence[float], weights: Sequence[float]) -> Estimate:
    """The sum of `sums` divided by the sum of `weights`, with a 95% interval by question.

    All ratings of a question are resampled together. They resemble each other, so resampling single
    ratings would make the interval too narrow.

    Args:
        sums: Sum of the ratings of each question.
        weights: Number of ratings of each question.

    Raises:
        ValueError: The weights are all zero, or empty.
    """
    totals = np.array([sums, weights], dtype=float)
    if not totals[1].sum() > 0:
        raise ValueError("The mean of no values is not defined. Pass at least one value.")
    count = totals.shape[1]
    draws = np.random.default_rng(_SEED).integers(count, size=(_RESAMPLES, count))
    drawn = totals[:, draws].sum(axis=2)
    # A resample may consist only of questions without a rating.
    drawn = drawn[:, drawn[1] > 0]
    low, high = np.percentile(drawn[0] / drawn[1], [2.5, 97.5])
    mean = totals[0].sum() / totals[1].sum()
    return Estimate(float(mean), float(low), float(high), count)


def compare_paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Compare two lists of values of the same questions, in the same order.

    Returns:
        The difference, second minus first.

    Raises:
        ValueError: The lists differ in length, or are empty.
    """
    if len(first) != len(second) or not first:
        raise ValueError(
            f"Both lists need the same number of values, at least 1, not {len(first)} and "
            f"{len(second)}."
        )
    differences = np.array(second, dtype=float) - np.array(first, dtype=float)
    interval = estimate_mean(differences.tolist())
    signs = np.random.default_rng(_SEED).choice((-1.0, 1.0), (_RESAMPLES, len(differences)))
    means = np.abs(signs @ differences) / len(differences)
    as_large = int((means >= abs(interval.mean) - 1e-12).sum())
    # The observed assignment is one of the possible ones, so p is never 0.
    p_value = (as_large + 1) / (_RESAMPLES + 1)
    return Difference(interval.mean, interval.low, interval.high, p_value, len(differences))
