"""Swallow, the Japanese language models of Tokyo Tech, as LangChain components.

    llm = ChatSwallow(model="tokyotech-llm/Swallow-7b-instruct-v0.1")
    rag = create_rag_chain(llm, retriever)

Names are imported when first used: `import langchain_swallow` loads neither torch nor
transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

# Importing it is what registers its handlers.
import langchain_swallow.forks  # noqa: F401
from langchain_swallow._version import __version__

if TYPE_CHECKING:
    from langchain_swallow.catalog import ModelInfo, list_models, resolve_model
    from langchain_swallow.chat_models import ChatSwallow
    from langchain_swallow.documents import load_documents
    from langchain_swallow.embeddings import SwallowEmbeddings
    from langchain_swallow.errors import SwallowError
    from langchain_swallow.presets import (
        SYSTEM_PROMPT,
        get_preset,
        list_presets,
        register_preset,
    )
    from langchain_swallow.rag import Answer, create_rag_chain
    from langchain_swallow.rerankers import SwallowReranker
    from langchain_swallow.retrievers import HybridRetriever
    from langchain_swallow.splitters import JapaneseTextSplitter
    from langchain_swallow.sync import sync_folder
    from langchain_swallow.vectorstores import SwallowFAISS

_HOME = {
    "Answer": "rag",
    "ChatSwallow": "chat_models",
    "HybridRetriever": "retrievers",
    "JapaneseTextSplitter": "splitters",
    "ModelInfo": "catalog",
    "SYSTEM_PROMPT": "presets",
    "SwallowEmbeddings": "embeddings",
    "SwallowError": "errors",
    "SwallowFAISS": "vectorstores",
    "SwallowReranker": "rerankers",
    "create_rag_chain": "rag",
    "get_preset": "presets",
    "list_models": "catalog",
    "list_presets": "presets",
    "load_documents": "documents",
    "register_preset": "presets",
    "resolve_model": "catalog",
    "sync_folder": "sync",
}

__all__ = [
    "SYSTEM_PROMPT",
    "Answer",
    "ChatSwallow",
    "HybridRetriever",
    "JapaneseTextSplitter",
    "ModelInfo",
    "SwallowEmbeddings",
    "SwallowError",
    "SwallowFAISS",
    "SwallowReranker",
    "__version__",
    "create_rag_chain",
    "get_preset",
    "list_models",
    "list_presets",
    "load_documents",
    "register_preset",
    "resolve_model",
    "sync_folder",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
