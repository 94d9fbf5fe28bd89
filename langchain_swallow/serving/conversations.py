"""Keeps conversations in SQLite or PostgreSQL: their owners, titles, questions and answers.

A conversation is found by its id and its person, and listed for its owner: the person, or the
browser where people are not known. Several processes may use one database.
"""

import contextlib
import json
import logging
import time
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from langchain_swallow.serving.databases import Database, SqliteDatabase
from langchain_swallow.serving.refusals import ConversationsUnavailableError
from langchain_swallow.text.surrogates import replace_surrogates

logger = logging.getLogger(__name__)

_VERSION = 1
_MAX_TURNS = 100
_MAX_LISTED = 1000
# As long as a browser keeps its cookie; without it, nobody can list them.
VISITOR_S = 365 * 24 * 3600
_DAY_S = 24 * 3600

_SCHEMA = (
    "CREATE TABLE conversations(id TEXT PRIMARY KEY, person TEXT NOT NULL, visitor TEXT NOT NULL, "
    "title TEXT NOT NULL DEFAULT '', used REAL NOT NULL)",
    "CREATE INDEX owners ON conversations(person, visitor)",
    "CREATE TABLE turns(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, "
    "conversation TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE, "
    "question TEXT NOT NULL, answer BLOB NOT NULL, words TEXT NOT NULL, good INTEGER, "
    "time REAL NOT NULL)",
    "CREATE INDEX places ON turns(conversation, number)",
)

