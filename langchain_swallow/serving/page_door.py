"""A filter in front of Gradio: an allow-list of its paths and of the content of requests.

Gradio serves about sixty paths, and accepts files, paths and addresses anywhere in an event's data.
The page needs only a few of these paths, and its events send plain values. A session hash, which
the browser chooses, is bound to a cookie of the browser.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langchain_swallow.serving.cookies import (
    cookie_header,
    port_in_address,
    read_cookies,
    with_cookie,
)
from langchain_swallow.serving.identity import requester
from langchain_swallow.serving.refusals import Refusal, too_large
from langchain_swallow.text.surrogates import replace_surrogates

_API = "/gradio_api"
_PAGES = frozenset({"/", "/theme.css", "/favicon.ico", f"{_API}/app_id"})
_FILES = re.compile(r"/(?:assets|static)(?:/[\w@-][\w@.-]*)+", re.ASCII)
_HEARTBEAT = re.compile(rf"{_API}/heartbeat/([\w-]{{1,64}})", re.ASCII)
_HASH = re.compile(r"[\w-]{1,64}", re.ASCII)
_MAX_BODY = 256 * 1024
_MAX_VALUES = 32
_VISITOR_S = 30 * 24 * 3600
# Headers that Gradio trusts as a proxy's, and that a browser does not send.
_PROXY_HEADERS = frozenset({b"x-forwarded-host", b"x-gradio-server", b"x-direct-url"})


class DoorError(Refusal):
    """The request is not one that the page sends."""

    def __init__(self, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.status = status


class _Request(NamedTuple):
    """A request that is passed on to Gradio."""

    scope: Scope
    receive: Receive


class PageDoor:
    """ASGI middleware that refuses requests that the page does not send.

    Args:
        app: Gradio's application.
        events: Numbers of the functions that the page calls on the server.
    """

    def __init__(self, app: ASGIApp, events: Collection[int]) -> None:
        self._app, self._events = app, frozenset(events)
        self._secret = secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        headers = Headers(scope=scope)
        name = f"swallow_page_{port_in_address(scope, headers)}"
        visitor = read_cookies(headers).get(name, "")
        if scope["path"] == "/" and not visitor:
            # SameSite is Lax, so that a link from another site does not start a new visit.
            cookie = cookie_header(
                scope, headers, name, secrets.token_urlsafe(24), same_site="lax",
                max_age_s=_VISITOR_S,
            )  # fmt: skip
            send = with_cookie(send, cookie)
        # Whoever logs in next with this browser cannot continue the page of the one before.
        visitor += f"\0{requester(scope).name}"
        try:
            passed = await self._admit(scope, receive, visitor)
        except Refusal as error:
            await JSONResponse({"detail": str(error)}, error.status)(scope, receive, send)
            return
        try:
            await self._app(passed.scope, passed.receive, send)
        except RuntimeError as error:
            # For an unknown session, such as after a restart, Gradio raises an HTTP error after the
            # event that reports it.
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b""})

    async def _admit(self, scope: Scope, receive: Receive, visitor: str) -> _Request:
        """Return the request that is passed on to Gradio.

        Raises:
            Refusal: The page does not send such requests.
        """
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        headers = [(name, v) for name, v in scope["headers"] if name not in _PROXY_HEADERS]
        scope = {**scope, "headers": headers, "query_string": b""}
        if scope["method"] in ("GET", "HEAD"):
            if path in _PAGES or _FILES.fullmatch(path):
                return _Request(scope, receive)
            if heartbeat := _HEARTBEAT.fullmatch(path):
                bound = f"{_API}/heartbeat/{self._bound(heartbeat[1], visitor)}"
                return _Request({**scope, "path": bound, "raw_path": bound.encode()}, receive)
            if path == f"{_API}/queue/data":
                session_hash = parse_qs(query).get("session_hash", [""])[0]
                bound = urlencode({"session_hash": self._bound(session_hash, visitor)})
                return _Request({**scope, "query_string": bound.encode()}, receive)
        elif scope["method"] == "POST" and path in self._bodies:
            body = self._bodies[path](await _json(receive))
            if "session_hash" in body:
                body["session_hash"] = self._bound(body["session_hash"], visitor)
            return _with_body(scope, body, receive)
        raise DoorError("Not Found", 404)

    @property
    def _bodies(self) -> dict[str, Any]:
        return {
            f"{_API}/queue/join": self._join,
            f"{_API}/cancel": _cancel,
            f"{_API}/reset": lambda body: {"event_id": _text(body.get("event_id"))},
        }

    def _bound(self, session_hash: Any, visitor: str) -> str:
        """Return the session hash, made specific to this browser's cookie."""
        if not isinstance(session_hash, str) or not _HASH.fullmatch(session_hash):
            raise DoorError("session_hash must be letters and digits.")
        text = f"{visitor}\0{session_hash}".encode()
        return hashlib.blake2b(text, key=self._secret, digest_size=20).hexdigest()

    def _join(self, body: dict[str, Any]) -> dict[str, Any]:
        event, data = body.get("fn_index"), body.get("data")
        if type(event) is not int or event not in self._events:
            raise DoorError("fn_index is not an event of this page.")
        if not isinstance(data, list) or len(data) > _MAX_VALUES:
            raise DoorError("data must be a list of plain values.")
        return {
            "data": [_plain(value) for value in data],
            "event_data": _event_data(body.get("event_data")),
            "fn_index": event,
            "trigger_id": body["trigger_id"] if type(body.get("trigger_id")) is int else None,
            "session_hash": body.get("session_hash"),
        }


