"""Ratings of answers, in a JSON Lines file; a person can read and delete their own."""

import contextlib
import json
import os
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from langchain_swallow.serving.conversations import Turn
from langchain_swallow.text.json_text import json_text


class Feedback:
    """The ratings of a file.

    Args:
        path: The file; `None` discards ratings.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, turn: Turn, *, good: bool, person: str, reason: str = "") -> None:
        """Append a rating of an answer; the last one of an `answer_id` counts.

        Args:
            turn: The question and its answer.
            good: Whether the answer is good.
            person: Who rates it; empty where people are not known.
            reason: Why, in the person's words.
        """
        if self._path is None:
            return
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "answer_id": turn.id,
            "question": turn.question,
            "answer": turn.answer.get("text", ""),
            "good": good,
        }
        if reason:
            row["reason"] = reason
        if person:
            row["person"] = person
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json_text(row) + "\n")

    def read(self, person: str) -> list[dict[str, Any]]:
        """Return the ratings of a person."""
        return [row for line in self._lines() if (row := _parse(line)).get("person") == person]

    def delete(self, person: str) -> int:
        """Delete the ratings of a person; returns their number."""
        with self._lock:
            lines = self._lines()
            kept = [line for line in lines if _parse(line).get("person") != person]
            if self._path is not None and len(kept) < len(lines):
                new = self._path.with_name(f".{self._path.name}-{uuid.uuid4().hex}")
                new.write_text("".join(kept), encoding="utf-8")
                new.chmod(self._path.stat().st_mode & 0o777)
                os.replace(new, self._path)
        return len(lines) - len(kept)

    def _lines(self) -> list[str]:
        if self._path is None or not self._path.exists():
            return []
        # Not `splitlines`, which also splits at characters within the rows.
        with self._path.open(encoding="utf-8") as file:
            return list(file)


def _parse(line: str) -> dict[str, Any]:
    """Return the row of a line; empty for a line that someone else has written."""
    with contextlib.suppress(ValueError):
        row = json.loads(line)
        if isinstance(row, dict):
            return row
    return {}
