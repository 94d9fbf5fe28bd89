"""The files of a segment in the folder of an index: written once, verified, and read.

A segment's files are named after it. They are synced before a manifest names them.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from langchain_swallow._system.checksums import file_sha256
from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index.bm25 import Lexical
from langchain_swallow.retrieval.index.files import sync_file, sync_folder
from langchain_swallow.retrieval.index.manifest import Manifest, StoredFile, StoredSegment
from langchain_swallow.retrieval.index.segment import Segment
from langchain_swallow.retrieval.index.vectors import Vectors


def write_segment(folder: Path, segment: Segment) -> StoredSegment:
    """Write the files of a new segment.

    Raises:
        IndexStoreError: The folder already has a segment of this name.
    """
    database, terms, exact, fast, _ = _paths(folder, segment.name)
    if database.exists():
        raise IndexStoreError(
            f"{database} exists, but the index in {folder} does not name it: the index is "
            "damaged. Write to another folder."
        )
    segment.write_database(database)
    segment.lexical.write(terms)
    files = [database, terms, *segment.vectors.write(exact, fast)]
    for path in files:
        sync_file(path)
    sync_folder(folder)
    return StoredSegment(
        name=segment.name,
        count=len(segment),
        kind=segment.vectors.kind,
        files={path.name: stored_file(path) for path in files},
    )


def verify_segment(folder: Path, segment: StoredSegment) -> None:
    """Compare sizes and checksums of the files before anything is parsed.

    Raises:
        IndexStoreError: A file is not as it was written.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        actual_files = list(pool.map(stored_file, [folder / name for name in segment.files]))
    for (name, expected), actual in zip(segment.files.items(), actual_files, strict=True):
        if actual != expected:
            reason = (
                "its contents have changed"
                if actual.bytes == expected.bytes
                else f"it has {actual.bytes} bytes, not {expected.bytes}"
            )
            raise IndexStoreError(
                f"{folder / name} is damaged: {reason}. Restore it, or index the documents again."
            )


def read_segment(folder: Path, stored: StoredSegment, manifest: Manifest) -> Segment:
    """Read a segment; its vectors are memory-mapped.

    Raises:
        IndexStoreError: The files do not fit together.
    """
    database, terms, exact, *others = _paths(folder, stored.name)
    fast, order = (path if path.name in stored.files else None for path in others)
    try:
        vectors = Vectors.read(exact, fast, manifest.metric, order=order)  # type: ignore[arg-type]
        lexical = Lexical.read(terms)
    except (RuntimeError, ValueError) as error:
        raise IndexStoreError(
            f"{folder} is damaged: {error}. Restore it, or index the documents again."
        ) from error
    if len(vectors) != stored.count or vectors.dimension != manifest.dimension:
        raise IndexStoreError(
            f"{exact} has {len(vectors)} vectors of {vectors.dimension} dimensions, not "
            f"{stored.count} of {manifest.dimension}. Index the documents again."
        )
    return Segment.read(stored.name, database, vectors, lexical)


def stored_file(path: Path) -> StoredFile:
    """Return the size and checksum of a file."""
    return StoredFile(path.stat().st_size, file_sha256(path))


def _paths(folder: Path, name: str) -> list[Path]:
    # Only earlier versions wrote the last one (`earlier`).
    suffixes = ("sqlite", "terms", "vectors", "fast", "order")
    return [folder / f"{name}.{suffix}" for suffix in suffixes]
