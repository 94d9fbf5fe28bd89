"""Who may ask: hosts by name, a token, and what a browser may load with the page."""

import hashlib
import hmac
from http.cookies import SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE = "swallow_token"
# Scripts and fonts of this server only, and nowhere to send anything to. Gradio's page has
# scripts in it and makes functions from text.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_LOGIN = """<!doctype html><html lang="ja"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>langchain-swallow</title>
<style>body{font-family:sans-serif;max-width:30em;margin:20vh auto;padding:0 1em}</style>
<h1>トークンが必要です</h1><p>サーバーを起動した人から受け取ったトークンを入れてください。 /
Enter the token of this server.</p><form method="get" action="/"><label>トークン / Token
<input name="token" type="password" autofocus required></label> <button>開く / Open</button></form>
<p role="alert">WRONG</p></html>"""


class Guard:
    """ASGI middleware.

    Args:
        app: What it guards.
        token: What a request must have: `Authorization: Bearer …`, or once `?token=…`, which the
            page keeps as a cookie. `None` asks for none.
        hosts: Names that the server may be called by. A page elsewhere that makes its own name
            point here (DNS rebinding) is refused. Empty allows all.
        max_body: Bytes of the largest request; what is larger is not read to its end.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None = None,
        hosts: tuple[str, ...] = (),
        max_body: int = 500 * 1024**2,
    ) -> None:
        self._app, self._token, self._hosts, self._max_body = app, token, hosts, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._hosts and _host_of(headers) not in self._hosts:
            refusal = JSONResponse({"detail": "この名前では答えません。"}, status_code=421)
            await refusal(scope, receive, send)
            return
        if _is_from_another_site(scope, headers):
            refusal = JSONResponse({"detail": "ほかのサイトのページからは受け取りません。"}, 403)
            await refusal(scope, receive, send)
            return
        if int(headers.get("content-length", "0") or 0) > self._max_body:
            refusal = JSONResponse({"detail": "大きすぎます。"}, status_code=413)
            await refusal(scope, receive, send)
            return
        receive = _limited(receive, self._max_body)
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if self._is_right(given):
            # The token goes out of the address, and of the browser's history.
            answer = RedirectResponse(scope["path"], status_code=303)
            answer.set_cookie(_COOKIE, _digest(given), httponly=True, samesite="strict")
            await answer(scope, receive, send)
        elif self._token is None or scope["path"] == "/health" or self._has_token(headers):
            await self._app(scope, receive, _with_policy(send))
        elif "text/html" in headers.get("accept", ""):
            wrong = "トークンが違います。 / Wrong token." if given else ""
            page = HTMLResponse(_LOGIN.replace("WRONG", wrong), status_code=401)
            await page(scope, receive, _with_policy(send))
        else:
            detail = "Authorization: Bearer に、サーバーのトークンが必要です。"
            await JSONResponse({"detail": detail}, status_code=401)(scope, receive, send)

    def _has_token(self, headers: Headers) -> bool:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        if kind.lower() == "bearer" and self._is_right(_utf8(bearer.strip())):
            return True
        return (
            cookie is not None
            and self._token is not None
            and hmac.compare_digest(cookie.value.encode(), _digest(self._token).encode())
        )

    def _is_right(self, given: str) -> bool:
        if self._token is None or not given:
            return False
        return hmac.compare_digest(given.encode(), self._token.encode())


def _utf8(header: str) -> str:
    """A header's text: HTTP has bytes there, which Starlette reads as Latin-1."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def _digest(token: str) -> str:
    """What a browser keeps: not the token, and ASCII whatever the token is."""
    return hashlib.sha256(f"langchain-swallow\0{token}".encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether a host to listen on can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_from_another_site(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site sends something; browsers say so, and programs say nothing.

    Without a token, any page that this machine's browser shows could add documents otherwise.
    """
    changes = scope.get("method") not in ("GET", "HEAD", "OPTIONS")
    return changes and headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _host_of(headers: Headers) -> str:
    """The name in the Host header, without its port."""
    host = headers.get("host", "")
    return host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0]


def _limited(receive: Receive, most: int) -> Receive:
    """A body without a length that goes on for too long is as one whose sender has left."""
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        return message if read <= most else {"type": "http.disconnect"}

    return receiving


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
        await send(message)

    return sending
