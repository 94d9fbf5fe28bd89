"""Sessions: each has its own conversation and documents, invisible to the others.

The server issues unguessable ids; a person who knows the id of an own session may use it.
"""

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from starlette.types import Scope

from langchain_swallow._system.language import in_language
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.conversations import Conversations, Owner
from langchain_swallow.serving.identity import NOBODY, Person, requester
from langchain_swallow.serving.refusals import (
    BusyError,
    ConversationsUnavailableError,
    UnknownSessionError,
)

_MAX_MESSAGES = 40
_MAX_TURNS = _MAX_MESSAGES // 2
_DAY_S = 24 * 3600


class History(BaseChatMessageHistory):
    """The most recent messages of a conversation."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages; above 40, the oldest are removed."""
        self.messages = [*self.messages, *messages][-_MAX_MESSAGES:]

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages at once: in a thread, as by default, a cancelled answer may lose them."""
        self.add_messages(messages)

    def take_back(self, question: str) -> None:
        """Remove the last question and its answer, if it is this question.

        It is not there if the answer failed, or was stopped before its first word.
        """
        questions = [i for i, m in enumerate(self.messages) if isinstance(m, HumanMessage)]
        if questions and self.messages[questions[-1]].text == question:
            self.messages = self.messages[: questions[-1]]

    def clear(self) -> None:
        """Remove all messages."""
        self.messages = []


def _new_id() -> str:
    return secrets.token_urlsafe(24)


@dataclass(eq=False, slots=True)
class Session:
    """One conversation.

    Attributes:
        id: Its identifier for the client; 192 random bits.
        client: Name of the person, or address of the client, that it counts for.
        person: Who uses it, with their groups at the last request.
        history: The messages that answers are made from.
        documents: Index of the documents that the user has uploaded for this session.
        files: Number of chunks of each file in `documents`, by name; without failed files.
        shared: Number of chunks of each file that this session has added to the shared documents.
        uploading: Files that are being read; they count toward the limits.
        pending: Number of their chunks read so far.
        keeping: Writes the last answer to the database of conversations.
        added: When it was added to that database; 0 if another process, or an earlier one, did it.
    """

    id: str = field(default_factory=_new_id)
    client: str = ""
    person: Person = NOBODY
    history: History = field(default_factory=History)
    documents: SwallowFAISS | None = None
    files: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    uploading: int = 0
    pending: dict[object, int] = field(default_factory=dict)
    keeping: "asyncio.Future[None] | None" = None
    added: float = 0.0
    # Only one answer at a time, so that a conversation is ordered.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    used: float = field(default_factory=time.monotonic)
    closed: bool = False

    @classmethod
    def for_request(cls, scope: Scope) -> "Session":
        """Return a session for one request, of the person who sends it, that nobody can find."""
        client = scope.get("client")
        return cls(client=client[0] if client else "", person=requester(scope))

    def clear(self) -> None:
        """Delete messages and documents."""
        self.history.clear()
        self.documents = None
        self.files.clear()

    def passages(self) -> int:
        """Number of chunks of its uploads, including those being read and shared ones."""
        # Copied, because other threads read files.
        counted = (self.files, self.shared, self.pending)
        return sum(sum(list(chunks.values())) for chunks in counted)

    def is_in_use(self, *, is_kept: bool = False) -> bool:
        """Whether it has content or work that must not be lost.

        Args:
            is_kept: Whether a file or a database has its messages.
        """
        is_needed = bool(self.history.messages) and not is_kept
        return bool(is_needed or self.files or self.uploading or self.lock.locked())


class Sessions:
    """Sessions by id.

    Args:
        max_sessions: Maximum number of sessions. Default: 1,000.
        per_client: Maximum number of sessions of one client; `None` is a quarter of `max_sessions`.
        idle_s: Seconds after which an unused session may be deleted. Default: 24 hours.
        empty_s: Seconds after which an empty session may be deleted if there is no room. Default:
            60.
        conversations: Keeps what was asked and answered; `None` keeps it in memory.

    If there is no room, a new session is refused. Sessions in use are never deleted for it. If a
    file or a database keeps its conversation, a session that was deleted for its age, or that
    another process has, comes back without its documents.

    Methods that use conversations may wait for a database: call them in a thread.
    """

    def __init__(
        self,
        max_sessions: int = 1000,
        *,
        per_client: int | None = None,
        idle_s: float = 24 * 3600,
        empty_s: float = 60,
        conversations: Conversations | None = None,
    ) -> None:
        self.conversations = conversations or Conversations()
        self._max_sessions, self._idle_s, self._empty_s = max_sessions, idle_s, empty_s
        self._per_client = per_client or max(1, max_sessions // 4)
        # In order of last use, the least recently used first.
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.RLock()
        self._cleaned = time.monotonic()

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, client: str = "", person: Person = NOBODY, visitor: str = "") -> Session:
        """Create a session of a person; it counts for them, or for the client if they are unknown.

        Args:
            client: Address of the client.
            person: Who creates it.
            visitor: The browser, if the person has no name; see `Owner`.

        Raises:
            BusyError: This client (429) or the server (503) has reached its limit of sessions.
            ConversationsUnavailableError: The database of conversations cannot be used now.
        """
        if time.monotonic() - self._cleaned > _DAY_S:
            self._cleaned = time.monotonic()
            self.conversations.delete_unreachable()
        session = Session(client=person.name or client, person=person)
        self._admit(session)
        owner = Owner(person.name, "" if person.name else visitor)
        try:
            session.added = self.conversations.add(session.id, owner)
        except ConversationsUnavailableError:
            self._unload(session.id)
            raise
        return session

    def _admit(self, session: Session) -> None:
        """Add a session, if there is room for it."""
        with self._lock:
            self._make_room(session.client)
            self._sessions[session.id] = session

    def _make_room(self, client: str) -> None:
        self._drop(self._is_idle)
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

    def find(self, session_id: str, person: Person = NOBODY) -> Session:
        """Return the session with this id, for the person who sends the request.

        Raises:
            UnknownSessionError: The person has no such session, or it was deleted.
            BusyError: It was deleted for its age, and there is no room for it to come back.
            ConversationsUnavailableError: The database of conversations cannot be used now.
        """
        self._drop(self._is_idle)
        owner = self.conversations.owner(session_id) if self.conversations.is_durable else None
        with self._lock:
            if self.conversations.is_durable and owner is None:
                # Another process has deleted it.
                self._unload(session_id)
            session = self._sessions.get(session_id)
            if session is None and owner is not None and owner.person == person.name:
                session = Session(id=session_id, client=person.name or owner.visitor, person=person)
                self._restore(session)
            if session is None or session.person.name != person.name:
                raise UnknownSessionError
            session.person = person
            session.used = time.monotonic()
            self._sessions.move_to_end(session_id)
        return session

    def _restore(self, session: Session) -> None:
        self._make_room(session.client)
        self._share(session)
        self._sessions[session.id] = session

    def _share(self, session: Session) -> None:
        """Read what other processes have answered; they must not delete it if that is nothing."""
        self.refresh(session)
        if not session.history.messages:
            self.conversations.touch(session.id)

    def refresh(self, session: Session) -> None:
        """Read the messages of a session again, because other processes may have answered in it."""
        if self.conversations.is_durable:
            session.history.messages = [
                message
                for turn in self.conversations.turns(session.id, _MAX_TURNS)
                for message in (HumanMessage(turn.question), AIMessage(turn.answer["text"]))
            ]

    def begin(self, session: Session, question: str, *, again: bool) -> None:
        """Prepare the messages from which a question is answered.

        Args:
            session: The session.
            question: The question.
            again: Whether to take the last question back, if it is the same.

        Raises:
            ConversationsUnavailableError: The database of conversations cannot be used now.
        """
        if again:
            session.history.take_back(question)
        if self._sessions.get(session.id) is not session:
            return
        if again:
            self.conversations.take_back(session.id, question)
        if self.conversations.is_durable:
            self._share(session)

    def forget(self, session_id: str) -> None:
        """Delete a session with its conversation and documents."""
        self.conversations.delete(session_id)
        self._unload(session_id)

    def _unload(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.closed = True
            session.clear()

    def passages(self) -> int:
        """Number of chunks of all sessions' uploads, without shared ones."""
        every = list(self._sessions.values())
        return sum(session.passages() - sum(list(session.shared.values())) for session in every)

    def forget_shared(self, name: str) -> None:
        """Stop counting a shared file for its session, because it was replaced."""
        for session in list(self._sessions.values()):
            session.shared.pop(name, None)

    def close(self) -> None:
        """Delete all sessions; a file or a database keeps their conversations."""
        self._drop(lambda *_: True)
        self.conversations.close()

    def _count(self, client: str) -> int:
        return sum(session.client == client for session in self._sessions.values())

    def _is_abandoned(self, session: Session, age_s: float) -> bool:
        is_kept = self.conversations.is_durable
        return age_s >= self._empty_s and not session.is_in_use(is_kept=is_kept)

    def _is_idle(self, session: Session, age_s: float) -> bool:
        return age_s >= self._idle_s and not session.lock.locked()

    def _drop(self, unwanted: Callable[[Session, float], bool]) -> None:
        now = time.monotonic()
        with self._lock:
            for session in [s for s in self._sessions.values() if unwanted(s, now - s.used)]:
                if not self.conversations.is_durable:
                    self.forget(session.id)
                    continue
                if not session.history.messages:
                    # Empty ones would fill the database.
                    self.conversations.delete_unused(session.id, session.added)
                self._unload(session.id)
