"""Ids of requests, and the access log."""

import asyncio
import json
import stat

import pytest

from langchain_swallow.serving.access_log import access_row
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.json_lines import STDOUT, JsonLines
from langchain_swallow.serving.people import People, add_person
from langchain_swallow.serving.request_record import RequestRecord
from tests.support.assistants import assistant, client, new_session

pytestmark = pytest.mark.usefixtures("japanese")


STREAM = {"stream": True}


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_each_request_is_one_line_without_secrets(tmp_path):
    log, people = tmp_path / "logs" / "access.jsonl", tmp_path / "people.json"
    token = add_person(people, "佐藤", [])
    lines = JsonLines(log)
    app = create_app(assistant(), people=People(people), page=False, access_log=lines)
    async with client(app) as http:
        assert (await http.get(f"/?token={token}")).status_code == 401
        http.headers["Authorization"] = f"Bearer {token}"
        session = await new_session(http)
        body = {"question": "会議室は何階ですか。", "session": session, "stream": True}
        got = await http.post("/v1/answers?question=秘密", json=body)
        await http.get(f"/v1/sessions/{session}/documents")
        await http.get(f"/v1/no/{session}")
        await http.get("/v1/models")
    lines.close()
    assert [(r["method"], r["route"], r["status"], r["person"]) for r in rows(log)] == [
        ("GET", "", 401, ""),
        ("POST", "/v1/sessions", 201, "佐藤"),
        ("POST", "/v1/answers", 200, "佐藤"),
        ("GET", "/v1/sessions/{session}/documents", 200, "佐藤"),
        ("GET", "", 404, "佐藤"),
        ("GET", "/v1/models", 200, "佐藤"),
    ]
    answer = rows(log)[2]
    assert answer["request"] == got.headers["x-request-id"]
    assert (answer["client"], answer["sent_bytes"]) == ("127.0.0.1", len(got.content))
    assert answer["duration_s"] > 0
    text = log.read_text(encoding="utf-8")
    assert not any(secret in text for secret in (token, session, "会議室", "秘密"))
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_log_may_be_standard_output(capsys):
    lines = JsonLines(STDOUT)
    lines.write(access_row(RequestRecord("a1", "GET", route="/livez", status=200)))
    lines.close()
    assert json.loads(capsys.readouterr().out)["route"] == "/livez"


@pytest.mark.parametrize(
    ("proxies", "sent", "is_taken"),
    [
        ((), "abc-1", False),
        (("127.0.0.1",), "abc-1", True),
        (("10.0.0.1",), "abc-1", False),
        (("127.0.0.1",), "4bf92f35-77b3:1/x=", True),
        (("127.0.0.1",), "a b", False),
        (("127.0.0.1",), "あ".encode(), False),
        (("127.0.0.1",), "x" * 129, False),
    ],
    ids=["nobody", "proxy", "another", "signs", "space", "letters", "long"],
)
async def test_only_a_trusted_proxy_chooses_the_id(proxies, sent, is_taken):
    async with client(create_app(assistant(), page=False, proxies=proxies)) as http:
        got = await http.get("/livez", headers={"X-Request-ID": sent})
    returned = got.headers["x-request-id"]
    assert (returned == sent) is is_taken
    assert is_taken or len(returned) == 16


async def test_errors_have_the_id_of_their_request():
    async with client(create_app(assistant(), token="right", page=False)) as http:
        refused = await http.post("/v1/answers", json={})
        http.headers["Authorization"] = "Bearer right"
        replies = [
            refused,
            await http.post("/v1/answers", json={}),
            await http.post("/v1/answers", json={"question": "会議室は？", "session": "x"}),
            await http.get("/v1/none"),
            await http.put("/v1/answers"),
            await http.get("/v1/models/none"),
            await http.post("/v1/chat/completions", json={}),
            await http.post("/v1/answers", content="x" * 2**20 + "x"),
        ]
    ids = [got.json()["request_id"] for got in replies]
    assert ids == [got.headers["x-request-id"] for got in replies]
    assert len(set(ids)) == len(ids)


async def test_an_error_event_has_the_id_of_its_request():
    made = assistant(*["一" * 200] * 3, sleep=0.02)
    chat = {"model": "swallow-rag", "messages": [{"role": "user", "content": "会議室は？"}]}
    async with client(create_app(made, page=False)) as http:
        asking = [
            asyncio.create_task(
                http.post("/v1/answers", json={"question": "会議室は？", **STREAM})
            ),
            asyncio.create_task(http.post("/v1/chat/completions", json={**chat, **STREAM})),
        ]
        # Both have asked the model.
        while made.llm.i < 2:
            await asyncio.sleep(0.01)
        made.end_answers()
        replies = await asyncio.gather(*asking)
    for reply in replies:
        last = [line for line in reply.text.splitlines() if line.startswith("data: ")][-1]
        assert json.loads(last[6:])["request_id"] == reply.headers["x-request-id"]
