"""Question → answer from documents, with citations that were checked."""

from langchain_swallow.rag.answer import Answer, Citation
from langchain_swallow.rag.chain import create_rag_chain

__all__ = ["Answer", "Citation", "create_rag_chain"]
