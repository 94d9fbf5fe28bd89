"""What clients are told of an error: what to do, without paths, addresses or other programs' text.

The rest is in the log.
"""

import logging
from dataclasses import dataclass

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
    """An HTTP status with its text; `retry_after_s` where another try may succeed."""

    status: int
    detail: str
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def failure(error: Exception) -> Failure:
    """What a client is told of an error; what it is not told is logged."""
    if isinstance(error, Refusal):
        return Failure(error.status, replace_surrogates(str(error)), error.retry_after_s)
    if isinstance(error, PromptOverflowError):
        return Failure(422, replace_surrogates(str(error)))
    logger.error("A request failed.", exc_info=error)
    if isinstance(error, ServerBusyError):
        return Failure(503, "モデルのサーバーが混んでいます。 / The model's server is busy.", 5)
    if isinstance(error, IndexStoreError):
        return Failure(503, "索引を読めません。 / The index cannot be read.", 60)
    if isinstance(error, SwallowError):
        detail = "モデルから回答がありません。 / The model does not answer. Try again later."
        return Failure(503, detail, 30)
    return Failure(500, "サーバーのエラーです。 / The server failed; its log says why.")
