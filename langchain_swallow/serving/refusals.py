"""Errors of refused requests: each has an HTTP status and a text that says what to do."""

from langchain_swallow._system.language import in_language
from langchain_swallow.errors import SwallowError


class Refusal(SwallowError):
    """A request is refused; the client gets the text.

    Attributes:
        status: The HTTP status.
        retry_after_s: Seconds after which to retry; `None` if a retry does not help.
    """

    status = 400
    retry_after_s: int | None = None


class InvalidValueError(Refusal, ValueError):
    """A question or a setting is out of its range."""

    status = 422


class StoppingError(Refusal):
    """The server is stopping, so answers end."""

    status = 503
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__(in_language("サーバーが停止します。", "The server is stopping."))


class AnswerTimeoutError(Refusal):
    """An answer has taken too long."""

    status = 504


class UnknownSessionError(Refusal):
    """The server does not know this session, or has deleted it."""

    status = 404

    def __init__(self) -> None:
        super().__init__(
            in_language(
                "この会話はサーバーにありません。POST /v1/sessions で新しい会話を作ってください。",
                "Unknown session. Create one with POST /v1/sessions; a restarted server has "
                "forgotten all sessions.",
            )
        )


class ConversationsUnavailableError(Refusal):
    """The database of conversations cannot be used now; its log says why."""

    status = 503
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__(
            in_language(
                "会話を保存するデータベースを使えません。少し待ってから、もう一度試してください。",
                "The database of conversations cannot be used now. Try again soon.",
            )
        )


class UnknownDocumentError(Refusal):
    """The session has no file with this name."""

    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(
            in_language(
                f"{name}: この会話の文書ではありません。",
                f"{name} is not a document of this session.",
            )
        )


class UnknownAnswerError(Refusal):
    """The session has no answer with this id."""

    status = 404

    def __init__(self) -> None:
        super().__init__(
            in_language(
                "この回答はサーバーに残っていません。",
                "The server does not have this answer any more.",
            )
        )


class NotPermittedError(Refusal, PermissionError):
    """The server's settings do not permit this."""

    status = 403


class TooLargeError(Refusal):
    """A request or a file exceeds its limit."""

    status = 413


def too_large(limit: int) -> TooLargeError:
    """Return the error for a request of more than `limit` bytes."""
    return TooLargeError(
        in_language(
            f"リクエストが大きすぎます。上限は {limit:,} バイトです。",
            f"The request is too large. The limit is {limit:,} bytes.",
        )
    )


def answer_timeout(limit_s: float) -> AnswerTimeoutError:
    """Return the error for an answer that has taken more than `limit_s` seconds."""
    return AnswerTimeoutError(
        in_language(
            f"回答が {limit_s:g} 秒以内に終わりませんでした。max_tokens を小さくしてください。",
            f"The answer was not complete within {limit_s:g} s. Lower max_tokens.",
        )
    )


class BusyError(Refusal):
    """A limit of this client (429) or of the whole server (503) is reached."""

    def __init__(self, message: str, *, status: int, retry_after_s: int) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s
