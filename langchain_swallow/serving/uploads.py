"""Reads, splits and embeds users' files within limits; each file has its own result.

The work runs in separate threads, which yield to answers, and ends when its client disconnects.
Separate processes extract the text. Nothing is stored on disk.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from langchain_swallow._system.language import in_language
from langchain_swallow.documents.custom_readers import Readers
from langchain_swallow.documents.load import load_bytes
from langchain_swallow.documents.losses import losses
from langchain_swallow.documents.ocr.engine import OcrEngine, OcrText
from langchain_swallow.documents.readers.sandbox import Sandbox
from langchain_swallow.documents.reasons import in_readers_language
from langchain_swallow.errors import DocumentError
from langchain_swallow.retrieval.index.segment import make_passages
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.blocks import split_in_blocks
from langchain_swallow.text.passages import passage_text

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

_WORKERS = 2
_READING_TIMEOUT_S = 60
# Number of chunks that are embedded between two checks whether to continue.
_EMBEDDING_BATCH_SIZE = 16
_MAX_NAME_LENGTH = 255
# Metadata key of shared documents that users have added.
_MARK = "uploaded"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of uploads.

    Args:
        files: Maximum number of files of a session. Default: 20.
        file_mb: Maximum size of one file in MiB. Default: 20.
        passages: Maximum number of chunks of one file. Default: 5,000.
        session_passages: Maximum number of chunks of all files of a session. Default: 20,000.
        all_passages: Maximum number of chunks of all sessions together. Default: 200,000.
        concurrent_uploads: Maximum number of concurrent upload requests. Default: 8.
        concurrent_client_uploads: Maximum number of concurrent upload requests of one client.
            Default: 4.
        pictures: Maximum number of scanned pages and pictures of one file that OCR recognizes. The
            others are left out. Default: 100.
    """

    files: int = 20
    file_mb: float = 20.0
    passages: int = 5000
    session_passages: int = 20_000
    all_passages: int = 200_000
    concurrent_uploads: int = 8
    concurrent_client_uploads: int = 4
    pictures: int = 100

    @property
    def file_bytes(self) -> int:
        """Maximum size of one file in bytes."""
        return int(self.file_mb * 1024**2)


@dataclass(frozen=True, slots=True)
class Received:
    """A file that a client has sent; `name` is only a label, not a path."""

    name: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The result of a file: its number of chunks, or why it has none.

    `left_out` lists parts of the file that are in none of its chunks: pages that need OCR, and
    unreadable files of an archive.
    """

    name: str
    passages: int = 0
    error: str = ""
    left_out: tuple[str, ...] = ()


class _Stopped(Exception):
    """The client no longer waits for this file."""


class Worker:
    """Reads, splits and embeds files, at most two at a time.

    Args:
        splitter: Splits documents into chunks.
        limits: Limits of a file's size and chunks.
        is_answering: Whether an answer is being generated, to which this work yields.
        ocr: Recognizes the text of pictures; `None` leaves them out.
    """

    def __init__(
        self,
        splitter: TextSplitter,
        limits: Limits,
        is_answering: Callable[[], bool],
        ocr: OcrEngine | None = None,
    ) -> None:
        self._splitter, self._limits, self._is_answering = splitter, limits, is_answering
        self._ocr = ocr
        # Answers need the threads of the event loop's own executor.
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="upload")

    async def add(
        self,
        store: SwallowFAISS,
        file: Received,
        *,
        claim: Callable[[int], None],
        is_wanted: Callable[[], bool],
    ) -> Uploaded:
        """Add one file to a store; it replaces an earlier upload with the same name only.

        Cancelling the coroutine stops the work at any stage.

        Args:
            store: The store that gets the chunks.
            file: The file to add.
            claim: Reserves room for a total number of chunks, or raises a `DocumentError`.
            is_wanted: Whether the store is still in use.
        """
        job = _Job(store, file, self._splitter, self._limits, claim, self._ocr)
        job.is_wanted, job.is_answering = is_wanted, self._is_answering
        future = self._pool.submit(copy_context().run, job.run)
        try:
            return await asyncio.wrap_future(future)
        finally:
            # This has an effect only after a cancellation.
            job.stop()
            future.cancel()

    def close(self) -> None:
        """Accept no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _LimitedOcr:
    """An engine for one file, which stops with its job and after some pictures."""

    def __init__(self, engine: OcrEngine, maximum: int, look: Callable[[], None]) -> None:
        self._engine, self._maximum, self._look = engine, maximum, look
        self._count = 0

    def read(self, image: "Image") -> OcrText:
        self._look()
        self._count += 1
        if self._count > self._maximum:
            raise DocumentError(f"only {self._maximum} pages of an upload are recognized")
        return self._engine.read(image)


class _Job:
    """The work for one file."""

    def __init__(
        self,
        store: SwallowFAISS,
        file: Received,
        splitter: TextSplitter,
        limits: Limits,
        claim: Callable[[int], None],
        ocr: OcrEngine | None,
    ) -> None:
        self._store, self._file, self._splitter = store, file, splitter
        self._limits, self._claim = limits, claim
        self.is_wanted: Callable[[], bool] = lambda: True
        self.is_answering: Callable[[], bool] = lambda: False
        self._stopped = threading.Event()
        self._left_out: tuple[str, ...] = ()
        self._readable = Readers(ocr=ocr).readable
        limited = ocr and _LimitedOcr(ocr, limits.pictures, self._look)
        self._sandbox = Sandbox(1, timeout_s=_READING_TIMEOUT_S, ocr=limited)
        self._looked = time.monotonic()

    def stop(self) -> None:
        """Stop the work at its next check, and reading immediately."""
        self._stopped.set()
        self._sandbox.kill()

    def run(self) -> Uploaded:
        """Read, split and store the file; return the result, with the error if it failed."""
        name = self._file.name
        try:
            chunks = self._chunks()
            self._store_chunks(chunks)
        except _Stopped:
            return Uploaded(name, error=in_language(f"{name}: 中止しました。", f"{name}: stopped."))
        except DocumentError as error:
            reason = in_readers_language(str(error))
            return Uploaded(name, error=reason, left_out=self._left_out)
        except Exception as error:  # one file's failure must not affect the others
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
        if (suffix := PurePosixPath(name).suffix.lower()) not in self._readable:
            known = ", ".join(sorted(self._readable))
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
            # The first reason is the error, so it is not repeated.
            self._left_out = tuple(map(in_readers_language, reasons[1:]))
            raise DocumentError(reasons[0])
        unread = (*reasons, *losses(loaded.left_out, loaded.ignored))
        self._left_out = tuple(map(in_readers_language, unread))
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
        # Without an origin, the file cannot be confused with one in the server's folder.
        passages = [
            replace(passage, origin="") for passage in make_passages(texts, metadatas, None)
        ]
        # Chunks are embedded before the transaction, because it blocks other writers.
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
        """Continue only if the client waits, and at half speed while answers are generated."""
        if self._stopped.is_set() or not self.is_wanted():
            raise _Stopped
        if self.is_answering():
            self._stopped.wait(min(1.0, time.monotonic() - self._looked))
        self._looked = time.monotonic()


def file_name(sent: str | None) -> str:
    """Return a file's name as sent, without folders and control characters."""
    name = (sent or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(char if _is_plain(char) else "\ufffd" for char in name).strip() or "file"
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    suffix = PurePosixPath(name).suffix[-16:]
    return name[: _MAX_NAME_LENGTH - len(suffix)] + suffix


def _is_plain(char: str) -> bool:
    return char.isprintable() or char in " \u3000"
