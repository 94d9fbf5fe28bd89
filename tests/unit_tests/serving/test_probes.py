"""Probes of an operator: whether the process lives, and whether it can answer."""

import pytest

from langchain_swallow.chat_models.chat_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.errors import IndexStoreError
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.people import People, add_person
from tests.support.assistants import assistant, client
from tests.support.openai_server import CHAT
from tests.support.tokenizers import trained_tokenizer

pytestmark = pytest.mark.usefixtures("japanese")


def app(made, **options):
    return create_app(made, page=False, **options)


async def test_a_server_that_can_answer_is_ready():
    async with client(app(assistant(), token="secret")) as http:
        for path in ("/livez", "/readyz", "/ready", "/health"):
            for method in ("GET", "HEAD"):
                assert (await http.request(method, path)).status_code == 200, path
        assert (await http.get("/livez")).json() == {"status": "ok"}
        can = {"index": True, "conversations": True, "model": True}
        ready = {"status": "ok", **can, "stopping": False, "reason": ""}
        assert (await http.get("/readyz")).json() == ready


class Closed(FakeEngine):
    is_closed = True


def without_index(made, monkeypatch):
    def fail(_):
        raise IndexStoreError("/srv/索引/manifest.json is damaged")

    monkeypatch.setattr(type(made.store), "__len__", fail)


def without_server(made, monkeypatch):
    made.llm = ChatSwallow(model=CHAT, base_url="http://127.0.0.1:9/v1")


def with_lost_gpu(made, monkeypatch):
    made.llm = ChatSwallow.from_engine(Closed([], trained_tokenizer()), model=CHAT)


def without_conversations(made, monkeypatch):
    made.sessions.conversations.close()


@pytest.mark.parametrize(
    ("breaks", "missing", "reason"),
    [
        (without_index, "index", "索引を読めません。"),
        (
            without_conversations,
            "conversations",
            "会話を保存するデータベースを使えません。少し待ってから、もう一度試してください。",
        ),
        (without_server, "model", "モデルから回答がありません。"),
        (with_lost_gpu, "model", "モデルから回答がありません。"),
    ],
    ids=["index", "conversations", "server", "engine"],
)
async def test_a_server_that_cannot_answer_says_why(breaks, missing, reason, monkeypatch):
    made = assistant()
    breaks(made, monkeypatch)
    async with client(app(made)) as http:
        got = await http.get("/readyz")
        assert (got.status_code, got.json()["status"]) == (503, "unavailable")
        assert (got.json()[missing], got.json()["reason"]) == (False, reason)
        assert not any(part in got.text for part in ("/srv", "127.0.0.1", ":9"))
        assert (await http.head("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200


async def test_a_server_that_stops_refuses_what_comes(tmp_path):
    token = add_person(tmp_path / "people.json", "佐藤", [])
    made = assistant()
    async with client(app(made, people=People(tmp_path / "people.json"))) as http:
        assert (await http.get("/readyz")).status_code == 200
        made.refuse_requests()
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["stopping"]) == (503, True)
        assert ready.json()["reason"] == "サーバーが停止します。"
        assert (await http.get("/livez")).status_code == 200
        headers = {"Authorization": f"Bearer {token}"}
        for path in ("/v1/answers", "/v1/sessions", "/mcp", "/login"):
            got = await http.post(path, headers=headers, json={"question": "会議室は？"})
            assert (got.status_code, got.json()["detail"]) == (503, "サーバーが停止します。")
            assert int(got.headers["retry-after"]) > 0
        got = await http.post("/v1/chat/completions", headers=headers, json={})
        assert got.json()["error"]["type"] == "server_error"
