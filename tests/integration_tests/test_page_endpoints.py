"""Whatever is sent to the page's endpoints, it is no path, no address and no other's file.

The endpoints and functions are taken from the application itself: new ones are tried too.
"""

import contextlib
import itertools
import json
import secrets
import socket
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel
from starlette.routing import Mount

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from tests.support.embeddings import CharacterEmbeddings
from tests.support.served import Served, page_of

pytestmark = pytest.mark.filterwarnings("ignore")

SECRET = "7c1f-秘密の合言葉-9ab2"
NAMES = ("path", "url", "deep_link", "session_hash", "file", "page")
METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def served(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        patch.setenv("HOME", str(folder))
        store = SwallowFAISS.from_texts(
            ["会議室は3階にある。"], CharacterEmbeddings(), [{"source": "a.md", "headings": "会議"}]
        )
        llm = FakeListChatModel(responses=["3階 [1]"])
        assistant = Assistant(
            llm,
            store,
            splitter=JapaneseTextSplitter(100),
            shared_uploads=True,
            feedback=folder / "feedback.jsonl",
        )
        made = Served(assistant)
        yield made
        made.close()


@pytest.fixture(scope="module")
def secret_files(folder):
    """Files that no browser was given: elsewhere, beside the program, and another's upload."""
    elsewhere = folder / "home" / "secret.txt"
    upload = folder / "gradio" / ("a" * 64) / "upload.txt"
    for file in (elsewhere, upload):
        file.parent.mkdir(parents=True)
        file.write_text(SECRET, encoding="utf-8")
    return [elsewhere, upload]


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
        str(Path("..") / ".." / absolute[0].lstrip("/")),
        "/proc/self/environ",
        "/etc/passwd",
        "http://127.0.0.1:9/canary.txt",
        "http://localhost:9/canary.txt",
        METADATA,
        "data:text/plain;base64,c2VjcmV0",
    ]


def file_values(target):
    """Values in which Gradio, of this version or another, may see a file."""
    meta = {"_type": "gradio.FileData"}
    file = {"path": target, "meta": meta, "orig_name": "a.txt"}
    yield target
    yield file
    yield {**file, "url": target, "is_stream": True}
    yield {"path": target, "url": None, "size": 1, "mime_type": "text/plain", "is_stream": False}
    yield {"url": target, "meta": meta}
    yield {"name": target, "is_file": True, "data": None, "orig_name": "a.txt"}
    yield [file]
    yield {"files": [file], "text": "x"}
    yield {"value": file, "__type__": "update", "path": target}
    yield {"video": file, "subtitles": file}
    yield [{"role": "user", "content": [{"type": "file", "file": file}], "metadata": None}]
    yield [{"role": "user", "content": {"path": target, "meta": meta}}]
    yield [{"role": "assistant", "content": {"component": "file", "value": target, "props": {}}}]
    yield [[{"file": file}, None]]


def assert_nothing_given(folder, connections, served):
    assert connections == []
    copies = [
        file
        for file in folder.rglob("*")
        if file.is_file() and SECRET.encode() in file.read_bytes()
    ]
    assert {file.name for file in copies} == {"secret.txt", "upload.txt"}
    assert len(copies) == 2
    assert len(served.assistant.store) == 1
    assert all(s.documents is None for s in served.assistant.sessions._sessions.values())


def is_given(answer):
    return SECRET in answer.text or "root:" in answer.text or "SWALLOW" in answer.text


def test_no_function_takes_a_file(served, folder, secret_files, connections):
    functions = page_of(served).get_blocks().fns
    assert len(functions) > 10
    refused = 0
    # Another target each time: all of them come to all shapes and positions.
    around = itertools.cycle(targets(secret_files))
    with httpx.Client(base_url=served.url, timeout=30) as http:
        http.get("/")
        for number, function in functions.items():
            for position in range(len(function.inputs) + 1):
                shapes = range(len(list(file_values(""))))
                for shape, target in zip(
                    shapes, itertools.islice(around, len(shapes)), strict=True
                ):
                    value = list(file_values(target))[shape]
                    data = ["", "", "質問応答", "", 4, 16, 0][: len(function.inputs)]
                    data += [""] * (len(function.inputs) - len(data))
                    body = {
                        "data": data,
                        "fn_index": number,
                        "session_hash": secrets.token_hex(6),
                        "event_data": None,
                    }
                    if position < len(data):
                        data[position] = value
                    else:
                        body["event_data"] = {"index": 0, "value": value, "path": target}
                    got = http.post("/gradio_api/queue/join", json=body)
                    assert got.status_code in (200, 422)
                    assert not is_given(got)
                    refused += got.status_code == 422
                    if got.status_code == 200:
                        asked = {"session_hash": body["session_hash"]}
                        events = http.get("/gradio_api/queue/data", params=asked)
                        assert not is_given(events)
    assert refused > 500
    assert_nothing_given(folder, connections, served)


