"""Events of an engine → LangChain messages with usage and metadata."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_swallow.chat_tools import ToolCallReader, read_calls
from langchain_swallow.engines.base import Chunk, Finish, TokenLogprob


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Which model answered, on which engine, and which tools it could call."""

    model_name: str
    engine: str
    tool_names: frozenset[str] = frozenset()


def to_result(answers: Sequence[Sequence[Chunk | Finish]], by: AnsweredBy) -> ChatResult:
    """The events of n whole answers as n generations."""
    return ChatResult(generations=[_generation(events, by) for events in answers])


class ChunkWriter:
    """The events of one answer → chunks; usage and metadata come once, with the last."""

    def __init__(self, by: AnsweredBy) -> None:
        self._by = by
        self._reader = ToolCallReader(by.tool_names) if by.tool_names else None
        self._calls = 0

    def write(self, event: Chunk | Finish) -> Iterator[ChatGenerationChunk]:
        """The chunks that an event completes."""
        if isinstance(event, Chunk):
            yield from self._content(event.text, event.logprobs)
            return
        if self._reader is not None:
            yield from self._content("", (), last=True)
        message = AIMessageChunk(
            content="",
            response_metadata=_metadata(event, self._by, calls=self._calls > 0),
            usage_metadata=_usage(event),
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=message)

    def _content(
        self, text: str, logprobs: Sequence[TokenLogprob], *, last: bool = False
    ) -> Iterator[ChatGenerationChunk]:
        calls: list[ToolCallChunk] = []
        if self._reader is not None:
            text, calls = self._reader.feed(text, last=last)
        self._calls += len(calls)
        if text or calls or logprobs:
            metadata = {"logprobs": _logprobs(logprobs)} if logprobs else {}
            yield ChatGenerationChunk(
                message=AIMessageChunk(
                    content=text, tool_call_chunks=calls, response_metadata=metadata
                )
            )


def _generation(events: Sequence[Chunk | Finish], by: AnsweredBy) -> ChatGeneration:
    chunks = [event for event in events if isinstance(event, Chunk)]
    finish = next(event for event in events if isinstance(event, Finish))
    text = "".join(chunk.text for chunk in chunks)
    calls, broken = read_calls(text, by.tool_names) or ([], [])
    metadata = _metadata(finish, by, calls=bool(calls))
    if logprobs := [token for chunk in chunks for token in chunk.logprobs]:
        metadata["logprobs"] = _logprobs(logprobs)
    message = AIMessage(
        content="" if calls or broken else text,
        tool_calls=calls,
        invalid_tool_calls=broken,
        response_metadata=metadata,
        usage_metadata=_usage(finish),
    )
    info = {"finish_reason": metadata["finish_reason"]}
    return ChatGeneration(message=message, generation_info=info)


def _metadata(finish: Finish, by: AnsweredBy, *, calls: bool) -> dict[str, Any]:
    called = calls and finish.reason == "stop"
    return {
        "model_name": by.model_name,
        "model_provider": "swallow",
        "engine": by.engine,
        "finish_reason": "tool_calls" if called else finish.reason,
        "stop_sequence": finish.stop_sequence,
    }


def _usage(finish: Finish) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=finish.prompt_tokens,
        output_tokens=finish.completion_tokens,
        total_tokens=finish.prompt_tokens + finish.completion_tokens,
        input_token_details=InputTokenDetails(cache_read=finish.cached_tokens),
    )


def _logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    """As OpenAI's chat models report them."""
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
