"""The client of OpenAI-compatible completions servers (vLLM, SGLang, llama.cpp).

Prompts are sent as token ids, so a prompt is the same as in this process. Answers are streamed,
from vLLM also as token ids, and the same `Detokenizer` makes their text. One event loop in one
thread serves all callers over pooled connections.

With several servers, each request goes to the one with the fewest of this client's requests
(`servers`). A request that fails before its first event is sent to another server. One that has
started to stream is not, because the caller has seen part of the answer.
"""

import asyncio
import concurrent.futures
import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import partial
from typing import Any

from langchain_swallow.engines.async_engine import LoopEngine
from langchain_swallow.engines.protocol import UNLOADED, EngineLoad, Event, Request
from langchain_swallow.engines.scoring import score
from langchain_swallow.engines.server.connection import DONE, Connection
from langchain_swallow.engines.server.discovery import discover
from langchain_swallow.engines.server.errors import shown_url
from langchain_swallow.engines.server.protocol import (
    Answer,
    build_constraint,
    build_payload,
    scores_tokens,
)
from langchain_swallow.engines.server.servers import REFUSED, TRANSIENT, Server, Servers
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import tokenizer_from_files
from langchain_swallow.errors import (
    EngineError,
    GrammarError,
    ServerConnectionError,
    SwallowError,
)
from langchain_swallow.prompts.tokenizer import Tokenizer

# How long to wait for the usage and the end of the body after a complete answer. A body that is
# read to its end frees its connection for the next request.
_USAGE_WAIT_S = 5.0
_LAST_WAIT_S = 0.25
_CLOSING_LIMIT_S = 2.0


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
        model=settings.served_model_name or settings.model,
        api_key=settings.api_key,
        max_retries=settings.max_retries,
        context_window=settings.max_model_len,
        prompt_encoding=settings.prompt_encoding,
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
        prompt_encoding: How prompts are sent: `"ids"`, `"text"`, or `"auto"` (default), which
            detects what the server accepts.

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
        prompt_encoding: str = "auto",
    ) -> None:
        self.tokenizer = tokenizer
        self._max_retries = max_retries
        self._connection = Connection(api_key)
        self._context_window = context_window
        ask = partial(
            discover,
            self._connection,
            model=model,
            tokenizer=tokenizer,
            prompt_encoding=prompt_encoding,
        )
        self.servers = Servers(base_urls, ask, max_retries)
        super().__init__()

    def reset_after_fork(self) -> None:
        """In a forked child, open new connections."""
        super().reset_after_fork()
        self._connection.reset_after_fork()
        self.servers.reset()

    @property
    def context_window(self) -> int:
        """Maximum number of tokens of prompt and answer; blocks until discovery is done."""
        if self._context_window is None:
            self.prepare().result()
            windows = [s.flavor.context_window for s in self.servers.known() if s.flavor]
            self._context_window = next(filter(None, windows), None) or 4096
        return self._context_window

    def measure(self) -> EngineLoad:
        """Return how many requests the servers have; whether they wait there is not known."""
        return EngineLoad(sum(server.running for server in self.servers.known()))

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
        if self.servers.known():
            ready: concurrent.futures.Future[None] = concurrent.futures.Future()
            ready.set_result(None)
            return ready
        return asyncio.run_coroutine_threadsafe(
            self.servers.wait_until_known(timeout_s), self._loop
        )

    def check(self, request: Request) -> None:
        """Check that at least one discovered server can enforce the request's grammar.

        Raises:
            GrammarError: No discovered server can.
        """
        refusal: GrammarError | None = None
        for server in self.servers.known():
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
        self.servers.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._connection.close(), _CLOSING_LIMIT_S)

    # Requests

    async def answer(self, request: Request) -> AsyncIterator[Event]:
        """Yield the events of an answer from the first server that succeeds."""
        tries = max(self._max_retries + 1, len(self.servers)) if self._max_retries else 1
        failed: set[Server] = set()
        for attempt in range(tries):
            server = await self.servers.choose(request, failed)
            began = False
            server.running += 1
            try:
                async with contextlib.aclosing(self._ask(server, request)) as events:
                    async for event in events:
                        began = True
                        yield event
                return
            except (*TRANSIENT, *REFUSED) as error:
                failed.add(server)
                if began or attempt + 1 == tries or not self.servers.may_retry(error, failed):
                    raise
                await self.servers.recover(server, error, attempt)
            finally:
                server.running -= 1

    def _ask(self, server: Server, request: Request) -> AsyncGenerator[Event, None]:
        complete = partial(self._complete, server)
        if request.scored_ids and server.flavor and scores_tokens(server.flavor):
            return score(request, self.tokenizer, complete)
        return complete(request)

    async def _complete(self, server: Server, request: Request) -> AsyncGenerator[Event, None]:
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
                f"{shown_url(server.url)} closed the connection before the answer was complete. "
                "Ask again, or see the server's log."
            )
        for event in answer.end():
            yield event


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
