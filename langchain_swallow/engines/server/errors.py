"""Turns a server's error responses into this package's errors; pure functions."""

import contextlib
import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

import httpx

from langchain_swallow.errors import (
    AuthenticationError,
    EngineError,
    InvalidRequestError,
    ModelUnavailableError,
    PromptOverflowError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
)

_BUSY = (429, 503)
# A retry may succeed: the server, or a proxy in front of it, timed out or was locked.
_PASSING = (408, 409, 425)
# The wordings of vLLM (two), SGLang and llama.cpp.
_OVERFLOW = re.compile(
    r"maximum context length|context window|input tokens and requested|exceeds? the (available )?"
    r"(context|model's)|longer than the model's context|exceed_context_size",
    re.IGNORECASE,
)
# Everything before the last `@`, including a full-width one, because a password may contain `/`,
# `#` or `@`.
_USER_INFO = re.compile(r"^(\w[\w+.-]*:/+)?.*[@＠]", re.DOTALL)
_MAX_SHOWN = 600
CHECK_URL = "Check base_url; it usually ends in /v1."


class UnreadableAnswerError(ServerError):
    """The answer cannot be read; a retry would get the same, so there is none."""


class SilentServerError(ServerConnectionError):
    """The server did not answer in time; it is not asked again."""


class _NotFound(ModelUnavailableError, EngineError):
    """404: the model or the path does not exist."""


class _Overflow(PromptOverflowError, EngineError):
    """400: prompt and answer exceed the server's context window."""


def shown_url(url: str) -> str:
    """Return a URL for error messages, without user name and password."""
    return _USER_INFO.sub(r"\1", url)


def may_hold_password(url: str) -> bool:
    """Whether a URL, or a library's message about it, may contain a password."""
    return _USER_INFO.match(url) is not None


def shorten(value: Any) -> str:
    """Shorten what a server sent, for an error message."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def error_from_response(url: str, response: httpx.Response, body: bytes) -> EngineError:
    """Return the typed error for a response that is not an answer.

    Args:
        url: The request's URL.
        response: The response, with its status and headers.
        body: As much of its body as could be read.
    """
    status = response.status_code
    if 300 <= status < 400:
        target = response.headers.get("location")
        where = f"redirects to {target!r}" if target else "redirects, and does not say where to"
        return UnreadableAnswerError(
            f"{shown_url(url)} answered {status}: it {where}. Redirects are not followed, since "
            "the API key would go along. Use the address of the server itself as base_url."
        )
    return error_from_status(url, status, _reason(body), response.headers)


def error_from_status(
    url: str, status: int, reason: str, headers: Mapping[str, str] | None = None
) -> EngineError:
    """Return the typed error for a status code, which an error within a stream may also have."""
    text = f"{shown_url(url)} answered {status}: {reason}"
    if status in (401, 403):
        return AuthenticationError(f"{text} Pass api_key= with a key of this server.")
    if status == 404:
        hint = "Check base_url (it usually ends in /v1) and the model's name."
        if url.endswith("/completions"):
            hint += (
                " If the server has only /chat/completions, use langchain-openai's ChatOpenAI: "
                "ChatSwallow writes prompts itself."
            )
        return _NotFound(f"{text} {hint}")
    if status in _BUSY:
        busy = ServerBusyError(f"{text} All retries are used; lower max_concurrency.")
        busy.retry_after_s = _retry_after(headers or {})  # type: ignore[attr-defined]
        return busy
    if status >= 500 or status in _PASSING:
        return ServerError(text)
    if _OVERFLOW.search(reason):
        return _Overflow(text)
    return InvalidRequestError(text)


def error_from_message(url: str, data: Any, *, is_error: bool = False) -> EngineError | None:
    """Return the typed error of a JSON message, in any of the forms that servers use.

    Args:
        url: Where the request went.
        data: `{"error": {…}}`, `{"error": "…"}`, `{"object": "error", "message": …}`,
            `{"detail": …}` or `{"message": …}` is an error; anything else is not.
        is_error: Whether the message was sent as an error event, so that any content is an error.
    """
    content = _error_in(data)
    if content is None and not is_error:
        return None
    error = data if content is None else content
    reason, code = _message(error), error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 600:
        return error_from_status(url, code, reason)
    return ServerError(f"{shown_url(url)} failed within the answer: {reason}")


def _error_in(data: Any) -> Any:
    """Return the error within a message; `None` if there is none."""
    if not isinstance(data, dict):
        return None
    if data.get("error"):
        return data["error"]
    if data.get("object") == "error":
        return data
    if "choices" in data or "content" in data or "data" in data:
        return None
    return data if data.get("detail") or data.get("message") else None


def _message(error: Any) -> str:
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return shorten(error)


def transport_error(url: str, error: Exception) -> EngineError:
    """Return the typed error for a failed connection, or for a body that cannot be decoded."""
    where = shown_url(url)
    if isinstance(error, httpx.DecodingError):
        return ServerError(f"{where} sent a body that cannot be decoded: {error}.")
    return ServerConnectionError(
        f"{where} cannot be reached: {error!r}. Start the server, or check base_url; it usually "
        "ends in /v1."
    )


def parse_json(url: str, body: bytes) -> Any:
    """Parse a body as JSON.

    Raises:
        ServerError: The body is not valid JSON, or is an error message.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ServerError(
            f"{shown_url(url)} answered with a body that is not valid JSON: "
            f"{shorten(body[:200].decode('utf-8', 'replace'))!r}. {CHECK_URL}"
        ) from error
    if failed := error_from_message(url, data):
        raise failed
    return data


def _reason(body: bytes) -> str:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")[:300].strip()
    content = _error_in(data)
    return _message(data if content is None else content)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header; it may also be a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        # NaN and negative numbers are not durations.
        return max(0.0, float(value)) if float(value) == float(value) else None
    except ValueError:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None
