"""An append-only JSON Lines file of results, so that no call is made and paid for twice."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from typing_extensions import Self

from langchain_swallow.errors import EvaluationError
from langchain_swallow.text.json_text import json_text

Record = dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """Read the records of a run file; a last line that is incomplete after a kill is left out.

    A file that does not exist has no records.

    Raises:
        EvaluationError: A line before the last is not a JSON object.
    """
    if not path.exists():
        return []
    return [record for _, record in _whole_lines(path)]


def check_record(record: Record, expected: Record, what: str) -> None:
    """Check that a record was made with the same settings as this run.

    Args:
        record: A record of the run file.
        expected: Fields of this run.
        what: What the record is, for the error message.

    Raises:
        EvaluationError: The record differs in a field; the message names the field.
    """
    for field_name, value in expected.items():
        if record[field_name] != value:
            raise EvaluationError(
                f"{what} in the run file has {field_name} {record[field_name]!r}, and this run has "
                f"{value!r}. Use the same {field_name} as the file, or choose another folder."
            )


def short_hash(text: str) -> str:
    """The first 16 hexadecimal digits of a text's SHA-256."""
    return sha256(text.encode()).hexdigest()[:16]


class RunFile:
    """A run file that is open for writing, by one process at a time.

    Args:
        path: The file, which is created with its folders if it does not exist. Existing lines are
            kept, except for a last line that is incomplete after a kill.

    Each record is on disk when `append` returns. Several threads may append at the same time.

    Raises:
        EvaluationError: Another process is writing to the file, or a line before the last is not a
            JSON object.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._process_lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        try:
            self._process_lock.acquire()
        except Timeout:
            raise EvaluationError(
                f"{path} is being written by another process. Wait, or choose another folder."
            ) from None
        self._thread_lock = threading.Lock()
        try:
            lines = list(_whole_lines(path)) if path.exists() else []
        except EvaluationError:
            self._process_lock.release()
            raise
        self.records: list[Record] = [record for _, record in lines]
        self._file = path.open("ab")
        self._file.truncate(lines[-1][0] if lines else 0)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and wait until it is on the disk."""
        line = json_text(record).encode() + b"\n"
        with self._thread_lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self.records.append(dict(record))

    def close(self) -> None:
        """Close the file, so that other processes can write to it."""
        self._file.close()
        self._process_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole_lines(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield the end offset in bytes and the record of each complete line."""
    end = 0
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or not line.endswith(b"\n"):
                raise ValueError
        except ValueError:
            if number == len(lines):
                return
            raise EvaluationError(
                f"Line {number} of {path} is damaged: {line[:60]!r}. Remove the line; its call is "
                "then repeated."
            ) from None
        end += len(line)
        yield end, record
