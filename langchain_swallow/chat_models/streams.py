"""An engine's events as an iterator: for a thread that waits, or for an event loop.

No request has a thread of its own. Leaving the `with` block of a stream, or cancelling the task,
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
    """Wait until an engine can take requests; most can at once.

    Raises:
        SwallowError: As the engine reports it.
    """
    if isinstance(engine, Preparing):
        engine.prepare(timeout_s).result()


async def until_ready(engine: Engine, timeout_s: float | None) -> None:
    """`wait_until_ready` for an event loop: no thread waits, so cancelling ends it."""
    if isinstance(engine, Preparing):
        await asyncio.wrap_future(engine.prepare(timeout_s))


class Stream:
    """The events of one request, for a thread that waits; submitted when made.

    `ticket` is what the engine gave for it.

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
        """Cancel what is left."""
        self.ticket.cancel()
        if self._group is not None:
            self._group.discard(self)

    def interrupt(self) -> None:
        """Cancel the request from another thread; the one that waits gets an `EngineError`."""
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
    """`Stream` for an event loop: no thread waits."""

    def __init__(self, engine: Engine, request: Request | ThinkingRequest) -> None:
        loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

        def sink(event: Event) -> None:
            # The loop may be closed when its program ended while the engine still ran.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._events.put_nowait, event)

        self.ticket = submit(engine, request, sink)

    def __enter__(self) -> "AsyncStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is left."""
        self.ticket.cancel()

    async def __aiter__(self) -> AsyncIterator[Chunk | Finish]:
        while True:
            event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, Finish):
                return
