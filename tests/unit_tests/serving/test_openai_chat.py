"""The OpenAI-compatible API, asked by OpenAI's client, LangChain's, and as Open WebUI asks."""

import asyncio
import json

import openai
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from pydantic import BaseModel

from langchain_swallow.errors import ServerBusyError
from langchain_swallow.rag import Answer
from langchain_swallow.serving.app import create_app
from langchain_swallow.serving.openai_citations import citation_delta
from langchain_swallow.serving.openai_messages import DeltaWriter
from langchain_swallow.serving.openai_models import Completion
from langchain_swallow.serving.settings import AnswerLengths
from tests.support.assistants import assistant, client
from tests.support.openai_server import CHAT, QUESTION, Server
from tests.support.thinking import qwen3_tokenizer

pytestmark = pytest.mark.usefixtures("japanese")

RAG, EMBEDDING = "swallow-rag", "characters"
TOOL = {
    "type": "function",
    "function": {
        "name": "天気",
        "parameters": {
            "type": "object",
            "properties": {"都市": {"type": "string"}},
            "required": ["都市"],
        },
    },
}


async def streamed(stream):
    return [chunk async for chunk in stream]


# The chat model


async def test_a_conversation_is_answered():
    messages = [
        {"role": "developer", "content": "敬語で。"},
        {"role": "user", "content": [{"type": "text", "text": t} for t in ("白い", "花")]},
        {"role": "assistant", "content": "百合です。"},
        {"role": "user", "content": "赤いのは？", "name": "三浦"},
    ]  # fmt: skip
    async with Server("薔薇です。") as server:
        got = await server.create(messages=messages, user="u-1", metadata={"unknown": "field"})
        prompt = server.prompt()
    assert got.choices[0].message.content == "薔薇です。"
    assert (got.choices[0].finish_reason, got.object, got.model) == (
        "stop", "chat.completion", CHAT,
    )  # fmt: skip
    request = server.engine.requests[0]
    assert got.usage.prompt_tokens == len(request.prompt_ids)
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens
    for text in ("敬語で。", "白い\n花", "百合です。", "赤いのは？"):
        assert text in prompt
    Completion.model_validate(got.model_dump(exclude_unset=True))


