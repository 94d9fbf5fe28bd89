"""The name that users of LangChain look for; the code is in `retrieval.vectorstore`."""

from langchain_swallow.retrieval.vectorstore import SwallowFAISS

__all__ = ["SwallowFAISS"]
