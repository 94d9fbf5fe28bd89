"""`Assistant`: what the page and the API offer, without a word of HTTP."""

import asyncio
import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_text_splitters import TextSplitter

from langchain_swallow._system.language import in_language
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.rag import Answer, create_rag_chain
from langchain_swallow.rag.conversation import astream_turn
from langchain_swallow.retrieval.fusion import reciprocal_rank
from langchain_swallow.retrieval.hybrid import HybridRetriever
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.leaving import until
from langchain_swallow.serving.ledger import Entry, Ledger
from langchain_swallow.serving.refusals import (
    BusyError,
    InvalidValueError,
    NotPermittedError,
    StoppingError,
    UnknownAnswerError,
    UnknownDocumentError,
)
from langchain_swallow.serving.sessions import Session, Sessions
from langchain_swallow.serving.settings import MAX_QUESTION_CHARS, AnswerLengths, Settings
from langchain_swallow.serving.uploads import Limits, Received, Uploaded, Worker
from langchain_swallow.text.json_text import json_text


class Assistant:
    """Answers questions of many sessions over one model and one index.

    Args:
        llm: A chat model; its scheduler serves all sessions at once.
        store: The documents that everyone may ask about.
        splitter: Of uploaded documents; `None` counts by the model's tokenizer.
        limits: Of uploads.
        lengths: Of answers.
        shared_uploads: Whether users may add documents to `store`.
        feedback: A file of JSON lines for ratings; `None` keeps none.
    """

    def __init__(
        self,
        llm: Any,
        store: SwallowFAISS,
        *,
        splitter: TextSplitter | None = None,
        limits: Limits | None = None,
        lengths: AnswerLengths | None = None,
        shared_uploads: bool = False,
        feedback: Path | None = None,
    ) -> None:
        self.llm = llm
        self.store = store
        self.limits = limits or Limits()
        self.lengths = lengths or AnswerLengths()
        self.shared_uploads = shared_uploads
        self.takes_ratings = feedback is not None
        self.sessions = Sessions()
        self._ledger = Ledger(self.limits, self.sessions)
        self._worker = Worker(
            splitter or JapaneseTextSplitter(300, llm), self.limits, lambda: self._answering > 0
        )
        self._answering = 0
        self._ending = asyncio.Event()
        self._uploading: Counter[str] = Counter()
        self._feedback = feedback
        self._writing = threading.Lock()

    async def answer(
        self,
        session: Session,
        question: str,
        settings: Settings | None = None,
        *,
        again: bool = False,
    ) -> AsyncIterator[Answer]:
        """The pieces of an answer; leaving the stream ends the generation.

        Args:
            session: The conversation it belongs to; its answers wait for each other.
            question: At most 2,000 characters.
            settings: `None` takes the defaults.
            again: Whether this takes the place of the conversation's last question, if that is
                the same, and of its answer.

        Raises:
            InvalidValueError: The question is empty or too long.
        """
        if len(question) > MAX_QUESTION_CHARS:
            raise InvalidValueError(
                in_language(
                    f"質問は {MAX_QUESTION_CHARS} 文字までです（{len(question)} 文字あります）。",
                    f"A question has at most {MAX_QUESTION_CHARS} characters, not {len(question)}.",
                )
            )
        if not question.strip():
            raise InvalidValueError(in_language("質問がありません。", "No question was given."))
        chosen = settings or Settings(lengths=self.lengths)
        chain = create_rag_chain(
            chosen.bound(self.llm),
            self._retriever(session, chosen.k),
            preset=chosen.chosen_preset(),
        )
        async with session.lock:
            if again:
                session.history.take_back(question)
            self._answering += 1
            try:
                turn = astream_turn(chain, question, session.history)
                pieces = until(self._ending, turn, StoppingError)
                async with contextlib.aclosing(pieces) as open_pieces:  # type: ignore[type-var]
                    async for piece in open_pieces:
                        yield piece
            finally:
                self._answering -= 1

    @contextlib.contextmanager
    def admitted(self, session: Session) -> Iterator[None]:
        """A place for a request with files; taken before its body is read.

        Raises:
            BusyError: This client sends as many as it may (429), or the server reads as many as
                it can (503).
        """
        client = session.client or session.id
        if self._uploading[client] >= self.limits.client_at_once:
            raise BusyError(
                in_language(
                    f"同時に送れるのは {self.limits.client_at_once} 件までです。",
                    f"A client may send {self.limits.client_at_once} uploads at a time.",
                ),
                status=429,
                retry_after_s=5,
            )
        if self._uploading.total() >= self.limits.at_once:
            raise BusyError(
                in_language(
                    "ほかの文書を読んでいます。しばらくしてからもう一度送ってください。",
                    "The server is reading other documents. Send these again later.",
                ),
                status=503,
                retry_after_s=10,
            )
        self._uploading[client] += 1
        try:
            yield
        finally:
            self._uploading[client] -= 1
            if not self._uploading[client]:
                del self._uploading[client]

    async def add_files(
        self, session: Session, files: Sequence[Received], *, shared: bool = False
    ) -> AsyncIterator[Uploaded]:
        """Add documents to a session's own, or to everyone's; a result for each file.

        A file counts once, however often it is sent, and only where it could be added. Leaving
        the stream ends the work.

        Raises:
            NotPermittedError: Everyone's documents are not for users to change.
        """
        if shared and not self.shared_uploads:
            raise NotPermittedError(
                in_language(
                    "共有の索引には追加できません（--shared-uploads で許可します）。",
                    "This server takes no documents for everyone; --shared-uploads permits them.",
                )
            )
        for file in files:
            yield await self._add_file(session, file, shared=shared)

    async def _add_file(self, session: Session, file: Received, *, shared: bool) -> Uploaded:
        name = file.name
        kept = session.shared if shared else session.files
        others = len(session.files.keys() | session.shared.keys()) - (name in kept)
        if others + session.uploading >= self.limits.files:
            limit = self.limits.files
            ja, en = f"一つの会話に {limit} 個までです。", f"A session has at most {limit} files."
            return Uploaded(name, error=f"{name}: {in_language(ja, en)}")
        if shared:
            store = self.store
        else:
            # In memory, and gone with the session.
            store = session.documents or SwallowFAISS(self.store.embeddings)
            session.documents = store

        def is_wanted() -> bool:
            # A new conversation has other documents.
            return not session.closed and (shared or session.documents is store)

        entry = Entry(session, name, shared)
        claim = functools.partial(self._ledger.claim, entry)
        session.uploading += 1
        try:
            result = await self._worker.add(store, file, claim=claim, is_wanted=is_wanted)
        finally:
            session.uploading -= 1
            self._ledger.release(entry)
        # Everyone's documents have it, whether or not the session is still there.
        if not result.error and (shared or is_wanted()):
            self._ledger.keep(entry, result.passages)
        return result

    def remove_file(self, session: Session, name: str) -> None:
        """Remove one of a session's own documents.

        Raises:
            UnknownDocumentError: The session has no file of this name.
        """
        if name not in session.files:
            raise UnknownDocumentError(name)
        if session.documents is not None:
            session.documents.delete(source=name)
        del session.files[name]

    def rate(self, session: Session, turn_id: str, *, good: bool) -> None:
        """Keep a rating of an answer.

        Raises:
            UnknownAnswerError: The session has no answer with this id.
        """
        turn = session.turns.get(turn_id)
        if turn is None:
            raise UnknownAnswerError
        if self._feedback is None:
            return
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "answer_id": turn_id,
            "question": turn.question,
            "answer": turn.answer,
            "good": good,
        }
        with self._writing:
            self._feedback.parent.mkdir(parents=True, exist_ok=True)
            with self._feedback.open("a", encoding="utf-8") as file:
                file.write(json_text(row) + "\n")

    def end_answers(self) -> None:
        """Make all answers that go on, and later ones, end with a `StoppingError`."""
        self._ending.set()

    def close(self) -> None:
        """Forget all sessions and end the work on their files."""
        self.sessions.close()
        self._worker.close()

    def _retriever(self, session: Session, k: int) -> Runnable[str, list[Document]]:
        everyone = HybridRetriever(store=self.store, k=k)
        if session.documents is None:
            return everyone
        private = HybridRetriever(store=session.documents, k=k)

        # Scores of two indexes do not compare; ranks do. Of equal ranks one's own goes first.
        async def both(question: str) -> list[Document]:
            results = await asyncio.gather(private.ainvoke(question), everyone.ainvoke(question))
            return reciprocal_rank(results)[:k]

        return RunnableLambda(
            lambda q: reciprocal_rank([private.invoke(q), everyone.invoke(q)])[:k], both
        )
