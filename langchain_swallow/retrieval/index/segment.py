"""A segment: chunks with their metadata in SQLite, their vectors and their terms; immutable.

Row i of the database belongs to row i of the vectors and terms. A segment in memory has the same
parts.
"""

import errno
import functools
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.retrieval.index.bm25 import Lexical, Terms
from langchain_swallow.retrieval.index.filters import Column, Mask, admitted_rows
from langchain_swallow.retrieval.index.metric import Array, Metric
from langchain_swallow.retrieval.index.vectors import Kind, Vectors
from langchain_swallow.text.json_text import json_text
from langchain_swallow.text.passages import passage_text
from langchain_swallow.text.surrogates import replace_surrogates

_SCHEMA = """
CREATE TABLE passages (row INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT, text TEXT NOT NULL,
                       metadata TEXT NOT NULL, origin TEXT);
CREATE INDEX passages_by_id ON passages (id);
CREATE INDEX passages_by_source ON passages (source);
"""
# Name of the column with the locations of files, which are not in the metadata; see `Passage`.
ORIGIN = "\0origin"
_T = TypeVar("_T", bound=np.generic)
_TEXTS = "SELECT text, metadata FROM passages ORDER BY row"
# Rows per query: fewer than SQLite's limit of parameters in one statement.
_BATCH_SIZE = 500
# Memory-map the database up to SQLite's limit, so that reading a page needs no system call.
_MMAP_BYTES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored chunk; `origin` is the location of its file (`origins`), `None` if unknown."""

    id: str
    text: str
    metadata: dict[str, Any] = field(hash=False)
    origin: str | None = None


class Segment:
    """Chunks that several threads can search and read.

    Args:
        name: Name that is unique in the index.
        database: Database with the chunks. The segment lets one thread use it at a time.
        vectors: Vectors of the chunks, in the same order.
        lexical: Index of the characters and pairs of characters in the chunks.
    """

    def __init__(
        self, name: str, database: sqlite3.Connection, vectors: Vectors, lexical: Lexical
    ) -> None:
        self.name, self.vectors, self.lexical = name, vectors, lexical
        self._database = database
        columns = {name for _, name, *_ in database.execute("PRAGMA table_info(passages)")}
        # Segments of earlier versions do not have the column `origin`.
        self._origin = "origin" if "origin" in columns else "NULL"
        self._lock = threading.Lock()
        # `lru_cache` on the method would keep every segment alive.
        self.column = functools.lru_cache(maxsize=32)(self._column)
        self.words = functools.lru_cache(maxsize=2)(self._words)
        self._mask = functools.lru_cache(maxsize=16)(self._compute_mask)

    @classmethod
    def build(
        cls, name: str, passages: Iterable[Passage], vectors: Array, metric: Metric, kind: Kind
    ) -> "Segment":
        """Build a segment in memory.

        Args:
            name: Name that is unique in the index.
            passages: The chunks.
            vectors: Their vectors from `prepare_vectors`, shape (n, dim).
            metric: Metric of the scores.
            kind: Kind of the index of the vectors.
        """
        database = sqlite3.connect(":memory:", check_same_thread=False)
        database.executescript(_SCHEMA)
        with database:
            database.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)", _rows(passages))
        searched = (
            passage_text(text, json.loads(metadata)) for text, metadata in database.execute(_TEXTS)
        )
        lexical = Lexical.from_ngrams(searched)
        return cls(name, database, Vectors.build(vectors, metric, kind), lexical)

    @classmethod
    def read(cls, name: str, database: Path, vectors: Vectors, lexical: Lexical) -> "Segment":
        """Open a segment whose files never change.

        Raises:
            FileNotFoundError: The database does not exist.
        """
        uri = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.OperationalError as error:
            if database.exists():
                raise
            # SQLite does not report why it cannot open a file.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), database) from error
        connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES}")
        return cls(name, connection, vectors, lexical)

    def write_database(self, path: Path) -> None:
        """Copy the database into a file."""
        target = sqlite3.connect(path)
        try:
            with self._lock:
                self._database.backup(target)
        finally:
            target.close()

    def __len__(self) -> int:
        return len(self.vectors)

    def passages(self, rows: Sequence[int]) -> dict[int, Passage]:
        """Read chunks; returns row → chunk."""
        by_row: dict[int, Passage] = {}
        for batch in _batches(rows):
            marks = ",".join("?" * len(batch))
            statement = f"SELECT {self._fields} FROM passages WHERE row IN ({marks})"
            for row, passage in _passages(self._select(statement, batch)):
                by_row[row] = passage
        return by_row

    def everything(self) -> Iterator[tuple[int, Passage]]:
        """All rows with their chunks, in order; other threads can read between its batches."""
        for start in range(0, len(self), _BATCH_SIZE):
            rows = self._select(
                f"SELECT {self._fields} FROM passages WHERE row >= ? AND row < ? ORDER BY row",
                (start, start + _BATCH_SIZE),
            )
            yield from _passages(rows)

    @property
    def _fields(self) -> str:
        return f"row, id, text, metadata, {self._origin}"

    def rows_of_ids(self, ids: Sequence[str]) -> dict[str, int]:
        """Id → row, for the ids that the segment contains."""
        return {name: row for name, row, _ in self._look_up("id", ids)}

    def rows_of_sources(
        self, sources: Sequence[str], origins: Container[str | None] | None = None
    ) -> list[int]:
        """Rows with one of these sources, and one of these locations unless `origins` is `None`."""
        matches = self._look_up("source", sources)
        return [row for _, row, origin in matches if origins is None or origin in origins]

    def mask(self, filter: Mapping[str, Any]) -> Mask:
        """Mask of the rows that a filter admits, shape (n,).

        The mask is cached, so do not change it.

        Raises:
            ValueError: As for `filters.admitted_rows`.
        """
        try:
            name = json.dumps(filter, sort_keys=True)
        except TypeError:
            return admitted_rows(filter, self.column, len(self))
        return self._mask(name)

    def _compute_mask(self, name: str) -> Mask:
        return admitted_rows(json.loads(name), self.column, len(self))

    def _column(self, key: str) -> Column:
        if key == ORIGIN:
            rows = self._select(f"SELECT {self._origin} FROM passages ORDER BY row", ())
            return Column.from_metadata(
                ({} if name is None else {key: _read(name)} for (name,) in rows), key
            )
        return Column.from_metadata((json.loads(metadata) for metadata in self._metadatas()), key)

    def _metadatas(self) -> Iterator[str]:
        # In batches, because the memory of all texts together would not be returned to the system.
        for start in range(0, len(self), _BATCH_SIZE):
            statement = "SELECT metadata FROM passages WHERE row >= ? AND row < ? ORDER BY row"
            yield from (text for (text,) in self._select(statement, (start, start + _BATCH_SIZE)))

    def _words(self, terms: Terms) -> Lexical:
        """Index of the terms that a tokenizer returns; `self.words` caches it."""
        texts = (passage_text(p.text, p.metadata) for _, p in self.everything())
        return Lexical.from_words(texts, terms)

    def _look_up(self, column: str, values: Sequence[str]) -> Iterator[tuple[str, int, str | None]]:
        for batch in _batches(values):
            marks = ",".join("?" * len(batch))
            statement = (
                f"SELECT {column}, row, {self._origin} FROM passages WHERE {column} IN ({marks})"
            )
            for value, row, origin in self._select(statement, list(map(_stored, batch))):
                yield _read(value), row, None if origin is None else _read(origin)

    def _select(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            return self._database.execute(statement, tuple(values)).fetchall()


def make_passages(
    texts: list[str], metadatas: list[dict[str, Any]] | None, ids: list[str] | None
) -> list[Passage]:
    """Make chunks of texts; a lone surrogate becomes U+FFFD.

    Args:
        texts: Texts of the chunks.
        metadatas: One dict per text; `None` makes empty ones.
        ids: One id per text. For `None`, and for a `None` in the list, a new id is made.

    Raises:
        ValueError: The arguments differ in length.
    """
    sources = metadatas if metadatas is not None else [{}] * len(texts)
    names = [name or str(uuid.uuid4()) for name in ids or [""] * len(texts)]
    if not len(texts) == len(sources) == len(names):
        raise ValueError(
            f"{len(texts)} texts, {len(sources)} metadatas and {len(names)} ids: "
            "give one of each for every text."
        )
    return [
        Passage(name, replace_surrogates(text), dict(metadata))
        for name, text, metadata in zip(names, texts, sources, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment and a mask of its rows that are not deleted; `None` is all rows."""

    segment: Segment
    alive: Mask | None = None

    def __len__(self) -> int:
        return len(self.segment) if self.alive is None else int(np.count_nonzero(self.alive))

    def rows(self) -> NDArray[np.int64]:
        """Rows that are not deleted, in order."""
        if self.alive is None:
            return np.arange(len(self.segment))
        return np.flatnonzero(self.alive)

    def living(self, values: NDArray[_T]) -> NDArray[_T]:
        """Select the values of the rows that are not deleted, from one value per row."""
        return values if self.alive is None else values[self.alive]

    def is_alive(self, row: int) -> bool:
        """Whether a row is not deleted."""
        return self.alive is None or bool(self.alive[row])

    def rows_of_sources(
        self, sources: Sequence[str], origins: Container[str | None] | None = None
    ) -> list[int]:
        """Like `Segment.rows_of_sources`, without deleted rows, in order."""
        rows = self.segment.rows_of_sources(sources, origins)
        return [row for row in sorted(rows) if self.is_alive(row)]

    def without(self, rows: Sequence[int]) -> "LiveSegment":
        """A copy with these rows deleted as well."""
        if not rows:
            return self
        alive = np.ones(len(self.segment), dtype=bool) if self.alive is None else self.alive.copy()
        alive[list(rows)] = False
        return LiveSegment(self.segment, alive)

    def admitting(self, mask: Mask | None) -> Mask | None:
        """Combine a filter's mask with the rows that are not deleted; `None` is all rows."""
        if self.alive is None or mask is None:
            return mask if self.alive is None else self.alive
        return self.alive & mask


def _rows(passages: Iterable[Passage]) -> Iterator[tuple[Any, ...]]:
    for row, passage in enumerate(passages):
        source = passage.metadata.get("source")
        metadata = json_text(passage.metadata, default=str)
        yield (
            row, _stored(passage.id), source and _stored(str(source)), passage.text, metadata,
            passage.origin and _stored(passage.origin),
        )  # fmt: skip


def _passages(
    rows: Sequence[tuple[int, str | bytes, str, str, str | bytes | None]],
) -> Iterator[tuple[int, Passage]]:
    # Parsing all metadata as one JSON text takes a third of the time of parsing each.
    metadatas = json.loads(f"[{','.join([row[3] for row in rows])}]")
    for (row, name, text, _, origin), metadata in zip(rows, metadatas, strict=True):
        yield row, Passage(_read(name), text, metadata, None if origin is None else _read(origin))


def _stored(name: str) -> str | bytes:
    """Convert a name for SQLite; to bytes if it has lone surrogates, which SQLite refuses."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")
    return name


def _read(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _BATCH_SIZE):
        yield values[start : start + _BATCH_SIZE]