async def test_a_stream_adds_up_to_the_answer():
    async with Server("薔薇です。", "薔薇です。") as server:
        options = {"include_usage": True}
        chunks = await streamed(await server.create(stream=True, stream_options=options))
        whole = await server.create()
    *parts, last = chunks
    assert "".join(part.choices[0].delta.content or "" for part in parts) == "薔薇です。"
    assert len(parts) > 3
    assert parts[0].choices[0].delta.role == "assistant"
    assert [part.choices[0].finish_reason for part in parts][-2:] == [None, "stop"]
    assert {part.usage for part in parts} == {None}
    assert (last.choices, last.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_parameters_reach_the_model():
    async with Server(*"abcde") as server:
        await server.create(
            temperature=0.7, top_p=0.9, seed=5, stop="終", max_completion_tokens=7, max_tokens=9,
            presence_penalty=0.5, n=1, reasoning_effort="none",
            extra_body={"top_k": 20, "frequency_penalty": 0, "functions": []},
        )  # fmt: skip
        await server.create(stop=["終", "了"], max_tokens=9, temperature=None)
        server.assistant.lengths = AnswerLengths(maximum=1200)
        await server.create(max_tokens=5000)
        await server.create()
        await server.create(messages=[{"role": "user", "content": "長い" * 850}])
    one, two, three, four, five = server.engine.requests
    assert (one.temperature, one.top_p, one.top_k, one.seed) == (0.7, 0.9, 20, 5)
    assert (one.stop, one.max_tokens, one.presence_penalty) == (("終",), 7, 0.5)
    assert (two.stop, two.max_tokens, two.temperature) == (("終", "了"), 9, 0)
    # More than the server permits is an upper bound; without one the server's limit is.
    assert (three.max_tokens, four.max_tokens) == (1200, 1200)
    # A long conversation leaves less.
    assert 4096 - 50 < len(five.prompt_ids) + five.max_tokens <= 4096


async def test_tools_are_called_and_their_results_read():
    call = '{"name": "天気", "arguments": {"都市": "東京"}}'
    async with Server(call, call, "晴れです。") as server:
        asked = {"tools": [TOOL], "tool_choice": "required"}
        got = (await server.create(**asked)).choices[0]
        chunks = await streamed(await server.create(**asked, stream=True))
        [made] = got.message.tool_calls
        assert (made.function.name, json.loads(made.function.arguments)) == (
            "天気", {"都市": "東京"},
        )  # fmt: skip
        assert (got.finish_reason, got.message.content) == ("tool_calls", None)
        deltas = [c.choices[0].delta.tool_calls[0] for c in chunks if c.choices[0].delta.tool_calls]
        assert {delta.index for delta in deltas} == {0}
        assert [delta.id for delta in deltas if delta.id] == [deltas[0].id]
        assert json.loads("".join(d.function.arguments for d in deltas)) == {"都市": "東京"}
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
        history = [
            *QUESTION,
            got.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": made.id, "content": "晴れ"},
        ]
        await server.create(messages=history, tools=[TOOL])
        # The result's tool is named as its call names it.
        assert "ツール「天気」の結果:\n晴れ" in server.prompt()


async def test_a_call_that_was_cut_off_is_sent_as_it_was_written():
    written = '{"name": "天気", "arguments": {"都市": "東'
    async with Server(written + "終", "b") as server:
        got = await server.create(tools=[TOOL], tool_choice="required", stop="終")
        [made] = got.choices[0].message.tool_calls
        assert made.function.arguments == '{"都市": "東'
        history = [*QUESTION, got.choices[0].message.model_dump(exclude_none=True), *QUESTION]
        await server.create(messages=history)
        assert written in server.prompt()


def test_parts_of_arguments_of_other_models_add_up():
    writer, parts = DeltaWriter(is_swallow=False), ['{\n "都市": "東 ', ' 京"', "}"]
    calls = []
    for number, part in enumerate(parts):
        name, call_id = ("天気", "a") if number == 0 else (None, None)
        chunk = tool_call_chunk(name=name, args=part, id=call_id, index=1)
        message = AIMessageChunk("", tool_call_chunks=[chunk])
        calls += writer.write(message)["tool_calls"]
    assert {call["index"] for call in calls} == {0}
    assert "".join(call["function"]["arguments"] for call in calls) == "".join(parts)


@pytest.mark.parametrize("depth", [500, 1500])
async def test_deep_values_are_read_or_refused(depth):
    deep = "[" * depth + "]" * depth
    call = {"id": "a", "function": {"name": "天気", "arguments": deep}}
    async with Server("a") as server, client(server.app) as http:
        history = [{"role": "assistant", "tool_calls": [call]}, *QUESTION]
        await server.create(messages=[*QUESTION, *history])
        body = f'{{"model": "{CHAT}", "messages": {deep}}}'
        headers = {"Content-Type": "application/json"}
        got = await http.post("/v1/chat/completions", content=body, headers=headers)
        assert (got.status_code, list(got.json())) == (400, ["error", "request_id"])
        body = f'{{"question": {deep}}}'
        got = await http.post("/v1/answers", content=body, headers=headers)
        assert got.status_code in (400, 422)
        assert list(got.json()) == ["detail", "request_id"]


async def test_an_answer_has_the_schema_that_was_asked_for():
    schema = {"type": "object", "properties": {"階": {"type": "integer"}}, "required": ["階"]}
    answer_format = {"type": "json_schema", "json_schema": {"name": "場所", "schema": schema}}
    async with Server('{"階": 3}', '{"a": 1}') as server:
        got = await server.create(response_format=answer_format)
        await server.create(response_format={"type": "json_object"})
    assert got.choices[0].message.content == '{"階": 3}'
    first, second = server.engine.requests
    assert '"階"' in first.grammar.text
    assert second.grammar is not None


async def test_a_thought_is_apart_from_the_answer():
    thinking = {"tokenizer": qwen3_tokenizer(), "model": "Qwen3-Swallow-8B-RL-v0.2"}
    async with Server("考えた。</think>答え。", "考えた。</think>答え。", **thinking) as server:
        model = server.langchain.model_name
        message = (await server.create(model=model)).choices[0].message
        chunks = await streamed(await server.create(model=model, stream=True))
    assert (message.reasoning_content.strip(), message.content) == ("考えた。", "答え。")
    thought = "".join(getattr(c.choices[0].delta, "reasoning_content", "") for c in chunks)
    assert thought == message.reasoning_content


async def test_log_probabilities_are_refused_by_the_index_only():
    async with Server("a") as server:
        await server.create(logprobs=True, top_logprobs=2)
        assert server.engine.requests[0].logprobs == 2
        with pytest.raises(openai.BadRequestError, match="takes no logprobs"):
            await server.create(model=RAG, logprobs=True)


# The index


async def test_the_index_answers_with_citations():
    async with Server("3階 [1]") as server:
        got = await server.create(model=RAG)
    message = got.choices[0].message
    assert message.content == "3階 [1]\n\n出典:\n- [1] 0.md（文書と一致）"
    [annotation] = message.annotations
    assert annotation.url_citation.model_dump() == {
        "url": "0.md", "title": "0.md", "start_index": 0, "end_index": 6,
    }  # fmt: skip
    [citation] = message.citations
    assert (citation["source"], citation["quote"], citation["verified"]) == ("0.md", "3階", True)
    assert got.usage.completion_tokens > 0
    assert "/srv" not in got.model_dump_json()
    Completion.model_validate(got.model_dump(exclude_unset=True))


async def test_a_stream_of_the_index_adds_up_to_its_answer():
    async with Server("3階 [1]", "3階 [1]") as server:
        chunks = await streamed(await server.create(model=RAG, stream=True))
        message = (await server.create(model=RAG)).choices[0].message
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == message.content
    last = chunks[-1].choices[0]
    assert last.finish_reason == "stop"
    assert last.delta.citations == message.citations
    sent = [annotation["url_citation"] for annotation in last.delta.annotations]
    assert sent == [annotation.url_citation.model_dump() for annotation in message.annotations]


async def test_earlier_messages_complete_the_question():
    history = [
        {"role": "system", "content": "一言で。"},
        *QUESTION,
        {"role": "assistant", "content": "3階 [1]\n\n出典:\n- [1] 0.md"},
        {"role": "user", "content": "それはどこですか。"},
    ]
    async with Server("会議室はどこですか。", "3階 [1]") as server:
        await server.create(model=RAG, messages=history, seed=5, temperature=1.8, max_tokens=3)
        rewriting, answering = server.prompt(0), server.prompt(1)
    assert "3階 [1]" in rewriting
    assert "出典" not in rewriting
    assert "一言で。" in answering
    assert "会議室はどこですか。" in answering
    request = server.engine.requests[1]
    assert (request.seed, request.temperature, request.max_tokens) == (5, 1.8, 3)


async def test_a_refusal_has_no_citations():
    async with Server("資料からは分かりません。") as server:
        message = (await server.create(model=RAG)).choices[0].message
    assert message.content == "資料からは分かりません。"
    assert (message.annotations, message.citations) == ([], [])


def test_citations_name_no_folder_of_the_server():
    documents = [Document("3階", metadata={"source": r"C:\srv\文書\規程 一.md", "title": "規程"})]
    shown = citation_delta(Answer("3階 [1]", documents=tuple(documents)))
    assert shown["annotations"][0]["url_citation"]["url"] == "%E8%A6%8F%E7%A8%8B%20%E4%B8%80.md"
    assert "srv" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tools": [TOOL]}, "takes no tools"),
        ({"response_format": {"type": "json_object"}}, "takes no response_format"),
        ({"messages": [*QUESTION, {"role": "assistant", "content": "3"}]}, "must be a question"),
        ({"messages": [{"role": "user", "content": "長" * 2001}]}, "2000 文字まで"),
        ({"messages": [{"role": "user", "content": " "}]}, "質問がありません"),
        ({"messages": [{"role": "system", "content": "長" * 1001}, *QUESTION]}, "1000 文字まで"),
    ],
)
async def test_the_index_refuses_what_it_cannot_do(fields, reason):
    async with Server("a") as server:
        with pytest.raises(openai.BadRequestError, match=reason):
            await server.create(model=RAG, **fields)
        await server.create(model=RAG, tools=[], response_format={"type": "text"})


# Errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "reason", "param", "code"),
    [
        ({"n": 2}, "one answer", "n", None),
        ({"temperature": 3}, "less than or equal to 2", "temperature", None),
        ({"frequency_penalty": 0.5}, "does not support it", "frequency_penalty", None),
        ({"functions": [TOOL["function"]]}, "does not support it", "functions", None),
        ({"seed": 2**70}, "less than", "seed", None),
        ({"stop": [""]}, "none of them empty", "stop", None),
        ({"messages": []}, "at least 1 item", "messages", None),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "read text only; a message has a 'image_url' part",
            "messages.0.content",
            None,
        ),
        ({"messages": [{"role": "king", "content": "a"}]}, "role", "messages.0.role", None),
        ({"messages": [{"role": "user", "content": "長い" * 5000}]}, "context window|コンテキスト",
         "messages", "context_length_exceeded"),
        ({"tools": [{"type": "web_search"}]}, "web_search", None, None),
        ({"tools": [TOOL], "tool_choice": "晴雨"}, "Unknown tool_choice", None, None),
        ({"response_format": {"type": "xml"}}, "Unknown response_format", None, None),
        ({"reasoning_effort": "high"}, "reasoning_effort", None, None),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_told_what_is_wrong(fields, reason, param, code):
    async with Server("a") as server:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError, match=reason) as refused:
                await server.create(**fields, stream=stream)
            assert (refused.value.param, refused.value.code) == (param, code)
            assert refused.value.type == "invalid_request_error"
    assert server.engine.requests == []


