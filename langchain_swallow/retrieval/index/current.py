"""The snapshot that is searched now: in memory or of a folder, and changed in transactions.

Snapshots never change; here is which of them counts, and who may put another in its place.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.folder import IndexFolder, Stored
from langchain_swallow.retrieval.index.manifest import Manifest
from langchain_swallow.retrieval.index.snapshot import Snapshot

logger = logging.getLogger(__name__)


class CurrentIndex:
    """An index that threads, and processes where it is in a folder, read and change together.

    Args:
        manifest: Metric, kind and encoder of a new index; what is opened must have the same metric
            and encoder.
        path: A folder, where every change is on the disk when its call returns; `None` keeps
            changes in memory.
        wait_s: How long to wait while another process writes to the folder.

    Raises:
        IndexStoreError: The folder's index is damaged, or made with another encoder or metric.
    """

    def __init__(self, manifest: Manifest, path: Path | None = None, wait_s: float = 10.0) -> None:
        self.manifest = manifest
        self._snapshot = Snapshot(manifest.metric, manifest.index)  # type: ignore[arg-type]
        self._pending: Snapshot | None = None
        self._lock = threading.RLock()
        self._folder = None if path is None else IndexFolder(path, wait_s=wait_s)
        self._signature: Any = None
        self._refresh()

    def snapshot(self) -> Snapshot:
        """The index at this moment; changes make another one and leave it as it is."""
        self._refresh()
        return self._snapshot

    def change(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Put a snapshot that is made of the one that is there in its place."""
        with self.transaction():
            assert self._pending is not None
            self._pending = change(self._pending)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes of the block one change, or none if it raises.

        Other threads wait with theirs, and see the index as it was until the block ends.
        """
        with self._lock:
            if self._pending is not None:
                yield
                return
            with contextlib.nullcontext() if self._folder is None else self._folder.writing():
                self._refresh()
                self._pending = self._snapshot
                try:
                    yield
                    changed = self._pending
                finally:
                    self._pending = None
                if changed is not self._snapshot:
                    self._commit(changed)

    def take(self, stored: Stored, folder: str | Path) -> None:
        """Make what was read from a folder the current index.

        Raises:
            IndexStoreError: It was made with another encoder or metric.
        """
        for name in ("embedding", "metric"):
            made_with, expected = getattr(stored.manifest, name), getattr(self.manifest, name)
            if made_with != expected:
                raise IndexStoreError(
                    f"{folder} was made with the {name} {made_with!r}, this is {expected!r}. "
                    "Open it with that one, or index the documents again."
                )
        if stored.snapshot.is_outdated and not self._snapshot.is_outdated:
            logger.warning(
                "%s is laid out as before version 0.2.0: its vectors are copied into memory, and "
                "IVF-PQ is searched exhaustively. To rewrite it, run `langchain-swallow convert` "
                "or call optimize() on a store that has it as path.",
                folder,
            )
        self.manifest, self._snapshot = stored.manifest, stored.snapshot

    def _commit(self, changed: Snapshot) -> None:
        if self._folder is None:
            self._snapshot = changed
        else:
            stored = self._folder.write(changed, self.manifest)
            self.manifest, self._snapshot = stored.manifest, stored.snapshot
            self._signature = self._folder.signature()

    def _refresh(self) -> None:
        """Take up what another process has written."""
        if self._folder is None or self._folder.signature() == self._signature:
            return
        with self._lock:
            signature = self._folder.signature()
            if signature is not None and signature != self._signature:
                self.take(self._folder.read(self._snapshot), self._folder.path)
            self._signature = signature
