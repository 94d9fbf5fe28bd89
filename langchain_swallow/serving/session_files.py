"""`SessionFiles`: the documents that users add, for their session or for everyone."""

import functools
from collections.abc import AsyncIterator, Sequence

from langchain_swallow._system.language import in_language
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.ledger import Entry, Ledger
from langchain_swallow.serving.metrics import Metrics
from langchain_swallow.serving.refusals import NotPermittedError, UnknownDocumentError
from langchain_swallow.serving.sessions import Session
from langchain_swallow.serving.uploads import Limits, Received, Uploaded, Worker


class SessionFiles:
    """Adds files to sessions and to the shared documents, and removes those of sessions.

    Args:
        store: The shared documents.
        worker: Reads and embeds files.
        ledger: Counts what is kept.
        metrics: Counts files.
        limits: Limits of uploads.
        takes_shared: Whether users may add documents to `store`.
    """

    def __init__(
        self,
        store: SwallowFAISS,
        worker: Worker,
        ledger: Ledger,
        metrics: Metrics,
        limits: Limits,
        *,
        takes_shared: bool,
    ) -> None:
        self._store = store
        self._worker = worker
        self._ledger = ledger
        self._metrics = metrics
        self._limits = limits
        self._takes_shared = takes_shared

    async def add(
        self, session: Session, files: Sequence[Received], *, shared: bool = False
    ) -> AsyncIterator[Uploaded]:
        """Add files to a session's or to the shared documents; yield a result for each file.

        A file that is sent again counts once, and failed files do not count. Closing the stream
        ends the work.

        Raises:
            NotPermittedError: `shared` is true and the server does not permit shared uploads.
        """
        if shared and not self._takes_shared:
            raise NotPermittedError(
                in_language(
                    "共有の索引には追加できません（--shared-uploads で許可します）。",
                    "This server takes no documents for everyone; --shared-uploads permits them.",
                )
            )
        for file in files:
            yield await self._add(session, file, shared=shared)

    async def _add(self, session: Session, file: Received, *, shared: bool) -> Uploaded:
        name = file.name
        kept = session.shared if shared else session.files
        others = len(session.files.keys() | session.shared.keys()) - (name in kept)
        if others + session.uploading >= self._limits.files:
            limit = self._limits.files
            ja, en = f"一つの会話に {limit} 個までです。", f"A session has at most {limit} files."
            return Uploaded(name, error=f"{name}: {in_language(ja, en)}")
        if shared:
            store = self._store
        else:
            # Kept in memory, and deleted with the session.
            store = session.documents or SwallowFAISS(self._store.embeddings)
            session.documents = store

        def is_wanted() -> bool:
            # A new conversation replaces the documents.
            return not session.closed and (shared or session.documents is store)

        entry = Entry(session, name, shared)
        claim = functools.partial(self._ledger.claim, entry)
        session.uploading += 1
        try:
            result = await self._worker.add(store, file, claim=claim, is_wanted=is_wanted)
        finally:
            session.uploading -= 1
            self._ledger.release(entry)
        # A shared document is added even if the session has ended.
        if not result.error and (shared or is_wanted()):
            self._ledger.keep(entry, result.passages)
        self._metrics.upload(is_added=not result.error)
        return result

    def remove(self, session: Session, name: str) -> None:
        """Remove one of a session's documents.

        Raises:
            UnknownDocumentError: The session has no file with this name.
        """
        if name not in session.files:
            raise UnknownDocumentError(name)
        if session.documents is not None:
            session.documents.delete(source=name)
        del session.files[name]

    def close(self) -> None:
        """Stop the work on files."""
        self._worker.close()
