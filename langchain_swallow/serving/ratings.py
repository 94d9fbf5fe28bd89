"""Finds an answer that a session keeps, and rates it."""

from langchain_swallow._system.language import in_language
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.conversations import Turn
from langchain_swallow.serving.refusals import NotPermittedError, UnknownAnswerError
from langchain_swallow.serving.sessions import Session


def find_turn(assistant: Assistant, session: Session, answer_id: str) -> Turn:
    """Return a question of a session with its answer.

    Raises:
        UnknownAnswerError: The session has no answer with this id.
    """
    turn = assistant.sessions.conversations.turn(session.id, answer_id)
    if turn is None:
        raise UnknownAnswerError
    return turn


def rate(
    assistant: Assistant, session: Session, answer_id: str, *, good: bool, reason: str = ""
) -> None:
    """Record a rating of an answer.

    Raises:
        UnknownAnswerError: The session has no answer with this id.
        NotPermittedError: The server keeps no ratings.
    """
    turn = find_turn(assistant, session, answer_id)
    if not assistant.takes_ratings:
        raise NotPermittedError(
            in_language(
                "このサーバーは評価を保存しません（--feedback で保存します）。",
                "This server keeps no ratings; --feedback keeps them.",
            )
        )
    assistant.feedback.add(turn, good=good, reason=reason, person=session.person.name)
    assistant.sessions.conversations.rate(session.id, answer_id, good=good)
