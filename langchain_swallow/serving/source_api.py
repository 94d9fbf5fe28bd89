"""Routes about one answer of a session: its sources and its rating; and what can be asked."""

from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request, Response
from pydantic import BaseModel, Field

from langchain_swallow.rag.citation import CitationStatus
from langchain_swallow.serving.answer_json import public_name
from langchain_swallow.serving.api_models import RequestBody, problems
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.identity import requester
from langchain_swallow.serving.ratings import rate
from langchain_swallow.serving.sources import Source, Sources, UnavailableSourceError
from langchain_swallow.serving.suggestions import suggestions
from langchain_swallow.text.surrogates import replace_surrogates

_MAX_REASON_CHARS = 1000
_MAX_LISTED = 1000
_ANSWER = "/v1/sessions/{session}/answers/{answer}"
_PNG = {
    "description": "The page.",
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
}
_Number = Annotated[int, Path(ge=1, le=1000)]


class SourceBody(BaseModel):
    """The source of a citation."""

    number: int
    name: str = Field(description="name of the file")
    place: str = Field(description="file, headings and page")
    status: CitationStatus | None = Field(description="of the citation; null if it is not cited")
    contradicted: bool
    text: str = Field(description="the passage")
    marks: list[list[int]] = Field(
        description="half-open spans of the text that are cited, in code points"
    )
    before: str = Field(description="text of the document before the passage")
    after: str = Field(description="text of the document after the passage")
    has_image: bool = Field(description="whether `image` has the page of the PDF")
    boxes: list[list[float]] = Field(
        description="rectangles around the cited words on the image: left, top, width and height, "
        "as shares of its width and height"
    )


class Rating(RequestBody):
    """A rating of an answer."""

    good: bool
    reason: str = Field(default="", max_length=_MAX_REASON_CHARS)


class DocumentNames(BaseModel):
    """The shared documents that a person may see."""

    names: list[str] = Field(description="names of files, at most 1,000")
    total: int


def add_sources(app: FastAPI, assistant: Assistant) -> None:
    """Add the routes."""
    sources = Sources(assistant)

    def find(request: Request, session: str, answer: str, number: _Number) -> Source:
        found = assistant.sessions.find(session, requester(request.scope))
        return sources.find(found, answer, number)

    Found = Annotated[Source, Depends(find)]

    @app.get(_ANSWER + "/sources/{number}", responses=problems(404))
    async def source(found: Found, number: _Number) -> SourceBody:
        page = await sources.page(found)
        return SourceBody(
            number=number,
            name=replace_surrogates(str(public_name(found.passage.metadata.get("source", "")))),
            place=replace_surrogates(found.place),
            status=found.citation.get("status"),
            contradicted=bool(found.citation.get("contradicted")),
            text=replace_surrogates(found.passage.page_content),
            marks=found.marks,
            before=replace_surrogates(found.before),
            after=replace_surrogates(found.after),
            has_image=page is not None,
            boxes=[] if page is None else page.boxes,
        )

    @app.get(
        _ANSWER + "/sources/{number}/image",
        response_class=Response,
        responses={**problems(404), 200: _PNG},
    )
    async def image(found: Found) -> Response:
        page = await sources.page(found)
        if page is None:
            raise UnavailableSourceError
        # The person may lose the right to see it.
        headers = {"Cache-Control": "no-store"}
        return Response(page.png, media_type="image/png", headers=headers)

    @app.post(_ANSWER + "/rating", status_code=204, responses=problems(404))
    def rate_answer(request: Request, session: str, answer: str, rating: Rating) -> None:
        found = assistant.sessions.find(session, requester(request.scope))
        rate(assistant, found, answer, good=rating.good, reason=rating.reason.strip())

    @app.get("/v1/suggestions", responses=problems())
    def suggested(request: Request) -> list[str]:
        return suggestions(assistant.documents(requester(request.scope)))

    @app.get("/v1/documents", responses=problems())
    def documents(request: Request) -> DocumentNames:
        snapshot = assistant.documents(requester(request.scope)).snapshot()
        found = {str(source) for (source,) in snapshot.distinct("source") if source}
        names = sorted(replace_surrogates(str(public_name(source))) for source in found)
        return DocumentNames(names=names[:_MAX_LISTED], total=len(names))
