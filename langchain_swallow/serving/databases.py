"""What a database of conversations can do, and SQLite, which is in one file or in memory.

Statements are written for SQLite.
"""

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from langchain_swallow.serving.refusals import ConversationsUnavailableError

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
# Seconds that a change waits for those of other processes, and between two attempts.
_WAIT_S = 20
_PAUSE_S = 0.02


class Execute(Protocol):
    """Executes a statement; returns how many rows it has changed."""

    def __call__(self, statement: str, *values: Any) -> int: ...


class Database(Protocol):
    """A database that several threads and processes use at the same time."""

    def prepare(self, schema: Sequence[str], version: int) -> None:
        """Create the tables if there are none; two processes may do this at the same time.

        Raises:
            ValueError: It has other tables, or those of another version.
        """

    def read(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            ConversationsUnavailableError: The database cannot be used now.
        """

    def changing(self) -> AbstractContextManager[Execute]:
        """Return a transaction: all of its changes are made, or none if the block fails.

        Raises:
            ConversationsUnavailableError: The database cannot be used now.
        """

    def close(self) -> None:
        """Close it."""


class SqliteDatabase:
    """A database in a file, which processes of one machine may share.

    Args:
        path: The file; `None` keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its other files the same permissions.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path = path
        self._connection = sqlite3.connect(
            path or ":memory:", timeout=_WAIT_S, check_same_thread=False, isolation_level=None
        )
        weakref.finalize(self, self._connection.close)
        self._lock = threading.Lock()

    def prepare(self, schema: Sequence[str], version: int) -> None:
        """Create the tables if there are none."""
        try:
            # What is deleted is overwritten.
            for setting in ("foreign_keys=ON", "secure_delete=ON", "synchronous=NORMAL"):
                self._connection.execute(f"PRAGMA {setting}")
            # Immediate, because another process may also find no tables.
            with self._transaction():
                self._create(schema, version)
            self._use_write_ahead_log()
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self._path} is not a file of conversations ({error}). Choose another file with "
                "--conversations."
            ) from error

    def _use_write_ahead_log(self) -> None:
        """So that readers do not wait for a writer. SQLite itself does not wait for this lock."""
        ends = time.monotonic() + _WAIT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= ends:
                    raise
            time.sleep(_PAUSE_S)

    def _create(self, schema: Sequence[str], version: int) -> None:
        ((found,),) = self._connection.execute("PRAGMA user_version")
        ((tables,),) = self._connection.execute("SELECT count(*) FROM sqlite_master")
        if found != (version if tables else 0):
            raise sqlite3.DatabaseError(f"version {found}, not {version}")
        if not tables:
            for statement in schema:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={version}")

    def read(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of a query."""
        with self._lock, _errors():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def changing(self) -> Iterator[Execute]:
        """Return a transaction."""
        with self._lock, _errors(), self._transaction():
            yield lambda statement, *values: self._connection.execute(statement, values).rowcount

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        logger.error("The file of conversations cannot be used: %s", error)
        raise ConversationsUnavailableError from error
