"""Keeps conversations in SQLite: their owners, titles, questions and answers.

A conversation is found by its id and its person, and listed for its owner: the person, or the
browser where people are not known.
"""

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
import unicodedata
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from langchain_swallow.text.surrogates import replace_surrogates

logger = logging.getLogger(__name__)

_VERSION = 1
_MAX_TURNS = 100
_MAX_LISTED = 1000
# As long as a browser keeps its cookie; without it, nobody can list them.
VISITOR_S = 365 * 24 * 3600
_DAY_S = 24 * 3600

_SCHEMA = """
CREATE TABLE conversations(
    id TEXT PRIMARY KEY, person TEXT NOT NULL, visitor TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '', used REAL NOT NULL
);
CREATE INDEX owners ON conversations(person, visitor);
CREATE TABLE turns(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,
    conversation TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    question TEXT NOT NULL, answer BLOB NOT NULL, words TEXT NOT NULL, good INTEGER,
    time REAL NOT NULL
);
CREATE INDEX places ON turns(conversation, number);
"""

_TITLE = (
    "iif(c.title = '', coalesce((SELECT question FROM turns WHERE conversation = c.id "
    "ORDER BY number LIMIT 1), ''), c.title)"
)


class Owner(NamedTuple):
    """Who a conversation is listed for: a person, or where people are not known, a browser."""

    person: str = ""
    visitor: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer.

    Args:
        id: Its id.
        question: The question, as it was asked.
        answer: `Answer.as_dict()`.
        good: The rating; `None` if it has none.
        time: When it was answered, in seconds since 1970.
    """

    id: str
    question: str
    answer: dict[str, Any]
    good: bool | None = None
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in a list; without a title of its own, its title is its first question."""

    id: str
    title: str
    used: float
    questions: int


