"""The files of examples/deploy, by the programs that read them; a real nginx and a real server."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.sign_on import SignOn
from tests.support.embeddings import CharacterEmbeddings
from tests.support.paths import ROOT
from tests.support.served import serving
from tests.support.server_process import free_port

pytestmark = [pytest.mark.slow, pytest.mark.alone]

DEPLOY = ROOT / "examples" / "deploy"
ANSWER = "会議室は3階にある。" * 4
FORGED = {"X-Forwarded-User": "president", "X-Forwarded-Groups": "board"}
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split()
MAIN = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/swallow.conf;
}}
"""


def program(name):
    """Its path; system programs are not on everyone's PATH."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:{Path(sys.executable).parent}")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# nginx


LOCAL = ["127.0.0.1"]
OPTIONS = {"token": "secret", "proxies": LOCAL, "sign_on": SignOn(LOCAL)}


def answering(conversations=None):
    """An assistant that answers with one character each 50 ms."""
    store = SwallowFAISS.from_texts(["会議室は3階にある。"], CharacterEmbeddings())
    llm = FakeListChatModel(responses=[ANSWER], sleep=0.05)
    splitter = JapaneseTextSplitter(100)
    return Assistant(llm, store, splitter=splitter, conversations=conversations)


@contextlib.contextmanager
def running_nginx(folder, *ports):
    """nginx with the file of the example, whose names and ports are those of this machine."""
    key, certificate, port = folder / "server.key", folder / "server.crt", free_port()
    run(program("openssl"), *CERTIFICATE[1:], "-keyout", str(key), "-out", str(certificate))
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    servers = "".join(f"    server 127.0.0.1:{port};\n" for port in ports)
    for old, new in (
        ("    server serve:7860;\n", servers),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("/etc/nginx/tls", str(folder)),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "swallow.conf").write_text(text, encoding="utf-8")
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user), encoding="utf-8")
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    run(*command, "-t")
    with subprocess.Popen([*command, "-g", "daemon off;"]) as process:
        url = f"https://127.0.0.1:{port}"
        try:
            wait_for(url)
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def served():
    """People by headers of the proxy, or by the token."""
    with serving(answering(), **OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(served, tmp_path_factory):
    with running_nginx(tmp_path_factory.mktemp("nginx"), served.port) as url:
        yield url


def wait_for(url):
    deadline = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(f"{url}/livez", verify=False).status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def client(nginx):
    with httpx.Client(base_url=nginx, verify=False, timeout=60) as client:
        yield client


BEARER = {"Authorization": "Bearer secret"}
QUESTION = {"question": "会議室は何階ですか。"}


def test_a_stream_arrives_piece_by_piece(client):
    arrived = []
    asked = {**QUESTION, "stream": True}
    with client.stream("POST", "/v1/answers", json=asked, headers=BEARER) as got:
        for line in got.iter_lines():
            if line.startswith("event: "):
                arrived.append((time.monotonic(), line.removeprefix("event: ")))
    texts = [moment for moment, event in arrived if event == "text"]
    assert arrived[-1][1] == "answer"
    # The model takes 2 s. A proxy that keeps a response until it is complete shows it at once.
    assert len(texts) > 10
    assert texts[-1] - texts[0] > 1
    assert len({round(moment, 1) for moment in texts}) > 8


def test_the_page_is_entered_through_nginx(client):
    html = {"Accept": "text/html"}
    assert client.get("/", headers=html).status_code == 401
    origin = {"Origin": str(client.base_url).rstrip("/")}
    entered = client.post("/login", data={"token": "secret"}, headers=origin)
    assert entered.status_code == 303
    # The server knows from nginx that the browser's connection is encrypted.
    assert "; Secure" in entered.headers["set-cookie"]
    page = client.get("/", headers=html)
    assert page.status_code == 200
    assert page.headers["strict-transport-security"].startswith("max-age=")
    other = client.post("/v1/sessions", headers={**BEARER, "Origin": "https://evil.example"})
    assert other.status_code == 403


def test_a_file_above_nginx_own_limit_is_added(client):
    session = client.post("/v1/sessions", headers=BEARER).json()["session"]
    # nginx takes 1 MiB if it is not told otherwise.
    files = {"files": ("食堂.txt", "食堂は1階にある。\n".encode() + 1_500 * (b" " * 999 + b"\n"))}
    added = client.post(f"/v1/sessions/{session}/documents", files=files, headers=BEARER)
    assert added.status_code == 200, added.text
    (document,) = client.get(f"/v1/sessions/{session}/documents", headers=BEARER).json()
    assert document["name"] == "食堂.txt", added.text


def test_names_of_people_and_ids_of_requests_are_nginx_own(client, served):
    # Without nginx, the server believes this address.
    direct = httpx.post(f"{served.url}/v1/sessions", headers=FORGED)
    assert direct.status_code == 201
    refused = client.post("/v1/sessions", headers={**FORGED, "X-Request-ID": "forged"})
    assert refused.status_code == 401
    assert re.fullmatch("[0-9a-f]{32}", refused.headers["x-request-id"])
    assert client.get("/livez").headers["x-request-id"] != refused.headers["x-request-id"]


def test_metrics_are_not_for_those_outside(client, served):
    assert httpx.get(f"{served.url}/metrics", headers=BEARER).status_code == 200
    assert client.get("/metrics", headers=BEARER).status_code == 404


def test_a_browser_stays_at_its_server_and_goes_on_at_another_when_that_stops(tmp_path):
    path, files = tmp_path / "kept.db", {"files": ("食堂.txt", "食堂は1階にある。".encode())}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving(answering(path), **OPTIONS)) for _ in range(3)]
        url = stack.enter_context(running_nginx(tmp_path, *(one.port for one in servers)))
        used = set()
        for number in range(12):
            with httpx.Client(base_url=url, verify=False, timeout=60) as browser:
                origin = {"Origin": url}
                browser.post("/login", data={"token": "secret"}, headers=origin)
                session = browser.post("/v1/sessions", headers=origin).json()["session"]
                (own,) = (one for one in servers if session in one.assistant.sessions._sessions)
                used.add(own)
                if number:
                    continue
                documents = f"/v1/sessions/{session}/documents"
                browser.post(documents, files=files, headers=origin)
                for _ in range(8):
                    assert len(browser.get(documents).json()) == 1
                body = {**QUESTION, "session": session}
                assert browser.post("/v1/answers", json=body, headers=origin).status_code == 200
                kept_cookies, kept_session, first = browser.cookies, session, own
        assert len(used) > 1
        first.close()
        with httpx.Client(base_url=url, verify=False, cookies=kept_cookies) as browser:
            conversation = browser.get(f"/v1/sessions/{kept_session}").json()
        assert [row["asked"] for row in conversation["questions"]] == [QUESTION["question"]]
        # Documents are only at the server that has stopped.
        assert conversation["documents"] == []


# The other files


def test_systemd_takes_the_units_and_calls_them_confined(tmp_path):
    analyze = program("systemd-analyze")
    for path in sorted(DEPLOY.glob("*.service")) + sorted(DEPLOY.glob("*.timer")):
        text = path.read_text("utf-8")
        installed = re.sub(r"/opt/\S+/langchain-swallow", sys.executable, text)
        (tmp_path / path.name).write_text(installed, encoding="utf-8")
    units = sorted(map(str, tmp_path.iterdir()))
    assert len(units) == 3
    assert run(analyze, "verify", *units) == ""
    if "--threshold" not in run(analyze, "--help"):
        pytest.skip("this systemd-analyze does not measure files")
    services = [unit for unit in units if unit.endswith(".service")]
    # From 0 to 100 of exposure.
    run(analyze, "security", "--offline=true", "--threshold=25", *services)


def test_hadolint_has_no_complaint():
    assert run(program("hadolint"), str(DEPLOY / "Dockerfile")) == ""


def test_compose_takes_its_file():
    docker = program("docker")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose")
    both = ["-f", str(DEPLOY / "compose.yaml"), "-f", str(DEPLOY / "compose.postgres.yaml")]
    for files in (both[:2], both):
        run(docker, "compose", *files, "--profile", "sync", "config", "-q")
