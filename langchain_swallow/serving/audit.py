"""The audit log: who asked what when, and which documents they were shown; JSON lines."""

import io
import logging
import logging.handlers
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from langchain_swallow.serving.identity import Person
from langchain_swallow.text.json_text import json_text
from langchain_swallow.text.surrogates import replace_surrogates_in

_MAX_BYTES, _BACKUPS = 100 * 1024**2, 10
# What names a chunk and its place; its text is in the index.
_PLACE = ("source", "inside", "headings", "page", "line")


class AuditLog:
    """Appends rows to a file that only its owner can read.

    Args:
        path: The file. At `max_bytes` it is renamed to `path.1`, and so on.
        max_bytes: Maximum size of a file. Default: 100 MiB.
        backups: Number of renamed files that are kept. Default: 10.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, *, max_bytes: int = _MAX_BYTES, backups: int = _BACKUPS) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _PrivateFile(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8")
        self._file.setFormatter(logging.Formatter("%(message)s"))

    def write(self, person: Person, question: str, documents: Sequence[Document]) -> None:
        """Append a row for a question of a person and the documents that they were shown."""
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "person": person.name,
            "request": person.request_id,
            "question": question,
            "documents": [_place(document) for document in documents],
        }
        text = json_text(replace_surrogates_in(row), default=str)
        self._file.handle(logging.makeLogRecord({"msg": "%s", "args": (text,)}))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _PrivateFile(logging.handlers.RotatingFileHandler):
    def _open(self) -> io.TextIOWrapper:
        return open(
            self.baseFilename,
            "a",
            encoding=self.encoding,
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )


def _place(document: Document) -> dict[str, Any]:
    place = {key: document.metadata[key] for key in _PLACE if key in document.metadata}
    return {"id": document.id, **place}