class Conversations:
    """The conversations of a server.

    Args:
        path: File that keeps them when the server restarts; `None` keeps them in memory.

    Raises:
        ValueError: The file is not one of conversations, or is of another version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.is_durable = path is not None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its other files the same permissions.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._lock = threading.Lock()
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise ValueError(
                f"{path} is not a file of conversations ({error}). Choose another file with "
                "--conversations."
            ) from error
        self.delete_unreachable()

    def _prepare(self) -> None:
        ((version,),) = self._database.execute("PRAGMA user_version")
        ((tables,),) = self._database.execute("SELECT count(*) FROM sqlite_master")
        if version != (_VERSION if tables else 0):
            raise sqlite3.DatabaseError(f"version {version}, not {_VERSION}")
        # What is deleted is overwritten.
        for setting in ("foreign_keys=ON", "secure_delete=ON", "synchronous=NORMAL"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("PRAGMA journal_mode=WAL")
        if not tables:
            schema = f"BEGIN;{_SCHEMA}PRAGMA user_version={_VERSION};COMMIT;"
            self._database.executescript(schema)

    def add(self, conversation: str, owner: Owner) -> None:
        """Add an empty conversation."""
        with self._changing() as database:
            database.execute(
                "INSERT INTO conversations(id, person, visitor, used) VALUES (?, ?, ?, ?)",
                (conversation, *owner, time.time()),
            )

    def owner(self, conversation: str) -> Owner | None:
        """Return whose a conversation is; `None` if there is none with this id."""
        rows = self._read("SELECT person, visitor FROM conversations WHERE id = ?", conversation)
        return Owner(*rows[0]) if rows else None

    def title(self, conversation: str) -> str:
        """Return the title of a conversation."""
        rows = self._read(f"SELECT {_TITLE} FROM conversations c WHERE id = ?", conversation)
        return str(rows[0][0]) if rows else ""

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation a title; an empty one is its first question again."""
        with self._changing() as database:
            database.execute(
                "UPDATE conversations SET title = ? WHERE id = ?", (title, conversation)
            )

    def delete(self, conversation: str) -> None:
        """Delete a conversation with its turns."""
        with self._changing() as database:
            database.execute("DELETE FROM conversations WHERE id = ?", (conversation,))

    def delete_unreachable(self) -> None:
        """Delete conversations that nobody can come back to.

        These are empty ones, those of clients without a name or a cookie after a day, and those of
        browsers whose cookie has ended.
        """
        now = time.time()
        with self._changing() as database:
            database.execute(
                "DELETE FROM conversations WHERE person = '' AND (used < ? OR visitor = '' AND "
                "used < ?) OR used < ? AND NOT EXISTS (SELECT 1 FROM turns WHERE conversation = "
                "conversations.id)",
                (now - VISITOR_S, now - _DAY_S, now - _DAY_S),
            )

    def ids(self, owner: Owner) -> list[str]:
        """Return the ids of all conversations of an owner, empty ones too."""
        found = "SELECT id FROM conversations WHERE person = ? AND visitor = ?"
        return [str(row[0]) for row in self._read(found, *owner)]

    def list_own(self, owner: Owner, words: str = "") -> list[Summary]:
        """Return the conversations of an owner, the most recently used first, at most 1,000.

        Args:
            owner: The person, or the browser.
            words: Text that their title, questions or answers must have; empty admits all.
        """
        found = (
            f"SELECT c.id, {_TITLE}, c.title, c.used, count(*), max(instr(t.words, ?)) "
            "FROM conversations c JOIN turns t ON t.conversation = c.id "
            "WHERE c.person = ? AND c.visitor = ? GROUP BY c.id ORDER BY c.used DESC LIMIT ?"
        )
        sought = _searchable(words)
        return [
            Summary(name, shown, used, questions)
            for name, shown, given, used, questions, place in self._read(
                found, sought, *owner, _MAX_LISTED
            )
            if place or sought in _searchable(given)
        ]

    def keep(self, conversation: str, turn: Turn) -> None:
        """Add a turn; nothing happens if the conversation was deleted meanwhile.

        An error of the file is logged, because the answer was already sent.
        """
        answer = zlib.compress(json.dumps(turn.answer, default=str).encode())
        words = replace_surrogates(_searchable(f"{turn.question}\n{turn.answer.get('text', '')}"))
        row = (turn.id, turn.question, answer, words, time.time(), conversation)
        try:
            with self._changing() as database:
                database.execute(
                    "INSERT INTO turns(id, question, answer, words, time, conversation) "
                    "SELECT ?, ?, ?, ?, ?, id FROM conversations WHERE id = ?",
                    row,
                )
                database.execute(
                    "UPDATE conversations SET used = ? WHERE id = ?", (time.time(), conversation)
                )
                database.execute(
                    "DELETE FROM turns WHERE conversation = ? AND number NOT IN (SELECT number "
                    "FROM turns WHERE conversation = ? ORDER BY number DESC LIMIT ?)",
                    (conversation, conversation, _MAX_TURNS),
                )
        except sqlite3.Error as error:
            logger.error("An answer was not kept.", exc_info=error)

    def take_back(self, conversation: str, question: str) -> None:
        """Delete the last turn of a conversation, if it has this question."""
        with self._changing() as database:
            database.execute(
                "DELETE FROM turns WHERE question = ? AND number = (SELECT max(number) FROM turns "
                "WHERE conversation = ?)",
                (question, conversation),
            )

    def rate(self, conversation: str, turn: str, *, good: bool) -> None:
        """Keep the rating of a turn."""
        with self._changing() as database:
            database.execute(
                "UPDATE turns SET good = ? WHERE conversation = ? AND id = ?",
                (good, conversation, turn),
            )

    def turns(self, conversation: str) -> list[Turn]:
        """Return the last 100 turns of a conversation, in order."""
        statement = f"{_TURNS} WHERE conversation = ? ORDER BY number"
        return list(map(_turn, self._read(statement, conversation)))

    def turn(self, conversation: str, turn: str) -> Turn | None:
        """Return a turn of a conversation; `None` if it has none with this id."""
        rows = self._read(f"{_TURNS} WHERE conversation = ? AND id = ?", conversation, turn)
        return _turn(rows[0]) if rows else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._database:
            yield self._database


_TURNS = "SELECT id, question, answer, good, time FROM turns"


def _turn(row: tuple[Any, ...]) -> Turn:
    name, question, answer, good, answered = row
    read = json.loads(zlib.decompress(answer))
    return Turn(name, question, read, None if good is None else bool(good), answered)


def _searchable(text: str) -> str:
    """Return text in which full-width letters and capitals are found as half-width and small."""
    return unicodedata.normalize("NFKC", text).casefold()
