"""What makes two vectors alike: rows made ready for it, and FAISS's distances as scores."""

from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from langchain_swallow.errors import EmbeddingError

Metric = Literal["cosine", "ip", "l2"]
Array = NDArray[np.float32]


def prepare_vectors(vectors: Any, metric: Metric) -> Array:
    """Float32 rows, shape (n, dim), of unit norm where the metric is cosine.

    Raises:
        EmbeddingError: Vectors of different lengths, or one whose squared norm is not finite.
    """
    try:
        array = np.ascontiguousarray(vectors, dtype=np.float32)
    except ValueError as error:
        raise EmbeddingError(f"The embedding returned no vectors of one length: {error}.") from None
    if array.ndim != 2:
        raise EmbeddingError(f"The embedding returned vectors of shape {array.shape}.")
    squares = np.einsum("ij,ij->i", array, array)
    # What is not finite makes its sum so.
    if not np.isfinite(squares).all():
        raise EmbeddingError(
            "The embedding returned a non-finite vector, or one too long for 32 bits."
        )
    if metric != "cosine":
        return array
    squares[squares == 0] = 1
    return array / np.sqrt(squares)[:, None]


def similarity(distances: Array, metric: Metric) -> Array:
    """FAISS's distances as scores in [0, 1], whatever else is in the index.

    Cosine: (1 + cos) / 2. Squared L2 distance d: 1 / (1 + d). Inner product x, which has no bounds:
    1 / (1 + e^-x).
    """
    if metric == "cosine":
        scores = ((1 + distances) / 2).clip(0, 1)
    elif metric == "l2":
        scores = 1 / (1 + np.maximum(distances, 0))
    else:
        scores = 1 / (1 + np.exp(-np.clip(distances, -80, 80)))
    return scores.astype(np.float32, copy=False)


def faiss_metric(metric: Metric) -> int:
    """FAISS's number of a metric; cosine is the inner product of unit vectors."""
    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
