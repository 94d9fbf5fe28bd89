"""Call a model concurrently; a call that fails does not stop the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Generic, TypeVar

from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from tqdm import tqdm

T = TypeVar("T")

# With a wrong API key or a server that is down, every call fails, so do not try all of them.
_MAX_CONSECUTIVE_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Failure(Generic[T]):
    """A task whose call raised an exception."""

    task: T
    error: Exception


def run_calls(
    tasks: Sequence[T],
    call: Callable[[T], object],
    *,
    concurrency: int,
    progress: str | None = None,
) -> list[Failure[T]]:
    """Call a function on every task, concurrently in threads.

    The function uses threads, not `batch`, so that each answer is recorded when it arrives. Models
    with continuous batching (ChatSwallow, servers) batch the calls of several threads.

    Args:
        tasks: Tasks, in the order in which they are started.
        call: Function that processes a task and records the result.
        concurrency: Maximum number of calls in flight, at least 1.
        progress: Label of the progress bar on stderr; `None`, the default, shows none.

    Returns:
        The tasks that failed.

    Raises:
        Exception: The last failure, if five tasks in a row failed. Tasks that have not started are
            then canceled.
    """
    failures: list[Failure[T]] = []
    consecutive = 0
    pool = ThreadPoolExecutor(max(1, min(concurrency, len(tasks))), "evaluation")
    running: dict[Future[object], T] = {pool.submit(call, task): task for task in tasks}
    try:
        bar = tqdm(as_completed(running), total=len(tasks), desc=progress, disable=progress is None)
        for future in bar:
            error = future.exception()
            if error is None:
                consecutive = 0
                continue
            if not isinstance(error, Exception):
                raise error
            failures.append(Failure(running[future], error))
            consecutive += 1
            if consecutive == _MAX_CONSECUTIVE_FAILURES:
                raise error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failures


def rate_limiter(requests_per_minute: float | None) -> BaseRateLimiter | None:
    """Rate limiter for a judge with a limit of requests per minute; `None` means no limit."""
    if requests_per_minute is None:
        return None
    return InMemoryRateLimiter(
        requests_per_second=requests_per_minute / 60, check_every_n_seconds=0.05
    )