def test_no_path_gives_a_file(served, folder, secret_files, connections):
    """Every path of Gradio's, with paths and addresses where it has parameters."""
    routes = sorted(set(endpoints(page_of(served))))
    # As many as Gradio has: a walk that finds none would try none.
    assert len(routes) > 60
    passed = set()
    with httpx.Client(base_url=served.url, timeout=30) as http:
        http.get("/")
        around = itertools.cycle(targets(secret_files))
        every = [(*route, next(around)) for route in routes for _ in range(4)]
        for path, method, target in every:
            for filled in {fill(path, target), fill(path, quote(target, safe=""))}:
                address = httpx.URL(served.url).copy_with(raw_path=filled.encode())
                asked = dict.fromkeys(
                    ("path", "url", "deep_link", "session_hash", "file", "page"), target
                )
                for options in requests_with(target) if method == "POST" else [{}]:
                    with http.stream(method, address.copy_merge_params(asked), **options) as got:
                        if got.headers.get("content-type", "").startswith("text/event-stream"):
                            continue
                        got.read()
                        assert got.status_code < 500, (path, method, target)
                        assert not is_given(got), (path, method, target)
                        if got.status_code == 200:
                            passed.add(path)
    assert_nothing_given(folder, connections, served)
    # What the page needs, and nothing else of Gradio's.
    gradio = {path for path in passed if path.startswith("/gradio_api")}
    assert gradio <= {"/gradio_api/app_id", "/gradio_api/cancel", "/gradio_api/reset"}
    # The last of these is ours.
    assert passed - gradio <= {"/", "/theme.css", "/favicon.ico", "/openapi.json"}


def endpoints(app):
    """Paths and methods of an application, those of its routers and mounts too."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or route
        if hasattr(route, "path") and not isinstance(route, Mount):
            for method in getattr(route, "methods", None) or ["GET"]:
                yield route.path, method
        else:
            yield from endpoints(inner)


def fill(path, target):
    parts = path.split("{")
    return parts[0] + "".join(target + part.split("}", 1)[1] for part in parts[1:])


def requests_with(target):
    file = {"path": target, "url": target, "meta": {"_type": "gradio.FileData"}}
    body = {
        "data": [file],
        "fn_index": 0,
        "session_hash": "abc",
        "event_id": "abc",
        "component_id": 1,
        "fn_name": "preprocess",
    }
    yield {"json": body}
    yield {"json": {**body, "data": file, "fn_index": 1}}
    yield {"files": {"files": ("../../a.html", b"<script>"), "video": ("a.mp4", b"x")}}
    yield {"content": b"\xff", "headers": {"content-type": "application/json"}}


def test_another_browser_with_the_same_hash_hears_nothing(served):
    """A session hash is made up by the browser: who knows one may not listen with it."""
    functions = page_of(served).get_blocks().fns
    asking = next(n for n, f in functions.items() if f.name == "ask")
    with httpx.Client(base_url=served.url) as one, httpx.Client(base_url=served.url) as other:
        for http in (one, other):
            http.get("/")
        data = ["会議室は何階ですか。", "", "質問応答", "", 4, 16, 0]
        body = {"data": data, "fn_index": asking, "session_hash": "samehash"}
        assert one.post("/gradio_api/queue/join", json=body).status_code == 200
        asked = {"session_hash": "samehash"}
        assert "process_completed" not in heard(other, asked)
        assert "process_completed" in heard(one, asked)


def heard(http, asked):
    """What a listener gets, also of a stream that breaks off."""
    text = []
    with (
        contextlib.suppress(httpx.RemoteProtocolError),
        http.stream("GET", "/gradio_api/queue/data", params=asked) as got,
    ):
        text.extend(got.iter_text())
    return "".join(text)


def test_gradio_itself_refuses_too(served, secret_files):
    """The door is not the only thing in the way: a mounted page must count as launched."""
    from gradio import processing_utils
    from gradio.context import LocalContext
    from gradio.exceptions import InvalidPathError

    blocks = page_of(served).get_blocks()
    reset = LocalContext.blocks.set(blocks)
    try:
        with pytest.raises(InvalidPathError):
            processing_utils._check_allowed(secret_files[0], check_in_upload_folder=True)
    finally:
        LocalContext.blocks.reset(reset)


def test_an_event_of_the_page_still_works(served):
    functions = page_of(served).get_blocks().fns
    asking = next(n for n, f in functions.items() if f.name == "ask")
    with httpx.Client(base_url=served.url) as http:
        data = ["会議室は何階ですか。", "", "質問応答", "", 4, 16, 0]
        body = {"data": data, "fn_index": asking, "session_hash": "works"}
        assert http.post("/gradio_api/queue/join", json=body).status_code == 200
        events = http.get("/gradio_api/queue/data", params={"session_hash": "works"}).text
    last = [json.loads(line[5:]) for line in events.splitlines() if "process_completed" in line]
    assert last[-1]["success"]


def test_a_stream_of_a_session_that_the_server_does_not_have_ends(served, caplog):
    """As of a page that was open over a restart: told, without a broken answer or a traceback."""
    with httpx.Client(base_url=served.url) as http:
        events = http.get("/gradio_api/queue/data", params={"session_hash": "gone"}).text
        assert http.get("/").status_code == 200
    assert json.loads(events.removeprefix("data:"))["session_not_found"]
    assert not caplog.records
