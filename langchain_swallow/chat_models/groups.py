"""Thread pools whose answers are cancelled together on Ctrl-C.

On exit, a plain thread pool waits for its threads, so a batch would still be generated to its end
after Ctrl-C. On Ctrl-C, a group cancels every answer that its threads wait for.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Interruptible(Protocol):
    """An answer that a thread waits for."""

    def interrupt(self) -> None:
        """Cancel the answer and wake the thread."""


class AnswerGroup:
    """A thread pool whose answers belong together.

    Args:
        workers: Maximum number of concurrent calls.

    As in LangChain's pools, an exception of a call is raised after the running calls have ended,
    and calls that have not started are dropped. `KeyboardInterrupt`, and any other exception that
    does not derive from `Exception`, is raised immediately.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._answers: set[Interruptible] = set()
        self._is_interrupted = False

    def __enter__(self) -> "AnswerGroup":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_interrupted = kind is not None and not issubclass(kind, Exception)
        if is_interrupted:
            self._interrupt()
        self._pool.shutdown(wait=not is_interrupted, cancel_futures=kind is not None)

    def submit(self, call: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Run a call in the caller's context, including callbacks and tracers."""
        context = copy_context()
        context.run(_group.set, self)
        return self._pool.submit(context.run, call, *arguments)

    def add(self, answer: Interruptible) -> None:
        """Register an answer; it is interrupted with the group, or now if that has happened."""
        with self._lock:
            self._answers.add(answer)
            is_late = self._is_interrupted
        if is_late:
            answer.interrupt()

    def discard(self, answer: Interruptible) -> None:
        """Unregister an answer that has ended."""
        with self._lock:
            self._answers.discard(answer)

    def _interrupt(self) -> None:
        with self._lock:
            self._is_interrupted = True
            answers = list(self._answers)
        for answer in answers:
            answer.interrupt()


_group: ContextVar[AnswerGroup | None] = ContextVar("swallow_answer_group", default=None)


def current_group() -> AnswerGroup | None:
    """Return the group of the calling thread; `None` if it has none."""
    return _group.get()
