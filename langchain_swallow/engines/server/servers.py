"""The servers of an engine: what each serves, which one takes the next request, which ones rest.

The first request asks all servers what they serve (discovery), and requests start with the first
server that answers. A server that fails is left out for a while; one that refuses the API key or
does not have the model is left out as long as another one works, and its error is logged.
"""

import asyncio
import logging
import random
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from langchain_swallow.engines.protocol import UNLOADED, Request
from langchain_swallow.engines.server.connection import checked_url, no_answer
from langchain_swallow.engines.server.errors import (
    SilentServerError,
    UnreadableAnswerError,
    shown_url,
)
from langchain_swallow.engines.server.protocol import Flavor
from langchain_swallow.errors import (
    AuthenticationError,
    EngineError,
    GenerationTimeoutError,
    ModelUnavailableError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
    SwallowError,
)

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

TRANSIENT = (ServerConnectionError, ServerBusyError, ServerError)
REFUSED = (AuthenticationError, ModelUnavailableError)


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


class Servers:
    """All servers of an engine; its coroutines run on the engine's event loop.

    Args:
        urls: Addresses, such as `http://host:8000/v1`.
        discover: Queries the server at an address for what it serves.
        max_retries: Retries of the discovery.

    Raises:
        ServerConnectionError: An address is not a URL.
    """

    def __init__(
        self,
        urls: Sequence[str],
        discover: Callable[[str], Awaitable[Flavor]],
        max_retries: int,
    ) -> None:
        self._servers = [Server(checked_url(url)) for url in urls]
        self._discover_url = discover
        self._max_retries = max_retries
        self._is_closed = False
        self.reset()

    def __len__(self) -> int:
        return len(self._servers)

    def reset(self) -> None:
        """Forget the discoveries and requests in progress, which a forked child does not have."""
        self._discovery: asyncio.Task[None] | None = None
        self._chosen: weakref.WeakKeyDictionary[object, Server] = weakref.WeakKeyDictionary()
        for server in self._servers:
            server.running, server.discovery = 0, None

    def close(self) -> None:
        """Cancel discoveries in progress; those who wait for them get an `EngineError`."""
        self._is_closed = True
        for discovery in (self._discovery, *(server.discovery for server in self._servers)):
            if discovery is not None:
                discovery.cancel()

    def known(self) -> list[Server]:
        """Return the servers that are discovered."""
        return [server for server in self._servers if server.flavor]

    async def choose(self, request: Request, failed: set[Server]) -> Server:
        """Return the server for a request: the one that has its prefix, or the least busy one.

        Servers that did not just fail are preferred.
        """
        if not self.known():
            await self.wait_until_known(None)
        now = time.monotonic()
        for server in self._servers:
            if server.flavor is None and server.rests_until <= now:
                self._begin_discovery(server)
        known = self.known()
        untried = [s for s in known if s not in failed] or known
        awake = [s for s in untried if s.rests_until <= now]
        candidates = awake or untried
        chosen = self._chosen.get(request.part_of) if request.part_of else None
        if chosen not in candidates:
            chosen = min(candidates, key=lambda s: (s.running, random.random()))
        if request.part_of:
            self._chosen[request.part_of] = chosen
        return chosen

    def may_retry(self, error: SwallowError, failed: set[Server]) -> bool:
        """Whether a retry may succeed."""
        if isinstance(error, (UnreadableAnswerError, *REFUSED)):
            return any(server not in failed for server in self.known())
        return True

    async def recover(self, server: Server, error: SwallowError, attempt: int) -> None:
        """Leave out a failed server for a while; wait, unless another server is available."""
        pause = _pause(error, attempt)
        server.rests_until = time.monotonic() + _rest(error, pause)
        if all(other.rests_until > time.monotonic() for other in self.known()):
            await asyncio.sleep(pause)

    # Discovery

    async def wait_until_known(self, timeout_s: float | None) -> None:
        """Wait for the discovery in progress, or start one.

        Args:
            timeout_s: How long this caller waits; `None` leaves only the limits of discovery.
        """
        if self.known():
            return
        if self._discovery is None or self._discovery.done():
            self._discovery = asyncio.create_task(self._discover_any())
            # Callers that wait get the error. This retrieves it in case none is left.
            self._discovery.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait_for(asyncio.shield(self._discovery), timeout_s)
        except asyncio.CancelledError:
            if self._is_closed:
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
            if self.known():
                return
            failures = [s.failure for s in self._servers if s.failure]
            passing = [failure for failure in failures if _may_pass(failure)]
            if attempt == self._max_retries or not passing:
                break
            await asyncio.sleep(_pause(passing[0], attempt))
        # A permanent failure is more useful to the user than a transient one.
        raise next((f for f in failures if isinstance(f, REFUSED)), failures[0])

    async def _discover_first(self, servers: Sequence[Server]) -> None:
        """Query servers concurrently; wait for the first answer, then briefly for the others."""
        pending = {self._begin_discovery(server) for server in servers}
        while pending and not self.known():
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
            discovery = self._discover_url(server.url)
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


def _may_pass(error: SwallowError) -> bool:
    """Whether the error is transient, so that a retry may succeed."""
    final = (SilentServerError, UnreadableAnswerError)
    return isinstance(error, TRANSIENT) and not isinstance(error, final)


def _pause(error: SwallowError, attempt: int) -> float:
    """Seconds before the next retry: the server's Retry-After, or exponential backoff."""
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        return min(retry_after_s, _MAX_BACKOFF_S)
    return min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2**attempt) * random.uniform(0.5, 1.0)


def _rest(error: SwallowError, pause: float) -> float:
    """Seconds for which a failed server is left out."""
    if isinstance(error, REFUSED):
        return _REFUSED_REST_S
    return _REST_S if isinstance(error, ServerConnectionError) else pause
