"""The RAG chain over HTTP: JSON and server-sent events; the schema is at `/openapi.json`."""

import asyncio
import contextlib
import json
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from langchain_swallow._version import __version__
from langchain_swallow.errors import PromptOverflowError, SwallowError
from langchain_swallow.rag import Answer
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.settings import LONGEST_QUESTION, Settings
from langchain_swallow.serving.uploads import Uploaded


class Question(BaseModel):
    """A question; without a session it stands alone."""

    question: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    session: str | None = Field(default=None, min_length=1, max_length=200)
    stream: bool = Field(default=False, description="server-sent events instead of JSON")
    preset: str = "質問応答"
    system_prompt: str = ""
    k: int = 4
    max_tokens: int = 256
    temperature: float = 0.0

    model_config = ConfigDict(extra="forbid")

    def settings(self) -> Settings:
        """The settings, checked."""
        return Settings(self.preset, self.system_prompt, self.k, self.max_tokens, self.temperature)


def create_api(assistant: Assistant) -> FastAPI:
    """A FastAPI application.

    * `POST /v1/answers`: an answer as JSON, or with `"stream": true` as events: `documents`, then
      `text` pieces, then `answer`, whole, with the citations; `error` where it breaks off.
    * `POST /v1/sessions/{name}/documents`: add files to a session's own documents.
    * `DELETE /v1/sessions/{name}`: forget a conversation.
    * `GET /health`.
    """
    # The pages of Swagger and ReDoc load scripts from elsewhere.
    app = FastAPI(title="langchain-swallow", version=__version__, docs_url=None, redoc_url=None)

    @app.exception_handler(ValueError)
    async def refused(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.exception_handler(SwallowError)
    async def failed(_: Request, error: SwallowError) -> JSONResponse:
        status = 422 if isinstance(error, PromptOverflowError) else 503
        return JSONResponse({"detail": str(error)}, status_code=status)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "passages": len(assistant.store)}

    @app.post("/v1/answers", response_model=None)
    async def answers(question: Question) -> JSONResponse | StreamingResponse:
        settings = question.settings()
        alone = question.session is None
        name = question.session or f"one-{secrets.token_hex(8)}"
        pieces = assistant.answer(name, question.question, settings)
        if question.stream:
            events = _events(assistant, name, pieces, alone=alone)
            return StreamingResponse(events, media_type="text/event-stream")
        answer = Answer()
        try:
            async for piece in pieces:
                answer += piece
        finally:
            if alone:
                assistant.forget(name)
        return JSONResponse(_shown(answer))

    @app.post("/v1/sessions/{name}/documents")
    async def upload(name: str, files: list[UploadFile], shared: bool = False) -> list[Uploaded]:
        # Read and embedded in a thread; the files lie in a folder of their own until then.
        with TemporaryDirectory() as folder:
            paths = [await _saved(file, Path(folder) / str(i)) for i, file in enumerate(files)]
            adding = assistant.add_files(name, paths, shared=shared)
            return await asyncio.to_thread(list, adding)

    @app.exception_handler(PermissionError)
    async def forbidden(_: Request, error: PermissionError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=403)

    @app.delete("/v1/sessions/{name}", status_code=204, response_model=None)
    async def forget(name: str) -> None:
        assistant.forget(name)

    return app


def _shown(answer: Answer) -> dict[str, Any]:
    """An answer as JSON, with names of files in place of the server's paths."""
    shown = answer.as_dict()
    shown["documents"] = [
        {**document, "metadata": _named(document["metadata"])} for document in shown["documents"]
    ]
    shown["citations"] = [_named(citation) for citation in shown["citations"]]
    return shown


def _named(values: dict[str, Any]) -> dict[str, Any]:
    source = values.get("source")
    if isinstance(source, str) and PurePath(source).is_absolute():
        return {**values, "source": PurePath(source).name}
    return values


async def _saved(file: UploadFile, folder: Path) -> Path:
    """A copy under the file's own name; what comes before the name in a path is dropped."""
    folder.mkdir()
    path = folder / (PurePath((file.filename or "").replace("\\", "/")).name or "file")
    with path.open("wb") as copy:
        await asyncio.to_thread(shutil.copyfileobj, file.file, copy)
    return path


async def _events(
    assistant: Assistant, name: str, pieces: AsyncIterator[Answer], *, alone: bool
) -> AsyncIterator[str]:
    answer = Answer()
    try:
        # A client that leaves closes this generator, and with it the generation.
        async with contextlib.aclosing(pieces) as open_pieces:  # type: ignore[type-var]
            async for piece in open_pieces:
                answer += piece
                if piece.documents:
                    yield _event("documents", {"documents": _shown(piece)["documents"]})
                if piece.text:
                    yield _event("text", {"text": piece.text})
        yield _event("answer", _shown(answer))
    except (SwallowError, ValueError) as error:
        yield _event("error", {"detail": str(error)})
    finally:
        if alone:
            assistant.forget(name)


def _event(kind: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
