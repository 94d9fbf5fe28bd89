"""`Assistant`: the functions of the page and the API, independent of HTTP."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_text_splitters import TextSplitter
from starlette.concurrency import run_in_threadpool

from langchain_swallow._system.language import in_language
from langchain_swallow.documents.access import EVERYONE
from langchain_swallow.documents.custom_readers import Readers
from langchain_swallow.documents.ocr.choose import choose_ocr
from langchain_swallow.documents.ocr.engine import OcrEngine
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.rag import Answer, create_rag_chain
from langchain_swallow.rag.conversation import astream_turn
from langchain_swallow.retrieval.fusion import reciprocal_rank
from langchain_swallow.retrieval.hybrid import HybridRetriever
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.serving.admission import Admission, Place, UploadPlaces
from langchain_swallow.serving.audit import audit_row
from langchain_swallow.serving.conversations import Conversations, Turn
from langchain_swallow.serving.feedback import Feedback
from langchain_swallow.serving.identity import Person
from langchain_swallow.serving.json_lines import JsonLines
from langchain_swallow.serving.leaving import until
from langchain_swallow.serving.ledger import Ledger
from langchain_swallow.serving.metrics import Metrics
from langchain_swallow.serving.quota import Quota
from langchain_swallow.serving.refusals import (
    InvalidValueError,
    StoppingError,
    answer_timeout,
)
from langchain_swallow.serving.session_files import SessionFiles
from langchain_swallow.serving.sessions import Session, Sessions
from langchain_swallow.serving.settings import MAX_QUESTION_CHARS, AnswerLengths, Settings
from langchain_swallow.serving.uploads import Limits, Worker

if TYPE_CHECKING:
    from langchain_swallow.serving.tracing import Tracing

# Each keeps the BM25 statistics of the documents that the members of some groups may see.
_MAX_VIEWS = 32
# As many as the local engine computes at the same time.
MAX_RUNNING = 64
MAX_WAITING = 128
REQUEST_TIMEOUT_S = 600.0

T = TypeVar("T")


class Assistant:
    """Answers the questions of many sessions with one model and one index.

    Args:
        llm: The chat model; its engine batches the requests of all sessions.
        store: The shared documents.
        splitter: Splits uploaded documents; `None` measures chunks with the model's tokenizer.
        limits: Limits of uploads; `None` takes the defaults of `Limits`.
        lengths: Limits of the length of answers; `None` takes those of `answer_lengths(llm)`.
        shared_uploads: Whether users may add documents to `store`. Default: false.
        feedback: A JSON Lines file to append ratings to; `None` discards them.
        audit_log: A file for who asked what and which documents they were shown; `None`, the
            default, writes none.
        requests_per_minute: Maximum number of questions, searches and uploads of a person in a
            minute, or of a client where people are not known; `None`, the default, is unlimited.
        max_running: Maximum number of answers that are generated at the same time. Default: 64.
        max_waiting: Maximum number of answers that wait for their turn; above it, questions are
            refused (429). Default: 128.
        request_timeout_s: Maximum seconds of an answer, from the question to its end; `None` is
            unlimited. Default: 600.
        tracing: Makes OpenTelemetry spans of answers and searches. Default: none.
        default_groups: Groups that may see documents of `store` without groups. Default: everyone.
        conversations: Keeps conversations when the server restarts: a SQLite file, or the
            `postgresql://…` URL of a database that several servers share. `None`, the default,
            keeps them in memory.
        ocr: Whether to recognize the text of pictures in uploads, as in `load_documents`. Default:
            false.

    Raises:
        MissingDependencyError: `ocr=True`, and Tesseract or Pillow is not installed; or the extra
            `postgres` is missing.
        ValueError: `conversations` names another file or database.
        ConnectionError: The PostgreSQL server cannot be reached.
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
        ocr: OcrEngine | bool = False,
        audit_log: Path | None = None,
        requests_per_minute: int | None = None,
        max_running: int = MAX_RUNNING,
        max_waiting: int = MAX_WAITING,
        request_timeout_s: float | None = REQUEST_TIMEOUT_S,
        tracing: "Tracing | None" = None,
        default_groups: Sequence[str] = (EVERYONE,),
        conversations: Path | str | None = None,
    ) -> None:
        self.llm = llm
        self.store = store
        self.limits = limits or Limits()
        self.lengths = lengths or AnswerLengths()
        self.shared_uploads = shared_uploads
        self.takes_ratings = feedback is not None
        self.sessions = Sessions(conversations=Conversations(conversations))
        engine = choose_ocr(ocr)
        self.readable = Readers(ocr=engine).readable
        worker = Worker(
            splitter or JapaneseTextSplitter(300, llm),
            self.limits,
            lambda: self._answering > 0,
            engine,
        )
        self._answering = 0
        self.is_stopping = False
        self._ending = asyncio.Event()
        self._uploads = UploadPlaces(self.limits)
        self.feedback = Feedback(feedback)
        self._audit = None if audit_log is None else JsonLines(audit_log)
        self._quota = Quota(requests_per_minute)
        self.admission = Admission(max_running, max_waiting)
        self._request_timeout_s = request_timeout_s
        self.metrics = Metrics(self.admission, self.sessions, llm)
        ledger = Ledger(self.limits, self.sessions)
        self.files = SessionFiles(
            store, worker, ledger, self.metrics, self.limits, takes_shared=shared_uploads
        )
        self.tracing = tracing
        # Kept, so that what a person may see is not computed for each question.
        self._visible = functools.lru_cache(maxsize=_MAX_VIEWS)(
            functools.partial(store.for_groups, default_groups=default_groups)
        )

    def documents(self, person: Person) -> SwallowFAISS:
        """Return the shared documents that a person may see; every door searches only these."""
        return self.store if person.groups is None else self._visible(person.groups)

    def answer(
        self,
        session: Session,
        question: str,
        settings: Settings | None = None,
        *,
        again: bool = False,
        answer_id: str = "",
    ) -> AsyncGenerator[Answer, None]:
        """Return the stream of an answer's pieces; closing the stream ends the generation.

        Args:
            session: The conversation, with the person who asks; its answers are made one after
                another.
            question: The question, at most 2,000 characters.
            settings: Settings of the answer; `None` takes the defaults.
            again: Whether to regenerate: replace the conversation's last turn if it has the same
                question. Default: false.
            answer_id: Id under which the session's conversation keeps the answer, or what was sent
                of it when its client left; empty, the default, does not keep it.

        Raises:
            InvalidValueError: The question is empty or too long.
            BusyError: The person has sent too many requests, or too many answers wait (429).
            AnswerTimeoutError: While it streams: the answer takes too long.
            StoppingError: While it streams: the server stops.
        """
        self._check(question)
        chosen, place = settings or Settings(lengths=self.lengths), self._place(session)
        answering = self._answer(place, session, question, chosen, again=again, answer_id=answer_id)
        return self._until_end(answering)

    async def search(self, session: Session, question: str, k: int = 4) -> list[Document]:
        """Return the best `k` chunks of what the person may see and of the session's documents.

        Raises:
            InvalidValueError: The question is empty or too long.
            BusyError: The person has sent too many requests (429).
        """
        self._check(question)
        self.count_request(session)
        documents = await self._retriever(session, k).ainvoke(question, self._config())
        await self._log(session.person, question, documents)
        return documents

    def _check(self, question: str) -> None:
        if len(question) > MAX_QUESTION_CHARS:
            raise InvalidValueError(
                in_language(
                    f"質問は {MAX_QUESTION_CHARS} 文字までです（{len(question)} 文字あります）。",
                    f"A question has at most {MAX_QUESTION_CHARS} characters, not {len(question)}.",
                )
            )
        if not question.strip():
            raise InvalidValueError(in_language("質問がありません。", "No question was given."))

    def count_request(self, session: Session) -> None:
        """Count a request of the session's person, or of its client if people are not known.

        Raises:
            BusyError: They have sent too many (429).
        """
        with self.metrics.refusals("quota"):
            self._quota.take(session.person.name or session.client)

    def _place(self, session: Session) -> Place:
        self.count_request(session)
        with self.metrics.refusals("queue"):
            return self.admission.place()

    async def _log(self, person: Person, question: str, documents: Sequence[Document]) -> None:
        if self._audit is not None:
            row = audit_row(person, question, documents)
            await asyncio.to_thread(self._audit.write, row)

    async def _answer(
        self,
        place: Place,
        session: Session,
        question: str,
        chosen: Settings,
        *,
        again: bool,
        answer_id: str,
    ) -> AsyncGenerator[Answer, None]:
        person = session.person
        chain = create_rag_chain(
            chosen.bound(self.llm),
            self._retriever(session, chosen.k),
            preset=chosen.chosen_preset(),
        )
        async with session.lock, place.turn():
            if session.keeping is not None:
                await asyncio.wait({session.keeping})
            if answer_id or again:
                await run_in_threadpool(self.sessions.begin, session, question, again=again)
            answer = Answer()
            turn = astream_turn(chain, question, session.history, self._config())
            try:
                async with contextlib.aclosing(turn) as pieces:
                    async for piece in pieces:
                        if piece.question:
                            # The first piece, which has all documents. It is logged before it is
                            # shown, because a client may leave at any time.
                            await self._log(person, question, piece.documents)
                        answer += piece
                        yield piece
            finally:
                if answer_id and answer.text:
                    kept = Turn(answer_id, question, answer.as_dict())
                    keep = run_in_threadpool(self.sessions.conversations.keep, session.id, kept)
                    session.keeping = asyncio.ensure_future(keep)
                    # A client that leaves must not end it.
                    await asyncio.shield(session.keeping)

    def generate(
        self, session: Session, messages: Sequence[BaseMessage], parameters: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Stream the chunks of the chat model's answer, without documents; see `answer`."""
        return self._until_end(self._generate(self._place(session), messages, parameters))

    async def _generate(
        self, place: Place, messages: Sequence[BaseMessage], parameters: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        async with (
            place.turn(),
            contextlib.aclosing(self.llm.astream(messages, **parameters)) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def _until_end(self, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Yield the pieces of an answer until it takes too long or the server stops."""
        limit_s = self._request_timeout_s
        self._answering += 1
        try:
            unended = until(
                self._ending,
                pieces,
                StoppingError,
                limit_s=limit_s,
                late=lambda: answer_timeout(limit_s or 0),
            )
            with self.metrics.answer() as timer:
                async with contextlib.aclosing(unended) as open_pieces:  # type: ignore[type-var]
                    async for piece in open_pieces:
                        timer.piece(piece)
                        yield piece
        finally:
            self._answering -= 1

    @contextlib.contextmanager
    def admitted(self, session: Session) -> Iterator[None]:
        """Reserve a place for an upload request, before its body is read.

        Raises:
            BusyError: This client (429) or the server (503) has reached its limit of concurrent
                uploads, or the person has sent too many requests (429).
        """
        self.count_request(session)
        with self.metrics.refusals("uploads"), self._uploads.place(session.client or session.id):
            yield

    def refuse_requests(self) -> None:
        """Let the server refuse new requests, because it stops; those that run go on."""
        self.is_stopping = True

    def end_answers(self) -> None:
        """End all current and later answers with a `StoppingError`."""
        self._ending.set()

    def close(self) -> None:
        """Delete all sessions and stop the work on their files."""
        self.sessions.close()
        self.files.close()
        if self.tracing is not None:
            self.tracing.close()
        if self._audit is not None:
            self._audit.close()

    def _config(self) -> RunnableConfig:
        """Return a config for LangChain, with the callbacks of one answer or search."""
        tracing = [] if self.tracing is None else [self.tracing.callback()]
        return {"callbacks": [self.metrics.retrieval, *tracing]}

    def _retriever(self, session: Session, k: int) -> Runnable[str, list[Document]]:
        everyone = HybridRetriever(store=self.documents(session.person), k=k)
        if session.documents is None:
            return everyone
        private = HybridRetriever(store=session.documents, k=k)

        # Scores of two indexes are not comparable, so results are merged by rank. Of equal ranks,
        # the session's own chunk comes first.
        async def both(question: str, config: RunnableConfig) -> list[Document]:
            searches = (store.ainvoke(question, config) for store in (private, everyone))
            return reciprocal_rank(await asyncio.gather(*searches))[:k]

        return RunnableLambda(both)
