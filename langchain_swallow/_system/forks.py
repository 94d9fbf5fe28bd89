"""Forked processes: workers of gunicorn that preloads, of Celery, of `multiprocessing` on Linux.

A child has all of its parent's memory and, of its threads, only the one that forked: whoever waits
for another of them waits without end, and connections are read by both. So that a model or an index
loaded before the fork can be used after it, in both, an object that has threads or connections
starts again in the child, and OpenMP's threads are ended before.
"""

import os
import threading
import time
import weakref
from typing import Any, Protocol

from langchain_swallow._system.openmp import end_idle_threads, gnu_openmp_pauses

_MAX_WAIT_S = 0.1
_BETWEEN_LOOKS_S = 0.001
# Waiting, stopped by a debugger, idle.
_AT_REST = frozenset("STtI")


class Forked(Protocol):
    """What has to do something in a forked child."""

    def reset_after_fork(self) -> None:
        """Leave threads, locks and connections to the parent; no other thread is running."""


_forked: "weakref.WeakSet[Any]" = weakref.WeakSet()
_left_to_parent: list[Any] = []


def register_fork_reset(forked: Forked) -> None:
    """Have `reset_after_fork` called in every child this process forks, while the object lives."""
    _forked.add(forked)


def leave_to_parent(*objects: object) -> None:
    """Keep what must not be closed here: a connection would be closed for the parent too."""
    _left_to_parent.extend(objects)


def _prepare() -> None:
    # A child would wait for them.
    end_idle_threads(gnu_openmp_pauses())
    _wait_for_quiet()


def _wait_for_quiet() -> None:
    """Wait until no other thread is running, if that is soon.

    A thread that computes or ends may hold a lock of MKL's, which nobody would release in a child.
    `Thread.join` returns before the thread has ended, and OpenMP does not wait for its threads.
    """
    quiet, end = 0, time.monotonic() + _MAX_WAIT_S
    while quiet < 2 and time.monotonic() < end:
        quiet = 0 if _others_run() else quiet + 1
        time.sleep(_BETWEEN_LOOKS_S)


def _others_run() -> bool:
    own = str(threading.get_native_id())
    try:
        others = [name for name in os.listdir("/proc/self/task") if name != own]
    except OSError:  # not Linux
        return False
    return any(_state(name) not in _AT_REST for name in others)


def _state(thread: str) -> str:
    """As `man proc_pid_stat` has it: R runs, S waits; of one that is gone, S."""
    try:
        with open(f"/proc/self/task/{thread}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return "S"


def _begin_all_anew() -> None:
    for forked in list(_forked):
        forked.reset_after_fork()


# Windows has no forks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_prepare, after_in_child=_begin_all_anew)
