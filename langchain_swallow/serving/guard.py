"""Access control: host names, the token, and the page's content security policy."""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from langchain_swallow._system.language import accepted_language, in_language, use_language
from langchain_swallow.serving.cookies import (
    cookie_header,
    port_in_address,
    read_cookies,
    with_cookie,
)
from langchain_swallow.serving.forms import takes_files
from langchain_swallow.serving.identity import NOBODY, OPERATOR, Person, with_requester
from langchain_swallow.serving.login import STYLE_HASH, Logins, is_same, login_form
from langchain_swallow.serving.oidc import Oidc
from langchain_swallow.serving.openai_errors import refusal_response
from langchain_swallow.serving.origins import host_name, is_from_another_site, is_loopback
from langchain_swallow.serving.people import People
from langchain_swallow.serving.proxies import Proxies
from langchain_swallow.serving.refusals import StoppingError, TooLargeError, too_large
from langchain_swallow.serving.request_record import current_request
from langchain_swallow.serving.sign_on import SignOn, decode_header

# Probes need no token: they only say that the server runs.
_OPEN = frozenset({"/livez", "/readyz", "/health", "/ready"})
METRICS_PATH = "/metrics"
_MAX_LOGIN = 8 * 1024
# Only scripts, styles and pictures of this server, nothing inline but the login form's style, and
# no connections elsewhere.
_POLICY = (
    f"default-src 'self'; style-src 'self' '{STYLE_HASH}'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class Guard:
    """ASGI middleware that checks host, requester, origin and size of every request.

    `identity.requester` returns who sends a request that it has passed on.

    Args:
        app: The application behind it.
        token: The token that a request needs: as `Authorization: Bearer …`, or as the cookie of a
            browser that has logged in (`POST /login`, or once `?token=…`). `None` allows all
            requests.
        hosts: Host names by which the server may be called; this refuses DNS rebinding, where
            another site's name points here. Empty allows all.
        max_body: Maximum size of a request in bytes; a larger one is not read to its end. Default:
            1 MiB.
        max_form: Maximum size of a request with documents. All others are parsed in memory as a
            whole. Default: 500 MiB.
        proxies: Addresses of proxies whose `X-Forwarded-*` headers are trusted.
        people: People with tokens of their own. Default: none.
        sign_on: Reads the person from headers of a trusted proxy. Default: none.
        oidc: Reads the person from a token of an OpenID Connect provider. Default: none.
        metrics_token: A token that lets in to `/metrics` only. Default: none.
        is_stopping: Whether the server stops: then only probes and metrics are answered. Default:
            never.

    With a token, people, sign-on or a provider, a request must be from one of them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None = None,
        hosts: tuple[str, ...] = (),
        max_body: int = 1024**2,
        max_form: int = 500 * 1024**2,
        proxies: Sequence[str] = (),
        people: People | None = None,
        sign_on: SignOn | None = None,
        oidc: Oidc | None = None,
        metrics_token: str | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app, self._hosts, self._is_stopping = app, hosts, is_stopping
        self._max_body, self._max_form = max_body, max_form
        self._sign_on, self._oidc, self._metrics_token = sign_on, oidc, metrics_token
        knows_people = not (people is None and sign_on is None and oidc is None)
        self._logins = Logins(token, people) if token or knows_people else None
        # With the server's own token, a health check without one sees what the token shows: there
        # is nobody from whom the number of chunks is kept.
        self._stranger = NOBODY if knows_people else OPERATOR
        self._proxies = Proxies(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        signed_on = self._sign_on and self._sign_on.person(scope)
        scope = self._proxies.unwrapped(scope)
        current_request().note_client(scope)
        headers = Headers(scope=scope)
        use_language(accepted_language(headers.get("accept-language", "")))
        if refusal := self._refusal(scope, headers):
            await refusal(scope, receive, send)
            return
        body = _Limited(receive, self._largest(scope))
        send = _with_headers(send)
        receive, answer = body.receive, body.answering(send)
        try:
            if self._is_scraper(scope, headers):
                await self._pass_on(scope, OPERATOR, receive, answer)
            elif signed_on or self._logins is None:
                await self._pass_on(scope, signed_on or OPERATOR, receive, answer)
            else:
                await self._if_known(self._logins, scope, receive, answer)
        except ClientDisconnect:
            # The client disconnected within a login form, so there is no response.
            return
        except TooLargeError as error:
            refused = refusal_response(scope, error.status, str(error))
            await refused(scope, receive, send)

    def _is_scraper(self, scope: Scope, headers: Headers) -> bool:
        return scope["path"] == METRICS_PATH and is_same(
            _bearer_token(headers), self._metrics_token or ""
        )

    async def _pass_on(self, scope: Scope, person: Person, receive: Receive, send: Send) -> None:
        record = current_request()
        record.person = person.name
        scope = with_requester(scope, person, record.id)
        try:
            await self._app(scope, receive, send)
        finally:
            record.note_route(scope)

    async def _bearer(self, logins: Logins, headers: Headers) -> Person | None:
        token = _bearer_token(headers)
        login = logins.login(token)
        if login is not None:
            return logins.person(login)
        return await self._oidc.find(token) if self._oidc and token else None

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if self._is_stopping() and scope["path"] not in _OPEN | {METRICS_PATH}:
            stopping = StoppingError()
            later = {"Retry-After": str(stopping.retry_after_s), "Connection": "close"}
            return refusal_response(scope, stopping.status, str(stopping), later)
        if self._hosts and not self._is_known(host_name(headers)):
            detail = in_language(
                "このホスト名からのアクセスは許可されていません。127.0.0.1 を使ってください。",
                "This host name is not permitted. Use 127.0.0.1.",
            )
            return refusal_response(scope, 421, detail)
        if is_from_another_site(scope, headers):
            detail = in_language(
                "ほかのサイトのページからのリクエストは受け付けません。",
                "The request is from another site.",
            )
            return refusal_response(scope, 403, detail)
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) <= self._largest(scope):
            return None
        refused = too_large(self._largest(scope))
        return refusal_response(scope, refused.status, str(refused))

    def _is_known(self, name: str) -> bool:
        # Loopback addresses are not names, so another site cannot point one here.
        return name in self._hosts or is_loopback(name)

    def _largest(self, scope: Scope) -> int:
        return self._max_form if takes_files(scope["path"]) else self._max_body

    async def _if_known(self, logins: Logins, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests with the token or its cookie; answer others with the login page."""
        headers = Headers(scope=scope)
        cookie = read_cookies(headers).get(_cookie_name(logins, scope, headers), "")
        path, query = scope["path"], scope.get("query_string", b"").decode("latin-1")
        received = parse_qs(query).get("token", [""])[0]
        login = "" if logins.is_right(received) else None
        if path == "/login" and scope.get("method") == "POST":
            # A person's token is not taken from an address, which is in logs.
            received = await _read_login_token(scope, receive)
            login = logins.login(received)
        bearer = await self._bearer(logins, headers)
        owner = bearer or logins.owner(cookie)
        if path == "/logout" and scope.get("method") == "POST":
            logins.log_out(cookie)
            response = _login_page(
                scope, in_language("ログアウトしました。", "Logged out."), status=200
            )
            response.headers.append("set-cookie", _cookie(logins, scope, headers, ""))
        elif login is not None:
            # Redirect, so that the token is not in the address bar and the browser's history. The
            # target is fixed, because a path from the request may lead to another server.
            response = RedirectResponse(scope.get("root_path", "") + "/", status_code=303)
            entered = _cookie(logins, scope, headers, logins.new_cookie(login))
            response.headers.append("set-cookie", entered)
        elif owner is not None or path in _OPEN:
            if bearer is None and owner is not None and logins.is_due(cookie):
                renewed = _cookie(logins, scope, headers, logins.renewed(cookie))
                send = with_cookie(send, renewed)
            await self._pass_on(scope, owner or self._stranger, receive, send)
            return
        elif logins.takes_tokens() and (
            path == "/login" or "text/html" in headers.get("accept", "")
        ):
            response = _login_page(
                scope,
                in_language("トークンが違います。", "Wrong token.") if received else "",
                status=401,
            )
        else:
            detail = in_language(
                "Authorization: Bearer に、サーバーのトークンが必要です。",
                "Authorization: Bearer must have the server's token.",
            )
            if not logins.takes_tokens() and self._oidc is None:
                detail = in_language(
                    "サインオンするプロキシを通して開いてください。",
                    "Open this server through the proxy that signs you on.",
                )
            response = refusal_response(scope, 401, detail)
        await response(scope, receive, send)


def _login_page(scope: Scope, message: str, *, status: int) -> Response:
    action = scope.get("root_path", "") + "/login"
    return HTMLResponse(login_form(action, message), status_code=status)


def _cookie_name(logins: Logins, scope: Scope, headers: Headers) -> str:
    """Return a name for this port and token, because servers on one host share their cookies."""
    return f"{logins.cookie_name}_{port_in_address(scope, headers)}"


def _cookie(logins: Logins, scope: Scope, headers: Headers, value: str) -> str:
    name = _cookie_name(logins, scope, headers)
    age_s = logins.lifetime_s if value else 0
    return cookie_header(scope, headers, name, value, same_site="strict", max_age_s=age_s)


async def _read_login_token(scope: Scope, receive: Receive) -> str:
    """Return the token of a submitted login form."""
    read = b""
    async for part in Request(scope, receive).stream():
        read += part
        if len(read) > _MAX_LOGIN:
            raise too_large(_MAX_LOGIN)
    return parse_qs(read.decode("utf-8", "replace")).get("token", [""])[0]


def _bearer_token(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return decode_header(token.strip()) if kind.lower() == "bearer" else ""


class _Limited:
    """A body without Content-Length, which is refused once it exceeds the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._bytes_left, self._limit = receive, limit, limit

    async def receive(self) -> Message:
        """Return the next part of the body."""
        message = await self._receive()
        self._bytes_left -= len(message.get("body", b""))
        self._check()
        return message

    def answering(self, send: Send) -> Send:
        """Return a `send` that drops the application's response once the body was refused.

        FastAPI answers 400 to any exception that is raised while it reads JSON.
        """
        began = False

        async def sending(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start" and not began:
                self._check()
                began = True
            await send(message)

        return sending

    def _check(self) -> None:
        if self._bytes_left < 0:
            raise too_large(self._limit)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            # Without a referrer for this server, browsers send the origin "null" with its forms.
            headers["Referrer-Policy"] = "same-origin"
        await send(message)

    return sending
