"""What a server's status codes mean, as this package's errors."""

import contextlib
import email.utils
import re
import time

import httpx

from langchain_swallow.errors import (
    AuthenticationError,
    EngineError,
    InvalidRequestError,
    ModelUnavailableError,
    PromptOverflowError,
    ServerBusyError,
    ServerError,
)

_BUSY = (429, 503)
_FAILED = (500, 502, 504)
# vLLM's two wordings and those of SGLang and llama.cpp.
_OVERFLOW = re.compile(
    r"maximum context length|context window|input tokens and requested|exceeds? the (available )?"
    r"(context|model's)|longer than the model's context|exceed_context_size",
    re.IGNORECASE,
)


def error_of(url: str, response: httpx.Response) -> EngineError:
    """The typed error of a status code."""
    status, reason = response.status_code, _reason(response)
    text = f"{url} answered {status}: {reason}"
    if status in (401, 403):
        return AuthenticationError(f"{text} Pass api_key=.")
    if status == 404:
        return _NotFound(f"{text} Check base_url (it usually ends in /v1) and the model's name.")
    if status in _BUSY:
        busy = ServerBusyError(f"{text} All retries are used; lower max_concurrency.")
        busy.retry_after_s = _retry_after(response)  # type: ignore[attr-defined]
        return busy
    if status in _FAILED or status > 504:
        return ServerError(text)
    if _OVERFLOW.search(reason):
        return _Overflow(text)
    return InvalidRequestError(text)


class _NotFound(ModelUnavailableError, EngineError):
    """404: no such model, or no such path."""


class _Overflow(PromptOverflowError, EngineError):
    """400: prompt and answer exceed the server's window."""


def _reason(response: httpx.Response) -> str:
    try:
        data = response.json()
    except ValueError:
        return response.text[:300]
    error = data.get("error", data) if isinstance(data, dict) else data
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:600]


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds of a Retry-After header, which may also be a date."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        with contextlib.suppress(TypeError, ValueError):
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None
