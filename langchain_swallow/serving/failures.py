"""Converts errors to responses for clients, without paths, addresses or other programs' text.

The details are in the log.
"""

import logging
from dataclasses import dataclass

from langchain_swallow._system.language import in_language
from langchain_swallow.errors import (
    IndexStoreError,
    PromptOverflowError,
    ServerBusyError,
    SwallowError,
)
from langchain_swallow.serving.refusals import Refusal
from langchain_swallow.text.surrogates import replace_surrogates

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP status and its text; `retry_after_s` is set if a retry may succeed."""

    status: int
    detail: str
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the response."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def failure(error: Exception) -> Failure:
    """Return the response for an error, and log the details that the client must not see."""
    if isinstance(error, Refusal):
        return Failure(error.status, replace_surrogates(str(error)), error.retry_after_s)
    if isinstance(error, PromptOverflowError):
        advice = "プロンプトがコンテキスト長を超えます。質問か max_tokens を短くしてください。"
        return Failure(422, in_language(advice, replace_surrogates(str(error))))
    logger.error("A request failed.", exc_info=error)
    if isinstance(error, ServerBusyError):
        return Failure(
            503,
            in_language(
                "モデルのサーバーが混んでいます。少し待って送ってください。",
                "The model's server is busy. Try again soon.",
            ),
            5,
        )
    if isinstance(error, IndexStoreError):
        return Failure(
            503,
            in_language(
                "索引を読めません。あとでもう一度送ってください。",
                "The index cannot be read. Try again later.",
            ),
            60,
        )
    if isinstance(error, SwallowError):
        detail = in_language(
            "モデルから回答がありません。あとでもう一度送ってください。",
            "The model does not answer. Try again later.",
        )
        return Failure(503, detail, 30)
    return Failure(
        500,
        in_language(
            "サーバーのエラーです。詳細はサーバーのログにあります。",
            "The server failed; its log says why.",
        ),
    )
