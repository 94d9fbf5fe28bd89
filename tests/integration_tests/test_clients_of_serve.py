"""Clients of others in front of the demo model: OpenAI's API over a socket, MCP over stdio."""

import asyncio
import json
import subprocess
import sys

import numpy as np
import openai
import pytest
from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from langchain_swallow import ChatSwallow, SwallowEmbeddings, SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.serving.assistant import Assistant
from tests.support.paths import ROOT
from tests.support.served import serving
from tests.support.tokenizers import trained_tokenizer

pytestmark = pytest.mark.alone

QUESTION = "試用期間はどのくらいですか。"


@pytest.fixture(scope="module")
def index(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("索引") / "索引"
    documents = str(ROOT / "examples" / "documents" / "就業規則.md")
    assert main(["index", documents, "-o", str(folder), "--embeddings", "demo"]) == 0
    return folder


@pytest.fixture(scope="module")
def served(index, llm):
    store = SwallowFAISS.load_local(index, SwallowEmbeddings("demo"))
    with serving(Assistant(llm, store), token="secret", page=False) as server:
        yield f"{server.url}/v1"


def test_the_index_answers_over_openais_api(served):
    client = openai.OpenAI(base_url=served, api_key="secret")
    chat, rag, embedding = [model.id for model in client.models.list()]
    assert (chat, rag, embedding) == ("demo", "swallow-rag", "demo")
    asked = {"model": rag, "messages": [{"role": "user", "content": QUESTION}]}
    message = client.chat.completions.create(**asked).choices[0].message
    assert message.content.startswith("3か月 [1]\n\nSources:\n- [1] 就業規則")
    assert message.citations[0]["verified"]
    short = client.chat.completions.create(**asked, max_tokens=2).choices[0]
    assert short.finish_reason == "length"
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == message.content


def test_the_chat_model_answers_langchain(served):
    llm = ChatOpenAI(model="demo", base_url=served, api_key="secret", max_tokens=16)
    whole = llm.invoke("日本の首都はどこですか。")
    assert 0 < whole.usage_metadata["output_tokens"] <= 16
    streamed = "".join(chunk.text for chunk in llm.stream("日本の首都はどこですか。"))
    assert streamed == whole.text


def test_the_embedding_model_embeds_over_openais_api(served):
    options = {"model": "demo", "base_url": served, "api_key": "secret"}
    remote = OpenAIEmbeddings(**options, check_embedding_ctx_length=False)
    texts = [QUESTION, "食堂の営業時間"]
    expected = SwallowEmbeddings("demo").embed_documents(texts)
    np.testing.assert_allclose(remote.embed_documents(texts), expected, atol=1e-6)


def command(index):
    return ["-m", "langchain_swallow.cli", "mcp", "-i", str(index), "--model", "demo"]


def test_nothing_but_the_protocol_is_on_stdout(index):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}}
    hello["clientInfo"] = {"name": "test", "version": "1"}
    calls = [
        {"name": name, "arguments": {"question": QUESTION}}
        for name in ("search_documents", "answer_from_documents")
    ]
    sent = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        *({"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": call}
          for i, call in enumerate(calls, 2)),
    ]  # fmt: skip
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, *command(index)], cwd=ROOT, **pipes) as process:
        process.stdin.write("".join(json.dumps(row) + "\n" for row in sent).encode())
        process.stdin.flush()
        # The end of its input ends the server, with whatever it still does.
        lines = [process.stdout.readline() for _ in range(3)]
        process.stdin.close()
        lines += process.stdout.readlines()
        assert process.wait(30) == 0, process.stderr.read().decode()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == [1, 2, 3]
    _, found, answered = (row["result"] for row in rows)
    assert "3か月" in found["structuredContent"]["documents"][0]["text"]
    assert answered["structuredContent"]["text"] == "3か月 [1]"


def test_a_client_calls_the_tools_over_stdio(index):
    async def call():
        server = StdioServerParameters(command=sys.executable, args=command(index), cwd=ROOT)
        async with stdio_client(server) as (receive, send), ClientSession(receive, send) as client:
            await client.initialize()
            return await client.call_tool("answer_from_documents", {"question": QUESTION})

    got = asyncio.run(call())
    assert got.structuredContent["citations"][0]["quote"] == "3か月"
    assert "就業規則" in got.content[0].text


def test_an_agent_searches_the_documents(index):
    call = {"name": "search_documents", "arguments": {"question": QUESTION}}
    engine = FakeEngine([json.dumps(call, ensure_ascii=False), "3か月です。"], trained_tokenizer(),
                        context_window=16_000)  # fmt: skip
    llm = ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1")
    connection = {"transport": "stdio", "command": sys.executable, "args": command(index)}

    async def ask():
        tools = await MultiServerMCPClient({"規程": {**connection, "cwd": str(ROOT)}}).get_tools()
        agent = create_agent(llm, tools)
        return await agent.ainvoke({"messages": [{"role": "user", "content": QUESTION}]})

    *_, result, answer = asyncio.run(ask())["messages"]
    assert answer.text == "3か月です。"
    assert "3か月" in result.text
    assert result.artifact["structured_content"]["documents"]
    assert "3か月" in engine.tokenizer.decode(engine.requests[-1].prompt_ids)
