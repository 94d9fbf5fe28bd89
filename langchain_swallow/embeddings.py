"""The name that users of LangChain look for; the code is in `retrieval.embeddings.local`."""

from langchain_swallow.retrieval.embeddings.local import SwallowEmbeddings

__all__ = ["SwallowEmbeddings"]
