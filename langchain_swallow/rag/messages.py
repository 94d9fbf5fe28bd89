"""`Answer` → `AIMessage`: the last step of `create_rag_chain(…, output="message")`."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_swallow.rag.answer import Answer


class AnswerToMessage(Runnable[Answer, AIMessage]):
    """Converts an `Answer` with `Answer.as_message()`, and a stream of answers into chunks.

    The chunks add up to the message. Text arrives as it streams; the last chunk has the annotations
    of the complete text.
    """

    def invoke(
        self, input: Answer, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        return self._call_with_config(Answer.as_message, input, config)

    def transform(
        self, input: Iterator[Answer], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessage]:
        yield from self._transform_stream_with_config(input, _chunks, config)

    async def atransform(
        self, input: AsyncIterator[Answer], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        async for chunk in self._atransform_stream_with_config(input, _achunks, config):
            yield chunk


def _chunks(pieces: Iterator[Answer]) -> Iterator[AIMessage]:
    whole = Answer()
    for piece in pieces:
        whole += piece
        if piece.text or piece.usage or piece.reasoning:
            yield _chunk(piece)
    yield _final_chunk(whole)


async def _achunks(pieces: AsyncIterator[Answer]) -> AsyncIterator[AIMessage]:
    whole = Answer()
    async for piece in pieces:
        whole += piece
        if piece.text or piece.usage or piece.reasoning:
            yield _chunk(piece)
    yield _final_chunk(whole)


def _chunk(piece: Answer) -> AIMessageChunk:
    """Text or thought, without the annotations that the last chunk has."""
    blocks: list[Any] = [*piece.as_message().content[:-1]]
    if piece.text or not piece.reasoning:
        blocks.append({"type": "text", "text": piece.text, "index": 0})
    return AIMessageChunk(
        content=blocks,
        usage_metadata=piece.usage,
        response_metadata={"output_version": "v1"},
    )


def _final_chunk(whole: Answer) -> AIMessageChunk:
    """The annotations and metadata; text and usage were in the chunks before."""
    message = whole.as_message()
    block: Any = message.content[-1]
    return AIMessageChunk(
        content=[block | {"text": ""}],
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
