"""The MCP server: an index's documents as tools of agents, over stdio or HTTP (extra `mcp`)."""

from typing import Any

import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from langchain_swallow._system.language import in_language
from langchain_swallow._system.version import __version__
from langchain_swallow.rag import Answer
from langchain_swallow.rag.citation import Citation
from langchain_swallow.serving.answer_json import answer_json
from langchain_swallow.serving.api_models import AnswerBody, Passage
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.failures import failure
from langchain_swallow.serving.identity import OPERATOR, Person
from langchain_swallow.serving.openai_citations import sources_text
from langchain_swallow.serving.request_record import with_request_id
from langchain_swallow.serving.sessions import Session
from langchain_swallow.serving.settings import BOUNDS, MAX_QUESTION_CHARS, Settings

SEARCH, ANSWER = "search_documents", "answer_from_documents"
_READ_ONLY = types.ToolAnnotations(readOnlyHint=True, openWorldHint=False)


class _Arguments(BaseModel):
    question: str = Field(
        min_length=1,
        max_length=MAX_QUESTION_CHARS,
        description="a question or keywords, in the language of the documents",
    )
    k: int = Field(
        default=4, ge=BOUNDS["k"][0], le=BOUNDS["k"][1], description="number of passages"
    )

    model_config = ConfigDict(extra="forbid")


class FoundDocuments(BaseModel):
    """Passages, best first."""

    documents: list[Passage]


def create_mcp_server(assistant: Assistant, person: Person = OPERATOR) -> Server[Any, Any]:
    """Return an MCP server with two tools, which only read.

    Args:
        assistant: What searches and answers.
        person: Whose documents the tools see over stdio; over HTTP they see those of the requester.
            Default: all documents.

    * `search_documents`: the passages for a question, best first.
    * `answer_from_documents`: an answer with checked citations.

    Each has structured output, and text for models. Errors contain no path and no address.
    """
    server: Server[Any, Any] = Server("langchain-swallow", version=__version__)

    @server.list_tools()  # type: ignore[untyped-decorator]
    async def list_tools() -> list[types.Tool]:
        return _tools()

    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        if name not in (SEARCH, ANSWER):
            return _error(f"There is no tool {name!r}. Use {SEARCH} or {ANSWER}.")
        try:
            asked = _Arguments.model_validate(arguments)
        except ValidationError as error:
            row = error.errors()[0]
            return _error(f"{'.'.join(map(str, row['loc']))}: {row['msg']}.")
        try:
            tool = _search if name == SEARCH else _answer
            return await tool(assistant, _session(server, person), asked)
        except Exception as error:
            return _error(failure(error).detail)

    return server


class McpApp:
    """The MCP server as an ASGI application: streamable HTTP, without sessions.

    Leaving ends the work of a request. There is no stream of messages from the server (405 for
    GET), because it has none to send.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._server = create_mcp_server(assistant)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            body = with_request_id({"detail": "POST only."})
            refused = JSONResponse(body, 405, {"Allow": "POST"})
            await refused(scope, receive, send)
            return
        # A manager runs once; without sessions there is nothing to keep for the next request.
        manager = StreamableHTTPSessionManager(self._server, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)


def _tools() -> list[types.Tool]:
    schema = _Arguments.model_json_schema()
    return [
        types.Tool(
            name=SEARCH,
            title=in_language("文書を検索", "Search documents"),
            description="Search the documents of this server. Returns passages, best first, with "
            "their sources.",
            inputSchema=schema,
            outputSchema=FoundDocuments.model_json_schema(),
            annotations=_READ_ONLY,
        ),
        types.Tool(
            name=ANSWER,
            title=in_language("文書から回答", "Answer from documents"),
            description="Answer a question from the documents of this server, with citations that "
            "are checked against the passages. The question must be understandable by itself.",
            inputSchema=schema,
            outputSchema=AnswerBody.model_json_schema(),
            annotations=_READ_ONLY,
        ),
    ]


def _session(server: Server[Any, Any], person: Person) -> Session:
    """Return a session of the requester, or of `person` for a call that is not a request."""
    request = server.request_context.request
    return Session(person=person) if request is None else Session.for_request(request.scope)


async def _search(
    assistant: Assistant, session: Session, asked: _Arguments
) -> types.CallToolResult:
    documents = await assistant.search(session, asked.question, asked.k)
    lines = [
        f"[{number}] {Citation(number, document).place}\n{document.page_content}"
        for number, document in enumerate(documents, 1)
    ]
    found = answer_json(Answer(documents=tuple(documents)))["documents"]
    return _result("\n\n".join(lines), {"documents": found})


async def _answer(
    assistant: Assistant, session: Session, asked: _Arguments
) -> types.CallToolResult:
    answer = Answer()
    settings = Settings(k=asked.k, lengths=assistant.lengths)
    async for piece in assistant.answer(session, asked.question, settings):
        answer += piece
    return _result(answer.text + sources_text(answer), answer_json(answer))


def _result(text: str, structured: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structuredContent=structured
    )


def _error(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], isError=True)
