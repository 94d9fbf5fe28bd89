"""Routes with which people read, export and delete what the server keeps of them."""

import time
from typing import Any

from fastapi import FastAPI, Request
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.api_models import FileKept, problems
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.identity import Person, requester
from langchain_swallow.serving.refusals import NotPermittedError
from langchain_swallow.serving.sessions import Session
from langchain_swallow.text.surrogates import replace_surrogates_in


class SessionSummary(BaseModel):
    """One of a person's sessions."""

    session: str = Field(description="its id")
    idle_s: int = Field(description="seconds since it was last used")
    questions: int


class Message(BaseModel):
    """A message of a conversation."""

    role: str = Field(description="`user` or `assistant`")
    content: str


class Conversation(BaseModel):
    """A conversation, as it is kept: its latest messages, and its documents."""

    session: str
    messages: list[Message]
    documents: list[FileKept]


class Deleted(BaseModel):
    """How much was deleted."""

    deleted: int


def add_own_data(app: FastAPI, assistant: Assistant) -> None:
    """Add the routes; those without a session's id need a server that knows its people."""
    sessions = assistant.sessions

    @app.get("/v1/sessions", responses=problems())
    async def list_own(request: Request) -> list[SessionSummary]:
        return [_summary(session) for session in sessions.list_own(_named(request))]

    @app.delete("/v1/sessions", responses=problems())
    async def forget_own(request: Request) -> Deleted:
        own = sessions.list_own(_named(request))
        for session in own:
            sessions.forget(session.id)
        return Deleted(deleted=len(own))

    @app.get("/v1/sessions/{session}", responses=problems(404))
    async def export(request: Request, session: str) -> Conversation:
        found = sessions.find(session, requester(request.scope))
        return Conversation(
            session=found.id,
            messages=[
                Message(role="user" if isinstance(m, HumanMessage) else "assistant", content=m.text)
                for m in found.history.messages
            ],
            documents=[FileKept(name=name, passages=n) for name, n in found.files.items()],
        )

    @app.get("/v1/feedback", responses=problems())
    def ratings(request: Request) -> list[dict[str, Any]]:
        own: list[dict[str, Any]] = replace_surrogates_in(
            assistant.feedback.read(_named(request).name)
        )
        return own

    @app.delete("/v1/feedback", responses=problems())
    def forget_ratings(request: Request) -> Deleted:
        return Deleted(deleted=assistant.feedback.delete(_named(request).name))


def _named(request: Request) -> Person:
    """Return who asks.

    Raises:
        NotPermittedError: The server does not know, so everyone's data would be theirs.
    """
    person = requester(request.scope)
    if not person.name:
        raise NotPermittedError(
            in_language(
                "このサーバーは人を区別しません（--people か --trusted-proxy で区別します）。",
                "This server does not distinguish people; --people or --trusted-proxy does.",
            )
        )
    return person


def _summary(session: Session) -> SessionSummary:
    asked = sum(isinstance(message, HumanMessage) for message in session.history.messages)
    idle_s = int(time.monotonic() - session.used)
    return SessionSummary(session=session.id, idle_s=idle_s, questions=asked)
