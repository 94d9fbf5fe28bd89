"""The groups of the operating system that may read a file, from its POSIX permissions."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from langchain_swallow.documents.access import EVERYONE
from langchain_swallow.errors import DocumentError

_ACL = "system.posix_acl_access"


class _Gate(NamedTuple):
    """A file or folder that must be passed: its group, and who is let through."""

    gid: int
    lets_group: bool
    lets_others: bool


def permitted_groups(path: str | Path) -> list[str]:
    """Return `["*"]` if everyone may read a file, or the name of its group, or `[]`.

    Every folder above it must let them through as well. The owner's own permission gives nobody
    else access, so a file that only its owner can read is for nobody. A file below an access
    control list, which may give less than its mode shows, is for nobody either, and neither is one
    whose permissions cannot be read.

    Raises:
        DocumentError: This is not Linux.
    """
    if sys.platform != "linux":
        raise DocumentError("Groups from POSIX permissions can only be read on Linux.")
    try:
        gates = list(_gates(Path(os.path.realpath(path))))
    except OSError:
        return []
    if all(gate.lets_others for gate in gates):
        return [EVERYONE]
    gids = {gate.gid for gate in gates if not gate.lets_others}
    if len(gids) > 1 or not all(gate.lets_group for gate in gates if gate.gid in gids):
        return []
    return [_group_name(gid) for gid in gids]


def _gates(place: Path) -> Iterator[_Gate]:
    for path in (place, *place.parents):
        status = path.stat()
        group, others = (
            (stat.S_IRGRP, stat.S_IROTH) if path == place else (stat.S_IXGRP, stat.S_IXOTH)
        )
        has_acl = _has_acl(path)
        lets_group = bool(status.st_mode & group) and not has_acl
        # Members of its group are refused by a mode such as 0604, which lets only others in.
        yield _Gate(status.st_gid, lets_group, lets_group and bool(status.st_mode & others))


def _has_acl(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, _ACL))  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        # It has none, or its file system does not know any.
        return False


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
