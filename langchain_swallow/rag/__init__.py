"""Question → answer from documents, with citations that were checked; chains over long texts."""

from langchain_swallow.rag.answer import Answer
from langchain_swallow.rag.chain import create_rag_chain
from langchain_swallow.rag.citation import Citation
from langchain_swallow.rag.conversation import create_conversational_rag_chain
from langchain_swallow.rag.long_texts import (
    create_extraction_chain,
    create_summary_chain,
    create_translation_chain,
)
from langchain_swallow.rag.support_model import Claim, SupportCheck, calibrate_support_check

__all__ = [
    "Answer",
    "Citation",
    "Claim",
    "SupportCheck",
    "calibrate_support_check",
    "create_conversational_rag_chain",
    "create_extraction_chain",
    "create_rag_chain",
    "create_summary_chain",
    "create_translation_chain",
]
