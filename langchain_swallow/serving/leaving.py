"""Work that ends when the client that waits for it leaves."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")
_END: Any = object()


class ClientLeftError(Exception):
    """Nobody waits for the answer."""


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, which is cancelled when the request's client leaves.

    The request's body must have been read before.

    Raises:
        ClientLeftError: The client has left.
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
    event: asyncio.Event, items: AsyncGenerator[T, None], error: type[Exception]
) -> AsyncIterator[T]:
    """The items of an iterator, until an event is set: then an error, whatever is waited for.

    One task makes all items, each when it is asked for: a generator must not change its task.
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
    ending = asyncio.ensure_future(event.wait())
    ending.add_done_callback(lambda _: making.cancel())
    try:
        while (item := await results.get()) is not _END:
            yield item
            requested.release()
        if event.is_set():
            raise error
        await making
    finally:
        ending.cancel()
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
