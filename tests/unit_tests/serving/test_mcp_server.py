"""The MCP server, asked by the protocol's own client: in memory, and over HTTP behind the guard."""

import asyncio
import json

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.memory import create_connected_server_and_client_session

from langchain_swallow import SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.errors import ServerConnectionError
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.assistant import Assistant
from langchain_swallow.serving.identity import OPERATOR, Person
from langchain_swallow.serving.mcp_server import create_mcp_server
from tests.support.assistants import assistant
from tests.support.embeddings import CharacterEmbeddings

pytestmark = pytest.mark.usefixtures("japanese")

QUESTION = {"question": "会議室は何階ですか。"}


def connected(made):
    return create_connected_server_and_client_session(create_mcp_server(made))


async def test_tools_say_what_they_take_and_return():
    async with connected(assistant()) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search_documents", "answer_from_documents"}
    for tool in tools.values():
        assert tool.annotations.readOnlyHint
        assert set(tool.inputSchema["properties"]) == {"question", "k"}
        assert tool.outputSchema["properties"]


async def test_documents_are_found():
    async with connected(assistant()) as client:
        got = await client.call_tool("search_documents", {**QUESTION, "k": 2})
    first, second = got.structuredContent["documents"]
    assert (first["text"], first["metadata"]["source"]) == ("会議室は3階にある。", "0.md")
    assert got.content[0].text.startswith("[1] 0.md\n会議室は3階にある。\n\n[2] ")
    assert second["text"] in got.content[0].text


async def test_questions_are_answered_with_citations():
    async with connected(assistant()) as client:
        got = await client.call_tool("answer_from_documents", QUESTION)
    assert got.content[0].text == "3階 [1]\n\n出典:\n- [1] 0.md（文書と一致）"
    assert got.structuredContent["text"] == "3階 [1]"
    assert got.structuredContent["citations"][0]["quote"] == "3階"
    assert "/srv" not in got.model_dump_json()


async def test_over_stdio_a_person_sees_their_documents():
    texts, groups = ["会議室は3階にある。", "役員室は4階にある。"], ["*", "役員"]
    metadatas = [{"source": f"{group}.md", "groups": [group]} for group in groups]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), metadatas)
    made = Assistant(FakeListChatModel(responses=["3階 [1]"]), store)
    for person, seen in ((OPERATOR, 2), (Person(groups=frozenset({"役員"})), 2), (Person(), 1)):
        async with create_connected_server_and_client_session(
            create_mcp_server(made, person)
        ) as client:
            got = await client.call_tool("search_documents", {"question": "何階ですか。"})
        assert len(got.structuredContent["documents"]) == seen


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("search_documents", {}, "question: Field required"),
        ("search_documents", {"question": ""}, "at least 1 character"),
        ("answer_from_documents", {"question": " "}, "質問がありません"),
        ("search_documents", {"question": "長" * 2001}, "at most 2000 characters"),
        ("search_documents", {**QUESTION, "k": 11}, "less than or equal to 10"),
        ("search_documents", {**QUESTION, "path": "/etc"}, "path: Extra inputs"),
        ("delete_documents", QUESTION, "There is no tool"),
    ],
)
async def test_a_wrong_call_is_told_what_is_wrong(name, arguments, reason):
    async with connected(assistant()) as client:
        got = await client.call_tool(name, arguments)
    assert got.isError
    assert reason in got.content[0].text


async def test_an_error_names_no_address(monkeypatch):
    made = assistant()

    async def fail(*_):
        raise ServerConnectionError("http://10.0.0.1:8000/v1 cannot be reached")

    monkeypatch.setattr(made, "search", fail)
    async with connected(made) as client:
        got = await client.call_tool("search_documents", QUESTION)
    assert got.isError
    assert "10.0.0.1" not in got.content[0].text


def test_a_mistyped_index_is_not_made(capsys, tmp_path):
    assert main(["mcp", "-i", str(tmp_path / "ない"), "--model", "demo"]) == 1
    assert "ない" in capsys.readouterr().err
    assert not (tmp_path / "ない").exists()


def http_client(app, **headers):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), headers=headers, base_url="http://127.0.0.1"
    )


async def test_over_http_the_guard_stands_before_the_tools():
    app = create_app(assistant(), page=False, token="secret")
    async with http_client(app, Authorization="Bearer secret") as http:
        url = "http://127.0.0.1/mcp"
        async with (
            streamable_http_client(url, http_client=http) as (receive, send, _),
            ClientSession(receive, send) as client,
        ):
            await client.initialize()
            got = await client.call_tool("search_documents", QUESTION)
        assert got.structuredContent["documents"][0]["text"] == "会議室は3階にある。"
        assert (await http.get("/mcp")).status_code == 405
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"Accept": "application/json, text/event-stream"}
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer secret", "Origin": "https://evil.example"}, 403),
    ):
        async with http_client(app, **headers, **accepted) as http:
            assert (await http.post("/mcp", json=call)).status_code == status


async def test_leaving_ends_the_generation():
    made = assistant("あ" * 1000, sleep=0.01)
    app, left = create_app(made, page=False), asyncio.Event()
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "answer_from_documents", "arguments": QUESTION}}  # fmt: skip
    received = iter([{"type": "http.request", "body": json.dumps(call).encode()}])

    async def receive():
        if message := next(received, None):
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(_):
        pass

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"),
               (b"accept", b"application/json, text/event-stream")]  # fmt: skip
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"",
             "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
             "scheme": "http", "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
             }  # fmt: skip
    asking = asyncio.create_task(app(scope, receive, send))
    while made._answering == 0:
        await asyncio.sleep(0.01)
    left.set()
    await asyncio.wait_for(asking, 5)
    assert made._answering == 0
