"""Limits how many answers and uploads there are at the same time, and how many answers wait."""

import asyncio
import contextlib
import math
import time
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.refusals import BusyError
from langchain_swallow.serving.uploads import Limits

_MIN_RETRY_S, _MAX_RETRY_S = 1, 60
# Weight of the latest answer in the average duration.
_LATEST = 0.2


class Admission:
    """Places for answers.

    Args:
        running: Maximum number of answers that are generated at the same time.
        waiting: Maximum number of answers that wait; one more is refused.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._max_running, self._max_waiting = running, waiting
        self._turns = asyncio.Semaphore(running)
        # A stream that nobody begins to read never runs, and so never releases its place: weak
        # references count only those that still exist.
        self._places: weakref.WeakSet[Place] = weakref.WeakSet()
        self.running = 0
        self._average_s = 0.0

    @property
    def waiting(self) -> int:
        """Number of answers that wait for a turn, or for an earlier answer of their session."""
        return len(self._places) - self.running

    def place(self) -> "Place":
        """Reserve a place for an answer.

        Raises:
            BusyError: All places are taken (429); `retry_after_s` is when one is likely to be free.
        """
        if len(self._places) >= self._max_running + self._max_waiting:
            wait_s = self._retry_after_s()
            raise BusyError(
                in_language(
                    f"サーバーが混んでいます。{wait_s} 秒後にもう一度送ってください。",
                    f"The server is busy. Try again in {wait_s} s.",
                ),
                status=429,
                retry_after_s=wait_s,
            )
        place = Place(self)
        self._places.add(place)
        return place

    def _retry_after_s(self) -> int:
        """Return the seconds after which the answers that wait now are likely to have begun."""
        wait_s = math.ceil(self._average_s * (self.waiting + 1) / self._max_running)
        return min(max(wait_s, _MIN_RETRY_S), _MAX_RETRY_S)

    @contextlib.asynccontextmanager
    async def turn(self, place: "Place") -> AsyncIterator[None]:
        """Wait until an answer may be generated; at the end the next one may."""
        try:
            async with self._turns:
                self.running += 1
                began = time.monotonic()
                try:
                    yield
                finally:
                    self.running -= 1
                    took_s = time.monotonic() - began
                    share = _LATEST if self._average_s else 1
                    self._average_s += share * (took_s - self._average_s)
        finally:
            self._places.discard(place)


@dataclass(frozen=True, eq=False)
class Place:
    """A place of an answer, until its turn ends or nothing refers to it."""

    admission: Admission

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Wait until the answer may be generated; see `Admission.turn`."""
        return self.admission.turn(self)


class UploadPlaces:
    """Places for requests with documents, as many as the limits have."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Take a place for a client's request until the block ends.

        Raises:
            BusyError: The client (429) or the server (503) has no place left.
        """
        limit = self._limits.concurrent_client_uploads
        if self._taken[client] >= limit:
            raise BusyError(
                in_language(
                    f"同時に送れるのは {limit} 件までです。",
                    f"A client may send {limit} uploads at a time.",
                ),
                status=429,
                retry_after_s=5,
            )
        if self._taken.total() >= self._limits.concurrent_uploads:
            raise BusyError(
                in_language(
                    "ほかの文書を読んでいます。しばらくしてからもう一度送ってください。",
                    "The server is reading other documents. Send these again later.",
                ),
                status=503,
                retry_after_s=10,
            )
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
