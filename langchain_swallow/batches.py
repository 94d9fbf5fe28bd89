"""Texts embedded in batches."""

from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tqdm import tqdm

_AT_ONCE = 64


def embed_by_length(
    embedding: Embeddings, texts: Sequence[str], *, progress: bool = False
) -> list[NDArray[np.float32]]:
    """Vectors of texts, in their order; texts of like length go together, to waste less padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows = [np.zeros(0, dtype=np.float32)] * len(texts)
    with tqdm(total=len(texts), desc="Embedding", disable=not progress) as bar:
        for start in range(0, len(order), _AT_ONCE):
            part = order[start : start + _AT_ONCE]
            vectors = embedding.embed_documents([texts[i] for i in part])
            for i, vector in zip(part, vectors, strict=True):
                # A list of Python's floats takes eight times the memory.
                rows[i] = np.asarray(vector, dtype=np.float32)
            bar.update(len(part))
    return rows
