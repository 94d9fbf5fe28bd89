"""LLM as a judge: one prompt and one rating, parsed as in FastChat.

Zheng et al., Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena (2023).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, UsageMetadata
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import Runnable

from langchain_swallow.prompts.messages import message_text

_RATING = re.compile(r"\[\[(\d+\.?\d*)\]\]")
_RATING_FALLBACK = re.compile(r"\[(\d+\.?\d*)\]")
LOWEST, HIGHEST = 1.0, 10.0
# The text has no example rating, because a weak judge would copy it.
_RATING_FOLLOW_UP = (
    "評価点が読み取れませんでした。1から10までの評価点だけを、[[評価点]]の形式で書いてください。"
)
_VERDICT_FOLLOW_UP = (
    "判定が読み取れませんでした。[[A]]、[[B]]、[[C]]のどれか一つだけを書いてください。"
)


@dataclass(frozen=True, slots=True)
class Judgment:
    """A judge's answer and the value parsed from it.

    Args:
        value: Rating or verdict; `None` if no answer could be parsed.
        text: The judge's last answer.
        attempts: Number of times the judge was asked.
        usage: Tokens of all attempts; `None` if the model reports none.
    """

    value: Any
    text: str
    attempts: int
    usage: UsageMetadata | None


def read_rating(text: str) -> float | None:
    """Parse the rating in `[[5]]`, or else in `[5]`; `None` if there is none from 1 to 10.

    >>> read_rating("良い回答です。評価：[[7.5]]"), read_rating("[8]"), read_rating("[[0]] 点")
    (7.5, 8.0, None)
    """
    match = _RATING.search(text) or _RATING_FALLBACK.search(text)
    rating = float(match[1]) if match else None
    return rating if rating is not None and LOWEST <= rating <= HIGHEST else None


def read_verdict(text: str) -> str | None:
    """Parse the verdict `"A"`, `"B"` or `"tie"`; `None` if the text has none."""
    for mark, verdict in (("[[A]]", "A"), ("[[B]]", "B"), ("[[C]]", "tie")):
        if mark in text:
            return verdict
    return None


def ask_rating(
    judge: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    *,
    retries: int,
    limiter: BaseRateLimiter | None = None,
) -> Judgment:
    """Ask for a rating; if it cannot be parsed, show the judge its answer and ask for the number.

    Args:
        judge: Any chat model. The caller binds its temperature and maximum length.
        messages: The prompt.
        retries: Maximum number of times to ask again.
        limiter: Rate limiter to wait for before each call; default `None`.

    Returns:
        The judgment, with a rating from 1 to 10 or `None` as its value.
    """
    return _ask(judge, messages, read_rating, _RATING_FOLLOW_UP, retries, limiter)


def ask_verdict(
    judge: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    *,
    retries: int,
    limiter: BaseRateLimiter | None = None,
) -> Judgment:
    """Like `ask_rating`, for a comparison of two answers; the value is that of `read_verdict`."""
    return _ask(judge, messages, read_verdict, _VERDICT_FOLLOW_UP, retries, limiter)


def _ask(
    judge: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    read: Callable[[str], Any],
    follow_up: str,
    retries: int,
    limiter: BaseRateLimiter | None,
) -> Judgment:
    conversation = list(messages)
    usage: UsageMetadata | None = None
    for attempt in range(1, retries + 2):
        if limiter is not None:
            limiter.acquire()
        output = judge.invoke(conversation)
        text, usage = message_text(output), add_usage(usage, output)
        value = read(text)
        if value is not None or attempt == retries + 1:
            break
        conversation = [*messages, AIMessage(text or "…"), HumanMessage(follow_up)]
    return Judgment(value, text, attempt, usage)


def add_usage(usage: UsageMetadata | None, output: Any) -> UsageMetadata | None:
    """Add the tokens of a message to a total, without the details of providers."""
    new = getattr(output, "usage_metadata", None)
    if new is None:
        return usage
    total = usage or UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
    return UsageMetadata(
        input_tokens=total["input_tokens"] + new["input_tokens"],
        output_tokens=total["output_tokens"] + new["output_tokens"],
        total_tokens=total["total_tokens"] + new["total_tokens"],
    )
