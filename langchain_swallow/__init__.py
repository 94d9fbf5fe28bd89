"""Swallow, the Japanese language models of Tokyo Tech, as LangChain components.

>>> from langchain_swallow import ChatSwallow, create_rag_chain
>>> llm = ChatSwallow(model="tokyotech-llm/Qwen3-Swallow-8B-RL-v0.2")
>>> rag = create_rag_chain(llm, lambda question: [])
>>> rag.invoke("試用期間はどのくらいですか。").text
'資料からは分かりません。'

Names are imported when first used: `import langchain_swallow` loads neither torch nor
transformers.
"""

from typing import TYPE_CHECKING

# Importing it is what registers its handlers.
import langchain_swallow._system.forks  # noqa: F401
from langchain_swallow._system.lazy import lazy_names
from langchain_swallow._system.version import __version__

if TYPE_CHECKING:
    from langchain_swallow.catalog import ModelInfo, list_models, resolve_model
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.chat_models.decisions import SwallowDecision
    from langchain_swallow.documents.load import load_documents
    from langchain_swallow.documents.split import JapaneseTextSplitter
    from langchain_swallow.errors import SwallowError
    from langchain_swallow.prompts.presets import get_preset, list_presets, register_preset
    from langchain_swallow.prompts.system_prompt import SYSTEM_PROMPT
    from langchain_swallow.rag import Answer, create_rag_chain
    from langchain_swallow.retrieval.embeddings.local import SwallowEmbeddings
    from langchain_swallow.retrieval.hybrid import HybridRetriever
    from langchain_swallow.retrieval.rerankers import SwallowReranker
    from langchain_swallow.retrieval.sync import sync_folder
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

_HOME = {
    "Answer": "rag",
    "ChatSwallow": "chat_models",
    "HybridRetriever": "retrieval",
    "JapaneseTextSplitter": "documents",
    "ModelInfo": "catalog",
    "SYSTEM_PROMPT": "prompts.system_prompt",
    "SwallowDecision": "chat_models",
    "SwallowEmbeddings": "retrieval.embeddings",
    "SwallowError": "errors",
    "SwallowFAISS": "retrieval",
    "SwallowReranker": "retrieval",
    "create_rag_chain": "rag",
    "get_preset": "prompts.presets",
    "list_models": "catalog",
    "list_presets": "prompts.presets",
    "load_documents": "documents",
    "register_preset": "prompts.presets",
    "resolve_model": "catalog",
    "sync_folder": "retrieval",
}

__all__ = [
    "SYSTEM_PROMPT",
    "Answer",
    "ChatSwallow",
    "HybridRetriever",
    "JapaneseTextSplitter",
    "ModelInfo",
    "SwallowDecision",
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


__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