async def test_an_unknown_model_is_not_found():
    async with Server() as server:
        with pytest.raises(openai.NotFoundError, match="'swallow-rag'") as refused:
            await server.create(model="gpt-4o")
        assert refused.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            await server.client.models.retrieve("gpt-4o")
        assert [model.id async for model in server.client.models.list()] == [CHAT, RAG, EMBEDDING]
        assert (await server.client.models.retrieve(CHAT)).id == CHAT


async def test_a_failure_of_the_model_is_an_error_with_a_status_or_an_event():
    async with Server(ServerBusyError("busy"), ServerBusyError("busy")) as server:
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as failed:
                await server.create(stream=stream)
            assert failed.value.status_code == 503
            assert failed.value.response.headers["retry-after"] == "5"
            assert failed.value.type == "server_error"


async def test_a_stream_that_fails_later_ends_with_an_error():
    made = assistant("一二三", sleep=0.02)
    async with client(create_app(made, page=False)) as http:
        body = {"model": "FakeListChatModel", "messages": QUESTION, "stream": True}
        asking = asyncio.create_task(http.post("/v1/chat/completions", json=body))
        await asyncio.sleep(0.05)
        made.end_answers()
        *_, last = [line for line in (await asking).text.splitlines() if line]
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == "サーバーが停止します。"


async def test_the_guard_refuses_in_the_form_of_the_api():
    async with Server("a", token="other") as server:
        with pytest.raises(openai.AuthenticationError) as refused:
            await server.create()
        assert refused.value.code == "invalid_api_key"
        headers = {"Authorization": "Bearer other", "Origin": "https://evil.example"}
        with pytest.raises(openai.PermissionDeniedError, match="ほかのサイト"):
            await server.create(extra_headers=headers)
        long = [{"role": "user", "content": "長" * 400_000}]
        with pytest.raises(openai.APIStatusError) as refused:
            await server.create(messages=long, extra_headers={"Authorization": "Bearer other"})
        assert refused.value.status_code == 413
        # The API of its own has its own form.
        assert "detail" in (await server.http.get("http://127.0.0.1/v1/sessions/x/y")).json()


@pytest.mark.parametrize(
    "body", ["{", "[]", "null", '{"model": "a", "messages": "x"}', '"\\ud83d"']
)
async def test_a_broken_body_is_an_error_in_the_form_of_the_api(body):
    async with client(create_app(assistant(), page=False)) as http:
        headers = {"Content-Type": "application/json"}
        got = await http.post("/v1/chat/completions", content=body, headers=headers)
    assert got.status_code == 400
    assert got.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", ["FakeListChatModel", RAG])
