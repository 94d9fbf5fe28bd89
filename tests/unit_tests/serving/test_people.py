"""People: tokens of their own, names from a proxy, and who may see which document and session."""

import json
import os
import stat
import time

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.cli.people import warn_of_groups
from langchain_swallow.errors import AccessError
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.audit import audit_row
from langchain_swallow.serving.guard import Guard
from langchain_swallow.serving.identity import OPERATOR, Person, requester
from langchain_swallow.serving.json_lines import JsonLines
from langchain_swallow.serving.people import People, add_person, read_people, remove_person
from langchain_swallow.serving.sign_on import SignOn
from tests.support.assistants import client
from tests.support.embeddings import CharacterEmbeddings

pytestmark = pytest.mark.usefixtures("japanese")

TEXTS = {
    "人事": "給与表は秘密の引き出し。",
    "役員": "合併の相手は秘密の会社。",
    "*": "会議室は3階。",
}


async def who(scope, receive, send):
    person = requester(scope)
    groups = "all" if person.groups is None else ",".join(sorted(person.groups))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{person.name}:{groups}".encode()})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def people(tmp_path):
    return tmp_path / "people.json"


async def test_each_person_has_a_token(people):
    tokens = {name: add_person(people, name, groups) for name, groups in
              {"佐藤": ["人事", "役員"], "suzuki": []}.items()}  # fmt: skip
    assert stat.S_IMODE(people.stat().st_mode) == 0o600
    assert not any(token in people.read_text(encoding="utf-8") for token in tokens.values())
    async with client(Guard(who, token="operator", people=People(people))) as http:
        assert (await http.get("/")).status_code == 401
        for wrong in ("", "x", tokens["suzuki"][:-1], read_people(people)[0].sha256):
            assert (await http.get("/", headers=bearer(wrong))).status_code == 401
        assert (await http.get("/", headers=bearer(tokens["佐藤"]))).text == "佐藤:人事,役員"
        assert (await http.get("/", headers=bearer(tokens["suzuki"]))).text == "suzuki:"
        assert (await http.get("/", headers=bearer("operator"))).text == ":all"
        # A token in an address would be in logs.
        for path in ("/", "/login"):
            got = await http.get(path, params={"token": tokens["佐藤"]})
            assert got.status_code == 401
            assert "set-cookie" not in got.headers
        # Nobody claims a name by a header.
        claimed = {"X-Forwarded-User": "sato", "X-Forwarded-Groups": "人事".encode()}
        assert (await http.get("/", headers=claimed)).status_code == 401


@pytest.mark.parametrize("token", [None, "operator"])
async def test_a_browser_is_known_until_the_token_is_removed(people, token):
    secret = add_person(people, "佐藤", ["人事"])
    guard = Guard(who, token=token, people=People(people))
    async with client(guard) as http:
        page = await http.get("/", headers={"Accept": "text/html"})
        assert (page.status_code, "トークンが必要" in page.text) == (401, True)
        assert (await http.post("/login", data={"token": secret})).status_code == 303
        assert secret not in str(http.cookies)
        assert (await http.get("/")).text == "佐藤:人事"
        remove_person(people, "佐藤")
        add_person(people, "佐藤", ["役員"])
        assert (await http.get("/")).status_code == 401


async def test_a_cookie_of_one_person_cannot_be_made_one_of_another(people):
    secret = add_person(people, "suzuki", [])
    add_person(people, "佐藤", ["人事"])
    guard = Guard(who, token="operator", people=People(people))
    async with client(guard) as http:
        await http.post("/login", data={"token": secret})
        ((name, value),) = http.cookies.items()
    parts = value.split(".")
    other = read_people(people)[1].id
    for made_up in (
        ".".join([*parts[:2], other, parts[3]]),
        ".".join([*parts[:2], parts[3]]),
        ".".join([*parts[:2], "", parts[3]]),
    ):
        async with client(
            guard,
        ) as http:
            got = await http.get("/", headers={"Cookie": f"{name}={made_up}"})
            assert got.status_code == 401


