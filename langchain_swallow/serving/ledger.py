"""How many chunks uploads have, and how many more there is room for."""

import threading
from dataclasses import dataclass

from langchain_swallow._system.language import in_language
from langchain_swallow.errors import DocumentError
from langchain_swallow.serving.sessions import Session, Sessions
from langchain_swallow.serving.uploads import Limits


class Ledger:
    """Chunks of all uploads: kept, added to everyone's documents, or being read now.

    Args:
        limits: Of a file, of a session and of all.
        sessions: What counts; the files of a session that was forgotten do not.
    """

    def __init__(self, limits: Limits, sessions: Sessions) -> None:
        self._limits, self._sessions = limits, sessions
        # Everyone's documents outlive the session that added them.
        self._shared: dict[str, int] = {}
        # Files are read in several threads.
        self._lock = threading.Lock()

    def claim(self, entry: "Entry", count: int) -> None:
        """Take room for the chunks that a file has, as far as it has been read.

        Raises:
            DocumentError: There is not so much room. What the file replaces makes room for it.
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
        """Give the room back; the file was not added, or is kept."""
        with self._lock:
            entry.session.pending.pop(entry, None)

    def keep(self, entry: "Entry", count: int) -> None:
        """Count a file that was added, in place of one of the same name."""
        with self._lock:
            if entry.is_shared:
                self._sessions.forget_shared(entry.name)
                self._shared[entry.name] = count
            entry.kept[entry.name] = count


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A file on its way; two of the same name at the same time are two."""

    session: Session
    name: str
    is_shared: bool

    @property
    def kept(self) -> dict[str, int]:
        """Where its session counts it."""
        return self.session.shared if self.is_shared else self.session.files
