"""An index in a folder: one writer at a time, any number of readers, and only complete changes.

A change writes new files next to the old ones, and then renames a new manifest into place. A killed
process therefore leaves either the old or the new index, never a mix. Files are immutable, so
readers continue with the files that they have opened. The next change removes the files that
neither of the last two manifests names.
"""

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.files import (
    check_writable,
    create,
    full_disk_explained,
    share_alike,
    sync_file,
    sync_folder,
)
from langchain_swallow.retrieval.index.manifest import (
    NAME,
    Manifest,
    StoredFile,
    StoredSegment,
    parse_manifest,
    read_manifest,
)
from langchain_swallow.retrieval.index.segment import LiveSegment, Segment
from langchain_swallow.retrieval.index.segment_files import (
    read_segment,
    stored_file,
    verify_segment,
    write_segment,
)
from langchain_swallow.retrieval.index.snapshot import Snapshot

_LOCK = ".lock"
_OWN_FILE = re.compile(r"[0-9a-f]{16}\.(sqlite|vectors|fast|order|terms)(-journal)?|\.manifest-.*")


@dataclass(frozen=True, slots=True)
class Stored:
    """The index in a folder: its manifest, and its segments as a snapshot."""

    manifest: Manifest
    snapshot: Snapshot


class IndexFolder:
    """A folder that contains an index, or in which one will be written.

    Args:
        path: The folder; it need not exist.
        wait_s: Seconds that a writer waits for another writer; default 10.
    """

    def __init__(self, path: Path, *, wait_s: float = 10.0) -> None:
        self.path = path
        self._wait_s = wait_s

    def signature(self) -> tuple[int, int, int] | None:
        """A value that changes with the index: time, inode and size of the manifest.

        `None` if there is no index.
        """
        try:
            status = (self.path / NAME).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    @contextlib.contextmanager
    def writing(self, *, mode: int = 0o777) -> Iterator[None]:
        """Lock the folder for writing; creates it if it does not exist.

        Args:
            mode: Permissions of a new folder before the umask; default: all.

        Raises:
            IndexStoreError: Another process wrote for longer than `wait_s`, or the folder contains
                other files.
            NotADirectoryError: The folder, or a folder above it, is a file.
            PermissionError: The user has no permission to write there.
        """
        self.check()
        is_new = not self.path.exists()
        self.path.mkdir(mode, parents=True, exist_ok=True)
        lock = FileLock(self.path / _LOCK, timeout=self._wait_s)
        try:
            lock.acquire()
        except Timeout:
            raise IndexStoreError(
                f"{self.path} has been written by another process for {self._wait_s:g} s. "
                "Only one process can write an index. Wait until it ends, then try again."
            ) from None
        try:
            yield
        finally:
            lock.release()
            if is_new and self.signature() is None:
                self._remove_empty()

    def _remove_empty(self) -> None:
        """Remove the new folder again if nothing was written to it."""
        with contextlib.suppress(OSError):
            (self.path / _LOCK).unlink(missing_ok=True)
            self.path.rmdir()

    def check(self) -> None:
        """Check that an index can be written here, before it is computed.

        Raises:
            IndexStoreError: The folder contains files that are not from an index.
            NotADirectoryError: The folder, or a folder above it, is a file.
            PermissionError: The user has no permission to write there.
        """
        check_writable(self.path)
        if self.signature() is None and self.path.exists():
            others = [p.name for p in self.path.iterdir() if not self._is_own(p.name)]
            if others:
                raise IndexStoreError(
                    f"{self.path} is not an index, and not empty. Choose another folder."
                )

    def read(self, known: Snapshot | None = None) -> Stored:
        """Read the current index.

        Args:
            known: Snapshot that was read earlier, whose segments need not be read again; default:
                none.

        Raises:
            FileNotFoundError: There is no index in the folder.
            IndexStoreError: A file is damaged or missing, or has another format version.
        """
        loaded = {p.segment.name: p.segment for p in known.parts} if known else {}
        while True:
            manifest = read_manifest(self.path)
            try:
                return Stored(manifest, self._snapshot(manifest, loaded))
            except FileNotFoundError as error:
                # A writer may have removed files that the manifest named a moment ago. The loop
                # ends, because segments that have been read are in `loaded`, so that each try has
                # less to read.
                if read_manifest(self.path) == manifest:
                    missing = error.filename or error
                    raise IndexStoreError(
                        f"{missing} is missing. Restore it, or index the documents again."
                    ) from error

    def write(self, snapshot: Snapshot, before: Manifest) -> Stored:
        """Write a snapshot as the folder's index; call it inside `writing`.

        New files get the permissions of the existing index, or else those of the umask.

        Args:
            snapshot: The new index.
            before: The current manifest. For a new index, a manifest without segments.

        Raises:
            OSError: Writing failed, for example because the disk is full. The index has not
                changed.
        """
        with self._unchanged_on_error():
            return self._write(snapshot, before)

    def install(
        self, manifest: bytes, files: Mapping[str, BinaryIO], rights: os.stat_result
    ) -> None:
        """Replace the folder's index by a copy of another one; call it inside `writing`.

        Files that the folder has already are not copied again.

        Args:
            manifest: The contents of the other index's manifest.
            files: Name → open file, for every file that the manifest names.
            rights: Permissions of a new index; an existing one keeps its own.

        Raises:
            IndexStoreError: A file is damaged. The index has not changed.
            OSError: As for `write`.
        """
        after = parse_manifest(manifest, self.path)
        try:
            before = read_manifest(self.path)
        except (FileNotFoundError, IndexStoreError):
            before = after
        with self._unchanged_on_error():
            for segment in after.segments:
                for name, expected in segment.files.items():
                    self._install_file(self.path / name, expected, files[name])
            sync_folder(self.path)
            self._replace_manifest(manifest, [self.path / name for name in files], rights)
        self._remove_unnamed(before, after)

    def _install_file(self, path: Path, expected: StoredFile, source: BinaryIO) -> None:
        if path.exists():
            if stored_file(path) == expected:
                return
            path.unlink()
        # `_replace_manifest` sets the permissions; until then nobody else may read the copy.
        with os.fdopen(create(path, mode=0o600), "wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
        sync_file(path)
        if stored_file(path) != expected:
            raise IndexStoreError(
                f"{source.name} is damaged: it differs from its checksum. Use another copy, or "
                "index the documents again."
            )

    @contextlib.contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Remove the new files if the block raises, and explain a full disk."""
        present = {path.name for path in self.path.iterdir()}
        try:
            with full_disk_explained(self.path):
                yield
        except BaseException:
            self._remove_new(present)
            raise

    def replace(self, snapshot: Snapshot, facts: Manifest) -> None:
        """Replace the folder's index by a snapshot, in one segment.

        Raises:
            IndexStoreError: As for `writing`.
            OSError: As for `write`.
        """
        with self.writing():
            compacted = snapshot.compacted()
            # Files are never written again: they may be memory-mapped, also by this snapshot.
            present = self._segments({part.segment.name for part in compacted.parts})
            self.write(compacted, replace(facts.without_files(), segments=present))

    def _segments(self, names: Collection[str]) -> tuple[StoredSegment, ...]:
        """The named segments that the folder's index already has; a damaged index has none."""
        try:
            stored = read_manifest(self.path).segments
        except (FileNotFoundError, IndexStoreError):
            return ()
        return tuple(segment for segment in stored if segment.name in names)

    def _write(self, snapshot: Snapshot, before: Manifest) -> Stored:
        stored = {segment.name: segment for segment in before.segments}
        segments = [
            (stored.get(part.segment.name) or write_segment(self.path, part.segment)).with_alive(
                part.alive
            )
            for part in snapshot.parts
        ]
        manifest = replace(
            before,
            dimension=snapshot.dimension or before.dimension,
            documents=len(snapshot),
            change=before.change + 1,
            segments=tuple(segments),
        )
        new = [s for s in segments if s.name not in stored]
        new_files = [self.path / name for s in new for name in s.files]
        self._replace_manifest(manifest.dumps().encode(), new_files)
        self._remove_unnamed(before, manifest)
        # Read new segments from their files, so that the copies in memory are released.
        known = {p.segment.name: p.segment for p in snapshot.parts if p.segment.name in stored}
        return Stored(manifest, self._snapshot(manifest, known, verify=False))

    def _snapshot(
        self, manifest: Manifest, loaded: dict[str, Segment], *, verify: bool = True
    ) -> Snapshot:
        """The segments of a manifest; those that are not in `loaded` are read and added to it."""
        for stored in manifest.segments:
            if stored.name not in loaded:
                if verify:
                    verify_segment(self.path, stored)
                loaded[stored.name] = read_segment(self.path, stored, manifest)
        parts = [LiveSegment(loaded[s.name], s.alive()) for s in manifest.segments]
        return Snapshot(manifest.metric, manifest.index, tuple(parts))  # type: ignore[arg-type]

    def _replace_manifest(
        self,
        manifest: bytes,
        segment_files: Sequence[Path],
        rights: os.stat_result | None = None,
    ) -> None:
        path = self.path / f".manifest-{uuid.uuid4().hex}"
        with os.fdopen(create(path), "wb") as file:
            file.write(manifest)
            file.flush()
            os.fsync(file.fileno())
        new = [path, *segment_files]
        share_alike(new, self._rights(new) or rights or path.stat())
        os.replace(path, self.path / NAME)
        sync_folder(self.path)

    def _rights(self, new: Collection[Path]) -> os.stat_result | None:
        """Owner, group and mode of the index's manifest; `None` if new files use the umask."""
        try:
            rights = (self.path / NAME).stat()
        except FileNotFoundError:
            return None
        # Earlier versions wrote a manifest that only its owner could read, but texts that everyone
        # could read.
        old = (path for path in self._own_files() if path not in new)
        if not rights.st_mode & 0o077 and any(path.stat().st_mode & 0o077 for path in old):
            return None
        return rights

    def _own_files(self) -> list[Path]:
        return [path for path in self.path.iterdir() if _OWN_FILE.fullmatch(path.name)]

    def _remove_new(self, present: Collection[str]) -> None:
        """Remove files that are not in the earlier listing, unless the manifest names them."""
        named: set[str] = set()
        with contextlib.suppress(FileNotFoundError, IndexStoreError):
            named = {name for s in read_manifest(self.path).segments for name in s.files}
        for path in self._own_files():
            if path.name not in present and path.name not in named:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _remove_unnamed(self, before: Manifest, after: Manifest) -> None:
        """Remove files that neither manifest names.

        Files of the earlier manifest stay, because a reader may be about to open them.
        """
        named = {name for m in (before, after) for s in m.segments for name in s.files}
        for path in self._own_files():
            if path.name not in named:
                # Windows cannot remove a file that a reader has open; the next change will.
                with contextlib.suppress(OSError):
                    path.unlink()

    @staticmethod
    def _is_own(name: str) -> bool:
        return name == _LOCK or bool(_OWN_FILE.fullmatch(name))
