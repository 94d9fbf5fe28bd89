"""Metrics: prepare vectors for a metric, and convert FAISS's distances to scores."""

from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from langchain_swallow.errors import EmbeddingError

Metric = Literal["cosine", "ip", "l2"]
Array = NDArray[np.float32]


def prepare_vectors(vectors: Any, metric: Metric) -> Array:
    """Convert vectors to contiguous float32 rows, shape (n, dim).

    For the metric `"cosine"`, the rows are scaled to unit norm; zero rows stay zero.

    Raises:
        EmbeddingError: The vectors differ in length, or a squared norm is not finite.
    """
    try:
        array = np.ascontiguousarray(vectors, dtype=np.float32)
    except ValueError as error:
        raise EmbeddingError(
            f"The embedding model did not return vectors of one length: {error}."
        ) from None
    if array.ndim != 2:
        raise EmbeddingError(
            f"The embedding model returned vectors of shape {array.shape}, not (n, dim)."
        )
    squares = np.einsum("ij,ij->i", array, array)
    # A non-finite value makes the sum of squares non-finite.
    if not np.isfinite(squares).all():
        raise EmbeddingError(
            "The embedding model returned a non-finite vector, or one whose norm exceeds float32."
        )
    if metric != "cosine":
        return array
    squares[squares == 0] = 1
    return array / np.sqrt(squares)[:, None]


def similarity(distances: Array, metric: Metric) -> Array:
    """Convert FAISS's distances to float32 scores in [0, 1] that do not depend on other chunks.

    The score is (1 + cos) / 2 for cosine, 1 / (1 + d) for a squared L2 distance d, and
    1 / (1 + e^-x) for an inner product x, which is unbounded.

    Args:
        distances: FAISS's distances or inner products, any shape.
        metric: Metric of the index.
    """
    if metric == "cosine":
        scores = ((1 + distances) / 2).clip(0, 1)
    elif metric == "l2":
        scores = 1 / (1 + np.maximum(distances, 0))
    else:
        scores = 1 / (1 + np.exp(-np.clip(distances, -80, 80)))
    return scores.astype(np.float32, copy=False)


def faiss_metric(metric: Metric) -> int:
    """FAISS's constant for a metric; cosine is the inner product of unit vectors."""
    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
