"""How the server ends: in order, with a word to those who wait, and without tracebacks."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from langchain_swallow.cli import main

# Deadlines of seconds.
pytestmark = pytest.mark.alone

SERVER = """
import socket, sys
from langchain_core.language_models import FakeListChatModel
from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving import server
from langchain_swallow.serving.app import listen, serve
from langchain_swallow.serving.assistant import Assistant
from tests.support.embeddings import CharacterEmbeddings

server._HEADERS_TIMEOUT_S = 1.5
server._BODY_TIMEOUT_S = 2.5
store = SwallowFAISS.from_texts(["会議室は3階にある。"], CharacterEmbeddings())
llm = FakeListChatModel(responses=["あ" * int(sys.argv[3])], sleep=0.1)
made = Assistant(llm, store, splitter=JapaneseTextSplitter(100))
serve(made, listen(port=int(sys.argv[1])), grace_s=float(sys.argv[2]))
"""


@contextlib.contextmanager
def started(grace_s, length=300):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(port), str(grace_s), str(length)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        try:
            deadline = time.monotonic() + 240
            while True:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"http://127.0.0.1:{port}/health")
                    break
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def stream(url, events):
    body = {"question": "会議室は何階ですか。", "stream": True}
    with httpx.stream("POST", f"{url}/v1/answers", json=body, timeout=60) as got:
        events += [line for line in got.iter_lines() if line.startswith(("event", "data"))]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_answers_with_an_error_and_no_traceback(how):
    with started(1) as (process, url):
        events = []
        thread = threading.Thread(target=stream, args=(url, events))
        thread.start()
        time.sleep(3)
        began = time.monotonic()
        process.send_signal(how)
        thread.join(20)
        process.wait(20)
        assert time.monotonic() - began < 15
        assert events[-2] == "event: error"
        assert "The server is stopping." in events[-1]
        assert "Traceback" not in process.stderr.read().decode()


def test_a_stop_finishes_what_runs_and_refuses_what_comes():
    with started(60, length=60) as (process, url):
        events = []
        thread = threading.Thread(target=stream, args=(url, events))
        thread.start()
        time.sleep(2)
        assert httpx.get(f"{url}/readyz").status_code == 200
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        ready = httpx.get(f"{url}/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "The server is stopping.")
        assert httpx.get(f"{url}/livez").status_code == 200
        refused = httpx.post(f"{url}/v1/answers", json={"question": "会議室は何階ですか。"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert thread.is_alive()
        thread.join(20)
        assert events[-2] == "event: answer"
        process.wait(10)
        assert "Traceback" not in process.stderr.read().decode()


def test_who_sends_no_request_is_sent_away():
    with started(0) as (_, url):
        port = int(url.rsplit(":", 1)[1])
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
        for number, connection in enumerate(idle):
            connection.sendall([b"", b"GET / HTTP/1.1\r\n", b"POST /v1/ans"][number % 3])
        later = socket.create_connection(("127.0.0.1", port))
        later.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /hea")
        time.sleep(4)
        for connection in [*idle, later]:
            connection.settimeout(5)
            while connection.recv(1000):
                pass
            connection.close()
        assert httpx.get(f"{url}/health").status_code == 200


ANSWERS = b"POST /v1/answers HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODIES = {
    "length": ANSWERS + b"Content-Length: 100\r\n\r\n{",
    "chunked": ANSWERS + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "expect": ANSWERS + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    "session": b"PATCH /v1/sessions/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n",
    "pipelined": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    + ANSWERS
    + b"Content-Length: 100\r\n\r\n{",
}


def test_who_sends_half_a_body_is_sent_away():
    with started(0) as (process, url):
        port = int(url.rsplit(":", 1)[1])
        slow = {name: socket.create_connection(("127.0.0.1", port)) for name in BODIES}
        for name, connection in slow.items():
            connection.sendall(BODIES[name])
        # A byte now and then keeps nothing open.
        for _ in range(5):
            time.sleep(1)
            with contextlib.suppress(OSError):
                slow["length"].sendall(b" ")
        for name, connection in slow.items():
            connection.settimeout(0.5)
            with contextlib.suppress(ConnectionResetError):
                try:
                    while connection.recv(1000):
                        pass
                except TimeoutError:
                    pytest.fail(f"{name}: the connection is still open")
            connection.close()
        events = []
        stream(url, events)
        # An answer takes longer than that, and is not cut.
        assert events[-2] == "event: answer"
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert "Traceback" not in process.stderr.read().decode()


def test_a_mistyped_index_is_not_made(capsys, tmp_path):
    assert main(["serve", "-i", str(tmp_path / "ない"), "--port", "0", "--model", "x"]) == 1
    assert "ない" in capsys.readouterr().err
    assert not (tmp_path / "ない").exists()
