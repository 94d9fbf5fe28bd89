"""Many calls to a model at once, each of which may fail without taking the others with it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Generic, TypeVar

from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from tqdm import tqdm

T = TypeVar("T")

# A wrong key or a server that is down fails every call; do not go through all of them.
_MAX_CONSECUTIVE_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Failure(Generic[T]):
    """A task that raised."""

    task: T
    error: Exception


def run_calls(
    tasks: Sequence[T],
    call: Callable[[T], object],
    *,
    concurrency: int,
    progress: str | None = None,
) -> list[Failure[T]]:
    """Call a function on every task, several at once, in threads.

    Threads and not `batch`: an answer is recorded when it comes, not when the last one does. Models
    that batch by themselves (ChatSwallow, servers) make one batch of calls from several threads.

    Args:
        tasks: In the order in which they are begun.
        call: What to do; it records its own results.
        concurrency: Calls at a time, at least 1.
        progress: Name of the progress bar; `None` shows none.

    Returns:
        The tasks that failed. After five in a row the tasks that were not begun are left undone and
        the last failure is raised.
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
    """A limiter for judges that allow so many requests; `None` is no limit."""
    if requests_per_minute is None:
        return None
    return InMemoryRateLimiter(
        requests_per_second=requests_per_minute / 60, check_every_n_seconds=0.05
    )
