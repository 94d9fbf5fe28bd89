"""Request and response models of the API, described in `/openapi.json`."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)

from langchain_swallow.serving.settings import (
    BOUNDS,
    MAX_QUESTION_CHARS,
    MAX_SYSTEM_PROMPT_CHARS,
    MIN_ANSWER_TOKENS,
    AnswerLengths,
    Settings,
    rag_presets,
)
from langchain_swallow.text.surrogates import replace_surrogates_in

_MAX_ID_LENGTH = 200
_ERRORS = {
    400: "The request cannot be read.",
    401: "The token is missing or wrong.",
    403: "The request comes from another site, or is not permitted.",
    404: "The server does not have this session, document or path.",
    408: "The form took too long to come.",
    413: "The request is too large.",
    421: "The server is not called by this host name.",
    429: "This client has reached a limit, or the queue is full; see Retry-After.",
    503: "The server is busy or stops, or its model cannot be reached; see Retry-After.",
    504: "The answer has taken too long.",
}
REQUEST_ID = "id of the request in the server's logs, as in the header X-Request-ID"


class RequestBody(BaseModel):
    """A request, whose text has no half of a surrogate pair.

    JavaScript can make one from an emoji; it is valid JSON but not valid text.
    """

    @model_validator(mode="before")
    @classmethod
    def _replace_surrogates(cls, data: Any) -> Any:
        try:
            return replace_surrogates_in(data)
        except RecursionError:
            raise ValueError("the value is nested too deeply") from None


class Question(RequestBody):
    """A question; without a session it has no history. Create it with `question_model`."""

    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARS)
    session: str | None = Field(
        default=None,
        min_length=1,
        max_length=_MAX_ID_LENGTH,
        description="an id that POST /v1/sessions has returned",
    )
    again: bool = Field(
        default=False,
        description="regenerate: replaces the session's last answer if it has the same question",
    )
    stream: bool = Field(default=False, description="server-sent events instead of JSON")
    preset: str = Field(default="質問応答", json_schema_extra={"enum": list(rag_presets())})
    system_prompt: str = Field(default="", max_length=MAX_SYSTEM_PROMPT_CHARS)
    k: int = Field(default=4, ge=BOUNDS["k"][0], le=BOUNDS["k"][1])
    max_tokens: int
    temperature: float | None = Field(
        default=None, allow_inf_nan=False, ge=BOUNDS["temperature"][0], le=BOUNDS["temperature"][1]
    )

    model_config = ConfigDict(extra="forbid")

    @field_validator("preset")
    @classmethod
    def _is_known(cls, preset: str) -> str:
        if preset not in rag_presets():
            raise ValueError(f"preset must be one of {', '.join(rag_presets())}.")
        return preset

    def settings(self, lengths: AnswerLengths) -> Settings:
        """Return the validated settings."""
        return Settings(
            self.preset, self.system_prompt, self.k, self.max_tokens, self.temperature, lengths
        )


def question_model(lengths: AnswerLengths) -> type[Question]:
    """Return `Question` with these limits for the length of answers."""
    max_tokens = Field(
        default=lengths.default,
        ge=MIN_ANSWER_TOKENS,
        le=lengths.maximum,
        description="longest answer, without a thought before it",
    )
    return create_model(
        "Question",
        __base__=Question,
        __doc__="A question; without a session it has no history.",
        max_tokens=(int, max_tokens),
    )


class NewSession(BaseModel):
    """A new session."""

    session: str = Field(description="its id: keep it secret, whoever has it may use the session")


class FileResult(BaseModel):
    """The result of an uploaded file."""

    name: str
    passages: int = Field(description="chunks of the file; 0 where it was not added")
    error: str = Field(description="why it was not added; empty where it was")
    left_out: list[str] = Field(
        description="what of it could not be read, such as pages without text; the rest was added"
    )


class FileKept(BaseModel):
    """A file of a session."""

    name: str
    passages: int


class Passage(BaseModel):
    """A passage in the prompt of the answer."""

    text: str
    place: str = Field(description="file, headings and page, for people")
    metadata: dict[str, Any]


class Citation(BaseModel):
    """A citation in the answer and its quote; offsets count code points of the passage."""

    number: int
    source: str | None
    quote: str
    start: int
    end: int
    status: Literal["supported", "quoted", "not_found"] = Field(
        description="supported: the passage agrees with the sentence and has what the question "
        "names. quoted: the passage has the words, but they may not answer the question"
    )
    contradicted: bool = Field(
        description="whether the passage says the opposite, or has other numbers, dates or units"
    )
    verified: bool = Field(description="whether the status is not not_found", deprecated=True)


class AnswerBody(BaseModel):
    """An answer with its passages and citations."""

    answer_id: str = Field(description="its id in the session; empty without a session")
    question: str = Field(description="as it was searched")
    text: str
    refused: bool
    citations: list[Citation]
    removed_citations: list[int]
    corrected_citations: list[list[int]]
    documents: list[Passage]
    usage: dict[str, Any] | None
    reasoning: str = Field(description="the model's thought before the answer, or empty")


class Problem(BaseModel):
    """The error of a well-formed request."""

    detail: str
    request_id: str = Field(description=REQUEST_ID)


class FieldProblem(BaseModel):
    """The error of one field."""

    loc: list[str | int]
    msg: str
    type: str


class FieldProblems(BaseModel):
    """The errors of a request's fields."""

    detail: list[FieldProblem]
    request_id: str = Field(description=REQUEST_ID)


class Health(BaseModel):
    """Whether the server runs."""

    status: str
    passages: int = Field(description="chunks of the index")


class Alive(BaseModel):
    """That the server's process answers."""

    status: str


class Ready(BaseModel):
    """Whether the server can answer."""

    status: str
    index: bool = Field(description="whether the index can be read")
    conversations: bool = Field(description="whether the conversations can be read")
    model: bool = Field(description="whether the model is loaded, or its server can be reached")
    stopping: bool = Field(description="whether the server is stopping")
    reason: str = Field(description="why it cannot answer; empty if it can")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route with these error statuses."""
    described = described_errors(statuses, Problem)
    described[422] = {"model": FieldProblems, "description": "A field has a wrong value."}
    return described


def described_errors(
    statuses: Iterable[int], model: type[BaseModel], texts: Mapping[int, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Describe these error statuses, and those of all routes, for OpenAPI.

    Args:
        statuses: Those of one route.
        model: The body of an error.
        texts: Descriptions that differ from the usual ones.
    """
    described = {**_ERRORS, **(texts or {})}
    return {
        status: {"model": model, "description": described[status]}
        for status in sorted({400, 401, 403, 413, 421, *statuses})
    }
