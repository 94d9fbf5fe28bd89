"""How many tokens a prompt may have beside its answer, and how they are counted."""

from collections.abc import Callable
from typing import Any, NamedTuple

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables.base import RunnableBindingBase

from langchain_swallow.text.chunks import estimate_tokens

_DEFAULT_WINDOW = 4096
_DEFAULT_ANSWER_TOKENS = 512
# Without the model's tokenizer a count is an estimate; keep this share of the window free.
_ESTIMATE_MARGIN = 0.1


class Budget(NamedTuple):
    """Most tokens of a prompt and of its answer, and a counter of messages."""

    prompt: int
    answer: int
    count: Callable[[list[BaseMessage]], int]


def prompt_budget(llm: Any) -> Budget:
    """Of any chat model, bound to parameters or not."""
    bound: dict[str, Any] = {}
    while isinstance(llm, RunnableBindingBase):
        bound = {**llm.kwargs, **bound}
        llm = llm.bound
    profile = getattr(llm, "profile", None) or {}
    # A model in a folder does not know its window before it is loaded.
    window = getattr(llm, "context_window", None) or profile.get("max_input_tokens")
    window = window or _DEFAULT_WINDOW
    wanted = bound.get("max_tokens") or getattr(llm, "max_tokens", None) or _DEFAULT_ANSWER_TOKENS
    if reserved := getattr(llm, "reserved_reasoning_tokens", None):
        window -= reserved(window, **bound)
    if _counts_itself(llm):
        return Budget(window - wanted, wanted, llm.get_num_tokens_from_messages)
    return Budget(int(window * (1 - _ESTIMATE_MARGIN)) - wanted, wanted, _estimate)


def _counts_itself(llm: Any) -> bool:
    """Whether the model has its own tokenizer; LangChain's default would fetch GPT-2's."""
    own = getattr(type(llm), "get_num_tokens_from_messages", None)
    return own is not None and own is not BaseLanguageModel.get_num_tokens_from_messages


def _estimate(messages: list[BaseMessage]) -> int:
    return sum(estimate_tokens(str(message.text)) for message in messages)