_TITLE = (
    "CASE c.title WHEN '' THEN coalesce((SELECT question FROM turns WHERE conversation = c.id "
    "ORDER BY number LIMIT 1), '') ELSE c.title END"
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
    """The conversations of a server, or of several that share a database.

    Args:
        place: A file (SQLite), which processes of one machine may share, or the `postgresql://…`
            URL of a database that several hosts share; `None` keeps conversations in memory.

    Raises:
        ValueError: The file or database is not one of conversations, or is of another version.
        ConnectionError: The PostgreSQL server cannot be reached.
        MissingDependencyError: The extra `postgres` is not installed.
    """

    def __init__(self, place: Path | str | None = None) -> None:
        self.is_durable = place is not None
        self._database = _open(place)
        try:
            self._database.prepare(_SCHEMA, _VERSION)
        except BaseException:
            self._database.close()
            raise
        self.delete_unreachable()

    def add(self, conversation: str, owner: Owner) -> float:
        """Add an empty conversation; returns its time, for `delete_unused`."""
        added = time.time()
        self._change(
            "INSERT INTO conversations(id, person, visitor, used) VALUES (?, ?, ?, ?)",
            conversation,
            *owner,
            added,
        )
        return added

    def touch(self, conversation: str) -> None:
        """Note that a conversation is used, also by another process than the one that added it."""
        self._change("UPDATE conversations SET used = ? WHERE id = ?", time.time(), conversation)

    def delete_unused(self, conversation: str, added: float) -> None:
        """Delete a conversation, unless it was used since `add` returned this time."""
        self._clean("DELETE FROM conversations WHERE id = ? AND used = ?", conversation, added)

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
        self._change("UPDATE conversations SET title = ? WHERE id = ?", title, conversation)

    def delete(self, conversation: str) -> None:
        """Delete a conversation with its turns."""
        self._change("DELETE FROM conversations WHERE id = ?", conversation)

    def delete_unreachable(self) -> None:
        """Delete conversations that nobody can come back to.

        These are empty ones, those of clients without a name or a cookie after a day, and those of
        browsers whose cookie has ended.
        """
        now = time.time()
        self._clean(
            "DELETE FROM conversations WHERE person = '' AND (used < ? OR visitor = '' AND "
            "used < ?) OR used < ? AND NOT EXISTS (SELECT 1 FROM turns WHERE conversation = "
            "conversations.id)",
            now - VISITOR_S,
            now - _DAY_S,
            now - _DAY_S,
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
        sought = _searchable(_plain(words))
        return [
            Summary(name, shown, used, questions)
            for name, shown, given, used, questions, place in self._read(
                found, sought, *owner, _MAX_LISTED
            )
            if place or sought in _searchable(given)
        ]

    def keep(self, conversation: str, turn: Turn) -> None:
        """Add a turn; nothing happens if the conversation was deleted meanwhile.

        An error of the database is logged, because the answer was already sent.
        """
        answer = zlib.compress(json.dumps(turn.answer, default=str).encode())
        words = _searchable(f"{turn.question}\n{turn.answer.get('text', '')}")
        now = time.time()
        row = (turn.id, _plain(turn.question), answer, _plain(words), now, conversation)
        try:
            with self._database.changing() as execute:
                # First, so that a deletion by another process waits, or is seen.
                if not execute("UPDATE conversations SET used = ? WHERE id = ?", now, conversation):
                    return
                execute(
                    "INSERT INTO turns(id, question, answer, words, time, conversation) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    *row,
                )
                execute(
                    "DELETE FROM turns WHERE conversation = ? AND number NOT IN (SELECT number "
                    "FROM turns WHERE conversation = ? ORDER BY number DESC LIMIT ?)",
                    conversation,
                    conversation,
                    _MAX_TURNS,
                )
        except ConversationsUnavailableError:
            logger.error("An answer was not kept.")

    def take_back(self, conversation: str, question: str) -> None:
        """Delete the last turn of a conversation, if it has this question."""
        self._change(
            "DELETE FROM turns WHERE question = ? AND number = (SELECT max(number) FROM turns "
            "WHERE conversation = ?)",
            question,
            conversation,
        )

    def rate(self, conversation: str, turn: str, *, good: bool) -> None:
        """Keep the rating of a turn."""
        self._change(
            "UPDATE turns SET good = ? WHERE conversation = ? AND id = ?",
            int(good),
            conversation,
            turn,
        )

    def turns(self, conversation: str, limit: int = _MAX_TURNS) -> list[Turn]:
        """Return the last turns of a conversation, at most 100, in order."""
        statement = f"{_TURNS} WHERE conversation = ? ORDER BY number DESC LIMIT ?"
        return list(map(_turn, reversed(self._read(statement, conversation, limit))))

    def turn(self, conversation: str, turn: str) -> Turn | None:
        """Return a turn of a conversation; `None` if it has none with this id."""
        rows = self._read(f"{_TURNS} WHERE conversation = ? AND id = ?", conversation, turn)
        return _turn(rows[0]) if rows else None

    def check(self) -> None:
        """Do nothing if the conversations can be read.

        Raises:
            ConversationsUnavailableError: They cannot; every other method raises it, too.
        """
        self._read("SELECT count(*) FROM conversations WHERE id = ''")

    def close(self) -> None:
        """Close the file, or the connections."""
        self._database.close()

    def _read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.read(statement, *map(_plain, values))

    def _change(self, statement: str, *values: Any) -> None:
        with self._database.changing() as execute:
            execute(statement, *map(_plain, values))

    def _clean(self, statement: str, *values: Any) -> None:
        """Delete what nobody needs; the next time if the database cannot be used."""
        with contextlib.suppress(ConversationsUnavailableError):
            self._change(statement, *values)


def _open(place: Path | str | None) -> Database:
    if not isinstance(place, str):
        return SqliteDatabase(place)
    # Imported here, because it needs the extra `postgres`.
    from langchain_swallow.serving.postgres import PostgresDatabase

    return PostgresDatabase(place)


_TURNS = "SELECT id, question, answer, good, time FROM turns"


def _turn(row: tuple[Any, ...]) -> Turn:
    name, question, answer, good, answered = row
    read = json.loads(zlib.decompress(answer))
    return Turn(name, question, read, None if good is None else bool(good), answered)


def _searchable(text: str) -> str:
    """Return text in which full-width letters and capitals are found as half-width and small."""
    return unicodedata.normalize("NFKC", text).casefold()


def _plain(value: Any) -> Any:
    """Return a value without characters that a database does not take."""
    if not isinstance(value, str):
        return value
    return replace_surrogates(value).replace("\0", "\ufffd")
