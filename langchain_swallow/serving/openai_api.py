"""The OpenAI-compatible API: `/v1/models`, `/v1/chat/completions`, `/v1/embeddings`."""

import contextlib
import time
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from langchain_swallow.serving import openai_chat
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.leaving import unless_left
from langchain_swallow.serving.openai_chat import RAG_MODEL, Piece, answer_pieces
from langchain_swallow.serving.openai_embeddings import (
    Embedder,
    EmbeddingRequest,
    EmbeddingResponse,
)
from langchain_swallow.serving.openai_errors import OpenAIRoute, openai_problems, unknown_model
from langchain_swallow.serving.openai_models import (
    ChatRequest,
    Completion,
    Model,
    Models,
    public_model_name,
)
from langchain_swallow.serving.sessions import Session

_EVENTS = {
    "description": "JSON; with `stream`, server-sent events of chunks, and at the end `[DONE]`",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


def openai_router(assistant: Assistant) -> APIRouter:
    """Return the routes of the OpenAI-compatible API.

    * `GET /v1/models`: the chat model, and `swallow-rag`, which answers from the index.
    * `POST /v1/chat/completions`: an answer of either, as JSON or as a stream.
    * `POST /v1/embeddings`: vectors of the index's embedding model.
    """
    router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=OpenAIRoute)
    started, embedder = int(time.time()), Embedder(assistant)

    def models() -> list[Model]:
        names = [public_model_name(assistant.llm), RAG_MODEL, embedder.name]
        return [Model(id=name, created=started) for name in names]

    @router.get("/models", responses=openai_problems())
    async def list_models() -> Models:
        return Models(data=models())

    @router.get("/models/{model:path}", responses=openai_problems(404))
    async def get_model(model: str) -> Model:
        found = {known.id: known for known in models()}
        if model not in found:
            raise unknown_model(model, list(found))
        return found[model]

    @router.post(
        "/chat/completions",
        response_model=Completion,
        responses={**openai_problems(404, 429, 503, 504), 200: _EVENTS},
    )
    async def chat_completions(request: Request, body: ChatRequest) -> Response:
        # Errors of the request appear before the first piece, when there is still a status to send.
        session = Session.for_request(request.scope)
        pieces = await unless_left(request, _started(answer_pieces(assistant, session, body)))
        response = openai_chat.Response(body.model)
        if body.stream:
            include_usage = bool(body.stream_options and body.stream_options.include_usage)
            events = response.events(pieces, include_usage=include_usage)
            return StreamingResponse(events, media_type="text/event-stream")
        return JSONResponse(await unless_left(request, response.completion(pieces)))

    @router.post("/embeddings", responses=openai_problems(404, 429, 503))
    async def embeddings(request: Request, body: EmbeddingRequest) -> EmbeddingResponse:
        assistant.count_request(Session.for_request(request.scope))
        return await unless_left(request, embedder.response(body))

    return router


async def _started(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """Wait for the first piece; return all of them."""
    first = await anext(pieces)

    async def every() -> AsyncGenerator[Piece, None]:
        async with contextlib.aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return every()
