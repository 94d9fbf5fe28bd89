"""The chat model: takes and returns LangChain messages."""

from typing import TYPE_CHECKING

from langchain_swallow._system.lazy import lazy_names

if TYPE_CHECKING:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.chat_models.decisions import SwallowDecision

__all__ = [
    "ChatSwallow",
    "SwallowDecision",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ChatSwallow": "chat_swallow",
        "SwallowDecision": "decisions",
    },
)
