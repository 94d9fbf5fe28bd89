"""The graph of HNSW, its nodes laid out so that neighbours lie near each other in memory.

A search of a large graph mostly waits for memory. Laid out so, a million vectors of 384 take two
thirds of the time that they take in the order they came in, with the same hits.

Source: Coleman et al. (2022), *Graph Reordering for Cache-Efficient Near Neighbor Search*, NeurIPS.
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

_LINKS = 32
_CONSTRUCTION = 100
# Nodes of one neighbourhood: 1.5 MB of vectors of 384. From 256 to 4,096 take the same time.
_PATCH = 1024


def build_graph(rows: NDArray[np.float32], metric: int) -> tuple[Any, NDArray[np.int64]]:
    """An HNSW index, and which row stands at each of its places, shape (n,).

    Args:
        rows: Shape (n, dim).
        metric: FAISS's number of it.
    """
    index = faiss.IndexHNSWFlat(rows.shape[1], _LINKS, metric)
    index.hnsw.efConstruction = _CONSTRUCTION
    index.add(rows)
    order = _by_neighbourhood(index.hnsw, len(rows))
    index.hnsw.permute_entries(faiss.swig_ptr(order))
    # In place: FAISS's own way would hold the vectors a third time.
    storage = faiss.downcast_index(index.storage)
    stored = faiss.rev_swig_ptr(storage.get_xb(), rows.size).reshape(rows.shape)
    for start in range(0, len(rows), _PATCH):
        stored[start : start + _PATCH] = rows[order[start : start + _PATCH]]
    return index, order


def _by_neighbourhood(graph: Any, count: int) -> NDArray[np.int64]:
    """Nodes in patches, each breadth first over the lowest level from the first node left."""
    links = faiss.rev_swig_ptr(graph.neighbors.data(), graph.neighbors.size())
    starts = faiss.vector_to_array(graph.offsets).astype(np.int64)
    within = np.arange(graph.nb_neighbors(0))
    placed = np.zeros(count, dtype=bool)
    order = []
    for seed in range(count):
        if placed[seed]:
            continue
        front, left = np.array([seed]), _PATCH
        while len(front):
            placed[front] = True
            order.append(front)
            left -= len(front)
            near = links[starts[front, None] + within].ravel()
            near = near[near >= 0]
            near, first = np.unique(near[~placed[near]], return_index=True)
            front = near[np.argsort(first)][:left].astype(np.int64)
    return np.concatenate(order)
