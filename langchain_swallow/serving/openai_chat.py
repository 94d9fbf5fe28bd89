"""`/v1/chat/completions`: a request → the pieces of its answer → JSON or server-sent events.

The chat model answers the conversation as it is. `swallow-rag` answers its last question from the
index: earlier messages only complete the question, and a system message replaces the preset's.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_swallow.chat_models.chat_swallow import ChatSwallow
from langchain_swallow.prompts.messages import content_text
from langchain_swallow.rag import Answer
from langchain_swallow.rag.budget import prompt_budget
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.openai_citations import citation_delta, sources_text, without_sources
from langchain_swallow.serving.openai_errors import BadRequestError, failure_json, unknown_model
from langchain_swallow.serving.openai_messages import DeltaWriter, to_langchain
from langchain_swallow.serving.openai_models import (
    ChatRequest,
    public_model_name,
    usage_json,
)
from langchain_swallow.serving.sessions import Session
from langchain_swallow.serving.settings import Settings
from langchain_swallow.text.chunks import estimate_tokens
from langchain_swallow.text.surrogates import replace_surrogates

RAG_MODEL = "swallow-rag"
_REASONS = ("stop", "length", "tool_calls")
# A constraint on the form of the answer, which a cited answer does not have.
_NOT_WITH_RAG = ("tools", "response_format", "logprobs")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer.

    Args:
        delta: New parts of the message, as in a chunk of OpenAI's API.
        finish_reason: Why the answer ended; `None` before its end.
        usage: LangChain's usage metadata.
        logprobs: Log probabilities of the tokens of the delta.
    """

    delta: dict[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Any = None
    logprobs: dict[str, Any] | None = None


def answer_pieces(
    assistant: Assistant, session: Session, request: ChatRequest
) -> AsyncGenerator[Piece, None]:
    """Return the pieces of the answer to a request.

    Args:
        assistant: What answers.
        session: A new session of the person who asks.
        request: The request.

    Raises:
        BadRequestError: The model is unknown, or does not support a field of the request.
    """
    names = [public_model_name(assistant.llm), RAG_MODEL]
    if request.model not in names:
        raise unknown_model(request.model, names)
    messages = to_langchain(request.messages)
    parameters = request.parameters(assistant.lengths.maximum)
    if request.model == RAG_MODEL and not _is_task_of_a_client(messages):
        return _rag_pieces(assistant, session, messages, parameters)
    return _chat_pieces(assistant, session, messages, parameters)


def _is_task_of_a_client(messages: list[BaseMessage]) -> bool:
    """Whether Open WebUI asks for a title, tags or questions for a conversation.

    It sends these requests to the model of the conversation, with the conversation in one message;
    the chat model can answer them, and the index cannot.
    """
    text = content_text(messages[-1].content)
    return text.startswith("### Task:") and "<chat_history>" in text


async def _chat_pieces(
    assistant: Assistant, session: Session, messages: list[BaseMessage], parameters: dict[str, Any]
) -> AsyncGenerator[Piece, None]:
    writer, reason = DeltaWriter(isinstance(assistant.llm, ChatSwallow)), "stop"
    if "max_tokens" not in parameters:
        room = await asyncio.to_thread(_room, assistant.llm, messages, parameters)
        parameters["max_tokens"] = max(1, min(room, assistant.lengths.maximum))
    async with contextlib.aclosing(assistant.generate(session, messages, parameters)) as chunks:
        async for chunk in chunks:
            found = chunk.response_metadata.get("finish_reason")
            reason = found if found in _REASONS else reason
            logprobs = chunk.response_metadata.get("logprobs")
            if (delta := writer.write(chunk)) or chunk.usage_metadata or logprobs:
                yield Piece(delta, usage=chunk.usage_metadata, logprobs=logprobs)
    yield Piece(finish_reason=reason)


def _room(llm: Any, messages: list[BaseMessage], parameters: dict[str, Any]) -> int:
    """Return how many tokens the context window leaves for the answer."""
    budget = prompt_budget(llm.bind(**parameters))
    constraints = json.dumps([parameters.get(name) for name in _NOT_WITH_RAG], ensure_ascii=False)
    used = budget.count(messages) + estimate_tokens(constraints)
    return budget.prompt + budget.answer - used


async def _rag_pieces(
    assistant: Assistant, session: Session, messages: list[BaseMessage], parameters: dict[str, Any]
) -> AsyncGenerator[Piece, None]:
    for name in _NOT_WITH_RAG:
        if parameters.pop(name, None) not in (None, False, {"type": "text"}):
            other = public_model_name(assistant.llm)
            raise BadRequestError(
                f"{RAG_MODEL} answers from documents, in text: it takes no {name}. Use the model "
                f"{other!r}.",
                name,
            )
    if not isinstance(messages[-1], HumanMessage):
        raise BadRequestError(f"The last message must be a question to {RAG_MODEL}.", "messages")
    question = content_text(messages[-1].content)
    session.history.add_messages(_turns(messages[:-1]))
    system = [content_text(m.content) for m in messages if isinstance(m, SystemMessage)]
    settings = Settings(
        system_prompt="\n".join(system), lengths=assistant.lengths, parameters=parameters
    )
    answer = Answer()
    async with contextlib.aclosing(assistant.answer(session, question, settings)) as pieces:
        async for piece in pieces:
            answer += piece
            delta = {"content": piece.text, "reasoning_content": piece.reasoning}
            yield Piece({name: text for name, text in delta.items() if text})
    if sources := sources_text(answer):
        yield Piece({"content": sources})
    reason = answer.finish_reason if answer.finish_reason in _REASONS else "stop"
    yield Piece(citation_delta(answer), finish_reason=reason, usage=answer.usage)


def _turns(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Return earlier questions and answers, without the lists of sources that were added here."""
    turns: list[BaseMessage] = []
    for message in messages:
        text = content_text(message.content)
        if isinstance(message, HumanMessage):
            turns.append(HumanMessage(text))
        elif isinstance(message, AIMessage):
            turns.append(AIMessage(without_sources(text)))
    return turns


@dataclass(frozen=True, slots=True)
class Response:
    """What all chunks of a response have in common."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    async def completion(self, pieces: AsyncGenerator[Piece, None]) -> dict[str, Any]:
        """Return the whole response as JSON."""
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        reason, usage, logprobs = "stop", None, list[Any]()
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                _merge(message, piece.delta)
                reason, usage = piece.finish_reason or reason, piece.usage or usage
                logprobs += (piece.logprobs or {}).get("content", [])
        if message["content"] is None and "tool_calls" not in message:
            message["content"] = ""
        choice = {"index": 0, "message": message, "finish_reason": reason}
        choice["logprobs"] = {"content": logprobs} if logprobs else None
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": usage_json(usage)}

    async def events(
        self, pieces: AsyncGenerator[Piece, None], *, include_usage: bool
    ) -> AsyncIterator[str]:
        """Yield the response as server-sent events."""
        usage = None
        try:
            # When a client disconnects, this generator is closed, which ends the generation.
            async with contextlib.aclosing(pieces):
                yield self._event({"role": "assistant", "content": ""}, include_usage=include_usage)
                async for piece in pieces:
                    usage = piece.usage or usage
                    if piece.delta or piece.finish_reason or piece.logprobs:
                        yield self._event(
                            piece.delta,
                            piece.finish_reason,
                            piece.logprobs,
                            include_usage=include_usage,
                        )
            if include_usage:
                head = self._head("chat.completion.chunk")
                yield _event({**head, "choices": [], "usage": usage_json(usage)})
            yield "data: [DONE]\n\n"
        except Exception as error:  # the status is already sent, so the error becomes an event
            yield _event(failure_json(error)[1])

    def _event(
        self,
        delta: dict[str, Any],
        reason: str | None = None,
        logprobs: Any = None,
        *,
        include_usage: bool,
    ) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        usage = {"usage": None} if include_usage else {}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to a message."""
    for name, value in delta.items():
        if name in ("content", "reasoning_content"):
            message[name] = (message.get(name) or "") + value
        elif name == "tool_calls":
            _merge_calls(message.setdefault(name, []), value)
        else:
            message[name] = value


def _merge_calls(calls: list[dict[str, Any]], deltas: list[dict[str, Any]]) -> None:
    for delta in deltas:
        if delta["index"] == len(calls):
            calls.append({name: value for name, value in delta.items() if name != "index"})
        else:
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]


def _event(data: dict[str, Any]) -> str:
    return f"data: {replace_surrogates(json.dumps(data, ensure_ascii=False))}\n\n"
