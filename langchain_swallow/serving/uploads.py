"""Files from users: read, split and embedded within limits, each with its own result."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from langchain_swallow.documents import load_documents
from langchain_swallow.errors import SwallowError
from langchain_swallow.formats.reading import SUFFIXES
from langchain_swallow.vectorstores import SwallowFAISS


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a session's uploads.

    Args:
        files: How many.
        file_mb: Size of one, in MiB.
        passages: Of one file.
    """

    files: int = 20
    file_mb: float = 20.0
    passages: int = 5000


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of a file: its passages, or why it has none."""

    name: str
    passages: int = 0
    error: str = ""


def add_files(
    store: SwallowFAISS, paths: Sequence[Path], splitter: TextSplitter, limits: Limits
) -> Iterator[Uploaded]:
    """Add files to a store, one after another; a file of the same name is replaced."""
    for path in paths:
        name = PurePath(path).name
        try:
            chunks = _chunks(path, name, splitter, limits)
            with store.transaction():
                store.delete(source=name)
                store.add_documents(chunks)
        except (SwallowError, OSError, ValueError) as error:
            # Where the file lies on the server is nobody's business.
            yield Uploaded(name, error=str(error).replace(str(path), name))
        else:
            yield Uploaded(name, passages=len(chunks))


def _chunks(path: Path, name: str, splitter: TextSplitter, limits: Limits) -> list[Document]:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{name}: 読めない形式です。{'、'.join(sorted(SUFFIXES))} が読めます。")
    documents = load_documents(path, max_file_mb=limits.file_mb, on_error="raise")
    for document in documents:
        document.metadata["source"] = name
    chunks = splitter.split_documents(documents)
    if not chunks:
        raise ValueError(f"{name}: 文字がありません。")
    if len(chunks) > limits.passages:
        raise ValueError(f"{name}: {len(chunks)} 箇所あり、{limits.passages} を超えます。")
    return chunks
