"""An index on disk: a folder of three files, checked when read, replaced as a whole.

`passages.sqlite` has ids, texts and metadata (JSON), `vectors.faiss` the vectors, and
`manifest.json` the format version, what the index was made with, and the SHA-256 of the other
two. Nothing is pickled. A new index is written beside the old one and renamed into its place.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_swallow.errors import IndexStoreError

FORMAT_VERSION = 1
_VECTORS, _PASSAGES, _MANIFEST = "vectors.faiss", "passages.sqlite", "manifest.json"


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored document; `number` is its id among the vectors."""

    number: int
    id: str
    text: str
    metadata: dict[str, Any] = field(hash=False)


def write_index(
    target: Path, passages: Sequence[Passage], vectors: bytes, details: dict[str, Any]
) -> None:
    """Write an index folder; `details` goes into the manifest.

    Raises:
        IndexStoreError: The folder holds something that is no index.
    """
    if target.exists() and any(target.iterdir()) and not (target / _MANIFEST).exists():
        raise IndexStoreError(f"{target} is no index and not empty. Choose another folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        new = temporary / "new"
        new.mkdir()
        _write_synced(new / _VECTORS, vectors)
        _write_passages(new / _PASSAGES, passages)
        hashes = {name: _sha256(new / name) for name in (_VECTORS, _PASSAGES)}
        manifest = {"format_version": FORMAT_VERSION, **details, "sha256": hashes}
        text = json.dumps(manifest, ensure_ascii=False, indent=2)
        _write_synced(new / _MANIFEST, text.encode())
        _exchange(new, target, temporary / "old")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_index(path: Path) -> tuple[list[Passage], bytes]:
    """Passages, in the order they were added, and the serialised vectors.

    Raises:
        FileNotFoundError: There is no index.
        IndexStoreError: It is damaged, or of another version.
    """
    for name, digest in read_manifest(path)["sha256"].items():
        if not (path / name).exists() or _sha256(path / name) != digest:
            raise IndexStoreError(f"{path / name} is damaged. Index the documents again.")
    uri = f"{(path / _PASSAGES).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        rows = database.execute("SELECT number, id, text, metadata FROM passages ORDER BY place")
        passages = [Passage(n, name, text, json.loads(meta)) for n, name, text, meta in rows]
    return passages, (path / _VECTORS).read_bytes()


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a saved index: `documents`, `dimension`, `embedding`, …

    Raises:
        FileNotFoundError: There is no index.
        IndexStoreError: The manifest is damaged or of another version.
    """
    path = Path(folder)
    if not (path / _MANIFEST).exists():
        raise FileNotFoundError(
            f"{path} holds no index. Make one with `langchain-swallow index DIR -o {path}`."
        )
    try:
        manifest: dict[str, Any] = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        version = manifest["format_version"]
        _ = manifest["embedding"], manifest["sha256"][_VECTORS], manifest["sha256"][_PASSAGES]
    except (ValueError, KeyError, TypeError) as error:
        raise IndexStoreError(
            f"{path / _MANIFEST} is damaged. Index the documents again."
        ) from error
    if version != FORMAT_VERSION:
        raise IndexStoreError(
            f"{path} has index format {version!r}, this version reads {FORMAT_VERSION}. "
            "Index the documents again."
        )
    return manifest


def _write_passages(path: Path, passages: Sequence[Passage]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE passages (place INTEGER PRIMARY KEY, number, id, text, metadata)"
        )
        database.executemany(
            "INSERT INTO passages (number, id, text, metadata) VALUES (?, ?, ?, ?)",
            [
                (p.number, p.id, p.text, json.dumps(p.metadata, ensure_ascii=False, default=str))
                for p in passages
            ],
        )


def _exchange(new: Path, target: Path, old: Path) -> None:
    """Rename `new` to `target`; what was there comes back if that fails."""
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(new, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
