"""Conversations in PostgreSQL, for servers on several hosts (extra `postgres`)."""

import contextlib
import functools
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.serving.databases import Execute, Row
from langchain_swallow.serving.refusals import ConversationsUnavailableError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as error:
    raise MissingDependencyError(
        f"Conversations in PostgreSQL need {error.name or 'libpq'}, which is not installed. "
        'Install it using `pip install "langchain-swallow[postgres]"`.'
    ) from error

logger = logging.getLogger(__name__)

_MAX_CONNECTIONS = 8
# Seconds that a request waits for one of them, and a connection for its server.
_WAIT_S = 5
# Requests are refused at once after a failed connection, so that they do not all wait for theirs.
_PAUSE_S = 1.0
# A host that has vanished acknowledges nothing, and an administrator may lock a table.
_SILENCE_MS = _STATEMENT_MS = 10_000
# Any number that other programs of the same database do not use.
_LOCK = 7_705_610_926
_DIALECT = (
    ("?", "%s"),
    ("instr(", "strpos("),
    ("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("BLOB", "BYTEA"),
    ("REAL", "DOUBLE PRECISION"),
)
# The connection was lost or refused, or the server is a standby that cannot be written to.
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)


class PostgresDatabase:
    """A database that processes of several hosts share; each opens at most 8 connections.

    `psycopg_pool` is not used: after a restart of the server it gives out its dead connections one
    after another, with growing pauses, and while the server is away each request waits.

    Args:
        url: `postgresql://…`, as libpq reads it; the environment (`PGPASSFILE` and others) can have
            what it leaves out.

    Raises:
        MissingDependencyError: The extra `postgres` is not installed.
        ValueError: The URL cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._settings = _settings(url)
        self._places = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        self._idle: list[psycopg.Connection[Row]] = []
        self._pause_ends = 0.0

    def prepare(self, schema: Sequence[str], version: int) -> None:
        """Create the tables if there are none."""
        try:
            connection = self._take()
        except psycopg.OperationalError as error:
            raise ConnectionError(
                f"The PostgreSQL server of --conversations cannot be used: {error}"
            ) from error
        try:
            with connection, connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                self._create(connection, schema, version)
        except psycopg.Error as error:
            raise ValueError(
                f"The tables of conversations cannot be created: {error}. Give --conversations a "
                "database of its own, and a user who may create tables in it."
            ) from error

    def _create(
        self, connection: "psycopg.Connection[Row]", schema: Sequence[str], version: int
    ) -> None:
        ((encoding,),) = connection.execute("SHOW server_encoding").fetchall()
        if encoding != "UTF8":
            raise ValueError(
                f"The database of --conversations has the encoding {encoding}, which cannot keep "
                "every character. Create it with ENCODING 'UTF8' TEMPLATE template0."
            )
        ((is_made,),) = connection.execute(
            "SELECT to_regclass('langchain_swallow') IS NOT NULL"
        ).fetchall()
        if is_made:
            rows = connection.execute("SELECT version FROM langchain_swallow").fetchall()
            if rows != [(version,)]:
                raise ValueError(
                    f"The database of --conversations has version {rows[0][0]} of the tables, not "
                    f"{version}. Use the version of langchain-swallow that made it, or another "
                    "database."
                )
            return
        for statement in schema:
            connection.execute(_translate(statement))
        connection.execute("CREATE TABLE langchain_swallow(version INTEGER NOT NULL)")
        connection.execute("INSERT INTO langchain_swallow VALUES (%s)", [version])

    def read(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of a query."""
        with self._connected() as connection:
            return connection.execute(_translate(statement), values).fetchall()

    @contextlib.contextmanager
    def changing(self) -> Iterator[Execute]:
        """Return a transaction."""
        with self._transaction() as connection:
            yield (
                lambda statement, *values: (
                    connection.execute(_translate(statement), values).rowcount
                )
            )

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator["psycopg.Connection[Row]"]:
        with self._connected() as connection, connection.transaction():
            yield connection

    @contextlib.contextmanager
    def _connected(self) -> Iterator["psycopg.Connection[Row]"]:
        """Return a connection that is used by nobody else.

        Raises:
            ConversationsUnavailableError: There is none.
        """
        if time.monotonic() < self._pause_ends or not self._places.acquire(timeout=_WAIT_S):
            raise ConversationsUnavailableError
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                if not connection.closed:
                    self._idle.append(connection)
        except _LOST as error:
            logger.error("The database of conversations cannot be used: %s", error)
            raise ConversationsUnavailableError from error
        finally:
            self._places.release()

    def _take(self) -> "psycopg.Connection[Row]":
        while self._idle:
            connection = self._idle.pop()
            try:
                connection.execute("SELECT 1")
            except psycopg.OperationalError:
                connection.close()
                # The others were lost with it.
                self.close()
            else:
                return connection
        try:
            connection = psycopg.connect(**self._settings, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError:
            self._pause_ends = time.monotonic() + _PAUSE_S
            raise
        # Not as a parameter of the connection, which PgBouncer refuses.
        connection.execute(f"SET statement_timeout = {_STATEMENT_MS}")
        return connection


def _settings(url: str) -> dict[str, Any]:
    """Return the parameters of a URL; errors do not repeat it, because it may have a password."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        given = {"host": "@"}
    # libpq takes a part of a password that is not encoded for another parameter, and names it.
    places = f"{given.get('host')}{given.get('dbname')}"
    if "@" in places or not re.fullmatch(r"[\d,]*", str(given.get("port", ""))):
        raise ValueError(
            "The URL of --conversations cannot be read. Write postgresql://USER:PASSWORD@HOST/NAME "
            "and encode special characters of the password, such as %40 for @."
        )
    return {
        "connect_timeout": _WAIT_S,
        "tcp_user_timeout": _SILENCE_MS,
        "application_name": "langchain-swallow",
        **given,
    }


@functools.cache
def _translate(statement: str) -> str:
    for sqlite, postgres in _DIALECT:
        statement = statement.replace(sqlite, postgres)
    return statement
