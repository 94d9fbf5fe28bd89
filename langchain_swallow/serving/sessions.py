"""Sessions: each has its own conversation and its own documents, and sees no other's."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, HumanMessage

from langchain_swallow.vectorstores import SwallowFAISS

_MESSAGES = 40


class History(BaseChatMessageHistory):
    """The last messages of a conversation."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages; the oldest go when there are too many."""
        self.messages = [*self.messages, *messages][-_MESSAGES:]

    def take_back(self, question: str) -> None:
        """Remove the last question with its answer, if it is this one.

        It is not where the answer failed, or was stopped before its first word.
        """
        asked = [i for i, m in enumerate(self.messages) if isinstance(m, HumanMessage)]
        if asked and self.messages[asked[-1]].text == question:
            self.messages = self.messages[: asked[-1]]

    def clear(self) -> None:
        """Forget all."""
        self.messages = []


@dataclass(eq=False, slots=True)
class Session:
    """One conversation; `documents` are those that its user has uploaded for it."""

    name: str
    history: History = field(default_factory=History)
    documents: SwallowFAISS | None = None
    files: int = 0
    # One answer at a time, so that a conversation has an order.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    used: float = field(default_factory=time.monotonic)


class Sessions:
    """Sessions by name; those not used for the longest time go first.

    Args:
        most: How many are kept.
        idle_s: How long one is kept that nobody uses.
    """

    def __init__(self, most: int = 1000, idle_s: float = 24 * 3600) -> None:
        self._most, self._idle_s = most, idle_s
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, name: str) -> Session:
        """The session of this name, a new one if there is none."""
        session = self._sessions.pop(name, None) or Session(name)
        session.used = time.monotonic()
        self._sessions[name] = session
        self._drop_old()
        return session

    def forget(self, name: str) -> None:
        """Drop a session with its conversation and documents."""
        self._sessions.pop(name, None)

    def _drop_old(self) -> None:
        oldest_allowed = time.monotonic() - self._idle_s
        while self._sessions:
            name, session = next(iter(self._sessions.items()))
            if len(self._sessions) <= self._most and session.used >= oldest_allowed:
                return
            del self._sessions[name]
