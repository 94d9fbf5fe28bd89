"""Reads and writes cookies on a host that it shares with other programs.

Browsers send a host's cookies to all of its ports, and cookies of other programs may have any
content.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import Message, Scope, Send

from langchain_swallow.serving.origins import DEFAULT_PORTS, host_port


def read_cookies(headers: Headers) -> dict[str, str]:
    """Return cookie values by name; unreadable cookies are skipped."""
    return cookie_parser("; ".join(headers.getlist("cookie")))


def port_in_address(scope: Scope, headers: Headers) -> int:
    """Return the port in the browser's address bar."""
    scheme = "https" if is_encrypted(scope, headers) else "http"
    return host_port(headers) or int(DEFAULT_PORTS[scheme])


def is_encrypted(scope: Scope, headers: Headers) -> bool:
    """Whether the browser uses HTTPS, to this server or to a proxy in front of it."""
    return scope.get("scheme") == "https" or headers.get("origin", "").startswith("https://")


def cookie_header(
    scope: Scope, headers: Headers, name: str, value: str, *, same_site: str, max_age_s: int
) -> str:
    """Return a `Set-Cookie` header for this server only, hidden from scripts (HttpOnly).

    Args:
        scope: The request's ASGI scope.
        headers: The request's headers.
        name: The cookie's name.
        value: Its value; empty removes it with `max_age_s=0`.
        same_site: `strict` or `lax`.
        max_age_s: Seconds for which the browser keeps the cookie.
    """
    secure = "; Secure" if is_encrypted(scope, headers) else ""
    path = scope.get("root_path", "").rstrip("/") + "/"
    return (
        f"{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}"
    )


def with_cookie(send: Send, cookie: str) -> Send:
    """Return a `send` function that adds a `Set-Cookie` header."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("set-cookie", cookie)
        await send(message)

    return sending
