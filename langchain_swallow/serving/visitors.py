"""Recognizes a browser by a cookie, where the server does not know its people."""

import hashlib
import secrets

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from langchain_swallow.serving.conversations import VISITOR_S, Owner
from langchain_swallow.serving.cookies import cookie_header, port_in_address, read_cookies
from langchain_swallow.serving.identity import requester


def owner_of_request(request: Request) -> Owner:
    """Return whose conversations a request may list: the person's, or else the browser's.

    Both parts are empty for a client without a name or a cookie.
    """
    person = requester(request.scope).name
    if person:
        return Owner(person)
    cookie = read_cookies(request.headers).get(_name(request.scope, request.headers), "")
    # The file of conversations must not give someone else the cookie.
    return Owner(visitor=hashlib.sha256(cookie.encode()).hexdigest() if cookie else "")


def new_visitor(request: Request) -> str | None:
    """Return the header of a cookie for a browser that has none; `None` if it needs none."""
    if any(owner_of_request(request)):
        return None
    # SameSite is Lax, so that a link from another site does not start a new visit.
    return cookie_header(
        request.scope,
        request.headers,
        _name(request.scope, request.headers),
        secrets.token_urlsafe(24),
        same_site="lax",
        max_age_s=VISITOR_S,
    )


def _name(scope: Scope, headers: Headers) -> str:
    return f"swallow_visitor_{port_in_address(scope, headers)}"
