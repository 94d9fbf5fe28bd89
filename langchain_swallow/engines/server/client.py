"""The client of OpenAI-compatible completions servers (vLLM, SGLang, llama.cpp).

Prompts are sent as token ids, so a prompt is the same as in this process. Answers are streamed,
from vLLM also as token ids, and the same `Detokenizer` makes their text. One event loop in one
thread serves all callers over pooled connections.

The first request, or `prepare`, asks all servers what they serve (discovery), and requests start
with the first server that answers. With several servers, each request goes to the one with the
fewest of this client's requests. A request that fails before its first event is sent to another
server. One that has started to stream is not, because the caller has seen part of the answer. A
server that refuses the API key or does not have the model is left out as long as another one works;
its error is logged.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_swallow.engines.async_engine import LoopEngine
from langchain_swallow.engines.protocol import UNLOADED, Event, Request
from langchain_swallow.engines.server.connection import DONE, Connection, checked_url, no_answer
from langchain_swallow.engines.server.discovery import discover
from langchain_swallow.engines.server.errors import (
    SilentServerError,
    UnreadableAnswerError,
    shown_url,
)
from langchain_swallow.engines.server.protocol import (
    Answer,
    Flavor,
    build_constraint,
    build_payload,
)
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import tokenizer_from_files
from langchain_swallow.errors import (
    AuthenticationError,
    EngineError,
    GenerationTimeoutError,
    GrammarError,
    ModelUnavailableError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
    SwallowError,
)
from langchain_swallow.prompts.tokenizer import Tokenizer

_LOG = logging.getLogger(__name__)

# Time limit for the discovery of one server.
_DISCOVERY_LIMIT_S = 30.0
# How long discovery waits for the other servers after the first, so that all share the load.
_GRACE_S = 0.5
# How long a server is left out after it could not be reached, and after it refused this client.
_REST_S = 5.0
_REFUSED_REST_S = 60.0
_FIRST_BACKOFF_S = 0.25
_MAX_BACKOFF_S = 8.0
# How long to wait for the usage and the end of the body after a complete answer. A body that is
# read to its end frees its connection for the next request.
_USAGE_WAIT_S = 5.0
_LAST_WAIT_S = 0.25
_CLOSING_LIMIT_S = 2.0

_TRANSIENT = (ServerConnectionError, ServerBusyError, ServerError)
_REFUSED = (AuthenticationError, ModelUnavailableError)


@dataclass(slots=True, eq=False)
class Server:
    """One server and its state."""

    url: str
    running: int = 0
    rests_until: float = 0.0
    flavor: Flavor | None = None
    # Why discovery failed.
    failure: SwallowError | None = None
    discovery: "asyncio.Task[None] | None" = None


def connect(settings: LoadSettings) -> "ServerEngine":
    """Return the engine for the servers of these settings, without connecting to them.

    Raises:
        ValueError: The settings have no server.
        ServerConnectionError: An address is not a URL.
        ModelUnavailableError: The tokenizer's files are not available.
    """
    if not settings.base_urls:
        raise ValueError('engine="server" needs base_url, such as "http://localhost:8000/v1".')
    return ServerEngine(
        settings.base_urls,
        tokenizer_from_files(settings),
        model=settings.served_model or settings.model,
        api_key=settings.api_key,
        max_retries=settings.max_retries,
        context_window=settings.max_model_len,
        prompt_as=settings.prompt_as,
    )


class ServerEngine(LoopEngine):
    """The engine for one or several servers of the same model.

    Args:
        base_urls: Addresses, such as `http://host:8000/v1`.
        tokenizer: The checkpoint's tokenizer; see `client_tokenizer`.
        model: Name of the model on the servers; a server with only one model accepts any name.
        api_key: Sent as bearer token; `None` sends none.
        max_retries: Retries of a request that has not started to stream. With several servers, each
            is tried, unless this is 0. Default: 2.
        context_window: Maximum number of tokens of prompt and answer together; `None` asks the
            server.
        prompt_as: How prompts are sent: `"ids"`, `"text"`, or `"auto"` (default), which detects
            what the server accepts.

    No server is contacted before `prepare` or the first request.

    Raises:
        ServerConnectionError: An address is not a URL, or no server can be reached.
        AuthenticationError: The server refuses the API key.
        ModelUnavailableError: The server does not have the model.
    """

    name = "server"

    def __init__(
        self,
        base_urls: Sequence[str],
        tokenizer: Tokenizer,
        *,
        model: str,
        api_key: str | None = None,
        max_retries: int = 2,
        context_window: int | None = None,
        prompt_as: str = "auto",
    ) -> None:
        self.tokenizer = tokenizer
        self._servers = [Server(checked_url(url)) for url in base_urls]
        self._model_name = model
        self._max_retries = max_retries
        self._prompt_as = prompt_as
        self._connection = Connection(api_key)
        self._context_window = context_window
        self._discovery: asyncio.Task[None] | None = None
        super().__init__()

    def reset_after_fork(self) -> None:
        """In a forked child, open new connections."""
        super().reset_after_fork()
        self._connection.reset_after_fork()
        self._discovery = None
        for server in self._servers:
            server.running, server.discovery = 0, None

    @property
    def context_window(self) -> int:
        """Maximum number of tokens of prompt and answer; blocks until discovery is done."""
        if self._context_window is None:
            self.prepare().result()
            windows = [s.flavor.context_window for s in self._known() if s.flavor]
            self._context_window = next(filter(None, windows), None) or 4096
        return self._context_window

    def prepare(self, timeout_s: float | None = None) -> "concurrent.futures.Future[None]":
        """Return a future that is done when a server is discovered.

        All callers share one discovery.

        Args:
            timeout_s: How long this caller waits; `None` leaves only the limits of discovery.

        Raises:
            EngineError: The engine is closed. All other errors are set on the future.
        """
        if self._closed_because:
            raise EngineError(UNLOADED)
        if self._known():
            ready: concurrent.futures.Future[None] = concurrent.futures.Future()
            ready.set_result(None)
            return ready
        return asyncio.run_coroutine_threadsafe(self._wait_until_known(timeout_s), self._loop)

    def check(self, request: Request) -> None:
        """Check that at least one discovered server can enforce the request's grammar.

        Raises:
            GrammarError: No discovered server can.
        """
        refusal: GrammarError | None = None
        for server in self._known():
            if request.grammar and server.flavor:
                try:
                    build_constraint(request.grammar, server.flavor)
                except GrammarError as error:
                    refusal = error
                else:
                    return
        if refusal:
            raise refusal

    async def shut_down(self) -> None:
        """Close the connections."""
        discoveries = [self._discovery, *(server.discovery for server in self._servers)]
        for discovery in filter(None, discoveries):
            discovery.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._connection.close(), _CLOSING_LIMIT_S)

    # Requests

    async def answer(self, request: Request) -> AsyncIterator[Event]:
        """Yield the events of an answer from the first server that succeeds."""
        tries = max(self._max_retries + 1, len(self._servers)) if self._max_retries else 1
        failed: set[Server] = set()
        for attempt in range(tries):
            server = await self._choose(failed)
            began = False
            server.running += 1
            try:
                async with contextlib.aclosing(self._ask(server, request)) as events:
                    async for event in events:
                        began = True
                        yield event
                return
            except (*_TRANSIENT, *_REFUSED) as error:
                failed.add(server)
                if began or attempt + 1 == tries or not self._may_go_on(error, failed):
                    raise
                await self._recover(server, error, attempt)
            finally:
                server.running -= 1

    def _known(self) -> list[Server]:
        return [server for server in self._servers if server.flavor]

    async def _choose(self, failed: set[Server]) -> Server:
        """Return the server with the fewest requests, preferring servers that did not just fail."""
        if not self._known():
            await self._wait_until_known(None)
        now = time.monotonic()
        for server in self._servers:
            if server.flavor is None and server.rests_until <= now:
                self._begin_discovery(server)
        known = self._known()
        untried = [s for s in known if s not in failed] or known
        awake = [s for s in untried if s.rests_until <= now]
        return min(awake or untried, key=lambda s: (s.running, random.random()))

    def _may_go_on(self, error: SwallowError, failed: set[Server]) -> bool:
        """Whether a retry may succeed."""
        if isinstance(error, (UnreadableAnswerError, *_REFUSED)):
            return any(server not in failed for server in self._known())
        return True

    async def _recover(self, server: Server, error: SwallowError, attempt: int) -> None:
        """Leave out a failed server for a while; wait, unless another server is available."""
        pause = _pause(error, attempt)
        server.rests_until = time.monotonic() + _rest(error, pause)
        if all(other.rests_until > time.monotonic() for other in self._known()):
            await asyncio.sleep(pause)

    async def _ask(self, server: Server, request: Request) -> AsyncGenerator[Event, None]:
        flavor = server.flavor
        assert flavor is not None
        answer = Answer(request, self.tokenizer, flavor)
        body = build_payload(request, self.tokenizer, flavor)
        url = flavor.completions_url(server.url)
        messages = self._connection.messages(url, body, request.timeout_s)
        async with contextlib.aclosing(messages):
            async for message in _until_whole(messages, answer):
                for event in answer.read(message):
                    yield event
        if not answer.is_whole:
            raise ServerConnectionError(
                f"{shown_url(server.url)} ended the stream within the answer."
            )
        for event in answer.end():
            yield event

    # Discovery

    async def _wait_until_known(self, timeout_s: float | None) -> None:
        """Wait for the discovery in progress, or start one."""
        if self._known():
            return
        if self._discovery is None or self._discovery.done():
            self._discovery = asyncio.create_task(self._discover_any())
            # Callers that wait get the error. This retrieves it in case none is left.
            self._discovery.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait_for(asyncio.shield(self._discovery), timeout_s)
        except asyncio.CancelledError:
            if self._closed_because:
                raise EngineError(UNLOADED) from None
            raise
        except SwallowError:
            raise
        except asyncio.TimeoutError:
            urls = ", ".join(shown_url(server.url) for server in self._servers)
            raise GenerationTimeoutError(
                f"{urls} did not report within timeout={timeout_s} s which model is served. "
                "Raise timeout, or check base_url."
            ) from None

    async def _discover_any(self) -> None:
        """Query all servers until one answers or no retry is left."""
        for attempt in range(self._max_retries + 1):
            candidates = [s for s in self._servers if s.failure is None or _may_pass(s.failure)]
            await self._discover_first(candidates if attempt else self._servers)
            if self._known():
                return
            failures = [s.failure for s in self._servers if s.failure]
            passing = [failure for failure in failures if _may_pass(failure)]
            if attempt == self._max_retries or not passing:
                break
            await asyncio.sleep(_pause(passing[0], attempt))
        # A permanent failure is more useful to the user than a transient one.
        raise next((f for f in failures if isinstance(f, _REFUSED)), failures[0])

    async def _discover_first(self, servers: Sequence[Server]) -> None:
        """Query servers concurrently; wait for the first answer, then briefly for the others."""
        pending = {self._begin_discovery(server) for server in servers}
        while pending and not self._known():
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if pending:
            await asyncio.wait(pending, timeout=_GRACE_S)

    def _begin_discovery(self, server: Server) -> "asyncio.Task[None]":
        if server.discovery is None or server.discovery.done():
            server.discovery = asyncio.create_task(self._discover(server))
        return server.discovery

    async def _discover(self, server: Server) -> None:
        """Query one server, and store what it serves or why the query failed."""
        try:
            discovery = discover(
                self._connection,
                server.url,
                model=self._model_name,
                tokenizer=self.tokenizer,
                prompt_as=self._prompt_as,
            )
            server.flavor = await asyncio.wait_for(discovery, _DISCOVERY_LIMIT_S)
            server.failure = None
        except asyncio.TimeoutError:
            server.failure = no_answer(server.url, _DISCOVERY_LIMIT_S)
        except SwallowError as error:
            server.failure = error
        except Exception as error:  # reported to the waiting callers
            server.failure = EngineError(f"{shown_url(server.url)} is not understood: {error!r}")
            server.failure.__cause__ = error
        if server.failure is not None:
            server.rests_until = time.monotonic() + _rest(server.failure, _REST_S)
            if len(self._servers) > 1:
                _LOG.warning("A server is left out: %s", server.failure)


async def _until_whole(
    messages: AsyncGenerator[dict[str, Any], None], answer: Answer
) -> AsyncIterator[dict[str, Any]]:
    """Yield the messages of an answer; once it is complete, wait only briefly for more."""
    deadline: float | None = None
    is_done = False
    while True:
        limit_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            message = await asyncio.wait_for(anext(messages), limit_s)
        except StopAsyncIteration:
            return
        except SwallowError as error:
            if answer.is_whole and isinstance(error, ServerConnectionError):
                return
            raise
        except asyncio.TimeoutError:
            return
        if message is DONE:
            is_done = True
        elif not is_done:
            yield message
        if is_done or answer.is_complete:
            deadline = min(deadline or math.inf, time.monotonic() + _LAST_WAIT_S)
        elif answer.is_whole and deadline is None:
            deadline = time.monotonic() + _USAGE_WAIT_S


def _may_pass(error: SwallowError) -> bool:
    """Whether the error is transient, so that a retry may succeed."""
    final = (SilentServerError, UnreadableAnswerError)
    return isinstance(error, _TRANSIENT) and not isinstance(error, final)


def _pause(error: SwallowError, attempt: int) -> float:
    """Seconds before the next retry: the server's Retry-After, or exponential backoff."""
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        return min(retry_after_s, _MAX_BACKOFF_S)
    return min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2**attempt) * random.uniform(0.5, 1.0)


def _rest(error: SwallowError, pause: float) -> float:
    """Seconds for which a failed server is left out."""
    if isinstance(error, _REFUSED):
        return _REFUSED_REST_S
    return _REST_S if isinstance(error, ServerConnectionError) else pause
