"""`manifest.json`: what an index is made of, and a hash of every file and of itself."""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.filters import Mask
from langchain_swallow.text.json_text import json_text

FORMAT_VERSION = 3
_READ_VERSIONS = (2, FORMAT_VERSION)
NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's size and hash."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment's files, and which of its rows have been deleted (packed bits; empty for none)."""

    name: str
    count: int
    kind: str
    files: Mapping[str, StoredFile]
    dead: str = ""

    def alive(self) -> Mask | None:
        """Rows that have not been deleted; `None` is all."""
        if not self.dead:
            return None
        bits = np.frombuffer(zlib.decompress(base64.b64decode(self.dead)), dtype=np.uint8)
        return ~np.unpackbits(bits, count=self.count).astype(bool)

    def with_alive(self, alive: Mask | None) -> "StoredSegment":
        """The same with these rows left."""
        if alive is None or alive.all():
            return replace(self, dead="")
        packed = zlib.compress(np.packbits(~alive).tobytes())
        return replace(self, dead=base64.b64encode(packed).decode())


@dataclass(frozen=True, slots=True)
class Manifest:
    """An index as it is on disk.

    Args:
        metric: `"cosine"`, `"ip"` or `"l2"`.
        index: The kind of index that was asked for.
        embedding: What tells the encoder apart, with its prefixes.
        dimension: Of the vectors; `None` before the first.
        documents: Passages that have not been deleted.
        change: Counts the changes.
        segments: In the order of their passages.
    """

    metric: str
    index: str
    embedding: Mapping[str, str]
    dimension: int | None = None
    documents: int = 0
    change: int = 0
    segments: tuple[StoredSegment, ...] = field(default=())

    def without_files(self) -> "Manifest":
        """What it says of the index, and nothing of what is in it."""
        return Manifest(metric=self.metric, index=self.index, embedding=self.embedding)

    def dumps(self) -> str:
        """JSON with the format version and a hash of everything else."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        return json_text({**content, "sha256": _digest(content)}, indent=1)


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a saved index.

    Raises:
        FileNotFoundError: There is no index.
        IndexStoreError: The manifest is damaged or of another version.
    """
    path = Path(folder) / NAME
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} holds no index. Make one with `langchain-swallow index DIR -o {folder}`."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format_version")
        if version not in _READ_VERSIONS:
            to_do = "Index the documents again."
            if version > FORMAT_VERSION:
                to_do = "Update langchain-swallow, or index the documents again."
            raise IndexStoreError(
                f"{folder} has index format {version!r}, this version reads "
                f"{_READ_VERSIONS[0]} to {FORMAT_VERSION}. {to_do}"
            )
        expected = content.pop("sha256")
        if _digest({"format_version": version, **content}) != expected:
            raise ValueError("its hash is another")
        segments = tuple(_segment(part) for part in content.pop("segments"))
        # Versions before 0.2.0 had this kind too.
        if content["index"] == "ivfpq":
            content["index"] = "hnsw"
        return Manifest(**content, segments=segments)
    except IndexStoreError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexStoreError(
            f"{path} is damaged ({error}). Restore it, or index the documents again."
        ) from error


def describe_embedding_model(embedding: object) -> dict[str, str]:
    """What tells two encoders apart: class, model and prefixes."""
    names = ("model", "model_name", "query_prefix", "passage_prefix")
    values = {name: getattr(embedding, name, None) for name in names}
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    return {"class": type(embedding).__name__, **known}


def _segment(part: dict[str, Any]) -> StoredSegment:
    files = {name: StoredFile(**file) for name, file in part.pop("files").items()}
    for name in files:
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no file of the folder")
    return StoredSegment(**part, files=files)


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
