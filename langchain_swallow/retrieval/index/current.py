"""The current snapshot of an index, in memory or in a folder, replaced in transactions.

Snapshots are immutable. This module decides which one is current, and which thread or process may
replace it.
"""

import contextlib
import logging
import operator
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.folder import IndexFolder, Stored
from langchain_swallow.retrieval.index.manifest import Manifest, is_same_model
from langchain_swallow.retrieval.index.snapshot import Snapshot

logger = logging.getLogger(__name__)


class CurrentIndex:
    """An index that several threads, and with a folder several processes, read and change.

    Args:
        manifest: Metric, kind and embedding model of a new index. An existing index must have the
            same metric and embedding model.
        path: Folder of the index. Every change is on disk when its call returns. `None`, the
            default, keeps changes in memory.
        wait_s: Seconds to wait while another process writes to the folder; default 10.

    Raises:
        IndexStoreError: The folder's index is damaged, or was made with another embedding model or
            metric.
    """

    def __init__(self, manifest: Manifest, path: Path | None = None, wait_s: float = 10.0) -> None:
        self.manifest = manifest
        self._snapshot = Snapshot(manifest.metric, manifest.index)  # type: ignore[arg-type]
        self._pending: Snapshot | None = None
        self._lock = threading.RLock()
        self._folder = None if path is None else IndexFolder(path, wait_s=wait_s)
        self._signature: Any = None
        self._refresh()

    @property
    def path(self) -> Path | None:
        """Folder of the index; `None` if it is in memory."""
        return None if self._folder is None else self._folder.path

    def snapshot(self) -> Snapshot:
        """The immutable index at this moment; later changes create a new snapshot."""
        self._refresh()
        return self._snapshot

    def change(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Replace the current snapshot by what `change` returns for it."""
        with self.transaction():
            assert self._pending is not None
            self._pending = change(self._pending)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Combine the changes of the block into one; if the block raises, none is made.

        Other threads wait with their changes, and see the old index until the block ends.
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
        """Replace the current index by one that was read from a folder.

        Raises:
            IndexStoreError: It was made with another embedding model or metric.
        """
        for name in ("embedding", "metric"):
            made_with, expected = getattr(stored.manifest, name), getattr(self.manifest, name)
            is_same = is_same_model if name == "embedding" else operator.eq
            if not is_same(made_with, expected):
                raise IndexStoreError(
                    f"{folder} was made with the {name} {made_with!r}, this is {expected!r}. "
                    "Open it with that one, or index the documents again."
                )
        if stored.snapshot.is_outdated and not self._snapshot.is_outdated:
            logger.warning(
                "%s has the layout of a version before 0.2.0: its vectors are copied into memory, "
                "and IVF-PQ is searched exhaustively. To rewrite it, run `langchain-swallow "
                "convert` or call optimize() on a store that has it as path.",
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
        """Load changes that another process has written."""
        if self._folder is None or self._folder.signature() == self._signature:
            return
        with self._lock:
            signature = self._folder.signature()
            if signature is not None and signature != self._signature:
                try:
                    stored = self._folder.read(self._snapshot)
                except FileNotFoundError:
                    # Another folder is being moved here. Until it is, the old index answers.
                    signature = None
                else:
                    self.take(stored, self._folder.path)
            self._signature = signature
