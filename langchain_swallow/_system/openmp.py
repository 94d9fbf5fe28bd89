"""The idle threads that GNU's OpenMP keeps for each thread that has computed."""

import ctypes
import os
from collections.abc import Callable, Iterable

Pause = Callable[[int], object]
# `omp_pause_hard`: threads are ended, and started again when needed.
_HARD = 1


def gnu_openmp_pauses() -> list[Pause]:
    """A function of each loaded copy of GNU's OpenMP; packages bring copies of their own.

    LLVM's and Intel's are left out: they see to forks themselves, and let idle threads sleep.
    """
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            lines = [line.rstrip("\n") for line in maps if "libgomp" in line]
    except OSError:  # not Linux
        return []
    pauses = []
    for path in {line[line.index("/") :] for line in lines}:
        try:
            library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:  # its file was replaced meanwhile
            continue
        # Before GCC 9 there is no such function.
        if pause := getattr(library, "omp_pause_resource_all", None):
            pauses.append(pause)
    return pauses


def end_idle_threads(pauses: Iterable[Pause]) -> None:
    """End the idle OpenMP threads of the calling thread."""
    for pause in pauses:
        pause(_HARD)
