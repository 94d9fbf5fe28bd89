"""The HTTP API of the RAG chain: JSON and server-sent events, described in `/openapi.json`."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from langchain_swallow._system.language import in_language
from langchain_swallow._system.version import __version__
from langchain_swallow.errors import SwallowError
from langchain_swallow.rag import Answer
from langchain_swallow.serving.answer_json import answer_json, public_answer
from langchain_swallow.serving.api_models import (
    Alive,
    AnswerBody,
    FileKept,
    FileResult,
    Health,
    NewSession,
    Problem,
    Question,
    Ready,
    problems,
    question_model,
)
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.failures import failure
from langchain_swallow.serving.forms import FORM_SCHEMA, received_files
from langchain_swallow.serving.guard import METRICS_PATH
from langchain_swallow.serving.identity import requester
from langchain_swallow.serving.leaving import ClientLeftError, unless_left
from langchain_swallow.serving.openai_api import openai_router
from langchain_swallow.serving.own_data import add_own_data
from langchain_swallow.serving.readiness import Readiness
from langchain_swallow.serving.refusals import NotPermittedError
from langchain_swallow.serving.request_record import with_request_id
from langchain_swallow.serving.sessions import Session
from langchain_swallow.serving.source_api import add_sources
from langchain_swallow.serving.uploads import Uploaded
from langchain_swallow.serving.visitors import owner_of_request
from langchain_swallow.text.surrogates import replace_surrogates

_EVENTS = {
    "description": "JSON; with `stream`, server-sent events: `documents`, several `text`, then "
    "`answer` with all of it, or `error`",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


def create_api(assistant: Assistant) -> FastAPI:
    """Return the FastAPI application of the API.

    * `POST /v1/answers`: an answer as JSON, or with `"stream": true` as events: `documents`, then
      several `text`, then the complete `answer` with its citations, or `error` if it fails.
    * `POST /v1/sessions`: create a session: a conversation and its documents.
    * `DELETE /v1/sessions/{session}`: delete a session.
    * `POST`, `GET /v1/sessions/{session}/documents` and `DELETE …/documents/{name}`: the session's
      own documents.
    * The routes of `openai_router`.
    * `GET` and `DELETE` of `/v1/sessions` and `/v1/feedback`: a person's own data.
    * The routes of `add_sources`: the sources of answers, ratings, and what can be asked.
    * `GET /livez`: whether the process answers; `GET /readyz`: whether it can answer questions;
      `GET /health`: whether the index can be read, and the number of its chunks.
    * `GET /metrics`: the server's metrics for Prometheus.
    """
    # Swagger and ReDoc are off, because their pages load scripts from other sites.
    app = FastAPI(
        title="langchain-swallow",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        # This only documents the token; the guard checks it if the server has one.
        dependencies=[Security(HTTPBearer(auto_error=False, description="the server's token"))],
    )
    _add_handlers(app)
    _add_probes(app, assistant)
    _add_metrics(app, assistant)
    _add_sessions(app, assistant)
    app.include_router(openai_router(assistant))
    add_own_data(app, assistant)
    add_sources(app, assistant)

    async def answers(request: Request, question: Question) -> Response:
        settings = question.settings(assistant.lengths)
        session = (
            Session.for_request(request.scope)
            if question.session is None
            else await run_in_threadpool(
                assistant.sessions.find, question.session, requester(request.scope)
            )
        )
        answer_id = "" if question.session is None else secrets.token_hex(8)
        pieces = assistant.answer(
            session, question.question, settings, again=question.again, answer_id=answer_id
        )
        if question.stream:
            return StreamingResponse(_events(pieces, answer_id), media_type="text/event-stream")
        answer = await unless_left(request, _whole(pieces))
        return JSONResponse(public_answer(answer.as_dict(), answer_id))

    # The maximum length of an answer depends on this server's model.
    answers.__annotations__["question"] = question_model(assistant.lengths)
    app.post(
        "/v1/answers",
        response_model=AnswerBody,
        responses={**problems(404, 429, 503, 504), 200: _EVENTS},
    )(answers)
    return app


def _add_sessions(app: FastAPI, assistant: Assistant) -> None:
    def find_session(request: Request, session: str) -> Session:
        return assistant.sessions.find(session, requester(request.scope))

    Found = Annotated[Session, Depends(find_session)]

    @app.post("/v1/sessions", status_code=201, responses=problems(429, 503))
    def create(request: Request) -> NewSession:
        person, visitor = requester(request.scope), owner_of_request(request).visitor
        made = assistant.sessions.create(client_address(request), person, visitor)
        return NewSession(session=made.id)

    @app.delete("/v1/sessions/{session}", status_code=204, responses=problems(404))
    def forget(found: Found) -> None:
        assistant.sessions.forget(found.id)

    @app.get("/v1/sessions/{session}/documents", responses=problems(404))
    async def documents(found: Found) -> list[FileKept]:
        return [FileKept(name=name, passages=passages) for name, passages in found.files.items()]

    @app.post(
        "/v1/sessions/{session}/documents",
        responses=problems(404, 408, 429, 503),
        openapi_extra=FORM_SCHEMA,
    )
    async def upload(request: Request, found: Found, shared: bool = False) -> list[FileResult]:
        # Reserve a place before reading, so that the body of a refused request is not read.
        with assistant.admitted(found):
            async with received_files(request, assistant.limits) as files:
                adding = assistant.files.add(found, files, shared=shared)
                results = await unless_left(request, _all(adding))
        return [
            FileResult(
                name=row.name,
                passages=row.passages,
                error=replace_surrogates(row.error),
                left_out=[replace_surrogates(line) for line in row.left_out],
            )
            for row in results
        ]

    @app.delete(
        "/v1/sessions/{session}/documents/{name:path}", status_code=204, responses=problems(404)
    )
    async def remove(found: Found, name: str) -> None:
        await asyncio.to_thread(assistant.files.remove, found, name)


def _add_probes(app: FastAPI, assistant: Assistant) -> None:
    readiness = Readiness(assistant)

    # Some load balancers send HEAD.
    @app.head("/livez", include_in_schema=False)
    @app.get("/livez")
    async def livez() -> Alive:
        return Alive(status="ok")

    @app.head("/health", include_in_schema=False)
    @app.get("/health", responses={503: {"model": Problem, "description": "No index."}})
    async def health(request: Request) -> Health:
        passages = len(assistant.documents(requester(request.scope)))
        return Health(status="ok", passages=passages)

    # /ready is what it was called first.
    @app.head("/ready", include_in_schema=False)
    @app.get("/ready", include_in_schema=False)
    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", responses={503: {"model": Ready, "description": "It cannot answer."}})
    async def readyz(response: Response) -> Ready:
        state = await readiness.state()
        response.status_code = 503 if state.reason else 200
        return state


def _add_metrics(app: FastAPI, assistant: Assistant) -> None:
    @app.get(METRICS_PATH, include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if requester(request.scope).groups is not None:
            raise NotPermittedError(
                in_language(
                    "メトリクスは --token か --metrics-token のトークンで読めます。",
                    "Metrics need the token of --token or --metrics-token.",
                )
            )
        body, content_type = assistant.metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        # The input is left out, because it may not be valid JSON.
        rows = [
            {
                "loc": [
                    replace_surrogates(part) if isinstance(part, str) else part
                    for part in row["loc"]
                ],
                "msg": replace_surrogates(row["msg"]),
                "type": row["type"],
            }
            for row in error.errors()
        ]
        return JSONResponse(with_request_id({"detail": rows}), status_code=422)

    async def failed(_: Request, error: Exception) -> Response:
        what = failure(error)
        detail: Any = what.detail
        if what.status == 422:
            detail = [{"loc": ["body"], "msg": what.detail, "type": "value_error"}]
        return JSONResponse(with_request_id({"detail": detail}), what.status, what.headers)

    async def refused(_: Request, error: HTTPException) -> Response:
        body = with_request_id({"detail": error.detail})
        return JSONResponse(body, error.status_code, error.headers)

    async def left(_: Request, error: Exception) -> Response:
        return Response(status_code=499)

    app.add_exception_handler(ClientLeftError, left)
    app.add_exception_handler(ClientDisconnect, left)
    app.exception_handler(HTTPException)(refused)
    app.add_exception_handler(SwallowError, failed)
    app.add_exception_handler(Exception, failed)


def client_address(request: Request) -> str:
    """Return the address that a request comes from; limits per client count by it."""
    return request.client.host if request.client else ""


async def _whole(pieces: AsyncIterator[Answer]) -> Answer:
    answer = Answer()
    async with contextlib.aclosing(pieces) as open_pieces:  # type: ignore[type-var]
        async for piece in open_pieces:
            answer += piece
    return answer


async def _all(adding: AsyncIterator[Uploaded]) -> list[Uploaded]:
    async with contextlib.aclosing(adding) as results:  # type: ignore[type-var]
        return [result async for result in results]


async def _events(pieces: AsyncIterator[Answer], answer_id: str) -> AsyncIterator[str]:
    answer = Answer()
    try:
        # When a client disconnects, this generator is closed, which ends the generation.
        async with contextlib.aclosing(pieces) as open_pieces:  # type: ignore[type-var]
            async for piece in open_pieces:
                answer += piece
                if piece.documents:
                    shown = answer_json(piece)["documents"]
                    yield _event("documents", {"answer_id": answer_id, "documents": shown})
                if piece.reasoning:
                    yield _event("reasoning", {"text": piece.reasoning})
                if piece.text:
                    yield _event("text", {"text": piece.text})
        yield _event("answer", public_answer(answer.as_dict(), answer_id))
    except Exception as error:  # the status is already sent, so the error becomes an event
        yield _event("error", with_request_id({"detail": failure(error).detail}))


def _event(kind: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {replace_surrogates(json.dumps(data, ensure_ascii=False))}\n\n"
