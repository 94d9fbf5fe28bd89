"""Texts embedded in batches."""

from collections.abc import Mapping, Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tqdm import tqdm

from langchain_swallow.text.surrogates import replace_surrogates

_BATCH_SIZE = 64


def embed_by_length(
    embedding: Embeddings,
    texts: Sequence[str],
    *,
    known: Mapping[str, NDArray[np.float32]] | None = None,
    progress: bool = False,
) -> list[NDArray[np.float32]]:
    """Vectors of texts, in their order; texts of like length go together, to waste less padding.

    Args:
        embedding: The encoder.
        texts: What is embedded; of equal ones only the first.
        known: Vectors of texts that need not be embedded.
        progress: Show a progress bar.
    """
    vectors = dict(known or {})
    order = sorted((text for text in dict.fromkeys(texts) if text not in vectors), key=len)
    with tqdm(total=len(order), desc="Embedding", disable=not progress) as bar:
        for start in range(0, len(order), _BATCH_SIZE):
            part = order[start : start + _BATCH_SIZE]
            # A list of Python's floats takes eight times the memory.
            made = embedding.embed_documents(list(map(replace_surrogates, part)))
            rows = (np.asarray(v, dtype=np.float32) for v in made)
            vectors.update(zip(part, rows, strict=True))
            bar.update(len(part))
    return [vectors[text] for text in texts]