async def test_damage_to_the_file_lets_nobody_in(people):
    secret = add_person(people, "佐藤", ["人事"])
    guard = Guard(who, people=People(people))
    async with client(guard) as http:
        for damage in ("{", "[]", '{"version": 1, "people": [{"name": "x"}]}', None):
            people.unlink() if damage is None else people.write_text(damage, encoding="utf-8")
            assert (await http.get("/", headers=bearer(secret))).status_code == 401
    with pytest.raises(AccessError, match="token add"):
        People(people)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_a_file_that_others_can_read_is_refused(people):
    add_person(people, "佐藤", ["人事"])
    people.chmod(0o640)
    with pytest.raises(AccessError, match="chmod 600"):
        People(people)


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        (
            "10.1.2.3",
            {"X-Forwarded-User": "佐藤", "X-Forwarded-Groups": "人事, 役員"},
            "佐藤:人事,役員",
        ),
        ("10.1.2.3", {"X-Forwarded-User": "sato"}, "sato:"),
        ("10.1.2.3", {"X-Forwarded-Groups": "人事"}, 401),
        ("10.1.2.3", {"X-Forwarded-User": " "}, 401),
        ("10.1.2.3", {"X-Forwarded-User": "a\tb"}, 401),
        ("10.1.2.3", [("X-Forwarded-User", "a"), ("X-Forwarded-User", "b")], 401),
        ("10.2.0.1", {"X-Forwarded-User": "sato"}, 401),
        ("10.2.0.1", {"X-Forwarded-User": "sato", "X-Forwarded-For": "10.1.2.3"}, 401),
    ],
)
async def test_only_a_trusted_proxy_says_who_it_is(address, headers, expected):
    guard = Guard(who, sign_on=SignOn(["10.1.0.0/16"]), proxies=["10.2.0.1"])
    items = headers.items() if isinstance(headers, dict) else headers
    raw = [(name.lower().encode(), value.encode()) for name, value in items]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw,
             "query_string": b"", "client": (address, 1)}  # fmt: skip
    sent = []

    async def send(message):
        sent.append(message)

    await guard(scope, None, send)
    got = sent[1]["body"].decode() if sent[0]["status"] == 200 else sent[0]["status"]
    assert got == expected


def test_everyone_is_not_a_trusted_proxy():
    with pytest.raises(ValueError, match="claim any name"):
        SignOn(["*"])


def made(**options):
    documents = SwallowFAISS.from_texts(
        list(TEXTS.values()),
        CharacterEmbeddings(),
        [{"source": f"/srv/{g}.md", "headings": f"{g}章", "groups": [g]} for g in TEXTS],
    )
    llm = FakeListChatModel(responses=["わかりません。"])
    return Assistant(llm, documents, splitter=JapaneseTextSplitter(100), **options)


@pytest.fixture
async def served(people):
    """A client, and headers of two people."""
    tokens = {
        "sato": add_person(people, "sato", ["人事"]),
        "suzuki": add_person(people, "suzuki", ["営業"]),
    }
    app = create_app(made(), people=People(people), page=False, token="operator")
    async with client(app) as http:
        yield http, {name: bearer(token) for name, token in tokens.items()}


async def shown(http, headers, **body):
    got = await http.post(
        "/v1/answers", json={"question": "秘密は何ですか", **body}, headers=headers
    )
    assert got.status_code == 200, got.text
    return {document["text"] for document in got.json()["documents"]}


async def test_answers_show_each_person_their_documents(served):
    http, headers = served
    assert await shown(http, headers["sato"]) == {TEXTS["人事"], TEXTS["*"]}
    assert await shown(http, headers["suzuki"]) == {TEXTS["*"]}
    assert await shown(http, bearer("operator")) == set(TEXTS.values())
    counts = [
        (await http.get("/health", headers=one)).json()["passages"]
        for one in ({}, headers["suzuki"], headers["sato"], bearer("operator"))
    ]
    assert counts == [1, 1, 2, 3]


async def test_a_session_is_its_persons_own(served):
    http, headers = served
    session = (await http.post("/v1/sessions", headers=headers["sato"])).json()["session"]
    files = [("files", ("手当.txt", "秘密の手当は350円。".encode()))]
    path = f"/v1/sessions/{session}/documents"
    got = await http.post(path, files=files, headers=headers["sato"])
    assert got.json()[0]["error"] == ""
    assert "秘密の手当は350円。" in await shown(http, headers["sato"], session=session)
    unknown = await http.post(
        "/v1/answers", json={"question": "秘密は", "session": "x" * 32}, headers=headers["suzuki"]
    )
    for method, url, body in (
        ("POST", "/v1/answers", {"question": "秘密は", "session": session}),
        ("GET", path, None),
        ("DELETE", f"{path}/手当.txt", None),
        ("DELETE", f"/v1/sessions/{session}", None),
    ):
        for other in (headers["suzuki"], bearer("operator")):
            got = await http.request(method, url, json=body, headers=other)
            assert (got.status_code, got.json()["detail"]) == (404, unknown.json()["detail"])
    assert len((await http.get(path, headers=headers["sato"])).json()) == 1


