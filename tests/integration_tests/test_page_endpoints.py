"""Whatever is sent to the server, it is no path, no address and no other's file.

The routes are taken from the application itself: new ones are tried too.
"""

import itertools
import socket
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from tests.support.embeddings import CharacterEmbeddings
from tests.support.served import Served

SECRET = "7c1f-秘密の合言葉-9ab2"
METADATA = "http://169.254.169.254/latest/meta-data/"
PARAMETERS = ("path", "url", "file", "page", "q", "session", "name", "shared", "token")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def served(folder):
    store = SwallowFAISS.from_texts(
        ["会議室は3階にある。"], CharacterEmbeddings(), [{"source": "a.md", "headings": "会議"}]
    )
    assistant = Assistant(
        FakeListChatModel(responses=["3階 [1]"]),
        store,
        splitter=JapaneseTextSplitter(100),
        feedback=folder / "feedback.jsonl",
        conversations=folder / "conversations.db",
    )
    made = Served(assistant)
    yield made
    made.close()


@pytest.fixture(scope="module")
def secret_files(folder):
    """Files that no browser was given: elsewhere, and beside the server's own."""
    files = [folder / "home" / "secret.txt", folder / "secret.jsonl"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SECRET, encoding="utf-8")
    return files


@pytest.fixture
def connections(monkeypatch, served):
    """Addresses that this process connects to, but for the server itself."""
    reached = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def connecting(self, address):
        if address[:2] != ("127.0.0.1", served.port):
            reached.append(address)
            raise OSError("no connections")
        return connect(self, address)

    def looking(host, *args, **options):
        if host not in ("127.0.0.1", None):
            reached.append(host)
        return lookup(host, *args, **options)

    monkeypatch.setattr(socket.socket, "connect", connecting)
    monkeypatch.setattr(socket, "getaddrinfo", looking)
    return reached


def targets(secret_files):
    absolute = [str(file) for file in secret_files]
    return [
        *absolute,
        *(f"file://{path}" for path in absolute),
        "../" * 9 + absolute[0].lstrip("/"),
        str(Path("..") / ".." / absolute[1].lstrip("/")),
        "..\\..\\secret.jsonl",
        "../page/routes.py",
        "/proc/self/environ",
        "/etc/passwd",
        "http://127.0.0.1:9/canary.txt",
        METADATA,
        "data:text/plain;base64,c2VjcmV0",
    ]


def file_values(target):
    """Values in which a library, of this version or another, may see a file."""
    file = {"path": target, "url": target, "name": target, "orig_name": "a.txt"}
    yield from (target, file, [file], {"files": [file]}, [target])


def application(served):
    """The application with the routes, behind what guards and records its requests."""
    app = served.app
    while not hasattr(app, "routes"):
        app = app._app
    return app


def endpoints(app):
    """Paths and methods of an application, those of its routers and mounts too."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(route, "path") and not hasattr(inner, "routes"):
            for method in getattr(route, "methods", None) or ["GET"]:
                yield route.path, method
        else:
            yield from endpoints(inner)


def fill(path, target):
    parts = path.split("{")
    return parts[0] + "".join(target + part.split("}", 1)[1] for part in parts[1:])


def bodies(session, target):
    """Requests' bodies: right ones in which one value after another is a path."""
    right = {
        "question": "会議室は何階ですか。",
        "session": session,
        "preset": "質問応答",
        "system_prompt": "",
        "title": "名前",
        "reason": "",
        "good": True,
        "model": "swallow-rag",
        "messages": [{"role": "user", "content": "何？"}],
        "input": "何？",
    }
    names = {
        ("question", "session", "preset", "system_prompt"),
        ("title",),
        ("good", "reason"),
        ("model", "messages"),
        ("model", "input"),
    }
    for fields in sorted(names):
        for name in fields:
            for value in file_values(target):
                yield {"json": {**{field: right[field] for field in fields}, name: value}}
    yield {"files": {"files": (target, b"<script>")}}
    yield {"files": {"files": ("a.md", f"[a]({target}) ![b]({target})".encode())}}
    yield {"content": b"\xff", "headers": {"content-type": "application/json"}}


