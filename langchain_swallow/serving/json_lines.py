"""Log files of JSON lines that only their owner can read; they are rotated."""

import io
import logging
import logging.handlers
import os
import sys
from pathlib import Path
from typing import Any

from langchain_swallow.text.json_text import json_text
from langchain_swallow.text.surrogates import replace_surrogates_in

_MAX_BYTES, _BACKUPS = 100 * 1024**2, 10
STDOUT = Path("-")


class JsonLines:
    """Appends rows to a file, or writes them to standard output.

    Args:
        path: The file; `STDOUT` is standard output. At `max_bytes` the file is renamed to `path.1`,
            and so on.
        max_bytes: Maximum size of a file. Default: 100 MiB.
        backups: Number of renamed files that are kept. Default: 10.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, *, max_bytes: int = _MAX_BYTES, backups: int = _BACKUPS) -> None:
        self._handler: logging.Handler
        if path == STDOUT:
            self._handler = logging.StreamHandler(sys.stdout)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handler = _PrivateFile(
                path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8"
            )
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, row: dict[str, Any]) -> None:
        """Append a row."""
        text = json_text(replace_surrogates_in(row), default=str)
        self._handler.handle(logging.makeLogRecord({"msg": "%s", "args": (text,)}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class _PrivateFile(logging.handlers.RotatingFileHandler):
    def _open(self) -> io.TextIOWrapper:
        return open(
            self.baseFilename,
            "a",
            encoding=self.encoding,
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )
