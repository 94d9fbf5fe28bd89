"""Routes with which people list, export, rename and delete what the server keeps of them."""

import time
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.answer_json import public_answer
from langchain_swallow.serving.api_models import AnswerBody, FileKept, RequestBody, problems
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.conversations import Owner, Summary, Turn
from langchain_swallow.serving.identity import Person, requester
from langchain_swallow.serving.refusals import NotPermittedError
from langchain_swallow.serving.visitors import owner_of_request
from langchain_swallow.text.surrogates import replace_surrogates, replace_surrogates_in

MAX_TITLE_CHARS = 100


class SessionSummary(BaseModel):
    """One of a person's sessions in which questions were answered."""

    session: str = Field(description="its id")
    title: str = Field(description="as it was named, or its first question")
    idle_s: int = Field(description="seconds since its last answer")
    questions: int


class SessionTitle(RequestBody):
    """A name for a session."""

    title: str = Field(max_length=MAX_TITLE_CHARS, description="empty: its first question")


class AnsweredQuestion(BaseModel):
    """A question of a session and its answer."""

    asked: str = Field(description="the question, as it was sent")
    answered_at: float = Field(description="seconds since 1970")
    good: bool | None = Field(description="its rating; null without one")
    answer: AnswerBody


class Message(BaseModel):
    """A message of a conversation."""

    role: str = Field(description="`user` or `assistant`")
    content: str


class Conversation(BaseModel):
    """A conversation, as it is kept."""

    session: str
    title: str
    messages: list[Message] = Field(description="the latest ones, from which answers are made")
    questions: list[AnsweredQuestion] = Field(description="the latest 100")
    documents: list[FileKept]


class Deleted(BaseModel):
    """How much was deleted."""

    deleted: int


def add_own_data(app: FastAPI, assistant: Assistant) -> None:
    """Add the routes.

    Those without a session's id need a server that knows its people, or, for sessions, a browser's
    cookie.
    """
    sessions = assistant.sessions
    kept = sessions.conversations

    @app.get("/v1/sessions", responses=problems())
    def list_own(
        request: Request, q: Annotated[str, Query(max_length=MAX_TITLE_CHARS)] = ""
    ) -> list[SessionSummary]:
        return list(map(_summary, kept.list_own(_owner(request), replace_surrogates(q))))

    @app.delete("/v1/sessions", responses=problems())
    def forget_own(request: Request) -> Deleted:
        own = kept.ids(_owner(request))
        for session in own:
            sessions.forget(session)
        return Deleted(deleted=len(own))

    @app.get("/v1/sessions/{session}", responses=problems(404))
    def export(request: Request, session: str) -> Conversation:
        found = sessions.find(session, requester(request.scope))
        sessions.refresh(found)
        return Conversation(
            session=found.id,
            title=kept.title(found.id),
            messages=[
                Message(role="user" if isinstance(m, HumanMessage) else "assistant", content=m.text)
                for m in found.history.messages
            ],
            questions=list(map(_answered, kept.turns(found.id))),
            documents=[FileKept(name=name, passages=n) for name, n in found.files.items()],
        )

    @app.patch("/v1/sessions/{session}", status_code=204, responses=problems(404))
    def rename(request: Request, session: str, title: SessionTitle) -> None:
        found = sessions.find(session, requester(request.scope))
        kept.rename(found.id, title.title.strip())

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


def _owner(request: Request) -> Owner:
    """Return whose sessions a request lists: a person's, or a browser's."""
    owner = owner_of_request(request)
    return owner if any(owner) else Owner(_named(request).name)


def _summary(found: Summary) -> SessionSummary:
    return SessionSummary(
        session=found.id,
        title=found.title,
        idle_s=max(0, int(time.time() - found.used)),
        questions=found.questions,
    )


def _answered(turn: Turn) -> AnsweredQuestion:
    return AnsweredQuestion(
        asked=turn.question,
        answered_at=turn.time,
        good=turn.good,
        answer=AnswerBody.model_validate(public_answer(turn.answer, turn.id)),
    )
