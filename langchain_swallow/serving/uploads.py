"""Files from users: read, split and embedded within limits, each with its own result.

The work is done in threads of its own, which give way to answers, and ends with its client. Bytes
are read into text in processes of their own. Nothing is kept on the disk.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from langchain_swallow._system.language import in_language
from langchain_swallow.documents.load import LoadedFile, load_bytes
from langchain_swallow.documents.readers.registry import (
    SUFFIXES,
    is_document,
    is_hidden,
    what_to_do,
)
from langchain_swallow.documents.readers.sandbox import Sandbox
from langchain_swallow.documents.readers.section import describe_left_out
from langchain_swallow.errors import DocumentError
from langchain_swallow.retrieval.index.segment import passages_of
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.blocks import split_in_blocks
from langchain_swallow.text.passages import passage_text

logger = logging.getLogger(__name__)

_WORKERS = 2
_READING_TIMEOUT_S = 60
# Chunks embedded between two looks at whether to go on.
_EMBEDDING_BATCH_SIZE = 16
_MAX_NAME_LENGTH = 255
# In the metadata of what users have added to everyone's documents.
_MARK = "uploaded"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of uploads.

    Args:
        files: Of a session.
        file_mb: Size of one file, in MiB.
        passages: Chunks of one file.
        session_passages: Chunks of all files of a session.
        all_passages: Chunks of all sessions together.
        at_once: Requests with files that the server takes at a time.
        client_at_once: Of those, how many of one client.
    """

    files: int = 20
    file_mb: float = 20.0
    passages: int = 5000
    session_passages: int = 20_000
    all_passages: int = 200_000
    at_once: int = 8
    client_at_once: int = 4

    @property
    def file_bytes(self) -> int:
        """Size of one file."""
        return int(self.file_mb * 1024**2)


