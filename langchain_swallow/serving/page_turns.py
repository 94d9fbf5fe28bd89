"""What the page asks of the server: answers, a new conversation, ratings."""

import contextlib
import json
import re
import secrets
from collections.abc import AsyncGenerator
from html import escape
from typing import Any

import gradio as gr

from langchain_swallow.errors import SwallowError
from langchain_swallow.rag import Answer
from langchain_swallow.rag.html import answer_html
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.failures import failure
from langchain_swallow.serving.refusals import Refusal, UnknownAnswerError, UnknownSessionError
from langchain_swallow.serving.sessions import Session
from langchain_swallow.serving.settings import Settings

_ANSWER_ID = re.compile(r'id="answer-([0-9a-f]{16})"')


class PageTurns:
    """The functions behind the page's events.

    A page's session has an id as the API's sessions have; the page sends it with each event.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        # Sessions of open pages, to be forgotten when these close.
        self._opened: dict[str, str] = {}

    def open(self, request: gr.Request) -> str:
        """The id of the page's session, empty where there is no room for one."""
        try:
            return self._session(request).id
        except Refusal as error:
            gr.Warning(escape(str(error)))
            return ""

    def close(self, request: gr.Request) -> None:
        """Forget the session of a page that has closed."""
        session_id = self._opened.pop(str(request.session_hash), None)
        if session_id is not None:
            self._assistant.sessions.forget(session_id)

    def start_anew(self, request: gr.Request, session_id: str) -> str:
        """The id of a session without conversation and documents."""
        self.close(request)
        return self.open(request)

    async def answer(
        self,
        request: gr.Request,
        question: str,
        session_id: str,
        *chosen: Any,
        again: bool = False,
    ) -> AsyncGenerator[tuple[str, str], None]:
        """The turn as it grows, as JSON, with the session's id.

        Where the server has forgotten the session, the turn begins a new one and says so.
        """
        if not question.strip():
            return
        lost = False
        try:
            try:
                session = self._assistant.sessions.find(session_id)
            except UnknownSessionError:
                # Without an id the question has come before the page had one.
                lost = bool(session_id)
                session = self._session(request)
        except Refusal as error:
            yield _wire(secrets.token_hex(8), _alarm(str(error)), lost=lost), session_id
            return
        turn_id = session.new_turn(question)
        steps = self._steps(session, turn_id, question, chosen, again=again)
        async with contextlib.aclosing(steps) as bodies:
            async for body in bodies:
                yield _wire(turn_id, body, lost=lost), session.id

    async def _steps(
        self,
        session: Session,
        turn_id: str,
        question: str,
        chosen: tuple[Any, ...],
        *,
        again: bool,
    ) -> AsyncGenerator[str, None]:
        answer, turn = Answer(), session.turns[turn_id]
        try:
            preset, system, *numbers = chosen
            settings = Settings(
                preset, system or "", int(numbers[0]), int(numbers[1]), float(numbers[2])
            )
            answers = self._assistant.answer(session, question, settings, again=again)
            async with contextlib.aclosing(answers) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    answer += piece
                    turn.answer = answer.text
                    yield _body(turn_id, answer)
        except SwallowError as error:
            yield _body(turn_id, answer) + _alarm(failure(error).detail)

    def rate(self, session_id: str, data: gr.LikeData) -> None:
        """Keep a rating of the answer whose text it is."""
        good = data.liked is True or data.liked == "Like"
        found = _ANSWER_ID.search(str(data.value))
        try:
            if found is None:
                raise UnknownAnswerError
            session = self._assistant.sessions.find(session_id)
            self._assistant.rate(session, found[1], good=good)
        except Refusal as error:
            gr.Warning(escape(str(error)))

    def _session(self, request: gr.Request) -> Session:
        """The session of an open page, a new one if it has none."""
        page = str(request.session_hash)
        try:
            return self._assistant.sessions.find(self._opened.get(page, ""))
        except UnknownSessionError:
            address = request.client.host if request.client else ""
            session = self._assistant.sessions.create(address)
            self._opened[page] = session.id
            return session


def _wire(turn_id: str, body: str, *, lost: bool) -> str:
    return json.dumps({"id": turn_id, "bot": body, "lost": lost}, ensure_ascii=False)


def _body(turn_id: str, answer: Answer) -> str:
    """An answer in an element with its id, by which it is rated."""
    return f'<div id="answer-{turn_id}">{answer_html(answer, f"passage-{turn_id}")}</div>'


def _alarm(text: str) -> str:
    return f"<p role='alert'>⚠ {escape(text)}</p>"
