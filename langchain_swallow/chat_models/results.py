"""Converts an engine's events to LangChain messages with usage and metadata."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_swallow.chat_models.tool_call_lines import CallRules
from langchain_swallow.chat_models.tool_calls import ReadAnswer, ToolCallReader, read_answer
from langchain_swallow.engines.protocol import Chunk, Finish, TokenLogprob


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """The model and engine that answered, and the tools it could call."""

    model_name: str
    engine: str
    calls: CallRules | None = None


def to_result(answers: Sequence[Sequence[Chunk | Finish]], answered_by: AnsweredBy) -> ChatResult:
    """Convert the events of n complete answers to n generations."""
    return ChatResult(generations=[_generation(events, answered_by) for events in answers])


class ChunkWriter:
    """Converts the events of one answer to chunks; the last one has usage and metadata."""

    def __init__(self, answered_by: AnsweredBy) -> None:
        self._answered_by = answered_by
        self._reader = ToolCallReader(answered_by.calls) if answered_by.calls else None
        # Content blocks before the calls; v1 output numbers both from 0.
        self._blocks: set[str] = set()

    def write(self, event: Chunk | Finish) -> Iterator[ChatGenerationChunk]:
        """Yield the chunks for an event."""
        reader = self._reader
        if isinstance(event, Chunk) and event.is_thought:
            self._blocks.add("thought")
            message = AIMessageChunk(content="", additional_kwargs=_thought(event.text))
            yield ChatGenerationChunk(message=message)
            return
        if isinstance(event, Chunk):
            text, calls = reader.feed(event.text) if reader else (event.text, [])
            yield from self._chunk(text, calls, event.logprobs)
            return
        if reader:
            yield from self._chunk(*reader.end(_cut(event)))
        message = AIMessageChunk(
            content="",
            response_metadata=_metadata(
                event, self._answered_by, calls=bool(reader and reader.valid)
            ),
            usage_metadata=_usage(event),
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=message)

    def _chunk(
        self, text: str, calls: list[ToolCallChunk], logprobs: Sequence[TokenLogprob] = ()
    ) -> Iterator[ChatGenerationChunk]:
        self._blocks |= {"text"} if text else set()
        for call in calls:
            call["index"] = (call["index"] or 0) + len(self._blocks)
        if text or calls or logprobs:
            metadata = {"logprobs": _logprobs(logprobs)} if logprobs else {}
            message = AIMessageChunk(
                content=text, tool_call_chunks=calls, response_metadata=metadata
            )
            yield ChatGenerationChunk(message=message)


def _generation(events: Sequence[Chunk | Finish], answered_by: AnsweredBy) -> ChatGeneration:
    chunks = [event for event in events if isinstance(event, Chunk)]
    finish = next(event for event in events if isinstance(event, Finish))
    text = "".join(chunk.text for chunk in chunks if not chunk.is_thought)
    thought = "".join(chunk.text for chunk in chunks if chunk.is_thought)
    read = (
        read_answer(text, answered_by.calls, _cut(finish))
        if answered_by.calls
        else ReadAnswer(text, [])
    )
    calls = [call.message for call in read.calls if call.error is None]
    broken = [call.message for call in read.calls if call.error is not None]
    metadata = _metadata(finish, answered_by, calls=bool(calls))
    if logprobs := [token for chunk in chunks for token in chunk.logprobs]:
        metadata["logprobs"] = _logprobs(logprobs)
    message = AIMessage(
        content=read.text,
        additional_kwargs=_thought(thought) if thought else {},
        tool_calls=calls,
        invalid_tool_calls=broken,
        response_metadata=metadata,
        usage_metadata=_usage(finish),
    )
    info = {"finish_reason": metadata["finish_reason"]}
    return ChatGeneration(message=message, generation_info=info)


def _cut(finish: Finish) -> str | None:
    """Return why an answer may have been cut off within a call; `None` if the model ended it."""
    if finish.reason == "length":
        return "max_tokens was reached within the call."
    if finish.stop_sequence is not None:
        return f"The stop string {finish.stop_sequence!r} ended the answer within the call."
    return None


def _metadata(finish: Finish, answered_by: AnsweredBy, *, calls: bool) -> dict[str, Any]:
    called = calls and finish.reason == "stop"
    return {
        "model_name": answered_by.model_name,
        "model_provider": "swallow",
        "engine": answered_by.engine,
        "finish_reason": "tool_calls" if called else finish.reason,
        "stop_sequence": finish.stop_sequence,
    }


def _usage(finish: Finish) -> UsageMetadata:
    usage = UsageMetadata(
        input_tokens=finish.prompt_tokens,
        output_tokens=finish.completion_tokens,
        total_tokens=finish.prompt_tokens + finish.completion_tokens,
        input_token_details=InputTokenDetails(cache_read=finish.cached_tokens),
    )
    if finish.thought_tokens:
        usage["output_token_details"] = OutputTokenDetails(reasoning=finish.thought_tokens)
    return usage


def _thought(text: str) -> dict[str, Any]:
    """Return the thought where langchain-core finds it and makes a content block."""
    return {"reasoning_content": text}


def _logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    """Return log probabilities in the format of OpenAI's chat models."""
    return {
        "content": [
            {
                "token": token.token,
                "logprob": token.logprob,
                "top_logprobs": [{"token": t, "logprob": p} for t, p in token.top],
            }
            for token in tokens
        ]
    }