async def test_default_groups_are_those_of_documents_without_any():
    documents = SwallowFAISS.from_texts(["社内報。"], CharacterEmbeddings())
    llm = FakeListChatModel(responses=["x"])
    assistant = Assistant(llm, documents, default_groups=["社員"])
    assert len(assistant.documents(Person("a", frozenset()))) == 0
    assert len(assistant.documents(Person("b", frozenset({"社員"})))) == 1
    assert len(assistant.documents(OPERATOR)) == 1


def test_the_command_keeps_the_file(people, capsys, monkeypatch):
    path = str(people)
    assert main(["token", "add", "佐藤", "--groups", "人事", "役員", "--people", path]) == 0
    token = capsys.readouterr().out.strip()
    assert People(people).person(People(people).find(token)).groups == {"人事", "役員"}
    assert main(["token", "add", "佐藤", "--people", path]) == 1
    assert "token remove" in capsys.readouterr().err
    assert main(["token", "list", "--people", path, "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["name"], row["groups"]) == ("佐藤", ["人事", "役員"])
    assert main(["token", "remove", "鈴木", "--people", path]) == 1
    assert main(["token", "remove", "佐藤", "--people", path]) == 0
    assert People(people).find(token) is None


def test_shared_uploads_are_refused_with_people(people, capsys, tmp_path):
    add_person(people, "佐藤", [])
    command = ["serve", "-i", str(tmp_path / "索引"), "--model", "demo", "--shared-uploads"]
    assert main([*command, "--people", str(people)]) == 1
    assert "--shared-uploads" in capsys.readouterr().err


def test_rules_without_people_are_pointed_out(capsys):
    documents = SwallowFAISS.from_texts(["社内報。"], CharacterEmbeddings())
    warn_of_groups(documents)
    assert capsys.readouterr().err == ""
    documents.add_texts(["給与表。"], [{"folder_groups": ["人事"]}])
    warn_of_groups(documents)
    assert "--people" in capsys.readouterr().err


def rows(path):
    # Not `splitlines`, which also splits within the rows.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").strip().split("\n")]


async def test_the_audit_log_has_who_was_shown_what(people, tmp_path):
    log = tmp_path / "記録" / "audit.jsonl"
    token = add_person(people, "佐藤", ["人事"])
    app = create_app(made(audit_log=log), people=People(people), page=False)
    async with client(app) as http:
        for stream in (False, True):
            body = {"question": "秘密は\u2028何ですか", "stream": stream}
            got = await http.post("/v1/answers", json=body, headers=bearer(token))
            assert got.headers["x-request-id"] == rows(log)[-1]["request"]
        assert (await http.post("/v1/answers", json=body)).status_code == 401
    [row, other] = rows(log)
    assert (row["person"], row["question"]) == ("佐藤", "秘密は\u2028何ですか")
    assert {document["source"] for document in row["documents"]} == {"/srv/人事.md", "/srv/*.md"}
    assert other["documents"] == row["documents"]
    assert TEXTS["人事"] not in log.read_text(encoding="utf-8")
    if os.name == "posix":
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_audit_log_is_rotated(tmp_path):
    log = JsonLines(tmp_path / "audit.jsonl", max_bytes=2000, backups=2)
    for number in range(40):
        shown = [Document("本文", metadata={"page": 1})]
        log.write(audit_row(Person("佐藤"), f"質問{number} \ud83d %s", shown))
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"audit.jsonl{end}" for end in ("", ".1", ".2")
    ]
    assert rows(tmp_path / "audit.jsonl")[-1]["question"] == "質問39 \ufffd %s"


async def test_a_person_has_a_quota_and_others_are_not_affected(people, monkeypatch):
    tokens = [add_person(people, name, []) for name in ("a", "b")]
    app = create_app(made(requests_per_minute=2), people=People(people), page=False)
    async with client(app) as http:

        async def ask(token, stream=False):
            body = {"question": "秘密は", "stream": stream}
            return await http.post("/v1/answers", json=body, headers=bearer(token))

        assert [(await ask(tokens[0])).status_code for _ in range(3)] == [200, 200, 429]
        refused = await ask(tokens[0], stream=True)
        assert (refused.status_code, 0 < int(refused.headers["retry-after"]) <= 60) == (429, True)
        assert (await ask(tokens[1])).status_code == 200
        session = (await http.post("/v1/sessions", headers=bearer(tokens[0]))).json()["session"]
        files = [("files", ("手当.txt", b"a"))]
        got = await http.post(
            f"/v1/sessions/{session}/documents", files=files, headers=bearer(tokens[0])
        )
        assert got.status_code == 429
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 61)
        assert (await ask(tokens[0])).status_code == 200


