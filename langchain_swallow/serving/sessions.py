"""Sessions: each has its own conversation and its own documents, and sees no other's.

The server makes up their ids, which nobody can guess: who knows an id may use its session.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, HumanMessage

from langchain_swallow._system.language import in_language
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.refusals import BusyError, UnknownSessionError

_MAX_MESSAGES = 40
_MAX_TURNS = 100


class History(BaseChatMessageHistory):
    """The last messages of a conversation."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages; the oldest go when there are too many."""
        self.messages = [*self.messages, *messages][-_MAX_MESSAGES:]

    def take_back(self, question: str) -> None:
        """Remove the last question with its answer, if it is this one.

        It is not where the answer failed, or was stopped before its first word.
        """
        questions = [i for i, m in enumerate(self.messages) if isinstance(m, HumanMessage)]
        if questions and self.messages[questions[-1]].text == question:
            self.messages = self.messages[: questions[-1]]

    def clear(self) -> None:
        """Forget all."""
        self.messages = []


@dataclass(slots=True)
class Turn:
    """A question and as much of its answer as has been sent."""

    question: str
    answer: str = ""


def _new_id() -> str:
    return secrets.token_urlsafe(24)


@dataclass(eq=False, slots=True)
class Session:
    """One conversation.

    Attributes:
        id: What its client names it by; 192 random bits.
        client: Whom it counts for.
        page: The open page that it belongs to, if any; it is forgotten when that closes.
        turns: What can be rated, by the ids that were handed out with the answers.
        documents: Those that its user has uploaded for it.
        files: Chunks of each file of `documents`, by name; failed files are not in it.
        shared: The same of the files that this session has added to everyone's documents.
        uploading: Files that are being read now; they count too.
        pending: Chunks of them, as far as they have been read.
    """

    id: str = field(default_factory=_new_id)
    client: str = ""
    history: History = field(default_factory=History)
    turns: OrderedDict[str, Turn] = field(default_factory=OrderedDict)
    documents: SwallowFAISS | None = None
    files: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    uploading: int = 0
    pending: dict[object, int] = field(default_factory=dict)
    # One answer at a time, so that a conversation has an order.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    used: float = field(default_factory=time.monotonic)
    page: str = ""
    closed: bool = False

    def new_turn(self, question: str) -> str:
        """A turn of the conversation; its id is unique over restarts of the server."""
        turn_id = secrets.token_hex(8)
        self.turns[turn_id] = Turn(question)
        while len(self.turns) > _MAX_TURNS:
            self.turns.popitem(last=False)
        return turn_id

    def clear(self) -> None:
        """Begin a new conversation: without messages, answers to rate, and documents."""
        self.history.clear()
        self.turns.clear()
        self.documents = None
        self.files.clear()

    def passages(self) -> int:
        """Chunks of its uploads, also of those that are being read or were for everyone."""
        # Copies: files are read in other threads.
        counted = (self.files, self.shared, self.pending)
        return sum(sum(list(chunks.values())) for chunks in counted)

    def is_in_use(self) -> bool:
        """Whether somebody would miss it."""
        return bool(self.history.messages or self.files or self.uploading or self.lock.locked())


class Sessions:
    """Sessions by id.

    Args:
        max_sessions: How many are kept.
        per_client: How many of them one client may have; `None` is a quarter.
        idle_s: How long a session is kept that nobody uses.
        empty_s: How long one without messages and documents is kept where there is no room.

    A newcomer for whom there is no room is refused. Sessions in use are never dropped for one.
    """

    def __init__(
        self,
        max_sessions: int = 1000,
        *,
        per_client: int | None = None,
        idle_s: float = 24 * 3600,
        empty_s: float = 60,
    ) -> None:
        self._max_sessions, self._idle_s, self._empty_s = max_sessions, idle_s, empty_s
        self._per_client = per_client or max(1, max_sessions // 4)
        # The one unused for the longest time comes first.
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, client: str = "") -> Session:
        """A new session.

        Raises:
            BusyError: This client has all its sessions (429), or the server has (503).
        """
        self._drop(lambda s, age: age >= self._idle_s and not s.lock.locked())
        if self._count(client) >= self._per_client:
            self._drop(lambda s, age: s.client == client and self._is_abandoned(s, age))
        if self._count(client) >= self._per_client:
            raise BusyError(
                in_language(
                    f"会話は {self._per_client} 個までです。使わない会話を削除してください。",
                    f"{self._per_client} sessions are the limit of one client. Delete unused ones.",
                ),
                status=429,
                retry_after_s=60,
            )
        if len(self) >= self._max_sessions:
            self._drop(self._is_abandoned)
        if len(self) >= self._max_sessions:
            raise BusyError(
                in_language(
                    "サーバーの会話がいっぱいです。しばらくしてからもう一度試してください。",
                    "The server has no room for another session. Try again later.",
                ),
                status=503,
                retry_after_s=60,
            )
        session = Session(client=client)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> Session:
        """The session with this id.

        Raises:
            UnknownSessionError: It was not handed out, or was forgotten.
        """
        session = self._sessions.get(session_id)
        if session is None or time.monotonic() - session.used >= self._idle_s:
            raise UnknownSessionError
        session.used = time.monotonic()
        self._sessions.move_to_end(session_id)
        return session

    def find_for_page(self, page: str) -> Session | None:
        """The session of an open page, if it has one."""
        return next((s for s in self._sessions.values() if s.page == page), None)

    def forget(self, session_id: str) -> None:
        """Drop a session with its conversation and documents."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.closed = True
            session.clear()

    def passages(self) -> int:
        """Chunks of all sessions' uploads, without those that were for everyone."""
        every = list(self._sessions.values())
        return sum(session.passages() - sum(list(session.shared.values())) for session in every)

    def forget_shared(self, name: str) -> None:
        """Count a file of everyone's documents for no session any more: it was replaced."""
        for session in list(self._sessions.values()):
            session.shared.pop(name, None)

    def close(self) -> None:
        """Forget all."""
        self._drop(lambda *_: True)

    def _count(self, client: str) -> int:
        return sum(session.client == client for session in self._sessions.values())

    def _is_abandoned(self, session: Session, age_s: float) -> bool:
        return age_s >= self._empty_s and not session.is_in_use()

    def _drop(self, unwanted: Callable[[Session, float], bool]) -> None:
        now = time.monotonic()
        for session in [s for s in self._sessions.values() if unwanted(s, now - s.used)]:
            self.forget(session.id)
