"""What of this machine this process may use: in a container it sees all and gets a share.

torch, FAISS and psutil go by the whole machine. With more threads than cores that it may use, a
process is stopped while its threads wait for each other; with more memory it is killed.
"""

import contextlib
import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

_GROUPS, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@functools.cache
def allowed_cores() -> int:
    """Cores that this process may use: `OMP_NUM_THREADS`, or what its container and affinity give.

    At least 1.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return max(1, math.ceil(min([_cores_by_affinity(), *_core_limits()])))


@functools.cache
def allowed_memory() -> int:
    """Bytes of memory that this process may use: all, or the least limit of its groups."""
    return min([psutil.virtual_memory().total, *_memory_limits()])


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _core_limits(groups: Path = _GROUPS, root: Path = _ROOT) -> Iterator[float]:
    """Cores that this process's control groups give it: a quota of microseconds of each period."""
    for is_unified, folder in _group_folders("cpu", groups, root):
        with contextlib.suppress(OSError):
            if is_unified:
                quota, period = _read(folder / "cpu.max").split()
            else:
                quota, period = (_read(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
            if quota.isdigit():  # else it is "max", or -1
                yield int(quota) / int(period)


def _memory_limits(groups: Path = _GROUPS, root: Path = _ROOT) -> Iterator[int]:
    """Bytes that this process's control groups give it."""
    for is_unified, folder in _group_folders("memory", groups, root):
        with contextlib.suppress(OSError):
            limit = _read(folder / ("memory.max" if is_unified else "memory.limit_in_bytes"))
            if limit.isdigit():  # else it is "max"
                yield int(limit)


def _group_folders(controller: str, groups: Path, root: Path) -> Iterator[tuple[bool, Path]]:
    """Folders of Linux's control groups: of this process's own, and of those it is in.

    With each, whether it is of the second version, which has one tree for all controllers. In a
    container the group may be named as outside, where it is the root.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        tree = root / controller if controllers else root
        inside = PurePosixPath(group.lstrip("/"))
        for path in (inside, *inside.parents):
            yield not controllers, tree / path


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
