"""Handles the page's events: questions, new conversations, ratings."""

import contextlib
import json
import re
import secrets
from collections.abc import AsyncGenerator
from html import escape
from typing import Any

import gradio as gr

from langchain_swallow._system.language import accepted_language, in_language, use_language
from langchain_swallow.errors import SwallowError
from langchain_swallow.rag import Answer
from langchain_swallow.rag.html import answer_html
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.failures import failure
from langchain_swallow.serving.identity import NOBODY, Person, requester
from langchain_swallow.serving.refusals import Refusal, UnknownAnswerError, UnknownSessionError
from langchain_swallow.serving.sessions import Session
from langchain_swallow.serving.settings import Settings

_ANSWER_ID = re.compile(r'id="answer-([0-9a-f]{16})"')


class PageTurns:
    """The functions behind the page's events.

    A page uses a session like the API's, and sends its id with each event.
    """

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def close(self, request: gr.Request) -> None:
        """Delete the session of a page that was closed."""
        session = self._assistant.sessions.find_for_page(str(request.session_hash))
        if session is not None:
            self._assistant.sessions.forget(session.id)

    async def answer(
        self,
        request: gr.Request,
        question: str,
        session_id: str,
        *chosen: Any,
        again: bool = False,
    ) -> AsyncGenerator[str, None]:
        """Stream the growing turn as JSON, with its session's id.

        If the server no longer has the session, the turn starts a new one and reports that.
        """
        if not question.strip():
            return
        use_browser_language(request)
        lost = False
        try:
            try:
                session = self._assistant.sessions.find(session_id, page_requester(request))
                session.page = str(request.session_hash)
            except UnknownSessionError:
                # Without an id, this is the page's first question.
                lost = bool(session_id)
                session = self._session(request)
        except Refusal as error:
            yield _wire(secrets.token_hex(8), _alarm(str(error)), "", lost=lost)
            return
        turn_id = session.new_turn(question)
        steps = self._steps(session, turn_id, question, chosen, again=again)
        async with contextlib.aclosing(steps) as bodies:
            async for body in bodies:
                yield _wire(turn_id, body, session.id, lost=lost)

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
                # 0 on the slider is the model's default: greedy, or sampling for a model that
                # thinks.
                preset,
                system or "",
                int(numbers[0]),
                int(numbers[1]),
                float(numbers[2]) or None,
                self._assistant.lengths,
            )
            answers = self._assistant.answer(session, question, settings, again=again)
            async with contextlib.aclosing(answers) as pieces:
                async for piece in pieces:
                    answer += piece
                    turn.answer = answer.text
                    yield _body(turn_id, answer)
            if answer.reasoning:
                yield _body(turn_id, answer, is_whole=True)
        except SwallowError as error:
            yield _body(turn_id, answer) + _alarm(failure(error).detail)

    def rate(self, request: gr.Request, session_id: str, data: gr.LikeData) -> None:
        """Record a rating of the answer with this text."""
        use_browser_language(request)
        good = data.liked is True or data.liked == "Like"
        match = _ANSWER_ID.search(str(data.value))
        try:
            if match is None:
                raise UnknownAnswerError
            session = self._assistant.sessions.find(session_id, page_requester(request))
            self._assistant.rate(session, match[1], good=good)
        except Refusal as error:
            gr.Warning(escape(str(error)))

    def _session(self, request: gr.Request) -> Session:
        """Return the session of an open page; create one if it has none."""
        page, sessions = str(request.session_hash), self._assistant.sessions
        person = page_requester(request)
        session = sessions.find_for_page(page)
        if session is not None and session.person.name != person.name:
            # Someone else has logged in on this page.
            sessions.forget(session.id)
            session = None
        if session is None:
            session = sessions.create(request.client.host if request.client else "", person)
            session.page = page
        session.person = person
        return session


def page_requester(request: gr.Request) -> Person:
    """Return who sends an event of the page."""
    return NOBODY if request.request is None else requester(request.request.scope)


def use_browser_language(request: gr.Request) -> None:
    """Set the language to the browser's, because Gradio runs events outside of their requests."""
    use_language(accepted_language(request.headers.get("accept-language", "")))


def _wire(turn_id: str, body: str, session_id: str, *, lost: bool) -> str:
    row = {"id": turn_id, "bot": body, "session": session_id, "lost": lost}
    return json.dumps(row, ensure_ascii=False)


def _body(turn_id: str, answer: Answer, *, is_whole: bool = False) -> str:
    """Return the HTML of an answer, in an element whose id is used for ratings.

    A thought may be long, so it is sent only once at the end; earlier steps send its length.
    """
    thought = answer.reasoning
    if thought and not is_whole:
        count = len(thought)
        thought = in_language(f"考えています（{count} 文字）", f"Thinking ({count} characters)")
    shown = answer_html(
        answer.text,
        answer.citations,
        f"passage-{turn_id}",
        reasoning=thought,
        found=answer.documents if answer.refused else (),
    )
    return f'<div id="answer-{turn_id}">{shown}</div>'


def _alarm(text: str) -> str:
    return f"<p role='alert'>⚠ {escape(text)}</p>"
