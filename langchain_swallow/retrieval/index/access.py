"""Which chunks the members of groups may see.

The groups of a chunk are in its metadata: `folder_groups`, which the rules of its folder give
(`documents.access`), or else `groups`. `["*"]` is everyone, an empty list nobody.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from langchain_swallow.documents.access import EVERYONE, FOLDER_GROUPS, GROUPS
from langchain_swallow.errors import AccessError
from langchain_swallow.retrieval.index.current import CurrentIndex
from langchain_swallow.retrieval.index.filters import Column, Mask
from langchain_swallow.retrieval.index.manifest import Manifest
from langchain_swallow.retrieval.index.segment import LiveSegment, Segment
from langchain_swallow.retrieval.index.snapshot import Snapshot

_REFUSAL = (
    "A store from for_groups cannot be changed: it shows only part of the index. Change the store "
    "that it was made from."
)


@dataclass(frozen=True, slots=True)
class Membership:
    """Whose documents are visible.

    Args:
        groups: Groups of the person.
        default_groups: Groups of documents that have none of their own.
    """

    groups: frozenset[str]
    default_groups: frozenset[str]

    def visible(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot without the chunks of other groups, as if they had been deleted.

        Its searches are exhaustive, because which chunks a graph finds depends on the hidden ones.
        """
        parts = []
        for part in snapshot.parts:
            mask = self._mask(part.segment)
            alive = mask if part.alive is None else part.alive & mask
            if alive.any():
                parts.append(LiveSegment(part.segment, None if alive.all() else alive))
        return Snapshot(snapshot.metric, snapshot.kind, tuple(parts), is_exhaustive=True)

    def _mask(self, segment: Segment) -> Mask:
        of_folder, own = segment.column(FOLDER_GROUPS), segment.column(GROUPS)
        by_folder = _rows(of_folder, self._may_see)
        return np.where(_rows(of_folder, lambda v: v is None), _rows(own, self._may_see), by_folder)

    def _may_see(self, value: Any) -> bool:
        """Whether a member may see chunks with this value; of an unknown kind, nobody may."""
        if value is None:
            groups = self.default_groups
        elif isinstance(value, str):
            groups = frozenset([value])
        elif isinstance(value, list):
            groups = frozenset(name for name in value if isinstance(name, str))
        else:
            return False
        return EVERYONE in groups or not groups.isdisjoint(self.groups)


class VisibleIndex:
    """The part of an index that members may see. It follows the index and cannot be changed.

    Args:
        index: The index, or a part of it.
        membership: Whose documents are visible.
    """

    def __init__(self, index: "CurrentIndex | VisibleIndex", membership: Membership) -> None:
        self._index, self._membership = index, membership
        # The last whole snapshot and its visible part.
        self._known: tuple[Snapshot, Snapshot] | None = None

    @property
    def manifest(self) -> Manifest:
        """Metric, kind and embedding model; without what describes hidden chunks."""
        return self._index.manifest.without_files()

    @property
    def path(self) -> Path | None:
        """Folder of the whole index."""
        return self._index.path

    def check_copy(self, folder: Path) -> None:
        """Refuse to replace the whole index by its visible part.

        Raises:
            AccessError: The folder is the one of the whole index.
        """
        if self.path is not None and folder.resolve() == self.path.resolve():
            raise AccessError(_REFUSAL)

    def snapshot(self) -> Snapshot:
        """The visible chunks at this moment."""
        whole = self._index.snapshot()
        known = self._known
        if known is None or known[0] is not whole:
            known = self._known = whole, self._membership.visible(whole)
        return known[1]

    def change(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Refuse the change, whatever it is.

        Raises:
            AccessError: Always.
        """
        raise AccessError(_REFUSAL)

    def transaction(self) -> AbstractContextManager[None]:
        """Refuse changes, as `change` does."""
        raise AccessError(_REFUSAL)


def _rows(column: Column, condition: Callable[[Any], bool]) -> Mask:
    """Mask of the rows whose value matches a condition, which gets `None` for a missing value."""
    codes = range(len(column.values))
    matching = np.fromiter((condition(column.value(code)) for code in codes), bool, len(codes))
    return matching[column.codes] if len(matching) else np.zeros(0, dtype=bool)
