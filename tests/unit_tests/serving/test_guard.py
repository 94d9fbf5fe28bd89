"""Who may ask: the guard in front of page and API, without a socket."""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from langchain_swallow.cli import main
from langchain_swallow.cli.serve import _address
from langchain_swallow.serving.guard import Guard, is_loopback
from langchain_swallow.serving.login import Logins
from langchain_swallow.serving.proxies import Proxies

pytestmark = pytest.mark.usefixtures("japanese")


def client(app, **options):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", **options
    )


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


async def test_a_token_lets_in():
    async with client(Guard(echo, token="ひみつ123")) as http:
        assert (await http.get("/")).status_code == 401
        assert (await http.get("/health")).text == "in"
        bearer = {"Authorization": "Bearer ひみつ123".encode()}
        assert (await http.get("/", headers=bearer)).text == "in"
        assert (await http.get("/", headers={"Authorization": "Bearer x"})).status_code == 401
    async with client(Guard(echo, token="secret")) as http:
        for wrong in ("Bearer secre", "Bearer secrets", "Basic secret", "secret", ""):
            assert (await http.get("/", headers={"Authorization": wrong})).status_code == 401
        assert (await http.get("/", headers={"Authorization": "Bearer secret"})).text == "in"
        page = await http.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert "トークンが必要" in page.text
        assert "違います" not in page.text
        english = {"Accept": "text/html", "Accept-Language": "en-US,en;q=0.9"}
        page = await http.get("/", headers=english)
        assert 'lang="en"' in page.text
        assert not re.search("[ぁ-んァ-ヶ一-龠]", page.text)
        page = await http.post("/login", data={"token": "wrong"})
        assert (page.status_code, "違います" in page.text) == (401, True)
        entered = await http.post("/login", data={"token": "secret"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "Secure" not in cookie
        assert (await http.get("/")).text == "in"


async def test_a_browser_can_log_out():
    guard = Guard(echo, token="secret")
    async with client(guard) as http:
        await http.post("/login", data={"token": "secret"})
        kept = dict(http.cookies)
        assert (await http.get("/")).text == "in"
        assert "ログアウト" in (await http.post("/logout")).text
        assert (await http.get("/")).status_code == 401
    async with client(guard, cookies=kept) as http:
        assert (await http.get("/")).status_code == 401


async def test_each_login_has_a_cookie_of_its_own_that_a_restart_keeps():
    cookies = []
    for _ in range(2):
        async with client(Guard(echo, token="secret")) as http:
            await http.post("/login", data={"token": "secret"})
            cookies.append(dict(http.cookies))
    assert cookies[0] != cookies[1]
    async with client(Guard(echo, token="secret"), cookies=cookies[0]) as http:
        assert (await http.get("/")).text == "in"
    async with client(Guard(echo, token="another"), cookies=cookies[0]) as http:
        assert (await http.get("/")).status_code == 401


@pytest.mark.parametrize(
    "made_up", ["", ".", "..", "1.2.3", "a.b.c", "9999999999.x.", "\ud83d", "1" * 5000]
)
def test_a_cookie_that_is_made_up_lets_nobody_in(made_up):
    assert not Logins("secret").has_entered(made_up)


def test_a_cookie_ends(monkeypatch):
    logins = Logins("secret")
    cookie = logins.new_cookie()
    assert logins.has_entered(cookie)
    assert not logins.is_due(cookie)
    now = __import__("time").time()
    monkeypatch.setattr("time.time", lambda: now + 2 * 24 * 3600)
    assert logins.is_due(cookie)
    monkeypatch.setattr("time.time", lambda: now + 31 * 24 * 3600)
    assert not logins.has_entered(cookie)


@pytest.mark.slow
@pytest.mark.parametrize(
    "others",
    [
        "theme=dark",
        'prefs={"theme":"dark","n":1}',
        "a@b=1",
        "=1",
        "a",
        "a=b=c; ;; d",
        'q="half',
        "名=値",
        "x[0]=1; y(z)=2",
        "\x01=\x02",
    ],
)
async def test_cookies_of_other_programs_lock_nobody_out(others):
    async with client(Guard(echo, token="secret")) as http:
        await http.post("/login", data={"token": "secret"})
        ((name, value),) = http.cookies.items()
    for header in (f"{others}; {name}={value}", f"{name}={value}; {others}"):
        async with client(Guard(echo, token="secret")) as http:
            got = await http.get("/", headers={"Cookie": header.encode()})
            assert (got.status_code, got.text) == (200, "in")
    async with client(Guard(echo, token="secret")) as http:
        assert (await http.get("/", headers={"Cookie": others.encode()})).status_code == 401


@pytest.mark.parametrize("tokens", [("one", "two"), ("same", "same")], ids=["two", "one token"])
async def test_servers_of_one_host_do_not_replace_each_others_cookies(tokens):
    cookies = {}
    guards = {17860: Guard(echo, token=tokens[0]), 17861: Guard(echo, token=tokens[1])}
    for (port, guard), token in zip(guards.items(), tokens, strict=True):
        async with client(guard) as http:
            host = {"Host": f"127.0.0.1:{port}"}
            await http.post("/login", data={"token": token}, headers=host)
            cookies |= dict(http.cookies)
    assert len(cookies) == 2
    for port, guard in guards.items():
        async with client(guard, cookies=cookies) as http:
            got = await http.get("/", headers={"Host": f"127.0.0.1:{port}"})
            assert got.text == "in"


@pytest.mark.parametrize(
    "path", ["/", "//evil.example/x", "/\\evil.example", "/%2f%2fevil.example"]
)
async def test_a_token_in_the_address_leads_to_this_server(path):
    async with client(Guard(echo, token="secret")) as http:
        request = http.build_request("GET", "http://127.0.0.1/")
        request.url = request.url.copy_with(raw_path=f"{path}?token=secret".encode())
        got = await http.send(request)
        assert (got.status_code, got.headers["location"]) == (303, "/")


async def test_a_cookie_is_for_https_only_where_the_browser_speaks_it():
    for options, headers in (
        ({}, {"Origin": "https://swallow.example"}),
        ({"proxies": ["*"]}, {"X-Forwarded-Proto": "https"}),
    ):
        async with client(Guard(echo, token="secret", **options)) as http:
            sent = {"Host": "swallow.example", **headers}
            got = await http.post("/login", data={"token": "secret"}, headers=sent)
            assert "; Secure" in got.headers["set-cookie"]
    # Who is no proxy of ours claims what he likes.
    async with client(Guard(echo, token="secret")) as http:
        sent = {"X-Forwarded-Proto": "https"}
        got = await http.post("/login", data={"token": "secret"}, headers=sent)
        assert "; Secure" not in got.headers["set-cookie"]


async def test_other_names_are_refused():
    """A page elsewhere may make its own name point to 127.0.0.1."""
    async with client(Guard(echo, hosts=("127.0.0.1", "localhost", "::1"))) as http:
        for host, status in (
            ("127.0.0.1:7860", 200),
            ("localhost", 200),
            ("[::1]:7860", 200),
            ("LOCALHOST:7860", 200),
            ("127.0.0.2:7860", 200),
            ("192.168.0.1", 421),
            ("evil.example", 421),
            ("127.0.0.1.evil.example:7860", 421),
            ("", 421),
            ("127.0.0.1:1@evil.example", 421),
            ("127.0.0.1:evil.example", 421),
            ("127.0.0.1:7860:1", 421),
        ):
            assert (await http.get("/", headers={"Host": host})).status_code == status


async def test_pages_of_other_sites_send_nothing():
    async with client(Guard(echo)) as http:
        for site, status in (
            ("cross-site", 403),
            ("same-site", 403),
            ("same-origin", 200),
            ("none", 200),
        ):
            headers = {"Sec-Fetch-Site": site}
            assert (await http.post("/v1/answers", headers=headers)).status_code == status
            # A link from elsewhere to the page is no harm.
            assert (await http.get("/", headers=headers)).status_code == 200
        assert (await http.post("/v1/answers")).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("intra.test:17860", "http://intra.test:17860", 200),
        ("INTRA.test:17860", "http://intra.TEST:17860", 200),
        ("intra.test", "http://intra.test", 200),
        ("intra.test", "https://intra.test", 200),
        ("intra.test:443", "https://intra.test", 200),
        ("[::1]:7860", "http://[::1]:7860", 200),
        ("intra.test:17860", "http://intra.test:19998", 403),
        ("intra.test:17860", "http://intra.test", 403),
        ("intra.test", "http://other.test", 403),
        ("intra.test", "http://intra.test.evil.example", 403),
        ("intra.test", "http://intra.test@evil.example", 403),
        ("intra.test", "https://evil.example", 403),
        ("intra.test", "null", 403),
        ("intra.test", "", 403),
        ("intra.test", "file://", 403),
        ("intra.test", "http://[", 403),
        ("intra.test", "intra.test", 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
async def test_only_this_servers_pages_change_something(host, origin, status, method):
    """Of another port of the same host too: cookies do not know ports."""
    async with client(Guard(echo)) as http:
        sent = {"Host": host, "Origin": origin}
        got = await http.request(method, "/v1/sessions", headers=sent)
        assert got.status_code == status
        # Nothing is changed by these.
        assert (await http.get("/", headers=sent)).status_code == 200


async def test_a_trusted_proxy_says_where_a_request_comes_from():
    async def seen(scope, receive, send):
        request = Request(scope)
        text = f"{request.client.host} {request.url.scheme} {request.headers['host']}"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})

    sent = {
        "X-Forwarded-For": "6.6.6.6, 10.1.2.3",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "swallow.example",
        "Origin": "https://swallow.example",
    }
    for proxies, status, text in (
        (["127.0.0.0/8"], 200, "10.1.2.3 https swallow.example"),
        (["*"], 200, "6.6.6.6 https swallow.example"),
        ([], 403, None),
        (["10.0.0.0/8"], 403, None),
    ):
        async with client(Guard(seen, proxies=proxies)) as http:
            got = await http.post("/", headers=sent)
            assert got.status_code == status
            assert text in (None, got.text)


async def test_large_requests_are_refused():
    async def reading(scope, receive, send):
        size, more = 0, True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            size, more = size + len(message["body"]), message.get("more_body", False)
        await echo(scope, receive, send)

    async def endless():
        for _ in range(20):
            yield b"x" * 10

    async with client(Guard(reading, max_body=100)) as http:
        assert (await http.post("/", content=b"x" * 100)).status_code == 200
        assert (await http.post("/", content=b"x" * 101)).status_code == 413
        assert (await http.post("/", content=endless())).status_code == 413
        for length in ("x", "-1", "1e9", "٣"):
            sent = {"Content-Length": length.encode()}
            assert (await http.post("/", headers=sent)).status_code == 413


async def test_who_leaves_a_login_form_leaves_no_traceback():
    sent = []

    async def send(message):
        sent.append(message)

    for parts in ([], [{"type": "http.request", "body": b"token=s", "more_body": True}]):
        messages = [*parts, {"type": "http.disconnect"}]

        async def receive(messages=messages):
            return messages.pop(0)

        scope = {"type": "http", "method": "POST", "path": "/login", "headers": []}
        await Guard(echo, token="secret")(scope, receive, send)
    assert sent == []


async def test_only_documents_may_be_large():
    """All other bodies are held in memory, and parsed while everybody waits."""

    async def reading(scope, receive, send):
        while (await receive()).get("more_body", False):
            pass
        await echo(scope, receive, send)

    async def parts():
        for _ in range(20):
            yield b"x" * 100_000

    async with client(Guard(reading)) as http:
        for path in ("/v1/answers", "/v1/sessions", "/static/app.js", "/", "/health"):
            assert (await http.post(path, content=b"x" * 2_000_000)).status_code == 413
            assert (await http.post(path, content=parts())).status_code == 413
            assert (await http.post(path, content=b"x" * 100_000)).status_code == 200
        for path in ("/v1/sessions/a/documents/b", "/x/v1/sessions/a/documents"):
            assert (await http.post(path, content=b"x" * 2_000_000)).status_code == 413
        documents = await http.post("/v1/sessions/a/documents", content=b"x" * 2_000_000)
        assert documents.status_code == 200


async def test_a_browser_loads_nothing_from_elsewhere():
    async with client(Guard(echo)) as http:
        policy = (await http.get("/")).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::"])
def test_other_machines_need_a_token(host, capsys, tmp_path):
    """Said before the model is loaded: this one is not there."""
    wrong = ["serve", "-i", str(tmp_path / "索引"), "--model", str(tmp_path), "--host", host]
    assert main(wrong) == 1
    assert "SWALLOW_TOKEN" in capsys.readouterr().err


def test_loopback():
    assert [is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost")] == [
        True
    ] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "example.jp")] == [
        False
    ] * 4


