"""Events of an engine → LangChain messages with usage and metadata."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_swallow.engines.base import Chunk, Finish, TokenLogprob


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Which model answered, on which engine."""

    model_name: str
    engine: str


def to_result(answers: Sequence[Sequence[Chunk | Finish]], by: AnsweredBy) -> ChatResult:
    """The events of n whole answers as n generations."""
    return ChatResult(generations=[_generation(events, by) for events in answers])


def to_chunk(event: Chunk | Finish, by: AnsweredBy) -> ChatGenerationChunk:
    """One event of a stream; usage and metadata come once, with the last."""
    if isinstance(event, Finish):
        message = AIMessageChunk(
            content="",
            response_metadata=_metadata(event, by),
            usage_metadata=_usage(event),
            chunk_position="last",
        )
    else:
        metadata = {"logprobs": _logprobs(event.logprobs)} if event.logprobs else {}
        message = AIMessageChunk(content=event.text, response_metadata=metadata)
    return ChatGenerationChunk(message=message)


def _generation(events: Sequence[Chunk | Finish], by: AnsweredBy) -> ChatGeneration:
    chunks = [event for event in events if isinstance(event, Chunk)]
    finish = next(event for event in events if isinstance(event, Finish))
    metadata = _metadata(finish, by)
    if logprobs := [token for chunk in chunks for token in chunk.logprobs]:
        metadata["logprobs"] = _logprobs(logprobs)
    message = AIMessage(
        content="".join(chunk.text for chunk in chunks),
        response_metadata=metadata,
        usage_metadata=_usage(finish),
    )
    return ChatGeneration(message=message, generation_info={"finish_reason": finish.reason})


def _metadata(finish: Finish, by: AnsweredBy) -> dict[str, Any]:
    return {
        "model_name": by.model_name,
        "model_provider": "swallow",
        "engine": by.engine,
        "finish_reason": finish.reason,
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
