"""Builds the application with page and API, and runs its server."""

import contextlib
import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from starlette.routing import Route
from starlette.types import ASGIApp

from langchain_swallow.serving.access_log import access_row
from langchain_swallow.serving.api import create_api
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.forms import largest_form
from langchain_swallow.serving.guard import Guard
from langchain_swallow.serving.json_lines import JsonLines
from langchain_swallow.serving.oidc import Oidc
from langchain_swallow.serving.origins import is_loopback
from langchain_swallow.serving.page.routes import add_page
from langchain_swallow.serving.people import People
from langchain_swallow.serving.request_record import Recorder, RequestRecord
from langchain_swallow.serving.server import Stopping, make_server
from langchain_swallow.serving.sign_on import SignOn

_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
_MAX_PORT = 65535


def create_app(
    assistant: Assistant,
    *,
    page: bool = True,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    proxies: Sequence[str] = (),
    people: People | None = None,
    sign_on: SignOn | None = None,
    oidc: Oidc | None = None,
    metrics_token: str | None = None,
    access_log: JsonLines | None = None,
) -> ASGIApp:
    """Return the ASGI application; with the extra `mcp`, the MCP server is at `/mcp`.

    Args:
        assistant: What answers.
        page: Whether to serve the chat page in addition to the API. Default: true.
        token: The token that every request needs; `None` allows all requests.
        hosts: Names that the server may be called by; empty allows all.
        proxies: Addresses of proxies whose `X-Forwarded-*` headers are trusted.
        people: People with tokens of their own. Default: none.
        sign_on: Reads the person from headers of a trusted proxy. Default: none.
        oidc: Reads the person from a token of an OpenID Connect provider. Default: none.
        metrics_token: A token that lets in to `/metrics` only. Default: none.
        access_log: Gets a row for each request. Default: none.
    """
    app = create_api(assistant)
    if find_spec("mcp") is not None:
        # Imported here, because it needs the extra `mcp`.
        from langchain_swallow.serving.mcp_server import McpApp

        app.router.routes.append(Route("/mcp", McpApp(assistant), include_in_schema=False))
    if page:
        add_page(app, assistant, can_sign_out=bool(token or people))
    guard = Guard(
        app,
        token=token,
        hosts=hosts,
        max_form=largest_form(assistant.limits),
        proxies=proxies,
        people=people,
        sign_on=sign_on,
        oidc=oidc,
        metrics_token=metrics_token,
        is_stopping=lambda: assistant.is_stopping,
    )
    reports: list[Callable[[RequestRecord], None]] = [assistant.metrics.request]
    if access_log is not None:
        reports.append(lambda record: access_log.write(access_row(record)))
    around = None if assistant.tracing is None else assistant.tracing.request
    return Recorder(guard, proxies=proxies, reports=reports, around=around)


def listen(
    host: str = "127.0.0.1", port: int = 7860, *, is_protected: bool = False
) -> socket.socket:
    """Open the server's socket, before the model is loaded, so that errors appear at once.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        is_protected: Whether requests need a token or a person. Default: false.

    Raises:
        ValueError: Other machines can reach the host and it is not protected, or the port is out of
            range.
        OSError: The address is in use or not available.
    """
    if not is_loopback(host) and not is_protected:
        raise ValueError(
            f"--host {host} lets other machines ask, and read what the index holds: give a token "
            "with --token or SWALLOW_TOKEN, or people with --people or --trusted-proxy. Without "
            "one only 127.0.0.1 is served."
        )
    if not 0 <= port <= _MAX_PORT:
        raise ValueError(f"--port must be from 0 to {_MAX_PORT}, not {port!r}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"{host}:{port} cannot be listened on ({error.strerror}): choose another --port or "
            "--host."
        ) from error


def serve(
    assistant: Assistant,
    listening: socket.socket,
    *,
    page: bool = True,
    token: str | None = None,
    proxies: Sequence[str] = (),
    people: People | None = None,
    sign_on: SignOn | None = None,
    oidc: Oidc | None = None,
    metrics_token: str | None = None,
    access_log: Path | None = None,
    grace_s: float = 30.0,
) -> None:
    """Serve from a socket until SIGTERM or Ctrl-C.

    Args:
        assistant: What answers.
        listening: The socket, from `listen`.
        page: Whether to serve the chat page in addition to the API. Default: true.
        token: The token that every request needs; `None` allows all requests.
        proxies: Addresses of proxies whose `X-Forwarded-*` headers are trusted.
        people: People with tokens of their own. Default: none.
        sign_on: Reads the person from headers of a trusted proxy. Default: none.
        oidc: Reads the person from a token of an OpenID Connect provider. Default: none.
        metrics_token: A token that lets in to `/metrics` only. Default: none.
        access_log: A file that gets a JSON line for each request, or `-` for standard output.
            Default: none.
        grace_s: Seconds for which answers may continue after SIGTERM or Ctrl-C, while new requests
            are refused; then they end with an error. Default: 30.
    """
    # If requests need a token or a person, any host name is allowed. Otherwise only local names
    # are, so that another site cannot reach the server through DNS rebinding.
    hosts = () if token or people or sign_on or oidc else _LOCAL_NAMES
    log = None if access_log is None else JsonLines(access_log)
    app = create_app(
        assistant,
        page=page,
        token=token,
        hosts=hosts,
        proxies=proxies,
        people=people,
        sign_on=sign_on,
        oidc=oidc,
        metrics_token=metrics_token,
        access_log=log,
    )
    stopping = Stopping(app, begin=assistant.refuse_requests, end_answers=assistant.end_answers)
    server = make_server(stopping, grace_s=grace_s)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    finally:
        assistant.close()
        if log is not None:
            log.close()
