"""Page and API in one application, and the server that runs it."""

import contextlib
import socket

import gradio as gr
import uvicorn
from starlette.types import ASGIApp

from langchain_swallow.serving.api import create_api
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.guard import Guard, is_loopback
from langchain_swallow.serving.page import create_page, mount_options

_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")


def create_app(
    assistant: Assistant,
    *,
    page: bool = True,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
) -> ASGIApp:
    """The application.

    Args:
        assistant: What answers.
        page: Whether to serve the chat page beside the API.
        token: What every request must have; `None` asks for none.
        hosts: Names that the server may be called by; empty allows all.
    """
    app = create_api(assistant)
    if page:
        blocks = create_page(assistant).queue(api_open=False, default_concurrency_limit=None)
        limit = int(assistant.limits.file_mb * 1024**2)
        app = gr.mount_gradio_app(app, blocks, "/", max_file_size=limit, **mount_options())
    limits = assistant.limits
    max_body = int((limits.files * limits.file_mb + 1) * 1024**2)
    return Guard(app, token=token, hosts=hosts, max_body=max_body)


def listen(host: str = "127.0.0.1", port: int = 7860, *, token: str | None = None) -> socket.socket:
    """A socket to serve from; made first, so that nobody waits for a model to be told no.

    Raises:
        ValueError: The host can be reached from other machines, and there is no token.
        OSError: The address cannot be listened on.
    """
    if not is_loopback(host) and not token:
        raise ValueError(
            f"--host {host} lets other machines ask, and read what the index holds: give a token "
            "with --token or SWALLOW_TOKEN. Without one only 127.0.0.1 is served."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"{host}:{port} cannot be listened on ({error.strerror}): choose another --port or "
            "--host."
        ) from error


def serve(
    assistant: Assistant, listening: socket.socket, *, page: bool = True, token: str | None = None
) -> None:
    """Serve from a socket until interrupted."""
    # Behind a token any name will do; without one a page elsewhere must not come in by its own.
    hosts = () if token else _LOCAL_NAMES
    app = create_app(assistant, page=page, token=token, hosts=hosts)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
