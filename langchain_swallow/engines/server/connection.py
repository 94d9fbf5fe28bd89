"""HTTP with one server after another: whatever goes wrong there is this package's error.

Every wait has a limit: connecting, sending, a question about the server, an error's body, and
silence within an answer.
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
# A server that reads nothing of a request for so long has stopped.
_SEND_TIMEOUT_S = 60.0
# A busy server sends nothing until it begins an answer, or while another prompt is long. This is
# the limit of OpenAI's client, for requests without a `timeout` of their own.
SILENCE_LIMIT_S = 600.0
_ERROR_BODY_LIMIT_S = 5.0
# The longest body that is read whole because it is not an event stream, and the longest event.
_MAX_BODY_BYTES = 32 * 1024**2

# What a stream of messages has where the server says that all were sent.
DONE: dict[str, Any] = {}


class Connection:
    """A pool of connections; in a forked child `reset_after_fork` makes another.

    Args:
        api_key: Sent as bearer token.

    Raises:
        AuthenticationError: The key has characters that a header cannot have.
        ServerConnectionError: The proxy or certificate settings of the environment are wrong.
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
        """In a forked child: connections of its own."""
        leave_to_parent(self._client)
        self._client = self._open()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def ask(
        self, method: str, url: str, body: dict[str, Any] | None = None, *, limit_s: float
    ) -> httpx.Response:
        """A whole response, of any status.

        Raises:
            ServerConnectionError: No response comes within `limit_s` seconds.
            ServerError: Its body cannot be decoded.
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
        """The JSON messages of an answer, and `DONE` where the server says that it is whole.

        A body that is one message and not a stream, as a proxy may make of it, is that message.
        Bytes that complete no message, such as the comments with which servers and proxies keep a
        connection open, are silence.

        Raises:
            EngineError: As the server says, or as the connection ends.
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
            # Where it is cut off, what was lost is the rest of the answer.
            with contextlib.suppress(NotJsonError):
                if message := _message(url, event):
                    yield message
        if head.strip() and not decoder.is_event_stream:
            yield _only_message(url, bytes(head))

    async def _parts(
        self, url: str, body: dict[str, Any], silence_s: float
    ) -> AsyncGenerator[bytes, None]:
        """The body of an answer as it comes."""
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
    """A message that is not JSON."""


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
    """The error of a server that is there and says nothing."""
    return SilentServerError(
        f"{shown_url(url)} cannot be reached: it did not answer within {limit_s:g} s."
    )


async def _error_body(response: httpx.Response) -> bytes:
    """The body of a refusal, as much as comes within the limit."""
    body = bytearray()

    async def read() -> None:
        async for part in response.aiter_bytes():
            body.extend(part)
            if len(body) > _MAX_BODY_BYTES:
                return

    # The status tells enough where the body does not come.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(read(), _ERROR_BODY_LIMIT_S)
    return bytes(body)


def _is_done(event: ServerSentEvent) -> bool:
    return event.data.strip() == "[DONE]"


def _message(url: str, event: ServerSentEvent) -> dict[str, Any] | None:
    """The JSON of an event; `None` if it has none."""
    text = event.data.strip()
    if event.name != "error" and (not text or _is_done(event)):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        if event.name == "error" and (failed := error_from_message(url, text, is_error=True)):
            raise failed from error
        raise NotJsonError(
            f"{shown_url(url)} sent what is not JSON within the answer: {shorten(text[:200])!r}."
        ) from error
    if failed := error_from_message(url, data, is_error=event.name == "error"):
        raise failed
    if not isinstance(data, dict):
        raise ServerError(f"{shown_url(url)} sent what is not a completion: {shorten(data)}.")
    return data


def _only_message(url: str, body: bytes) -> dict[str, Any]:
    """A body that is not a stream of events, as its one message.

    Raises:
        EngineError: It is an error, or nothing that could be read.
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
        f"{shown_url(url)} answered with what is neither a stream of events nor a completion: "
        f"{text!r}. {CHECK_URL}"
    )


def checked_url(text: str) -> str:
    """The address of a server, as requests to it begin.

    Raises:
        ServerConnectionError: It is not the address of an HTTP server.
    """
    expected = 'Pass base_url= with an address such as "http://localhost:8000/v1".'
    try:
        url = httpx.URL(text.strip())
        port = url.port
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        # httpx takes half of a password for a port, and names it.
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
        wrong = "has a query or a fragment, behind which no path can be"
    else:
        return str(url).rstrip("/")
    raise ServerConnectionError(f"base_url={shown_url(text)!r} {wrong}. {expected}")


def authorization(api_key: str | None) -> dict[str, str]:
    """The header with the API key.

    Raises:
        AuthenticationError: The key has characters that a header cannot have.
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
    """Settings of the environment that a client reads when it is made.

    Raises:
        ServerConnectionError: They cannot be used.
    """
    try:
        yield
    except Exception as error:  # httpx, and the copy of it that openai brings, raise their own
        is_secret = not isinstance(error, ImportError | OSError) and any(
            map(may_hold_password, getproxies().values())
        )
        why = f"a proxy's address is not valid. {_ENCODE.strip()}" if is_secret else f"{error}."
        raise ServerConnectionError(
            f"The settings for proxies or certificates in the environment cannot be used: {why} "
            "Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
        ) from (None if is_secret else error)
