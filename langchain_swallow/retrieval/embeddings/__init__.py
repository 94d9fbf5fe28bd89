"""Embed texts with the prefixes that each embedding model was trained with."""

from typing import TYPE_CHECKING

from langchain_swallow._system.lazy import lazy_names

if TYPE_CHECKING:
    from langchain_swallow.retrieval.embeddings.local import SwallowEmbeddings

__all__ = [
    "SwallowEmbeddings",
]

__getattr__ = lazy_names(
    __name__,
    {
        "SwallowEmbeddings": "local",
    },
)