def is_given(got):
    shown = got.content.decode("utf-8", "replace")
    # The names of secrets are sent back in errors; their contents must not be.
    return any(part in shown for part in (SECRET, "root:x:", "HOME=", "def add_page"))


def test_no_route_gives_a_file(served, folder, secret_files, connections):
    """Every route of the application, with paths and addresses where it has parameters."""
    routes = sorted(set(endpoints(application(served))))
    # As many as there are: a walk that finds none would try none.
    assert len(routes) >= 25
    assert ("/static/{name}", "GET") in routes
    served_files = set()
    with httpx.Client(base_url=served.url, timeout=30) as http:
        http.get("/")
        session = http.post("/v1/sessions").json()["session"]
        known = {"session": session, "answer": "0" * 16, "number": "1"}
        for (path, method), target in itertools.product(routes, targets(secret_files)):
            # All parts a path; and the right ones but for the last, written in both ways.
            filled = {fill(path, target), fill(path, quote(target, safe=""))}
            for name, value in known.items():
                partly = path.replace(f"{{{name}}}", value)
                filled |= {fill(partly, quote(target, safe=""))}
            for one in sorted(filled):
                raw = one.encode("ascii", "ignore")
                if not raw.startswith(b"/"):
                    continue
                address = httpx.URL(served.url).copy_with(raw_path=raw)
                address = address.copy_merge_params(dict.fromkeys(PARAMETERS, target))
                got = http.request(method, address)
                assert got.status_code < 500, (path, method, target)
                assert not is_given(got), (path, method, target)
                if got.status_code == 200 and path == "/static/{name}":
                    served_files.add(one)
    assert_nothing_given(folder, connections, served)
    assert served_files == set()


def test_no_body_gives_a_file(served, folder, secret_files, connections):
    """Every route that takes a body; what was made of it is read back."""
    routes = [
        (p, m) for p, m in sorted(set(endpoints(application(served)))) if m in ("POST", "PATCH")
    ]
    assert len(routes) >= 7
    # All targets come to all fields and shapes.
    around = itertools.cycle(targets(secret_files))
    accepted = set()
    with httpx.Client(base_url=served.url, timeout=30) as http:
        http.get("/")
        session = http.post("/v1/sessions").json()["session"]
        asked = {"question": "会議室は何階ですか。", "session": session}
        answer = http.post("/v1/answers", json=asked).json()["answer_id"]
        for path, method in routes:
            filled = path.replace("{session}", session).replace("{answer}", answer)
            count = len(list(bodies(session, "")))
            for number in range(count):
                body = list(bodies(session, next(around)))[number]
                got = http.request(method, filled, **body)
                assert got.status_code < 500, (path, body)
                assert not is_given(got), (path, body)
                if got.status_code < 300:
                    accepted.add(path)
        for shown in (f"/v1/sessions/{session}", "/v1/sessions", "/v1/documents"):
            assert not is_given(http.get(shown))
    assert {"/v1/answers", "/v1/sessions/{session}"} <= accepted
    assert_nothing_given(folder, connections, served)


def assert_nothing_given(folder, connections, served):
    assert connections == []
    copies = [
        file.name
        for file in folder.rglob("*")
        if file.is_file() and SECRET.encode() in file.read_bytes()
    ]
    assert sorted(copies) == ["secret.jsonl", "secret.txt"]
    assert len(served.assistant.store) == 1


def test_another_browser_does_not_list_or_open_a_conversation(served):
    with httpx.Client(base_url=served.url) as one, httpx.Client(base_url=served.url) as other:
        for http in (one, other):
            http.get("/")
        session = one.post("/v1/sessions").json()["session"]
        one.post("/v1/answers", json={"question": "会議室は何階ですか。", "session": session})
        assert session in {row["session"] for row in one.get("/v1/sessions").json()}
        assert session not in {row["session"] for row in other.get("/v1/sessions").json()}
        (cookie,) = one.cookies.jar
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "lax"
        # What is kept of the cookie does not make one.
        assert (
            cookie.value.encode()
            not in served.assistant.sessions.conversations._database._path.read_bytes()
        )