def _cancel(body: dict[str, Any]) -> dict[str, Any]:
    event = body.get("fn_index")
    if type(event) is not int:
        raise DoorError("fn_index must be a number.")
    return {
        "event_id": _text(body.get("event_id")),
        "fn_index": event,
        "session_hash": body.get("session_hash"),
    }


def _event_data(sent: Any) -> dict[str, Any] | None:
    """Return the plain values of an event: index, what was clicked, and a message's text."""
    if sent is None:
        return None
    if not isinstance(sent, dict):
        raise DoorError("event_data must be an object.")
    kept: dict[str, Any] = {"index": None, "value": ""}
    if type(sent.get("index")) is int:
        kept["index"] = sent["index"]
    if isinstance(sent.get("liked"), bool | str):
        kept["liked"] = _plain(sent["liked"])
    value = sent.get("value")
    if isinstance(value, list):
        value = "\n".join(part for part in value if isinstance(part, str))
    if isinstance(value, str):
        kept["value"] = replace_surrogates(value)
    return kept


def _plain(value: Any) -> Any:
    """Return a scalar value; in lists and objects, Gradio would look for files."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise DoorError("data must be a list of plain values: text, numbers, true, false, null.")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise DoorError("event_id must be letters and digits.")
    return value


async def _json(receive: Receive) -> dict[str, Any]:
    """Read a request's body as a JSON object."""
    read, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DoorError("The body has ended early.", 400)
        read += message.get("body", b"")
        more = message.get("more_body", False)
        if len(read) > _MAX_BODY:
            raise too_large(_MAX_BODY)
    try:
        body = json.loads(read)
    except (ValueError, RecursionError) as error:
        raise DoorError("The body is not valid JSON.", 400) from error
    if not isinstance(body, dict):
        raise DoorError("The body must be an object.")
    return body


def _with_body(scope: Scope, body: dict[str, Any], receive: Receive) -> _Request:
    data = json.dumps(body).encode()
    replaced = {b"content-length", b"content-type", b"transfer-encoding", b"content-encoding"}
    headers = [(name, value) for name, value in scope["headers"] if name not in replaced]
    headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    messages: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return _Request({**scope, "headers": headers}, receiving)
