"""Work on many rows, divided among the cores that none of this works on yet.

One core reads memory at about half of the speed that two have, so a question that comes alone is
answered by all of them, and of many at once each has its own: divided among two cores that both
have one to answer already, it takes longer.
"""

import itertools
import threading
from collections.abc import Callable

import faiss

from langchain_swallow._system.machine import allowed_cores

_lock = threading.Lock()
_busy = 0


def in_parts(call: Callable[[int, int], object], count: int, least: int) -> None:
    """Call with the first row of each part and the last, not included, and wait for all.

    Args:
        call: Leaves Python's lock to others while it works, and raises nothing.
        count: Of rows.
        least: Rows that are worth a core of their own.

    As many cores are used as FAISS has threads, if this process may use as many.
    """
    parts = _take(max(1, count // least))
    try:
        ends = [count * part // parts for part in range(parts + 1)]
        own, *others = itertools.pairwise(ends)
        helpers = [threading.Thread(target=call, args=part) for part in others]
        for helper in helpers:
            helper.start()
        call(*own)
        for helper in helpers:
            helper.join()
    finally:
        _give_back(parts)


def keep_to_allowed_cores() -> None:
    """Let FAISS have no more threads in the calling thread than there are cores for it."""
    faiss.omp_set_num_threads(_threads())


def _threads() -> int:
    return int(min(faiss.omp_get_max_threads(), allowed_cores()))


def _take(most: int) -> int:
    """Take cores that nobody has, up to so many, but one in any case."""
    global _busy
    with _lock:
        taken = max(1, min(most, _threads() - _busy))
        _busy += taken
    return taken


def _give_back(taken: int) -> None:
    global _busy
    with _lock:
        _busy -= taken
