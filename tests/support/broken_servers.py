"""Servers that answer as a test says, byte by byte if it wants to."""

import contextlib
import http.server
import json
import threading

MODELS = {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 512}]}
UNKNOWN_MODELS = {"data": [{"id": "m", "owned_by": "somebody"}]}


def events(*messages, end="data: [DONE]\n\n"):
    """A stream of messages as UTF-8, each as JSON that escapes nothing."""
    parts = [f"data: {json.dumps(m, ensure_ascii=False)}\n\n" for m in messages]
    return ("".join(parts) + end).encode()


def text_events(*texts):
    """The events of an answer whose text comes in these pieces."""
    return events(
        *({"choices": [{"text": text}]} for text in texts),
        {"choices": [{"text": "", "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    )


class Reply:
    """One response: a body as JSON, as bytes, or as a tuple of bytes that are sent one by one."""

    def __init__(self, body=b"", status=200, headers=(), *, after=None):
        is_json = not isinstance(body, bytes | tuple)
        self.parts = (json.dumps(body).encode(),) if is_json else body
        if isinstance(body, bytes):
            self.parts = (body,)
        self.status, self.headers, self.after = status, dict(headers), after


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(self.server.get)

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.answer(self.server.post)

    def answer(self, reply):
        reply = reply(self) if callable(reply) else reply
        if reply is None:
            return
        # A client that had enough has left.
        with contextlib.suppress(OSError):
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for part in reply.parts:
                self.wfile.write(part)
                self.wfile.flush()
            if reply.after:
                reply.after()

    def log_message(self, *_):
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    """Answers GET and POST with a `Reply`, or what a function makes of the handler."""

    daemon_threads = True

    def __init__(self, post, get=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.get, self.post, self.bodies = get or Reply(MODELS), post, []
        self.leaving = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def posts(self):
        return len(self.bodies)

    def hang(self, *_):
        """Keep a connection, and say nothing more."""
        self.leaving.wait(60)

    def handle_error(self, *_):
        """Quiet."""

    def stop(self):
        self.leaving.set()
        self.shutdown()
        self.server_close()
