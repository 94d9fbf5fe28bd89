"""One record per request: its id, route, status and duration, for the log, metrics and errors."""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langchain_swallow.serving.proxies import Proxies

_HEADER = "X-Request-ID"
_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request; complete when its response has been sent.

    Attributes:
        id: Its id, from a trusted proxy or made here.
        method: The HTTP method.
        client: The address that it comes from.
        person: Who sends it; empty if the server does not distinguish people.
        route: The path's template, such as `/v1/sessions/{session}`; empty if it was refused before
            it was routed. The path itself may have the id of a session, which is secret.
        status: The HTTP status; 0 if the client left before it.
        sent_bytes: Size of the body sent.
        duration_s: Seconds until the response was sent.
    """

    id: str = ""
    method: str = ""
    client: str = ""
    person: str = ""
    route: str = ""
    status: int = 0
    sent_bytes: int = 0
    duration_s: float = 0.0
    _started: float = field(default_factory=time.perf_counter, repr=False)

    def note_client(self, scope: Scope) -> None:
        """Take the client's address from a request's scope."""
        client = scope.get("client")
        self.client = client[0] if client else ""

    def note_route(self, scope: Scope) -> None:
        """Take the route from a scope that has been routed; the page's files are one route."""
        if (route := scope.get("route")) is not None:
            self.route = getattr(route, "path", "") or "/"

    def end(self) -> None:
        """The response has been sent."""
        self.duration_s = time.perf_counter() - self._started


_current: ContextVar[RequestRecord | None] = ContextVar("swallow_request", default=None)


def current_request() -> RequestRecord:
    """Return the record of the request that is being answered; an empty one outside of requests."""
    return _current.get() or RequestRecord()


def with_request_id(body: dict[str, Any]) -> dict[str, Any]:
    """Return an error's body with the id of the request, by which the operator finds it."""
    request_id = current_request().id
    return {**body, "request_id": request_id} if request_id else body


class Recorder:
    """ASGI middleware that gives each request an id and reports it when it has been answered.

    Args:
        app: The application.
        proxies: Addresses of proxies whose `X-Request-ID` is taken over. Default: none.
        reports: Functions that get each complete record. Default: none.
        around: Returns a context manager in which a request is answered. Default: none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        proxies: Sequence[str] = (),
        reports: Sequence[Callable[[RequestRecord], None]] = (),
        around: Callable[[Scope, RequestRecord], AbstractContextManager[None]] | None = None,
    ) -> None:
        self._app, self._proxies, self._reports = app, Proxies(proxies), reports
        self._around = around or (lambda *_: nullcontext())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and report it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(self._id(scope), scope["method"])
        record.note_client(scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = record.id
            await send(message)
            record.sent_bytes += len(message.get("body", b""))

        _current.set(record)
        try:
            with self._around(scope, record):
                await self._app(scope, receive, sending)
        finally:
            record.end()
            for report in self._reports:
                report(record)

    def _id(self, scope: Scope) -> str:
        """Return the id that a trusted proxy has given, or a new one."""
        given = Headers(scope=scope).get(_HEADER, "") if self._proxies.sent(scope) else ""
        return given if _ID.fullmatch(given) else secrets.token_hex(8)
