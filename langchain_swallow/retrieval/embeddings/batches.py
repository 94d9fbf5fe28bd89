"""Embed texts in batches of similar length."""

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
    """Embed texts; batches contain texts of similar length, so that less padding is computed.

    Args:
        embedding: The embedding model.
        texts: Texts to embed; equal texts are embedded once.
        known: Vectors of texts that need not be embedded; default: none.
        progress: Whether to show a progress bar on stderr; default `False`.

    Returns:
        One vector per text, in the order of `texts`, float32, each of shape (dim,).
    """
    vectors = dict(known or {})
    order = sorted((text for text in dict.fromkeys(texts) if text not in vectors), key=len)
    with tqdm(total=len(order), desc="Embedding", disable=not progress) as bar:
        for start in range(0, len(order), _BATCH_SIZE):
            batch = order[start : start + _BATCH_SIZE]
            # A list of Python floats would take eight times the memory.
            embedded = embedding.embed_documents(list(map(replace_surrogates, batch)))
            rows = (np.asarray(v, dtype=np.float32) for v in embedded)
            vectors.update(zip(batch, rows, strict=True))
            bar.update(len(batch))
    return [vectors[text] for text in texts]
