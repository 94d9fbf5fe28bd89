"""The HTTP server: limits how long requests may take to arrive, and shuts down gracefully."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEADERS_TIMEOUT_S = 10.0
# Limit for a whole body; forms have a shorter limit of their own.
_BODY_TIMEOUT_S = 150.0
_MAX_CONNECTIONS = 800
# Time for ended answers to send their last events.
_FINAL_EVENTS_S = 2.0


class _Protocol(H11Protocol):
    """Closes connections whose requests take too long to arrive."""

    _late: asyncio.TimerHandle | None = None
    _awaited_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._late is not None:
            self._late.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Part of the next request may have arrived with this one.
        self._watch()

    def _watch(self) -> None:
        seconds = self._receive_limit_s()
        if seconds == self._awaited_s:
            return
        self._awaited_s = seconds
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if seconds:
            self._late = asyncio.get_running_loop().call_later(seconds, self._give_up)

    def _receive_limit_s(self) -> float:
        """Seconds the client has for the next part of a request; 0 while it waits for an answer."""
        if self.cycle is None or self.cycle.response_complete:
            return _HEADERS_TIMEOUT_S
        return _BODY_TIMEOUT_S if self.cycle.more_body else 0.0

    def _give_up(self) -> None:
        waited_s, self._awaited_s, self._late = self._awaited_s, 0.0, None
        if self._receive_limit_s() == waited_s:
            self.transport.close()


class Stopping:
    """ASGI middleware that ends running requests when the server stops.

    Args:
        app: The application.
        begin: Lets the application refuse new requests.
        end_answers: Ends the answers that are being sent with an error.
    """

    def __init__(
        self, app: ASGIApp, *, begin: Callable[[], None], end_answers: Callable[[], None]
    ) -> None:
        self._app, self._begin, self._end_answers = app, begin, end_answers
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; if it is cancelled, complete its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = {"started": False, "ended": False}

        async def sending(message: Message) -> None:
            await send(message)
            state["started"] = True
            is_body = message["type"] == "http.response.body"
            state["ended"] = is_body and not message.get("more_body", False)

        task = asyncio.ensure_future(self._app(scope, receive, sending))
        self._tasks.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._tasks.discard(task)
            if not task.done():
                task.cancel()
        if not task.cancelled():
            task.result()
        elif state["started"] and not state["ended"]:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def end(self, grace_s: float) -> None:
        """Refuse new requests, wait up to `grace_s` seconds for answers, then end them."""
        self._begin()
        await self._wait(grace_s)
        self._end_answers()
        await self._wait(_FINAL_EVENTS_S)
        for task in list(self._tasks):
            task.cancel()

    async def _wait(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, stopping: Stopping, grace_s: float) -> None:
        super().__init__(config)
        self._stopping, self._grace_s = stopping, grace_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End running requests, then the server.

        It accepts connections until then, so that new requests get a 503 that says when to retry.
        """
        ending = asyncio.ensure_future(self._stopping.end(self._grace_s))
        # A second signal ends the wait immediately.
        while not ending.done() and not self.force_exit:
            await asyncio.wait({ending}, timeout=0.1)
        ending.cancel()
        await super().shutdown(sockets)


def make_server(stopping: Stopping, *, grace_s: float, **options: Any) -> uvicorn.Server:
    """Return a server for an application.

    Args:
        stopping: The application.
        grace_s: Seconds for which answers may continue when the server stops.
        **options: Passed to `uvicorn.Config`.
    """
    config = uvicorn.Config(
        stopping,
        http=_Protocol,
        ws="none",
        log_level="warning",
        # The guard reads proxy headers, from trusted proxies only.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=1,
        **options,
    )
    return _Server(config, stopping, grace_s)
