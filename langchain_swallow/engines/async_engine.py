"""Runs an event loop in its own thread, for engines whose libraries are asynchronous."""

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from langchain_swallow._system.forks import leave_to_parent, register_fork_reset
from langchain_swallow.engines.protocol import UNLOADED, Event, Request, Sink, check_fits
from langchain_swallow.errors import EngineError, GenerationTimeoutError, SwallowError
from langchain_swallow.prompts.tokenizer import Tokenizer

T = TypeVar("T")
_LAST_WAIT_S = 1.0


class LoopEngine:
    """An engine that answers with an asynchronous iterator; its methods are thread-safe."""

    name: str
    tokenizer: Tokenizer

    def __init__(self) -> None:
        # The reason why the engine refuses requests; `None` while it is open.
        self._closed_because: str | None = None
        self._begin()
        register_fork_reset(self)

    def _begin(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="swallow", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether the engine refuses requests."""
        return self._closed_because is not None

    @property
    def context_window(self) -> int:
        """Maximum number of tokens of the prompt and the answer together."""
        raise NotImplementedError

    def reset_after_fork(self) -> None:
        """In a forked child, start a new loop without closing the parent's."""
        if not self._closed_because:
            leave_to_parent(self._loop)
            self._begin()

    def answer(self, request: Request) -> AsyncIterator[Event]:
        """Yield the events of one answer."""
        raise NotImplementedError

    async def shut_down(self) -> None:
        """Free all resources of the engine."""
        raise NotImplementedError

    def submit(self, request: Request, sink: Sink) -> "concurrent.futures.Future[None]":
        """Start a request; `sink` gets its events from the loop's thread.

        Raises:
            PromptOverflowError: Prompt and answer do not fit the context window.
            EngineError: The engine is closed.
        """
        if self._closed_because:
            raise EngineError(self._closed_because)
        check_fits(request, self.context_window)
        return asyncio.run_coroutine_threadsafe(self._serve(request, sink), self._loop)

    def release_cpu_threads(self) -> None:
        """Do nothing: the calling thread holds no resource that this engine needs."""

    def close(self) -> None:
        """End running requests with `EngineError` and free everything; safe to call twice."""
        if self._closed_because:
            return
        self._closed_because = UNLOADED
        self.wait(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and block until it ends; call it from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end_all(self) -> None:
        others = [t for t in asyncio.all_tasks() if t.get_name().startswith("answer")]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_LAST_WAIT_S)
        await self.shut_down()
        # asyncio closes the library generators of a cancelled answer in separate tasks.
        if remaining := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(remaining, timeout=_LAST_WAIT_S)

    async def _serve(self, request: Request, sink: Sink) -> None:
        """Pass every event of an answer to the sink, or one error."""
        task = asyncio.current_task()
        assert task is not None
        task.set_name(f"answer {id(task)}")
        try:
            await asyncio.wait_for(self._deliver(request, sink), request.timeout_s)
        except SwallowError as error:  # before TimeoutError, which some SwallowErrors derive from
            sink(error)
        except asyncio.TimeoutError:
            sink(
                GenerationTimeoutError(
                    f"No complete answer within timeout={request.timeout_s} s. "
                    "Raise timeout or lower max_tokens."
                )
            )
        except asyncio.CancelledError:
            if self._closed_because:
                sink(EngineError("The model was unloaded during generation."))
            raise
        except Exception as error:  # reported to the caller
            failed = EngineError(f"Generation failed: {error!r}")
            failed.__cause__ = error
            sink(failed)

    async def _deliver(self, request: Request, sink: Sink) -> None:
        events = self.answer(request)
        try:
            async for event in events:
                sink(event)
        finally:
            # Closing the generator stops generation; garbage collection would do it too late.
            await events.aclose()  # type: ignore[attr-defined]
