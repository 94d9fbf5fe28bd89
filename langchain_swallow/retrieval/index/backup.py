"""Copy an index while other processes read it and write to it.

A writer removes files that are no longer part of the index. An open file stays readable after that,
so all files of one manifest are opened first and copied then: the writer need not wait.
"""

import contextlib
import stat
from pathlib import Path
from typing import BinaryIO

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.folder import IndexFolder
from langchain_swallow.retrieval.index.manifest import (
    NAME,
    Manifest,
    parse_manifest,
    read_manifest_bytes,
)


def back_up(index: Path, folder: Path) -> Manifest:
    """Copy the current state of an index to a new folder, and compare it with its checksums.

    The copy is an index, also for the version that wrote the original.

    Args:
        index: Folder of the index. It is only read.
        folder: Folder to write. It must be empty or not exist.

    Returns:
        The manifest of the copy.

    Raises:
        FileNotFoundError: There is no index.
        IndexStoreError: The folder contains an index or other files, or the index is damaged.
        OSError: Writing failed, for example because the disk is full.
    """
    if IndexFolder(folder).signature() is not None:
        raise IndexStoreError(
            f"{folder} contains an index already. Choose a new folder for each backup."
        )
    return _copy(index, folder)


def restore(backup: Path, index: Path) -> Manifest:
    """Replace an index by a backup of it, in one step, also while a server uses the index.

    Args:
        backup: Folder that `back_up` wrote. It is only read.
        index: Folder of the index; it need not exist, and its index may be damaged.

    Returns:
        The manifest of the index.

    Raises:
        FileNotFoundError: There is no backup.
        IndexStoreError: The backup is damaged, or the folder contains other files. The index has
            not changed.
        OSError: As for `back_up`. The index has not changed.
    """
    return _copy(backup, index)


def _copy(source: Path, target: Path) -> Manifest:
    with contextlib.ExitStack() as stack:
        data, files = _open_files(source, stack)
        folder = IndexFolder(target)
        # The copy is for those who may read the original.
        mode = stat.S_IMODE(source.stat().st_mode) | stat.S_IRWXU
        with folder.writing(mode=mode):
            folder.install(data, files, (source / NAME).stat())
    return parse_manifest(data, target)


def _open_files(folder: Path, stack: contextlib.ExitStack) -> tuple[bytes, dict[str, BinaryIO]]:
    """The manifest's contents, and all files that it names, open for reading."""
    while True:
        data = read_manifest_bytes(folder)
        names = [name for s in parse_manifest(data, folder).segments for name in s.files]
        try:
            return data, {name: stack.enter_context((folder / name).open("rb")) for name in names}
        except FileNotFoundError as error:
            # A writer may have removed it since the manifest was read.
            if read_manifest_bytes(folder) == data:
                raise IndexStoreError(
                    f"{error.filename} is missing. Use another copy, or index the documents again."
                ) from error
