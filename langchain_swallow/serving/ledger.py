"""Counts the chunks of uploads against their limits."""

import threading
from dataclasses import dataclass

from langchain_swallow._system.language import in_language
from langchain_swallow.errors import DocumentError
from langchain_swallow.serving.sessions import Session, Sessions
from langchain_swallow.serving.uploads import Limits


class Ledger:
    """Counts the chunks of all uploads: kept, shared, or being read.

    Args:
        limits: Limits for a file, for a session and for all sessions together.
        sessions: The sessions that count; files of deleted sessions do not.
    """

    def __init__(self, limits: Limits, sessions: Sessions) -> None:
        self._limits, self._sessions = limits, sessions
        # Shared documents outlive the session that added them.
        self._shared: dict[str, int] = {}
        # Several threads read files.
        self._lock = threading.Lock()

    def claim(self, entry: "Entry", count: int) -> None:
        """Reserve room for the chunks of a file, as far as it is read.

        Raises:
            DocumentError: A limit is exceeded. Chunks that the file replaces do not count.
        """
        with self._lock:
            entry.session.pending.pop(entry, None)
            replaced = entry.kept.get(entry.name, 0)
            of_session = self._limits.session_passages - entry.session.passages() + replaced
            if entry.is_shared:
                replaced = self._shared.get(entry.name, 0)
            kept = self._sessions.passages() + sum(list(self._shared.values()))
            of_all = self._limits.all_passages - kept + replaced
            room = max(0, min(self._limits.passages, of_session, of_all))
            if count > room:
                raise DocumentError(
                    in_language(
                        f"{entry.name}: 約 {count} チャンクあり、上限の {room} を超えます。",
                        f"{entry.name}: about {count} chunks; there is room for {room}.",
                    )
                )
            entry.session.pending[entry] = count

    def release(self, entry: "Entry") -> None:
        """Release the reserved room; the file was not added, or is counted by `keep`."""
        with self._lock:
            entry.session.pending.pop(entry, None)

    def keep(self, entry: "Entry", count: int) -> None:
        """Count a file that was added, instead of one with the same name."""
        with self._lock:
            if entry.is_shared:
                self._sessions.forget_shared(entry.name)
                self._shared[entry.name] = count
            entry.kept[entry.name] = count


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A file that is being read; two with the same name at the same time are counted separately."""

    session: Session
    name: str
    is_shared: bool

    @property
    def kept(self) -> dict[str, int]:
        """Return the dict in which the session counts the file."""
        return self.session.shared if self.is_shared else self.session.files