@pytest.mark.parametrize("port", ["80000", "65536", "-1", "1.5", "x", "1e9"])
def test_a_port_that_is_none_is_refused_with_a_sentence(port, capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["serve", "-i", str(tmp_path), "--port", port])
    assert f"を指定してください。指定した値: '{port}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hops", "client_host"),
    [
        ("1.1.1.1:5555", "1.1.1.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("6.6.6.6, unknown", "127.0.0.1"),
        ("6.6.6.6, 1.1.1.1:80, 127.0.0.3:90", "1.1.1.1"),
        ("6.6.6.6, _hidden, 127.0.0.3", "127.0.0.3"),
        ("", "127.0.0.1"),
    ],
)
def test_hops_are_addresses_without_ports(hops, client_host):
    headers = [(b"x-forwarded-for", hops.encode())]
    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": headers}
    assert Proxies(["127.0.0.0/8"]).unwrapped(scope)["client"][0] == client_host


@pytest.mark.parametrize("token", [None, "secret"])
async def test_json_that_turns_out_too_large_is_413(token):
    app = FastAPI()

    @app.post("/v1/answers")
    async def answers(body: dict[str, Any]) -> None:
        """Reads JSON."""

    async def parts():
        for _ in range(20):
            yield b" " * 100_000

    headers = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
    async with client(Guard(app, token=token), headers=headers) as http:
        got = await http.post("/v1/answers", content=parts())
    assert got.status_code == 413


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (("127.0.0.2", 41234), "http://127.0.0.2:41234/"),
        (("::1", 41234, 0, 0), "http://[::1]:41234/"),
    ],
)
def test_the_address_that_is_printed_leads_there(name, shown):
    assert _address(name) == shown