@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_ends_the_generation(model, stream):
    made = assistant("あ" * 1000, sleep=0.01)
    app, began, left = create_app(made, page=False), asyncio.Event(), asyncio.Event()
    body = json.dumps({"model": model, "messages": QUESTION, "stream": stream}).encode()
    received = iter([{"type": "http.request", "body": body}])

    async def receive():
        if message := next(received, None):
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if b"data" in message.get("body", b""):
            began.set()

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"",
             "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
             "scheme": "http", "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
             }  # fmt: skip
    asking = asyncio.create_task(app(scope, receive, send))
    while made._answering == 0:
        await asyncio.sleep(0.01)
    if stream:
        await began.wait()
    left.set()
    await asyncio.wait_for(asking, 2)
    assert made._answering == 0


# Other clients


async def test_langchain_asks():
    class Place(BaseModel):
        """場所。"""

        floor: int

    call = '{"name": "天気", "arguments": {"都市": "東京"}}'
    async with Server("薔薇です。", "薔薇です。", call, '{"floor": 3}', "3階 [1]") as server:
        llm = server.langchain
        assert (await llm.ainvoke("花は？")).text == "薔薇です。"
        chunks = [chunk async for chunk in llm.astream("花は？", stream_usage=True)]
        whole = sum(chunks[1:], chunks[0])
        assert (whole.text, whole.usage_metadata["output_tokens"] > 0) == ("薔薇です。", True)
        called = await llm.bind_tools([TOOL], tool_choice="any").ainvoke("天気は？")
        assert called.tool_calls[0]["args"] == {"都市": "東京"}
        assert await llm.with_structured_output(Place).ainvoke("何階？") == Place(floor=3)
        rag = llm.model_copy(update={"model_name": RAG})
        assert (await rag.ainvoke("会議室は何階ですか。")).text.startswith("3階 [1]")


OPEN_WEBUI_HEADERS = {
    "Content-Type": "application/json",
    "Authorization": "Bearer secret",
    "HTTP-Referer": "https://openwebui.com/",
    "X-Title": "Open WebUI",
    "X-OpenWebUI-User-Name": "%E4%B8%89%E6%B5%A6",
    "X-OpenWebUI-User-Id": "6c7f",
    "X-OpenWebUI-Chat-Id": "f3a1",
}


async def test_open_webui_asks():
    title = (
        "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."
        "\n### Guidelines:\n- The title should clearly represent the main theme.\n### Output:\n"
        'JSON format: { "title": "your concise title here" }\n### Chat History:\n<chat_history>\n'
        "USER: 会議室は何階ですか。\nASSISTANT: 3階 [1]\n</chat_history>"
    )
    async with Server("3階 [1]", '{"title": "会議室"}', token="secret") as server:
        url = "http://127.0.0.1/v1"
        models = await server.http.get(f"{url}/models", headers=OPEN_WEBUI_HEADERS)
        assert [model["id"] for model in models.json()["data"]] == [CHAT, RAG, EMBEDDING]
        asked = {"stream": True, "model": RAG, "messages": QUESTION}
        asked |= {"stream_options": {"include_usage": True}, "tools": [], "tool_choice": None}
        got = await server.http.post(
            f"{url}/chat/completions", headers=OPEN_WEBUI_HEADERS, content=json.dumps(asked)
        )
        lines = [line.removeprefix("data: ") for line in got.text.splitlines() if line]
        assert lines.pop() == "[DONE]"
        deltas = [c["choices"][0]["delta"] for c in map(json.loads, lines) if c["choices"]]
        # What it reads of a delta: text, and sources to show below the answer.
        assert "".join(d.get("content", "") for d in deltas).startswith("3階 [1]")
        shown = [a["url_citation"] for d in deltas for a in d.get("annotations", [])]
        assert [(source["url"], source["title"]) for source in shown] == [("0.md", "0.md")]
        # It asks the model of the conversation for a title: the index has none.
        asked = {"model": RAG, "messages": [{"role": "user", "content": title}], "stream": False}
        got = await server.http.post(
            f"{url}/chat/completions", headers=OPEN_WEBUI_HEADERS, content=json.dumps(asked)
        )
        assert got.json()["choices"][0]["message"]["content"] == '{"title": "会議室"}'
