"""People with tokens of their own, in a JSON file that has only hashes of the tokens.

A token is 256 random bits, so a plain SHA-256 cannot be reversed by trying.
"""

import hashlib
import json
import logging
import os
import secrets
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from langchain_swallow.errors import AccessError
from langchain_swallow.serving.identity import Person
from langchain_swallow.text.json_text import json_text

logger = logging.getLogger(__name__)

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A person of the file.

    Args:
        id: Random id, new for each token; cookies have it instead of the name.
        name: Unique name.
        groups: Groups whose documents they may see.
        sha256: Hash of the token.
        created: Date on which the token was made.
    """

    id: str
    name: str
    groups: tuple[str, ...]
    sha256: str
    created: str


class People:
    """The people of a file, which is read again when it changes.

    Args:
        path: The file.

    Raises:
        AccessError: The file is missing or damaged, or other users can read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature = _signature(path)
        self._take(read_people(path))

    def find(self, token: str) -> str | None:
        """Return the id of the person with this token; `None` if there is none."""
        self._refresh()
        entry = self._by_hash.get(_sha256(token))
        return None if entry is None else entry.id

    def person(self, entry_id: str) -> Person | None:
        """Return the person with this id; `None` once the token is removed."""
        self._refresh()
        entry = self._by_id.get(entry_id)
        return None if entry is None else Person(entry.name, frozenset(entry.groups))

    def _take(self, entries: Iterable[Entry]) -> None:
        entries = list(entries)
        self._by_hash = {entry.sha256: entry for entry in entries}
        self._by_id = {entry.id: entry for entry in entries}

    def _refresh(self) -> None:
        signature = _signature(self._path)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._take(read_people(self._path))
        except AccessError as error:
            # Nobody is let in on the word of a file that cannot be read.
            logger.error("Nobody can log in: %s", error)
            self._take(())


def read_people(path: Path) -> list[Entry]:
    """Read the file.

    Raises:
        AccessError: The file is missing or damaged, or other users can read it.
    """
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise AccessError(f"{path} can be read by other users. Run `chmod 600 {path}`.")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise AccessError(
                f"{path} has version {content['version']!r}, this version reads {_VERSION}. "
                "Update langchain-swallow."
            )
        return [_entry(row) for row in content["people"]]
    except FileNotFoundError:
        raise AccessError(
            f"{path} does not exist. Make it with `langchain-swallow token add NAME --people "
            f"{path}`."
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AccessError(
            f"{path} is damaged ({error!r}). Restore it, or make it again."
        ) from error


def add_person(path: Path, name: str, groups: Sequence[str]) -> str:
    """Add a person, and return their token, which is not stored.

    Raises:
        AccessError: The name is taken or cannot be used, or the file cannot be read.
    """
    if not name.strip() or not name.isprintable() or not all(map(str.strip, groups)):
        raise AccessError(
            f"A name and groups must be printable and not empty, not {name!r} and {list(groups)!r}."
        )
    token = secrets.token_urlsafe(32)
    entry = Entry(
        secrets.token_hex(8),
        name,
        tuple(dict.fromkeys(groups)),
        _sha256(token),
        time.strftime("%Y-%m-%d"),
    )
    with _lock(path):
        entries = read_people(path) if path.exists() else []
        if any(known.name == name for known in entries):
            raise AccessError(
                f"{path} has {name!r} already. To give another token or other groups, remove the "
                "old one first with `langchain-swallow token remove`."
            )
        _write(path, [*entries, entry])
    return token


def remove_person(path: Path, name: str) -> None:
    """Remove a person, whose token and cookies are refused from then on.

    Raises:
        AccessError: The file does not have the name, or cannot be read.
    """
    with _lock(path):
        entries = read_people(path)
        kept = [entry for entry in entries if entry.name != name]
        if len(kept) == len(entries):
            names = ", ".join(entry.name for entry in entries) or "nobody"
            raise AccessError(f"{path} does not have {name!r}, only {names}.")
        _write(path, kept)


def _entry(row: dict[str, Any]) -> Entry:
    groups = row.pop("groups")
    if not isinstance(groups, list) or not all(isinstance(g, str) for g in groups):
        raise ValueError(f"groups must be a list of names, not {groups!r}")
    entry = Entry(**row, groups=tuple(groups))
    if not all(isinstance(value, str) and value for value in row.values()):
        raise ValueError("an entry without name, id, sha256 or created")
    return entry


def _write(path: Path, entries: Sequence[Entry]) -> None:
    content = {"version": _VERSION, "people": [asdict(entry) for entry in entries]}
    new = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(json_text(content, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _lock(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=10)


def _signature(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
