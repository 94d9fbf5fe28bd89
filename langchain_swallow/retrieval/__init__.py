"""Store chunks in vector stores, and retrieve the chunks that answer a question."""

from typing import TYPE_CHECKING

from langchain_swallow._system.lazy import lazy_names

if TYPE_CHECKING:
    from langchain_swallow.retrieval.hybrid import HybridRetriever
    from langchain_swallow.retrieval.migration import convert_langchain_faiss
    from langchain_swallow.retrieval.query_expansion import HyDERetriever, MultiQueryRetriever
    from langchain_swallow.retrieval.rerankers import SwallowReranker
    from langchain_swallow.retrieval.sync import SyncSummary, sync_folder
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

__all__ = [
    "HyDERetriever",
    "HybridRetriever",
    "MultiQueryRetriever",
    "SwallowFAISS",
    "SwallowReranker",
    "SyncSummary",
    "convert_langchain_faiss",
    "sync_folder",
]

__getattr__ = lazy_names(
    __name__,
    {
        "HyDERetriever": "query_expansion",
        "HybridRetriever": "hybrid",
        "MultiQueryRetriever": "query_expansion",
        "SwallowFAISS": "vectorstore",
        "SwallowReranker": "rerankers",
        "SyncSummary": "sync",
        "convert_langchain_faiss": "migration",
        "sync_folder": "sync",
    },
)
