"""Cancels work when the client that waits for it disconnects."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")
_END: Any = object()


class ClientLeftError(Exception):
    """The client has disconnected."""


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine; cancel it if the request's client disconnects.

    The request's body must be read before.

    Raises:
        ClientLeftError: The client has disconnected.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeftError
        return task.result()
    finally:
        task.cancel()
        leaving.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def until(
    event: asyncio.Event,
    items: AsyncGenerator[T, None],
    error: Callable[[], Exception],
    *,
    limit_s: float | None = None,
    late: Callable[[], Exception] = TimeoutError,
) -> AsyncIterator[T]:
    """Yield the items of an iterator; raise `error` as soon as `event` is set.

    Args:
        event: Ends the iterator.
        items: The iterator. One task produces all items on demand, because a generator must not
            change its task.
        error: Makes the error after the event.
        limit_s: Maximum number of seconds for all items; `None`, the default, is unlimited.
        late: Makes the error after the limit.
    """
    results: asyncio.Queue[Any] = asyncio.Queue()
    requested = asyncio.Semaphore(0)

    async def make() -> None:
        try:
            async with contextlib.aclosing(items):
                async for item in items:
                    results.put_nowait(item)
                    await requested.acquire()
        finally:
            results.put_nowait(_END)

    making = asyncio.ensure_future(make())
    reasons: list[Callable[[], Exception]] = []

    def end(reason: Callable[[], Exception]) -> None:
        # It may have ended by itself just now.
        if making.cancel():
            reasons.append(reason)

    ending = asyncio.ensure_future(event.wait())
    ending.add_done_callback(lambda task: None if task.cancelled() else end(error))
    timer = limit_s and asyncio.get_running_loop().call_later(limit_s, end, late)
    try:
        while (item := await results.get()) is not _END:
            yield item
            requested.release()
        if reasons:
            raise reasons[0]()
        await making
    finally:
        if timer:
            timer.cancel()
        ending.cancel()
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
