"""`Assistant`: what the page and the API offer, without a word of HTTP."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_text_splitters import TextSplitter

from langchain_swallow.query_expansion import fused
from langchain_swallow.rag import Answer, create_rag_chain
from langchain_swallow.rag.conversation import astream_turn
from langchain_swallow.retrievers import HybridRetriever
from langchain_swallow.serving.sessions import Session, Sessions
from langchain_swallow.serving.settings import LONGEST_QUESTION, Settings
from langchain_swallow.serving.uploads import Limits, Uploaded, add_files
from langchain_swallow.splitters import JapaneseTextSplitter
from langchain_swallow.vectorstores import SwallowFAISS


class Assistant:
    """Answers questions of many sessions over one model and one index.

    Args:
        llm: A chat model; its scheduler serves all sessions at once.
        store: The documents that everyone may ask about.
        splitter: Of uploaded documents; `None` counts by the model's tokenizer.
        limits: Of a session's uploads.
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
        shared_uploads: bool = False,
        feedback: Path | None = None,
    ) -> None:
        self.llm = llm
        self.store = store
        self.limits = limits or Limits()
        self.shared_uploads = shared_uploads
        self.sessions = Sessions()
        self._splitter = splitter or JapaneseTextSplitter(300, llm)
        self._feedback = feedback
        self._writing = threading.Lock()

    async def answer(
        self,
        session_name: str,
        question: str,
        settings: Settings | None = None,
        *,
        again: bool = False,
    ) -> AsyncIterator[Answer]:
        """The pieces of an answer; leaving the stream ends the generation.

        Args:
            session_name: Whose conversation it belongs to; its answers wait for each other.
            question: At most 2,000 characters.
            settings: `None` takes the defaults.
            again: Whether this takes the place of the conversation's last question, if that is
                the same, and of its answer.

        Raises:
            ValueError: The question is empty or too long.
        """
        if len(question) > LONGEST_QUESTION:
            raise ValueError(
                f"質問は {LONGEST_QUESTION} 文字までです（{len(question)} 文字あります）。"
            )
        session = self.sessions.get(session_name)
        chosen = settings or Settings()
        chain = create_rag_chain(
            chosen.bound(self.llm),
            self._retriever(session, chosen.k),
            preset=chosen.chosen_preset(),
        )
        async with session.lock:
            if again:
                session.history.take_back(question)
            async with contextlib.aclosing(
                astream_turn(chain, question, session.history)
            ) as pieces:
                async for piece in pieces:
                    yield piece

    def forget(self, session_name: str) -> None:
        """Drop a session with its conversation and documents."""
        self.sessions.forget(session_name)

    def add_files(
        self, session_name: str, paths: Sequence[Path], *, shared: bool = False
    ) -> Iterator[Uploaded]:
        """Add documents to a session's own, or to everyone's; a result for each file.

        Raises:
            PermissionError: Everyone's documents are not for users to change.
        """
        if shared and not self.shared_uploads:
            raise PermissionError("共有の索引には追加できません（--shared-uploads で許可します）。")
        session = self.sessions.get(session_name)
        left = self.limits.files - session.files
        for path in paths[left:]:
            yield Uploaded(path.name, error=f"{path.name}: {self.limits.files} 個までです。")
        session.files += len(paths[:left])
        if shared:
            store = self.store
        else:
            # In memory, and gone with the session.
            store = session.documents or SwallowFAISS(self.store.embeddings)
            session.documents = store
        yield from add_files(store, paths[:left], self._splitter, self.limits)

    def rate(self, session_name: str, question: str, answer: str, *, good: bool) -> None:
        """Keep a rating."""
        if self._feedback is None:
            return
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "session": session_name,
            "question": question,
            "answer": answer,
            "good": good,
        }
        with self._writing:
            self._feedback.parent.mkdir(parents=True, exist_ok=True)
            with self._feedback.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _retriever(self, session: Session, k: int) -> Runnable[str, list[Document]]:
        everyone = HybridRetriever(store=self.store, k=k)
        if session.documents is None:
            return everyone
        own = HybridRetriever(store=session.documents, k=k)

        # Scores of two indexes do not compare; ranks do. Of equal ranks one's own goes first.
        async def both(question: str) -> list[Document]:
            found = await asyncio.gather(own.ainvoke(question), everyone.ainvoke(question))
            return fused(found)[:k]

        return RunnableLambda(lambda q: fused([own.invoke(q), everyone.invoke(q)])[:k], both)
