"""Errors of the OpenAI-compatible API: `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from langchain_swallow.errors import (
    GrammarError,
    PromptError,
    PromptOverflowError,
    ReasoningError,
)
from langchain_swallow.serving.api_models import REQUEST_ID, described_errors
from langchain_swallow.serving.failures import Failure, failure
from langchain_swallow.serving.leaving import ClientLeftError
from langchain_swallow.serving.refusals import Refusal
from langchain_swallow.serving.request_record import with_request_id
from langchain_swallow.text.surrogates import replace_surrogates

_PATHS = ("/v1/models", "/v1/chat/", "/v1/embeddings")
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


class ErrorDetail(BaseModel):
    """What is wrong with a request."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of an error."""

    error: ErrorDetail
    request_id: str = Field(description=REQUEST_ID)


class BadRequestError(Refusal):
    """A request is refused for one of its fields."""

    def __init__(
        self, message: str, param: str | None, *, status: int = 400, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.param, self.status, self.code = param, status, code


def unknown_model(name: str, known: list[str]) -> BadRequestError:
    """Return the error for a model that this server does not have, or not for this request."""
    message = f"There is no model {name!r} here. Use {' or '.join(map(repr, known))}."
    return BadRequestError(message, "model", status=404, code="model_not_found")


def error_json(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return the body of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    code = code or _CODES.get(status)
    error = {"message": replace_surrogates(message), "type": kind, "param": param, "code": code}
    return with_request_id({"error": error})


def failure_json(error: Exception) -> tuple[Failure, dict[str, Any]]:
    """Return the status of an error, and its body."""
    if isinstance(error, BadRequestError):
        found = Failure(error.status, str(error))
        return found, error_json(found.status, found.detail, error.param, error.code)
    if isinstance(error, PromptOverflowError):
        found = Failure(400, failure(error).detail)
        return found, error_json(400, found.detail, "messages", "context_length_exceeded")
    if isinstance(error, PromptError | GrammarError | ReasoningError):
        return Failure(400, str(error)), error_json(400, str(error))
    found = failure(error)
    status = 400 if found.status == 422 else found.status
    return Failure(status, found.detail, found.retry_after_s), error_json(status, found.detail)


def refusal_response(
    scope: Scope, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error of the guard, in the form of the API that the request's path belongs to."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    is_openai = path.startswith(_PATHS)
    body = error_json(status, detail) if is_openai else with_request_id({"detail": detail})
    return JSONResponse(body, status, headers)


class OpenAIRoute(APIRoute):
    """A route whose errors have the form of OpenAI's API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler; see FastAPI."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except (ClientLeftError, ClientDisconnect):
                raise
            except RequestValidationError as error:
                return _invalid(error)
            except HTTPException as error:
                return JSONResponse(error_json(error.status_code, error.detail), error.status_code)
            except Exception as error:
                found, body = failure_json(error)
                return JSONResponse(body, found.status, found.headers)

        return handle


def _invalid(error: RequestValidationError) -> JSONResponse:
    """Return the first error of a body's fields."""
    row = error.errors()[0]
    param = ".".join(str(part) for part in row["loc"] if part != "body") or None
    message = row["msg"].removeprefix("Value error, ")
    message = f"{param}: {message}." if param else f"{message}."
    return JSONResponse(error_json(400, message, param and replace_surrogates(param)), 400)


def openai_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route with these error statuses."""
    texts = {
        400: "A field has a wrong value, or the conversation exceeds the context window.",
        404: "The server does not have this model.",
    }
    described = described_errors(statuses, ErrorBody, texts)
    # Without it FastAPI adds its own form of errors, as 422.
    return {**described, "default": {"model": ErrorBody, "description": "Any other error."}}
