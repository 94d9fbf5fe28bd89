"""The server of this package in a thread of the test's process, so that it can be looked at."""

import contextlib
import socket
import threading
import time

import uvicorn

from langchain_swallow.serving.app import create_app


class Served:
    """A running server; `url` is its address."""

    def __init__(self, assistant, *, port=0, **options):
        self.assistant = assistant
        self.app = create_app(assistant, **options)
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.app, log_level="error", timeout_graceful_shutdown=1, proxy_headers=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listening],), daemon=True
        )
        self._thread.start()
        while not self._server.started:
            time.sleep(0.05)

    def close(self):
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()


@contextlib.contextmanager
def serving(assistant, **options):
    """A server for the block."""
    served = Served(assistant, **options)
    try:
        yield served
    finally:
        served.close()
