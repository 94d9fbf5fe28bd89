"""`create_conversational_rag_chain`: answers from documents, with a memory for each session."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Literal, overload

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator

from langchain_swallow.prompts.presets import Preset
from langchain_swallow.rag.answer import Answer
from langchain_swallow.rag.chain import (
    Output,
    RagInput,
    as_output,
    create_rag_chain,
    gather_questions,
)
from langchain_swallow.rag.support_model import SupportCheck

GetHistory = Callable[[str], BaseChatMessageHistory]


@overload
def create_conversational_rag_chain(
    llm: Runnable[Any, Any],
    retriever: Any,
    history: GetHistory,
    *,
    preset: str | Preset = ...,
    require_support: bool = ...,
    min_relevance: float | None = ...,
    support_check: SupportCheck | None = ...,
    output: Literal["answer"] = ...,
) -> Runnable[RagInput, Answer]: ...


@overload
def create_conversational_rag_chain(
    llm: Runnable[Any, Any],
    retriever: Any,
    history: GetHistory,
    *,
    preset: str | Preset = ...,
    require_support: bool = ...,
    min_relevance: float | None = ...,
    support_check: SupportCheck | None = ...,
    output: Literal["message"],
) -> Runnable[RagInput, AIMessage]: ...


def create_conversational_rag_chain(
    llm: Runnable[Any, Any],
    retriever: Any,
    history: GetHistory,
    *,
    preset: str | Preset = "質問応答",
    require_support: bool = False,
    min_relevance: float | None = None,
    support_check: SupportCheck | None = None,
    output: Output = "answer",
) -> Runnable[RagInput, Answer] | Runnable[RagInput, AIMessage]:
    """As `create_rag_chain`, with the conversation of a session before each question.

    The session is named in the config, and its messages are kept by any of LangChain's chat
    histories: `chain.invoke("それはいつ？", {"configurable": {"session_id": "三浦"}})`.

    Args:
        llm: Any LangChain chat model.
        retriever: Any retriever, Runnable or function from a question to Documents.
        history: From a session's id to its history.
        preset: A preset, or its name, with the variables `context` and `question`.
        require_support: As for `create_rag_chain`.
        min_relevance: As for `create_rag_chain`.
        support_check: As for `create_rag_chain`.
        output: As for `create_rag_chain`.

    A question and its answer are added when the answer is whole, or when its stream is left or
    cancelled: then what was shown is what was said. Nothing is added when an answer fails.

    Raises:
        ValueError: As `create_rag_chain`; when invoked, also if the config has no session.
    """
    chain = create_rag_chain(
        llm,
        retriever,
        preset=preset,
        require_support=require_support,
        min_relevance=min_relevance,
        support_check=support_check,
    )

    def run(inputs: Iterator[RagInput], config: RunnableConfig) -> Iterator[Answer]:
        session = history(_session(config))
        question = gather_questions(list(inputs)).question
        turn = _Turn(question)
        pieces = chain.stream({"question": question, "history": session.messages}, config)
        try:
            for piece in pieces:
                turn.add(piece)
                yield piece
        except GeneratorExit:
            session.add_messages(turn.messages())
            raise
        session.add_messages(turn.messages())

    async def arun(
        inputs: AsyncIterator[RagInput], config: RunnableConfig
    ) -> AsyncIterator[Answer]:
        session = history(_session(config))
        question = gather_questions([part async for part in inputs]).question
        async with contextlib.aclosing(astream_turn(chain, question, session, config)) as pieces:
            async for piece in pieces:
                yield piece

    # Its annotation leaves out that a generator may also take the config, which it passes.
    steps: tuple[Any, Any] = (run, arun)
    made: RunnableGenerator[RagInput, Answer] = RunnableGenerator(*steps)
    return as_output(made.with_config(run_name="SwallowConversationalRAG"), output)


async def astream_turn(
    chain: Runnable[RagInput, Answer],
    question: str,
    session: BaseChatMessageHistory,
    config: RunnableConfig | None = None,
) -> AsyncGenerator[Answer, None]:
    """Stream one answer of a RAG chain, with a session's messages before it and added to them.

    Once this is closed its question and answer are in the history. A chain of LangChain's leaves
    the closing of its inner generators to the garbage collector, and so to some time later.
    """
    turn = _Turn(question)
    asked: Any = {"question": question, "history": await session.aget_messages()}
    async with contextlib.aclosing(chain.astream(asked, config)) as pieces:  # type: ignore[type-var]
        try:
            async for piece in pieces:
                turn.add(piece)
                yield piece
        except (GeneratorExit, asyncio.CancelledError):
            await session.aadd_messages(turn.messages())
            raise
    await session.aadd_messages(turn.messages())


class _Turn:
    """A question and what has been answered so far."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._text = ""

    def add(self, piece: Answer) -> None:
        self._text += piece.text

    def messages(self) -> list[BaseMessage]:
        if not self._text:
            return []
        return [HumanMessage(self._question), AIMessage(self._text)]


def _session(config: RunnableConfig) -> str:
    session = (config.get("configurable") or {}).get("session_id")
    if not session:
        raise ValueError(
            'No session. Pass config={"configurable": {"session_id": "…"}}, another id for each '
            "conversation."
        )
    return str(session)
