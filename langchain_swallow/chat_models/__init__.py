"""The chat model: LangChain's messages in, LangChain's messages out."""

from typing import TYPE_CHECKING

from langchain_swallow._system.lazy import lazy_names

if TYPE_CHECKING:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow

__all__ = [
    "ChatSwallow",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ChatSwallow": "chat_swallow",
    },
)
