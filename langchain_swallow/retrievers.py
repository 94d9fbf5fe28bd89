"""The name that users of LangChain look for; the code is in `retrieval.hybrid`."""

from langchain_swallow.retrieval.hybrid import HybridRetriever

__all__ = ["HybridRetriever"]
