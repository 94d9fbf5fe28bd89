"""HTTP connections to servers; all failures become this package's errors.

Every wait has a limit: connecting, sending, discovery, reading an error's body, and silence within
an answer.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from urllib.request import getproxies

import httpx

from langchain_swallow._system.forks import leave_to_parent
from langchain_swallow.engines.server.errors import (
    CHECK_URL,
    SilentServerError,
    UnreadableAnswerError,
    error_from_message,
    error_from_response,
    may_hold_password,
    parse_json,
    shorten,
    shown_url,
    transport_error,
)
from langchain_swallow.engines.server.event_stream import EventDecoder, ServerSentEvent
from langchain_swallow.errors import (
    AuthenticationError,
    GenerationTimeoutError,
    ServerConnectionError,
    ServerError,
    SwallowError,
)

CONNECT_TIMEOUT_S = 10.0
# A server that accepts no part of a request for this long has failed.
_SEND_TIMEOUT_S = 60.0
# A busy server sends nothing until an answer starts, or while it computes another long prompt. This
# is the limit of OpenAI's client, for requests without a `timeout`.
SILENCE_LIMIT_S = 600.0
_ERROR_BODY_LIMIT_S = 5.0
# Maximum size of a body that is not an event stream, and of one event.
_MAX_BODY_BYTES = 32 * 1024**2

# Marks the server's end of the stream (`[DONE]`).
DONE: dict[str, Any] = {}


class Connection:
    """A pool of connections; `reset_after_fork` opens a new one in a forked child.

    Args:
        api_key: Sent as bearer token; `None` sends none.

    Raises:
        AuthenticationError:The key contains characters that are not allowed in a header.
        ServerConnectionError: The environment's proxy or certificate settings are not valid.
    """

    def __init__(self, api_key: str | None) -> None:
        self._headers = authorization(api_key)
        self._client = self._open()

    def _open(self) -> httpx.AsyncClient:
        with typed_settings():
            return httpx.AsyncClient(
                headers=self._headers,
                timeout=_timeout(SILENCE_LIMIT_S),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            )

    def reset_after_fork(self) -> None:
        """In a forked child, open new connections."""
        leave_to_parent(self._client)
        self._client = self._open()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def ask(
        self, method: str, url: str, body: dict[str, Any] | None = None, *, limit_s: float
    ) -> httpx.Response:
        """Return a complete response of any status.

        Raises:
            ServerConnectionError: No response arrives within `limit_s` seconds.
            ServerError: The body cannot be decoded.
        """
        content = None if body is None else json.dumps(body).encode()
        try:
            return await asyncio.wait_for(
                self._client.request(method, url, content=content, headers=_JSON), limit_s
            )
        except (asyncio.TimeoutError, httpx.TimeoutException) as error:
            raise no_answer(url, limit_s) from error
        except Exception as error:  # whatever httpx, anyio and ssl raise
            raise transport_error(url, error) from error

    async def messages(
        self, url: str, body: dict[str, Any], timeout_s: float | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the JSON messages of an answer, and `DONE` when the server ends the stream.

        A body with one message instead of a stream, which a proxy may produce, yields that message.
        Bytes that complete no message, such as keep-alive comments of servers and proxies, count as
        silence.

        Raises:
            EngineError: The server reports an error, or the connection fails.
        """
        silence_s = max(SILENCE_LIMIT_S, timeout_s or 0)
        decoder, head = EventDecoder(), bytearray()
        silent_since, silent_bytes = time.monotonic(), 0
        async with contextlib.aclosing(self._parts(url, body, silence_s)) as parts:
            async for part in parts:
                silent_bytes += len(part)
                for event in decoder.feed(part):
                    if message := _message(url, event):
                        yield message
                    elif _is_done(event):
                        yield DONE
                    else:
                        continue
                    silent_since, silent_bytes = time.monotonic(), 0
                if not decoder.is_event_stream:
                    head += part
                if silent_bytes > _MAX_BODY_BYTES:
                    raise _no_stream(url, bytes(head or part))
                if time.monotonic() - silent_since > silence_s:
                    raise _silent(url, silence_s)
        for event in decoder.end():
            # If the stream was cut off, the lost part is only the rest of the answer.
            with contextlib.suppress(NotJsonError):
                if message := _message(url, event):
                    yield message
        if head.strip() and not decoder.is_event_stream:
            yield _only_message(url, bytes(head))

    async def _parts(
        self, url: str, body: dict[str, Any], silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body of an answer in parts, as they arrive."""
        try:
            async with self._client.stream(
                "POST",
                url,
                content=json.dumps(body).encode(),
                headers=_JSON,
                timeout=_timeout(silence_s),
            ) as response:
                if not response.is_success:
                    raise error_from_response(url, response, await _error_body(response))
                async for part in response.aiter_bytes():
                    yield part
        except SwallowError:
            raise
        except httpx.ReadTimeout as error:
            raise _silent(url, silence_s) from error
        except Exception as error:  # whatever httpx, anyio and ssl raise
            raise transport_error(url, error) from error


class NotJsonError(ServerError):
    """A message of the server is not valid JSON."""


_JSON = {"Content-Type": "application/json"}
_ENCODE = "Write characters such as / # @ in a user's name or password as %2F %23 %40. "


def _timeout(silence_s: float) -> httpx.Timeout:
    return httpx.Timeout(silence_s, connect=CONNECT_TIMEOUT_S, write=_SEND_TIMEOUT_S, pool=None)


def _silent(url: str, silence_s: float) -> GenerationTimeoutError:
    return GenerationTimeoutError(
        f"{shown_url(url)} sent nothing of an answer for {silence_s:g} s. Set timeout= for answers "
        "that take longer."
    )


def no_answer(url: str, limit_s: float) -> SilentServerError:
    """Return the error for a server that accepts connections but does not answer."""
    return SilentServerError(
        f"{shown_url(url)} cannot be reached: it did not answer within {limit_s:g} s. Check the "
        "server's log, or base_url."
    )


async def _error_body(response: httpx.Response) -> bytes:
    """Return as much of an error response's body as arrives within the limit."""
    body = bytearray()

    async def read() -> None:
        async for part in response.aiter_bytes():
            body.extend(part)
            if len(body) > _MAX_BODY_BYTES:
                return

    # Without a body, the status says enough.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(read(), _ERROR_BODY_LIMIT_S)
    return bytes(body)


def _is_done(event: ServerSentEvent) -> bool:
    return event.data.strip() == "[DONE]"


def _message(url: str, event: ServerSentEvent) -> dict[str, Any] | None:
    """Return the JSON of an event; `None` if it has no data."""
    text = event.data.strip()
    if event.name != "error" and (not text or _is_done(event)):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        if event.name == "error" and (failed := error_from_message(url, text, is_error=True)):
            raise failed from error
        raise NotJsonError(
            f"{shown_url(url)} sent a message within the answer that is not valid JSON: "
            f"{shorten(text[:200])!r}."
        ) from error
    if failed := error_from_message(url, data, is_error=event.name == "error"):
        raise failed
    if not isinstance(data, dict):
        raise ServerError(
            f"{shown_url(url)} sent a message that is not a completion: {shorten(data)}."
        )
    return data


def _only_message(url: str, body: bytes) -> dict[str, Any]:
    """Return the only message of a body that is not an event stream.

    Raises:
        EngineError: The body is an error, or is not valid JSON.
    """
    try:
        data = parse_json(url, body)
    except ServerError as error:
        if isinstance(error.__cause__, ValueError | RecursionError):
            raise _no_stream(url, body) from error
        raise
    if not isinstance(data, dict) or not (data.get("choices") or data.get("content")):
        raise _no_stream(url, body)
    return data


def _no_stream(url: str, body: bytes) -> UnreadableAnswerError:
    text = shorten(body[:200].decode("utf-8", "replace"))
    return UnreadableAnswerError(
        f"{shown_url(url)} answered with neither a stream of events nor a completion: "
        f"{text!r}. {CHECK_URL}"
    )


def checked_url(text: str) -> str:
    """Return a server's address in the form that request URLs start with.

    Raises:
        ServerConnectionError: The text is not the URL of an HTTP server.
    """
    expected = 'Pass base_url= with an address such as "http://localhost:8000/v1".'
    try:
        url = httpx.URL(text.strip())
        port = url.port
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        # httpx may take part of a password for a port, and show it in its message.
        is_secret = may_hold_password(str(text))
        why = "" if is_secret else f": {error}"
        raise ServerConnectionError(
            f"base_url={shown_url(str(text))!r} is not a URL{why}. "
            f"{_ENCODE if is_secret else ''}{expected}"
        ) from (None if is_secret else error)
    if url.scheme not in ("http", "https") or not url.host:
        wrong = "does not begin with http:// or https:// and a host"
    elif port is not None and not 0 < port < 65536:
        wrong = f"has port {port}, and ports go from 1 to 65535"
    elif url.query or url.fragment:
        wrong = "has a query or a fragment, after which a path cannot follow"
    else:
        return str(url).rstrip("/")
    raise ServerConnectionError(f"base_url={shown_url(text)!r} {wrong}. {expected}")


def authorization(api_key: str | None) -> dict[str, str]:
    """Return the `Authorization` header with the API key; empty without a key.

    Raises:
        AuthenticationError: The key contains characters that are not allowed in a header.
    """
    if not api_key:
        return {}
    if not (api_key.isascii() and api_key.isprintable() and api_key == api_key.strip()):
        raise AuthenticationError(
            "The API key has a character that an HTTP header cannot have: a line feed or a space "
            "at its end, or one beyond ASCII. Pass api_key= without it."
        )
    return {"Authorization": f"Bearer {api_key}"}


@contextlib.contextmanager
def typed_settings() -> Iterator[None]:
    """Turn errors in the environment's settings, which a client reads when it is created.

    Raises:
        ServerConnectionError: The settings are not valid.
    """
    try:
        yield
    except Exception as error:  # httpx and openai's copy of it raise different classes
        is_secret = not isinstance(error, ImportError | OSError) and any(
            map(may_hold_password, getproxies().values())
        )
        why = f"a proxy's address is not valid. {_ENCODE.strip()}" if is_secret else f"{error}."
        raise ServerConnectionError(
            f"The settings for proxies or certificates in the environment cannot be used: {why} "
            "Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from (None if is_secret else error)
