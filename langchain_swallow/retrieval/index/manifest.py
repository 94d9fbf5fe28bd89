"""`manifest.json`: the segments of an index, and a checksum of every file and of itself."""

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
    """Size of a file in bytes, and its SHA-256 checksum."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment's files, and its deleted rows.

    Args:
        name: Name of the segment.
        count: Number of rows, including deleted ones.
        kind: `"flat"` or `"hnsw"`.
        files: File name → size and checksum.
        dead: Bit mask of the deleted rows, compressed by zlib, in Base64; empty for none.
    """

    name: str
    count: int
    kind: str
    files: Mapping[str, StoredFile]
    dead: str = ""

    def alive(self) -> Mask | None:
        """Mask of the rows that are not deleted, shape (count,); `None` is all rows."""
        if not self.dead:
            return None
        bits = np.frombuffer(zlib.decompress(base64.b64decode(self.dead)), dtype=np.uint8)
        return ~np.unpackbits(bits, count=self.count).astype(bool)

    def with_alive(self, alive: Mask | None) -> "StoredSegment":
        """A copy in which only these rows are not deleted."""
        if alive is None or alive.all():
            return replace(self, dead="")
        packed = zlib.compress(np.packbits(~alive).tobytes())
        return replace(self, dead=base64.b64encode(packed).decode())


@dataclass(frozen=True, slots=True)
class Manifest:
    """Description of an index on disk.

    Args:
        metric: `"cosine"`, `"ip"` or `"l2"`.
        index: Kind of index that the user asked for: `"flat"`, `"hnsw"` or `"auto"`.
        embedding: Class, model and prefixes of the embedding model.
        dimension: Dimension of the vectors; `None`, the default, before the first one.
        documents: Number of chunks that are not deleted.
        change: Number of changes since the index was created.
        segments: Segments in the order of their chunks.
    """

    metric: str
    index: str
    embedding: Mapping[str, str]
    dimension: int | None = None
    documents: int = 0
    change: int = 0
    segments: tuple[StoredSegment, ...] = field(default=())

    def without_files(self) -> "Manifest":
        """A copy with metric, kind and embedding model only, as for an empty index."""
        return Manifest(metric=self.metric, index=self.index, embedding=self.embedding)

    def dumps(self) -> str:
        """Serialize to JSON, with the format version and a checksum of the rest."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        return json_text({**content, "sha256": _digest(content)}, indent=1)


def read_manifest(folder: str | Path) -> Manifest:
    """Read the manifest of a saved index.

    Raises:
        FileNotFoundError: There is no index in the folder.
        IndexStoreError: The manifest is damaged, or has another format version.
    """
    return parse_manifest(read_manifest_bytes(folder), folder)


def read_manifest_bytes(folder: str | Path) -> bytes:
    """Read the manifest of a saved index as it is.

    Raises:
        FileNotFoundError: There is no index in the folder.
    """
    path = Path(folder) / NAME
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} holds no index. Make one with `langchain-swallow index DIR -o {folder}`."
        )
    return path.read_bytes()


def parse_manifest(data: bytes, folder: str | Path) -> Manifest:
    """Parse a manifest.

    Args:
        data: The contents of the file.
        folder: The folder of the index, for errors.

    Raises:
        IndexStoreError: The manifest is damaged, or has another format version.
    """
    try:
        content = json.loads(data.decode("utf-8"))
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
            raise ValueError("checksum mismatch")
        segments = tuple(_segment(part) for part in content.pop("segments"))
        # Versions before 0.2.0 also had this kind.
        if content["index"] == "ivfpq":
            content["index"] = "hnsw"
        return Manifest(**content, segments=segments)
    except IndexStoreError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexStoreError(
            f"{Path(folder) / NAME} is damaged ({error}). Restore it, or index the documents again."
        ) from error


def is_same_model(stored: Mapping[str, str], model: Mapping[str, str]) -> bool:
    """Whether the description of an index's embedding model describes this one.

    Of `HuggingFaceEmbeddings`, version 0.1.0 recorded no prefixes. Indexes without them are not
    compared by them.
    """
    prefixes = {"query_prefix", "passage_prefix"} - stored.keys()
    return dict(stored) == {name: value for name, value in model.items() if name not in prefixes}


def _segment(part: dict[str, Any]) -> StoredSegment:
    files = {name: StoredFile(**file) for name, file in part.pop("files").items()}
    for name in files:
        if Path(name).name != name:
            raise ValueError(f"{name!r} is not a file name in the folder")
    return StoredSegment(**part, files=files)


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
