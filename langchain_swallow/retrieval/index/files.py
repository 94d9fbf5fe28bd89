"""Write the files of an index: clear errors for a full disk, and file permissions."""

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) if os.name == "posix" else (errno.ENOSPC,)
# Read and write permission for everyone, before the umask.
_ANYONE = 0o666


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def save_array(file: BinaryIO, array: NDArray[Any]) -> None:
    """Write an array in NumPy's format, without pickle.

    If NumPy writes to a real file, its error for a full disk is "8850 requested and 4512 written",
    without the reason.
    """
    np.save(_Writer(file), array, allow_pickle=False)


@contextlib.contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """Raise `OSError` with the reason if the block fails because the disk or a quota is full.

    SQLite and FAISS raise other exceptions in this case.
    """
    try:
        yield
    except (OSError, sqlite3.Error, RuntimeError) as error:
        number = _reason(error)
        if number is None:
            raise
        raise OSError(
            number,
            f"{os.strerror(number)}. The index is as it was before. Free some space, and try again",
            str(folder),
        ) from error


def _reason(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno if error.errno in _FULL else None
    text = str(error)
    if isinstance(error, sqlite3.Error):
        return errno.ENOSPC if "disk is full" in text else None
    return next((n for n in _FULL if os.strerror(n) in text), None)


def create(path: Path, *, mode: int = _ANYONE) -> int:
    """Create a file; returns its file descriptor.

    Args:
        path: The file.
        mode: Its permissions before the umask; default: read and write for everyone.

    Raises:
        FileExistsError: The file exists.
    """
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)


def share_alike(paths: Iterable[Path], rights: os.stat_result) -> None:
    """Give files the mode, and if the user may change it the group, of another file."""
    if os.name != "posix":
        return
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_gid != rights.st_gid:
                os.chown(path, -1, rights.st_gid)
        path.chmod(stat.S_IMODE(rights.st_mode))


def check_writable(folder: Path) -> None:
    """Check that a folder can be written to, or can be created.

    Raises:
        NotADirectoryError: The folder, or a folder above it, is a file.
        PermissionError: The user has no permission to write there.
    """
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    effective = os.access in os.supports_effective_ids
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=effective):
        reason = "It is read-only for this user: an index in it can be searched, but not changed"
        raise PermissionError(errno.EACCES, reason, str(place))


def sync_file(path: Path) -> None:
    """Wait until the contents of a file are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until new and renamed entries of a folder are on the disk."""
    # Windows cannot open folders, and does not need to synchronize them.
    if os.name == "posix":
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