async def test_people_read_and_delete_what_is_theirs(people, tmp_path):
    tokens = {name: add_person(people, name, []) for name in ("sato", "suzuki")}
    assistant = made(feedback=tmp_path / "feedback.jsonl")
    app = create_app(assistant, people=People(people), page=False, token="operator")
    async with client(app) as http:
        mine = {}
        for name, token in tokens.items():
            got = await http.post("/v1/sessions", headers=bearer(token))
            mine[name] = got.json()["session"]
            body = {"question": f"{name}の質問", "session": mine[name]}
            body["question"] = f"{name}の\u2028質問"
            answer = (await http.post("/v1/answers", json=body, headers=bearer(token))).json()
            path = f"/v1/sessions/{mine[name]}/answers/{answer['answer_id']}/rating"
            got = await http.post(path, json={"good": True}, headers=bearer(token))
            assert got.status_code == 204

        sato, suzuki = bearer(tokens["sato"]), bearer(tokens["suzuki"])
        [listed] = (await http.get("/v1/sessions", headers=sato)).json()
        assert (listed["session"], listed["questions"]) == (mine["sato"], 1)
        path = f"/v1/sessions/{mine['sato']}"
        exported = (await http.get(path, headers=sato)).json()
        assert exported["messages"][0] == {"role": "user", "content": "satoの\u2028質問"}
        assert exported["messages"][1]["role"] == "assistant"
        [rated] = (await http.get("/v1/feedback", headers=sato)).json()
        assert rated["question"] == "satoの\u2028質問"

        assert (await http.get(path, headers=suzuki)).status_code == 404
        for url in ("/v1/sessions", "/v1/feedback"):
            assert (await http.get(url, headers=bearer("operator"))).status_code == 403
            assert (await http.delete(url, headers=sato)).json() == {"deleted": 1}
            assert (await http.get(url, headers=sato)).json() == []
            assert len((await http.get(url, headers=suzuki)).json()) == 1


async def call_tool(http, headers, name):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call["params"] = {"name": name, "arguments": {"question": "秘密は何ですか"}}
    accepted = {"Accept": "application/json, text/event-stream", **headers}
    return await http.post("/mcp", json=call, headers=accepted)


@pytest.mark.parametrize("door", ["own", "openai", "search_documents", "answer_from_documents"])
async def test_every_door_shows_each_person_their_documents(people, tmp_path, door):
    log = tmp_path / "audit.jsonl"
    tokens = {
        "sato": add_person(people, "sato", ["人事"]),
        "suzuki": add_person(people, "suzuki", []),
    }
    assistant = made(audit_log=log, requests_per_minute=1)
    app = create_app(assistant, people=People(people), page=False, token="operator")
    seen = {}
    async with client(app) as http:
        for name, token in {**tokens, "": "operator"}.items():
            answers = []
            for _ in range(2):
                if door == "own":
                    got = await http.post(
                        "/v1/answers", json={"question": "秘密は何ですか"}, headers=bearer(token)
                    )
                elif door == "openai":
                    messages = [{"role": "user", "content": "秘密は何ですか"}]
                    body = {"model": "swallow-rag", "messages": messages}
                    got = await http.post("/v1/chat/completions", json=body, headers=bearer(token))
                else:
                    got = await call_tool(http, bearer(token), door)
                answers.append(got)
            assert answers[0].status_code == 200, answers[0].text
            # The quota is the same at every door.
            assert answers[1].status_code == 429 or "1 分間に 1 件" in answers[1].text
            row = rows(log)[-1]
            assert row["person"] == name
            assert row["request"] == answers[0].headers["x-request-id"]
            seen[name] = {document["source"][5:-3] for document in row["documents"]}
            for group in {"人事", "役員"} - seen[name]:
                assert TEXTS[group] not in answers[0].text
    assert seen == {"sato": {"人事", "*"}, "suzuki": {"*"}, "": {"人事", "役員", "*"}}
