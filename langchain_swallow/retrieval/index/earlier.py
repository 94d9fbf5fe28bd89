"""Files of development versions before 0.2.0, whose vectors were in another order than their rows.

A third file said which row was at each place, and a graph (HNSW) or lists of codes (IVF-PQ) went by
places. The exact vectors were always there too, so nothing is lost: here they are put back into the
order of their rows, in memory, a graph with them. Lists are left out; such a segment is searched
exhaustively until it is written again (`SwallowFAISS.optimize`, `langchain-swallow convert`).
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np


def in_row_order(flat: Any, graph_or_lists: Any, order: Path | None) -> tuple[Any, Any]:
    """A flat index and its graph, `None` in place of lists, with row i at place i.

    Args:
        flat: The exact vectors.
        graph_or_lists: A graph, lists or `None`.
        order: File of the row at each place; `None` where they are in order.

    Raises:
        ValueError: The file of the order is damaged.
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
