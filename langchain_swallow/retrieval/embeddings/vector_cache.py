"""Cache vectors on disk by the hash of their text, so that no text is embedded twice."""

import hashlib
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

_BATCH_SIZE = 500
_WAIT_S = 30.0


class VectorCache:
    """A SQLite file of vectors; several processes may use it at the same time.

    Args:
        path: The file. It is created with its folders when the first vector is stored.
        model_key: Identifies the embedding model and the prefix. Vectors that were stored with
            another key are not returned.
    """

    def __init__(self, path: Path, model_key: str) -> None:
        self._path, self._model_key = path, model_key
        self._lock = threading.Lock()

    def get(self, texts: Sequence[str]) -> dict[str, Vector]:
        """Cached vectors by text; texts that are not in the cache are left out."""
        keys = {self._key(text): text for text in texts}
        if not self._path.exists():
            return {}
        vectors: dict[str, Vector] = {}
        with self._lock, closing(self._open()) as database:
            for start in range(0, len(keys), _BATCH_SIZE):
                batch = list(keys)[start : start + _BATCH_SIZE]
                marks = ",".join("?" * len(batch))
                statement = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"
                for key, vector in database.execute(statement, batch):
                    vectors[keys[key]] = np.frombuffer(vector, dtype=np.float32)
        return vectors

    def put(self, vectors: Mapping[str, Vector]) -> None:
        """Store vectors by text, replacing existing ones."""
        rows = [(self._key(text), vector.tobytes()) for text, vector in vectors.items()]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, closing(self._open()) as database, database:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_WAIT_S)
        database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
        return database

    def _key(self, text: str) -> bytes:
        named = f"{self._model_key}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(named).digest()