@dataclass(frozen=True, slots=True)
class Received:
    """A file that a client has sent; `name` says what it is called, not where anything lies."""

    name: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of a file: its passages, or why it has none.

    `left_out` says what of the file is in none of its passages: pages that need OCR, and in an
    archive the files that cannot be read.
    """

    name: str
    passages: int = 0
    error: str = ""
    left_out: tuple[str, ...] = ()


class _Stopped(Exception):
    """Nobody waits for this file any more."""


class Worker:
    """Reads, splits and embeds files, some at a time.

    Args:
        splitter: Makes chunks of documents.
        limits: Of a file's size and chunks.
        is_answering: Whether an answer is being made, to which this work gives way.
    """

    def __init__(
        self, splitter: TextSplitter, limits: Limits, is_answering: Callable[[], bool]
    ) -> None:
        self._splitter, self._limits, self._is_answering = splitter, limits, is_answering
        # Not the event loop's own executor: answers need its threads.
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="upload")

    async def add(
        self,
        store: SwallowFAISS,
        file: Received,
        *,
        claim: Callable[[int], None],
        is_wanted: Callable[[], bool],
    ) -> Uploaded:
        """Add one file to a store; an upload of the same name is replaced, and nothing else.

        Cancelling this ends the work, wherever it is.

        Args:
            store: Where the chunks go.
            file: What is added.
            claim: Takes room for so many chunks in all, or raises a `DocumentError`.
            is_wanted: Whether the store is still somebody's.
        """
        job = _Job(store, file, self._splitter, self._limits, claim)
        job.is_wanted, job.is_answering = is_wanted, self._is_answering
        future = self._pool.submit(copy_context().run, job.run)
        try:
            return await asyncio.wrap_future(future)
        finally:
            # After a cancellation; otherwise the work has ended.
            job.stop()
            future.cancel()

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Job:
    """One file on its way into a store."""

    def __init__(
        self,
        store: SwallowFAISS,
        file: Received,
        splitter: TextSplitter,
        limits: Limits,
        claim: Callable[[int], None],
    ) -> None:
        self._store, self._file, self._splitter = store, file, splitter
        self._limits, self._claim = limits, claim
        self.is_wanted: Callable[[], bool] = lambda: True
        self.is_answering: Callable[[], bool] = lambda: False
        self._stopped = threading.Event()
        self._left_out: tuple[str, ...] = ()
        self._sandbox = Sandbox(1, timeout_s=_READING_TIMEOUT_S)
        self._looked = time.monotonic()

    def stop(self) -> None:
        """End the work soon, its reading at once."""
        self._stopped.set()
        self._sandbox.kill()

    def run(self) -> Uploaded:
        """Do it all; what cannot be read says why."""
        name = self._file.name
        try:
            chunks = self._chunks()
            self._store_chunks(chunks)
        except _Stopped:
            return Uploaded(name, error=in_language(f"{name}: 中止しました。", f"{name}: stopped."))
        except DocumentError as error:
            return Uploaded(name, error=str(error), left_out=self._left_out)
        except Exception as error:  # whatever it is, the other files are not to blame
            logger.warning("%r was not added.", name, exc_info=error)
            return Uploaded(
                name,
                error=in_language(
                    f"{name}: 追加できませんでした。", f"{name}: it could not be added."
                ),
            )
        return Uploaded(name, passages=len(chunks), left_out=self._left_out)

    def _chunks(self) -> list[Document]:
        name, limits = self._file.name, self._limits
        if (suffix := PurePosixPath(name).suffix.lower()) not in SUFFIXES:
            known = ", ".join(sorted(SUFFIXES))
            raise DocumentError(
                in_language(
                    f"{name}: 読めない形式です（{suffix}）。読める形式: {known}",
                    f"{name}: {suffix} cannot be read. Formats: {known}",
                )
            )
        if self._file.size > limits.file_bytes:
            size = f"{limits.file_mb:g} MiB"
            raise DocumentError(
                in_language(f"{name}: {size} を超えます。", f"{name}: larger than {size}.")
            )
        self._look()
        self._refuse_documents_of_others()
        documents = self._documents()
        chunks: list[Document] = []
        for block in split_in_blocks(documents, self._splitter):
            self._look()
            chunks += block.chunks
            self._claim(block.expected(len(chunks)))
        if not chunks:
            raise DocumentError(
                in_language(f"{name}: 文字がありません。", f"{name}: it has no text.")
            )
        return chunks

    def _documents(self) -> Sequence[Document]:
        name = self._file.name
        with self._sandbox as sandbox:
            loaded = load_bytes(self._file.read(), PurePosixPath(name), sandbox.read)
        self._look()
        reasons = list(loaded.failed.values())
        if reasons and not loaded.documents:
            # The first is the error; it is not said twice.
            self._left_out = tuple(reasons[1:])
            raise DocumentError(reasons[0])
        self._left_out = (*reasons, *_losses(loaded))
        return loaded.documents

    def _store_chunks(self, chunks: list[Document]) -> None:
        vectors: list[list[float]] = []
        shown = [passage_text(chunk.page_content, chunk.metadata) for chunk in chunks]
        for start in range(0, len(shown), _EMBEDDING_BATCH_SIZE):
            self._look()
            part = shown[start : start + _EMBEDDING_BATCH_SIZE]
            vectors += self._store.embeddings.embed_documents(part)
        self._look()
        texts = [chunk.page_content for chunk in chunks]
        metadatas = [{**chunk.metadata, _MARK: True} for chunk in chunks]
        # A file of this name in the server's folder is another one.
        passages = [replace(passage, origin="") for passage in passages_of(texts, metadatas, None)]
        # Embedded before: others wait for their changes while a transaction goes on.
        with self._store.transaction():
            self._refuse_documents_of_others()
            self._store.delete(source=self._file.name)
            self._store.add_passages(passages, vectors)

    def _refuse_documents_of_others(self) -> None:
        name = self._file.name
        same, _ = self._store.snapshot().of_sources([name])
        if any(passage.origin or passage.metadata.get(_MARK) is not True for passage in same):
            raise DocumentError(
                in_language(
                    f"{name}: 同じ名前の文書が索引にあります。名前を変えて追加してください。",
                    f"{name}: the index has a document of this name that was not uploaded. Rename "
                    "the file to add it.",
                )
            )

    def _look(self) -> None:
        """Go on only where somebody waits, and half as fast while answers are made."""
        if self._stopped.is_set() or not self.is_wanted():
            raise _Stopped
        if self.is_answering():
            self._stopped.wait(min(1.0, time.monotonic() - self._looked))
        self._looked = time.monotonic()


def _losses(loaded: LoadedFile) -> Iterator[str]:
    """What is missing of the files that were read, and documents in formats that are not."""
    for where, parts in loaded.left_out.items():
        for line in describe_left_out(part for part in parts if part.is_loss):
            yield f"{where}: {line}"
    for path in map(PurePosixPath, loaded.ignored):
        if is_document(path.suffix.lower()) and not any(map(is_hidden, path.parts)):
            yield f"{path}: {what_to_do(path.suffix.lower())}"


def file_name(sent: str | None) -> str:
    """A file's own name, of whatever a client calls it: without folders and control characters."""
    name = (sent or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(char if _is_plain(char) else "\ufffd" for char in name).strip() or "file"
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    suffix = PurePosixPath(name).suffix[-16:]
    return name[: _MAX_NAME_LENGTH - len(suffix)] + suffix


def _is_plain(char: str) -> bool:
    return char.isprintable() or char in " \u3000"
