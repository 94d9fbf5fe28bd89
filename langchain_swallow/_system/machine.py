"""What of this machine this process may use: in a container it sees all and gets a share.

torch, FAISS and psutil go by the whole machine. With more threads than cores that it may use, a
process is stopped while its threads wait for each other; with more memory it is killed.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil


@functools.cache
def allowed_cores() -> int:
    """Cores that this process may use: `OMP_NUM_THREADS`, or what its container and affinity give.

    At least 1.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    # It takes .1 s to import.
    from joblib import cpu_count

    return int(cpu_count())


@functools.cache
def allowed_memory() -> int:
    """Bytes of memory that this process may use: all, or the least limit of its groups."""
    return min([psutil.virtual_memory().total, *_memory_limits()])


def _memory_limits(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Limits of Linux's control groups: of this process's own, and of those it is in.

    In a container the group may be named as outside, where it is the root.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            folder, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        inside = PurePosixPath(group.lstrip("/"))
        for path in (inside, *inside.parents):
            try:
                limit = (folder / path / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if limit.isdigit():  # else it is "max"
                yield int(limit)
