"""Read files of development versions before 0.2.0, which stored vectors in another order than rows.

A third file contained the row of each vector, and an HNSW graph or IVF-PQ lists used the order of
the vectors. The exact vectors were always stored as well, so nothing is lost. This module restores
the order of the rows in memory, for the vectors and the graph. IVF-PQ lists are dropped: their
segment is searched exhaustively until it is rewritten (`SwallowFAISS.optimize`,
`langchain-swallow convert`).
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np


def in_row_order(flat: Any, graph_or_lists: Any, order: Path | None) -> tuple[Any, Any]:
    """Return a flat index and its graph in row order; for IVF-PQ lists, the graph is `None`.

    Args:
        flat: FAISS index of the exact vectors.
        graph_or_lists: HNSW graph, IVF-PQ lists or `None`.
        order: File with the row of each vector; `None` if the vectors are in row order.

    Raises:
        ValueError: The file with the order is damaged.
    """
    graph = None if isinstance(graph_or_lists, faiss.IndexIVF) else graph_or_lists
    if order is None:
        return flat, graph
    rows = np.load(order, allow_pickle=False).astype(np.int64)
    places = np.empty_like(rows)
    places[rows] = np.arange(len(rows))
    ordered = faiss.IndexFlat(flat.d, flat.metric_type)
    ordered.add(flat.reconstruct_batch(places))
    if graph is not None:
        graph.hnsw.permute_entries(faiss.swig_ptr(places))
    return ordered, graph
