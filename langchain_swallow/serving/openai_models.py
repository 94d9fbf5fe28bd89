"""Request and response models of the OpenAI-compatible API, described in `/openapi.json`.

Unknown fields of a request are ignored, as OpenAI's servers do, and `null` is the default. Fields
that would change the answer and cannot be honored are refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from langchain_swallow.serving.api_models import Citation, RequestBody

_TEXT_PARTS = ("text", "refusal")
_MAX_STOP_STRINGS = 16
# Parameters that `ChatSwallow` takes under the same name.
_PASSED_ON = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
)


def _is_text(parts: Any) -> Any:
    """Refuse images, audio and files; leaving them out would change the question."""
    for part in parts if isinstance(parts, list) else ():
        kind = part.get("type")
        if kind not in _TEXT_PARTS or not isinstance(part.get(kind), str):
            raise ValueError(
                f"the models read text only; a message has a {kind!r} part. Send parts like "
                '{"type": "text", "text": "…"}'
            )
    return parts


class FunctionCall(BaseModel):
    """The function of a tool call; `arguments` is JSON text."""

    name: str
    arguments: str = ""


class ToolCall(BaseModel):
    """A tool call of an earlier answer."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | list[dict[str, Any]] | None, AfterValidator(_is_text)] = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _has_content(self) -> "ChatMessage":
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a {self.role} message needs content")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("a tool message needs tool_call_id")
        return self


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool | None = Field(
        default=None, description="whether a last chunk without choices has the usage"
    )


class ChatRequest(RequestBody):
    """The body of `POST /v1/chat/completions`."""

    model: str = Field(description="an id of GET /v1/models")
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = Field(default=None, description="server-sent events instead of JSON")
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = Field(
        default=None,
        ge=1,
        description="longest answer, without a thought before it; above the server's limit, the "
        "limit applies",
    )
    max_tokens: int | None = Field(default=None, ge=1, description="as max_completion_tokens")
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, description="0 only")
    repetition_penalty: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    logit_bias: dict[str, float] | None = Field(default=None, description="empty only")
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None
    n: int | None = Field(default=None, description="1 only")
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: list[dict[str, Any]] | None = None
    functions: list[Any] | None = Field(default=None, description="empty only; see tools")
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: Literal["none", "low", "medium", "high"] | None = None

    @field_validator("n")
    @classmethod
    def _is_one(cls, n: int | None) -> int | None:
        if n not in (None, 1):
            raise ValueError("this server makes one answer for each request; send n=1")
        return n

    @field_validator("frequency_penalty", "logit_bias", "functions")
    @classmethod
    def _is_empty(cls, value: Any) -> Any:
        if value:
            raise ValueError("this server does not support it; leave it out")
        return value

    @field_validator("stop")
    @classmethod
    def _is_stop(cls, stop: str | list[str] | None) -> list[str] | None:
        strings = [stop] if isinstance(stop, str) else stop or []
        if len(strings) > _MAX_STOP_STRINGS or "" in strings:
            raise ValueError(f"send at most {_MAX_STOP_STRINGS} strings, none of them empty")
        return strings or None

    def parameters(self, max_tokens: int) -> dict[str, Any]:
        """Return the parameters of a `ChatSwallow` call; no length if the request has none.

        Args:
            max_tokens: The server's limit, which also keeps to a longer length that was requested.
        """
        parameters = {
            name: value for name in _PASSED_ON if (value := getattr(self, name)) not in (None, [])
        }
        if requested := self.max_completion_tokens or self.max_tokens:
            parameters["max_tokens"] = min(requested, max_tokens)
        if self.reasoning_effort == "none":
            parameters["reasoning"] = False
        elif self.reasoning_effort:
            parameters["reasoning_effort"] = self.reasoning_effort
        return parameters


class Model(BaseModel):
    """A model of this server."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="when the server started, in seconds since 1970")
    owned_by: str = "langchain-swallow"


class Models(BaseModel):
    """The models of this server."""

    object: Literal["list"] = "list"
    data: list[Model]


class Usage(BaseModel):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int
    prompt_tokens_details: dict[str, int] | None = None
    completion_tokens_details: dict[str, int] | None = None


class UrlCitation(BaseModel):
    """A cited document, and the span of the sentence in `content` that cites it."""

    url: str = Field(description="the document's file name, percent-encoded")
    title: str
    start_index: int
    end_index: int


class Annotation(BaseModel):
    """A citation, as OpenAI's search models have it."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class AnswerMessage(BaseModel):
    """An answer; `swallow-rag` adds `annotations` and `citations`."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = Field(default=None, description="the thought before the answer")
    tool_calls: list[ToolCall] | None = None
    annotations: list[Annotation] | None = None
    citations: list[Citation] | None = None


class Choice(BaseModel):
    """The answer of a request."""

    index: int = 0
    message: AnswerMessage
    finish_reason: Literal["stop", "length", "tool_calls"]
    logprobs: dict[str, Any] | None = None


class Completion(BaseModel):
    """The response to `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


def public_model_name(model: Any) -> str:
    """Return the name of a chat or embedding model for clients; of a folder, without its path."""
    name = str(getattr(model, "model", None) or type(model).__name__)
    return Path(name).resolve().name if Path(name).exists() else name


def usage_json(usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return LangChain's usage metadata in OpenAI's form; zeros if no model was asked."""
    usage = usage or {}
    cached = usage.get("input_token_details", {}).get("cache_read", 0)
    thought = usage.get("output_token_details", {}).get("reasoning", 0)
    return {
        "prompt_tokens": usage.get("input_tokens", 0),
        "completion_tokens": usage.get("output_tokens", 0),
        "total_tokens": usage.get("total_tokens", 0),
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
