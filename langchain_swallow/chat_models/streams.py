"""Iterators over an engine's events, for a waiting thread or for an event loop.

Requests need no thread of their own. Leaving the `with` block of a stream, or cancelling the task,
cancels the request.
"""

import asyncio
import contextlib
import queue
from collections.abc import AsyncIterator, Iterator

from langchain_swallow.chat_models.groups import current_group
from langchain_swallow.chat_models.submitting import submit
from langchain_swallow.chat_models.thinking import ThinkingRequest
from langchain_swallow.engines.protocol import Chunk, Engine, Event, Finish, Preparing, Request
from langchain_swallow.errors import EngineError


def wait_until_ready(engine: Engine, timeout_s: float | None) -> None:
    """Block until an engine can take requests; most engines can immediately.

    Raises:
        SwallowError: As the engine reports it.
    """
    if isinstance(engine, Preparing):
        engine.prepare(timeout_s).result()


async def until_ready(engine: Engine, timeout_s: float | None) -> None:
    """`wait_until_ready` for an event loop: no thread blocks, so it can be cancelled."""
    if isinstance(engine, Preparing):
        await asyncio.wrap_future(engine.prepare(timeout_s))


class Stream:
    """Iterates over the events of one request, which the constructor submits; blocks the thread.

    `ticket` is the engine's ticket of the request.

    Raises (while iterating):
        SwallowError: As the engine reports it.
    """

    def __init__(self, engine: Engine, request: Request | ThinkingRequest) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.ticket = submit(engine, request, self._events.put)
        self._group = current_group()
        if self._group is not None:
            self._group.add(self)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the rest of the answer."""
        self.ticket.cancel()
        if self._group is not None:
            self._group.discard(self)

    def interrupt(self) -> None:
        """Cancel the request from another thread; the waiting thread gets an `EngineError`."""
        self.ticket.cancel()
        self._events.put(EngineError("The answer was cancelled: its batch was interrupted."))

    def __iter__(self) -> Iterator[Chunk | Finish]:
        while True:
            event = self._events.get()
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, Finish):
                return


class AsyncStream:
    """`Stream` for an event loop: no thread blocks."""

    def __init__(self, engine: Engine, request: Request | ThinkingRequest) -> None:
        loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

        def sink(event: Event) -> None:
            # The loop may be closed if the program has ended while the engine was running.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._events.put_nowait, event)

        self.ticket = submit(engine, request, sink)

    def __enter__(self) -> "AsyncStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the rest of the answer."""
        self.ticket.cancel()

    async def __aiter__(self) -> AsyncIterator[Chunk | Finish]:
        while True:
            event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, Finish):
                return
