"""No call reaches an agent unless it was whole and valid: cut, streamed, in pieces, in any text."""

import asyncio
import json
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers.openai_tools import PydanticToolsParser
from pydantic import BaseModel

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.json_values import schema_error
from langchain_swallow.chat_models.tool_call_lines import CallRules
from langchain_swallow.chat_models.tool_calls import ToolCallReader, read_calls
from langchain_swallow.chat_models.tool_schemas import to_openai_tools
from langchain_swallow.chat_models.tools import tool_use
from langchain_swallow.engines.protocol import Chunk, Finish
from langchain_swallow.errors import (
    EngineError,
    GenerationTimeoutError,
    ServerConnectionError,
)
from tests.support.byte_vocabulary import admits
from tests.support.tokenizers import trained_tokenizer

RULES = CallRules(
    {
        "delete": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "force": {"type": "boolean"}},
            "required": ["path"],
            "additionalProperties": False,
        },
        "rooms": {"type": "object", "properties": {}, "additionalProperties": False},
    },
    parallel=True,
)
CALL = '{"name": "delete", "arguments": {"path": "/srv/{data}", "force": true}}'
OTHER = '{"name": "rooms", "arguments": {}}'
BLANKS = [
    "\n",
    " ",
    "\t",
    "\r\n",
    "\u3000",
    "\xa0",
    "\ufeff",
    "\u2028",
    "\u200b",
    "\x0b\x0c",
    "\x85",
]
BLANKS += ["\xad", "\u2060 \n", "\u180e", "\u202e", "\u2003", "\x1f"]


class Scripted:
    """An engine that gives the same events for each request, one character a chunk."""

    name = "scripted"
    context_window = 4096

    def __init__(self, text, end, then="済"):
        self.tokenizer = trained_tokenizer()
        self.answers = [(text, end)]
        self._then = then
        self.cancelled = 0

    def submit(self, request, sink):
        text, end = self.answers.pop() if self.answers else (self._then, "stop")
        for character in text:
            sink(Chunk(character))
        if isinstance(end, Exception):
            sink(end)
        elif end in ("stop", "length"):
            sink(Finish(end, 9, 9))
        else:
            sink(Finish("stop", 9, 9, stop_sequence=end))
        return self

    def cancel(self):
        self.cancelled += 1

    def release_cpu_threads(self):
        pass

    def close(self):
        pass


def scripted(text, end="stop", **fields):
    return ChatSwallow.from_engine(Scripted(text, end), model="x", **fields)


EXECUTED = []


def delete(path: str, force: bool = False) -> str:
    """消す"""
    EXECUTED.append(path)
    return "消した"


def rooms() -> str:
    """一覧"""
    EXECUTED.append("rooms")
    return "A"


TOOLS = [delete, rooms]
# Converted once, for tests that bind them again and again.
BOUND = to_openai_tools(TOOLS)


@pytest.fixture(autouse=True)
def nothing_executed():
    EXECUTED.clear()


def plain(calls):
    return [(call["name"], call["args"]) for call in calls]


def prefixes(text):
    return [text[:n] for n in range(len(text))]


ENDS = {
    "max_tokens": "length",
    "stop string": "。",
    "end of sequence": "stop",
    "timeout": GenerationTimeoutError("The answer was not finished in time."),
    "server gone": ServerConnectionError("The server ended the stream within the answer."),
    "engine closed": EngineError("The model was unloaded."),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize(
    "text",
    [*prefixes(CALL)[::9], CALL[:-1], "\n" + CALL[:40], CALL[:-2] + '"'],
    ids=lambda text: repr(text[-12:]),
)
def test_of_a_call_that_is_cut_nobody_gets_a_valid_one(text, end):
    joined = None
    try:
        for chunk in scripted(text, end).bind_tools(BOUND).stream("q"):
            joined = chunk if joined is None else joined + chunk
            assert joined.tool_calls == []
            assert chunk.tool_calls == []
    except EngineError as error:
        assert error is end  # noqa: PT017
        with pytest.raises(type(end)):
            scripted(text, end).bind_tools(BOUND).invoke("q")
        return
    whole = scripted(text, end).bind_tools(BOUND).invoke("q")
    assert whole.tool_calls == []
    assert joined.content == whole.content
    assert joined.response_metadata == whole.response_metadata
    assert [call["name"] for call in joined.invalid_tool_calls] == [
        call["name"] for call in whole.invalid_tool_calls
    ]
    for streamed, invoked in zip(joined.invalid_tool_calls, whole.invalid_tool_calls, strict=True):
        assert streamed["args"].strip() == f"{invoked['error']}\n{invoked['args']}".strip()
    # What was said is not lost.
    said = whole.content or "".join(call["args"] for call in whole.invalid_tool_calls)
    assert said if text.strip() else not said
    assert text.endswith(said)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("length", "max_tokens was reached"),
        ("。", "The stop string '。'"),
        ("stop", "ended within"),
    ],
)
def test_the_reason_names_what_ended_the_answer(end, reason):
    bound = scripted(CALL[:40], end).bind_tools(BOUND)
    (call,) = bound.invoke("q").invalid_tool_calls
    assert reason in call["error"]
    assert call["args"] == CALL[32:40]
    chunks = list(scripted(CALL[:40], end).bind_tools(BOUND).stream("q"))
    joined = sum(chunks[1:], chunks[0])
    assert reason in joined.invalid_tool_calls[0]["args"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "executed"),
    [(CALL, 1), (CALL[:-1], 0), (CALL[:-2], 0), (OTHER, 1), (OTHER[:-1], 0), (OTHER[:-3], 0)],
)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_an_agent_executes_no_call_that_is_cut(text, executed, end):
    def agent():
        engine = Scripted(text, end)
        return create_agent(ChatSwallow.from_engine(engine, model="x"), TOOLS)

    asked = {"messages": [("user", "q")]}

    async def stream(chunks):
        async for _ in chunks:
            pass

    runs = [
        lambda: agent().invoke(asked),
        lambda: list(agent().stream(asked, stream_mode="messages")),
        lambda: list(agent().stream(asked, stream_mode=["messages", "updates", "values"])),
        lambda: asyncio.run(agent().ainvoke(asked)),
        lambda: asyncio.run(stream(agent().astream(asked, stream_mode="messages"))),
        lambda: asyncio.run(stream(agent().astream_events(asked, version="v2"))),
    ]
    for run in runs:
        EXECUTED.clear()
        try:
            await asyncio.to_thread(run)
        except EngineError as error:
            assert error is end  # noqa: PT017
        assert len(EXECUTED) == (0 if isinstance(end, Exception) else executed)


@pytest.mark.parametrize("cut", range(1, len(OTHER)))
def test_of_several_calls_the_whole_ones_are_given_and_the_cut_one_is_not_lost(cut):
    text = f"{CALL}\n{OTHER[:cut]}"
    bound = scripted(text, "length").bind_tools(BOUND, parallel_tool_calls=True)
    chunks = list(bound.stream("q"))
    joined = sum(chunks[1:], chunks[0])
    whole = scripted(text, "length").bind_tools(BOUND, parallel_tool_calls=True).invoke("q")
    assert (
        plain(joined.tool_calls)
        == plain(whole.tool_calls)
        == [("delete", json.loads(CALL)["arguments"])]
    )
    assert len(joined.invalid_tool_calls) == len(whole.invalid_tool_calls) == 1
    assert joined.response_metadata["finish_reason"] == "length"


def test_several_calls_are_given_one_by_one():
    bound = scripted(f"{CALL}\n{OTHER}").bind_tools(BOUND, parallel_tool_calls=True)
    joined, counts = AIMessageChunk(""), []
    for chunk in bound.stream("q"):
        joined += chunk
        counts.append(len(joined.tool_calls))
    assert sorted(set(counts)) == [0, 1, 2]
    assert counts == sorted(counts)
    assert joined.response_metadata["finish_reason"] == "tool_calls"


def test_a_consumer_that_leaves_holds_no_part_of_a_call():
    engine = Scripted(CALL, "stop")
    bound = ChatSwallow.from_engine(engine, model="x").bind_tools(BOUND)
    held = AIMessageChunk("")
    for chunk in bound.stream("q"):
        held += chunk
        if chunk.tool_call_chunks:
            break
    assert held.tool_calls == []
    assert held.invalid_tool_calls[0]["name"] == "delete"


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
@pytest.mark.parametrize("choice", ["auto", "any"])
def test_a_call_behind_blanks_is_read_and_checked(blank, choice):
    bound = scripted(blank + CALL).bind_tools(BOUND, tool_choice=choice)
    message = bound.invoke("q")
    assert plain(message.tool_calls) == [("delete", json.loads(CALL)["arguments"])]
    wrong = blank + '{"name": "delete", "arguments": {"path": 3}}'
    message = scripted(wrong).bind_tools(BOUND, tool_choice=choice).invoke("q")
    assert message.tool_calls == []
    assert "3 is not of type 'string'" in message.invalid_tool_calls[0]["error"]


NO_CALLS = {
    "not of the schema": ('{"name": "delete", "arguments": {"path": 3}}', "is not of type"),
    "too many": ('{"name": "delete", "arguments": {"path": "a", "x": 1}}', "'x' was unexpected"),
    "too few": ('{"name": "delete", "arguments": {}}', "'path' is a required property"),
    "unknown tool": ('{"name": "drop", "arguments": {}}', "There is no tool 'drop'"),
    "number": ('{"name": "delete", "arguments": 3}', "must be a JSON object"),
    "string": ('{"name": "delete", "arguments": "{}"}', "must be a JSON object"),
    "null": ('{"name": "rooms", "arguments": null}', "must be a JSON object"),
    "list": ('{"name": "rooms", "arguments": [{}]}', "must be a JSON object"),
    "NaN": ('{"name": "delete", "arguments": {"path": NaN}}', "NaN is not a JSON number"),
    "infinite": ('{"name": "delete", "arguments": {"path": 1e999}}', "1e999 is too large"),
    "long": (f'{{"name": "delete", "arguments": {{"path": {"9" * 5000}}}}}', "limit"),
    "deep": (f'{{"name": "rooms", "arguments": {"[" * 9999}', "nested too deeply"),
    "half a character": ('{"name": "delete", "arguments": {"path": "\\ud83d"}}', "surrogate"),
    "tab": ('{"name": "delete", "arguments": {"path": "\t"}}', "control character"),
    "another name": ('{"name": "rooms", "arguments": {}, "name": "delete"}', "not valid JSON"),
    "another field": ('{"name": "rooms", "arguments": {}, "x": 1}', "not valid JSON"),
    "text behind": (CALL + " です。", "not valid JSON"),
    "braces behind": (CALL + "}", "not valid JSON"),
    "single quotes": ('{"name": "rooms", "arguments": {\'a\': 1}}', "not valid JSON"),
}


@pytest.mark.parametrize(("text", "reason"), NO_CALLS.values(), ids=NO_CALLS)
@pytest.mark.parametrize("choice", ["auto", "any", "delete"])
def test_what_is_whole_but_not_valid_is_an_invalid_call(text, reason, choice):
    tools = BOUND if choice != "delete" else BOUND[:1]
    message = scripted(text).bind_tools(tools, tool_choice=choice).invoke("q")
    assert message.tool_calls == []
    if tools == BOUND or "rooms" not in text:
        assert reason in message.invalid_tool_calls[0]["error"]
    chunks = list(scripted(text).bind_tools(tools, tool_choice=choice).stream("q"))
    joined = sum(chunks[1:], chunks[0])
    assert joined.tool_calls == []
    assert len(joined.invalid_tool_calls) == 1


@pytest.mark.parametrize("half", ["\ud83d", "\\ud83d", "\\uDE00", "a\udce3"], ids=ascii)
def test_half_of_a_character_is_not_an_argument(half):
    text = f'{{"name": "delete", "arguments": {{"path": "{half}"}}}}'
    (read,) = read_calls(text, RULES)
    assert "surrogate" in read.error
    whole = text.replace(half, "\\ud83d\\ude00")
    assert read_calls(whole, RULES)[0].arguments == {"path": "😀"}


def test_a_tool_that_was_not_chosen_is_not_called():
    bound = scripted(OTHER).bind_tools(BOUND, tool_choice="delete")
    (call,) = bound.invoke("q").invalid_tool_calls
    assert call["error"] == "There is no tool 'rooms' to call. There are: delete."
    message = scripted(OTHER).bind_tools(BOUND, tool_choice="none").invoke("q")
    assert (message.content, message.tool_calls) == (OTHER, [])


def test_of_several_calls_where_one_is_allowed_only_the_first_is_one():
    bound = scripted(f"{CALL}\n{OTHER}").bind_tools(BOUND)
    message = bound.invoke("q")
    assert plain(message.tool_calls) == [("delete", json.loads(CALL)["arguments"])]
    assert "parallel_tool_calls=True" in message.invalid_tool_calls[0]["error"]


@pytest.mark.parametrize(
    "text",
    [
        "見てみます。\n" + CALL,
        f"```json\n{CALL}\n```",
        f"[{CALL}]",
        f"　{OTHER[1:]}",
        "{}",
        '{"x": 1}',
        '{"name":"rooms","arguments":{}}',
        '{"name": "rooms"}',
        '{"name": 3, "arguments": {}}',
        '{"name": "\\q", "arguments": {}}',
        '{"name": "\\ud83d", "arguments": {}}',
        "3",
        "null",
        '"rooms"',
        "\n\n",
        "\u3000東京は晴れです。",
        "\u3164" + CALL,
        "＿" + CALL,
    ],
)
def test_text_is_text_whatever_is_in_it(text):
    message = scripted(text).bind_tools(BOUND).invoke("q")
    assert message.content == text
    assert message.tool_calls == message.invalid_tool_calls == []
    chunks = list(scripted(text).bind_tools(BOUND).stream("q"))
    assert sum(chunks[1:], chunks[0]).content == text


@pytest.mark.parametrize(
    "second", ['{"x": 1}', "3", "null", "です", "[]", '{"name": "rooms"}', OTHER[:9]]
)
def test_a_second_line_that_is_not_a_call_is_an_invalid_one(second):
    bound = scripted(f"{OTHER}\n{second}").bind_tools(BOUND, parallel_tool_calls=True)
    message = bound.invoke("q")
    assert plain(message.tool_calls) == [("rooms", {})]
    assert message.invalid_tool_calls[0]["args"] == second


# The grammar and the reading are one


LINES = [CALL, OTHER, *(text for text, _ in NO_CALLS.values() if len(text) < 200)]
LINES += ['{"x": 1}', "3", "東京", "", "[1]", '{"name": "rooms"}']


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [False, True], ids=["one", "several"])
@pytest.mark.parametrize("before", ["", *BLANKS, "東京\n", "```", "[", "\u3164"], ids=ascii)
def test_what_the_grammar_admits_is_read_as_it_was_constrained(before, parallel):
    use = tool_use(TOOLS, "auto", parallel)
    admitted = 0
    for line in [*LINES, *(f"{OTHER}\n{line}" for line in LINES)]:
        text = before + line
        read = read_calls(text, use.rules)
        if admits(use.grammar, text):
            admitted += 1
            assert read is None or all(call.error is None for call in read), text
        elif read is not None and all(call.error is None for call in read):
            assert text.rstrip("\n") != text, text  # a line feed more changes nothing
    assert admitted


# Whatever a model says


fragments = st.one_of(
    st.sampled_from([*BLANKS, CALL, OTHER, CALL[:30], "{", "}", '"', "\\", "\n", "```", "[", "，"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([text for text, _ in NO_CALLS.values() if len(text) < 200]),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
calls = st.builds(
    lambda name, arguments: json.dumps({"name": name, "arguments": arguments}),
    st.sampled_from(["delete", "rooms", "x"]),
    values | st.fixed_dictionaries({"path": values}, optional={"force": values}),
)
answers = st.one_of(
    st.lists(fragments, max_size=6).map("".join), st.lists(calls, max_size=3).map("\n".join)
)


@pytest.fixture(scope="module")
def bound():
    """The engine, whose `answers` are set, and the model bound once for each choice."""
    engine = Scripted("", "stop")
    llm = ChatSwallow.from_engine(engine, model="x")
    made = {
        (choice, parallel): llm.bind_tools(BOUND, tool_choice=choice, parallel_tool_calls=parallel)
        for choice in ("auto", "any")
        for parallel in (False, True)
    }
    return engine, made


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    text=answers,
    end=st.sampled_from(["stop", "length", "。"]),
    choice=st.sampled_from(["auto", "any"]),
    parallel=st.booleans(),
)
def test_every_answer_is_text_or_checked_calls_and_the_stream_says_the_same(
    bound, text, end, choice, parallel
):
    engine, made = bound
    engine.answers = [(text, end)] * 2
    whole = made[choice, parallel].invoke("q")
    joined = AIMessageChunk("")
    seen = []
    for chunk in made[choice, parallel].stream("q"):
        joined += chunk
        # What was given once is not taken back or changed.
        assert plain(joined.tool_calls)[: len(seen)] == seen
        seen = plain(joined.tool_calls)
    assert joined.content == whole.content
    assert plain(joined.tool_calls) == plain(whole.tool_calls)
    assert len(joined.invalid_tool_calls) == len(whole.invalid_tool_calls)
    assert joined.response_metadata == whole.response_metadata
    for call in whole.tool_calls:
        assert schema_error(call["args"], RULES.schemas[call["name"]]) is None
    assert whole.content in ("", text)
    if not whole.content and text:
        assert whole.tool_calls or whole.invalid_tool_calls


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(text=answers, pieces=st.lists(st.integers(0, 9), max_size=20))
def test_pieces_do_not_matter(text, pieces):
    def read(sizes):
        reader, said, parts, rest = ToolCallReader(RULES), "", [], text
        for size in [*sizes, len(text)]:
            more, new = reader.feed(rest[:size])
            said, parts, rest = said + more, parts + new, rest[size:]
        more, new = reader.end()
        arguments = {}
        for part in parts + new:
            arguments[part["index"]] = arguments.get(part["index"], "") + part["args"]
        return said + more, {i: text.strip() for i, text in arguments.items()}

    assert read(pieces) == read([])


# An answer of a schema beside calls


ANSWER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "arguments": {"type": "array"}},
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (OTHER, [("rooms", {})]),
        ('{"name": "rooms", "arguments": [1]}', []),
        ('{"name": "田中", "arguments": [1]}', []),
        ('{"name": "田中"}', []),
        ('{"name": "rooms"}', []),
    ],
)
def test_an_answer_that_looks_like_a_call_is_the_answer(text, calls):
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": ANSWER}}
    for message in (
        scripted(text).bind_tools(BOUND, response_format=asked).invoke("q"),
        sum(
            scripted(text).bind_tools(BOUND, response_format=asked).stream("q"), AIMessageChunk("")
        ),
    ):
        assert plain(message.tool_calls) == calls
        assert message.content == ("" if calls else text)
        assert message.invalid_tool_calls == []


# LangChain's parsers and events over a stream


class 送金(BaseModel):
    """送金"""

    円: int
    先: Literal["A", "B"]


def test_langchains_parser_streams_objects_when_they_are_whole():
    text = '{"name": "送金", "arguments": {"円": 500, "先": "A"}}'
    chain = scripted(text).bind_tools([送金]) | PydanticToolsParser(tools=[送金])
    seen = list(chain.stream("q"))
    assert seen[-1] == [送金(円=500, 先="A")]
    assert all(part in ([], seen[-1]) for part in seen)


async def test_events_of_version_three_end_a_cut_call_as_invalid():
    blocks = [
        event["content"]
        for event in scripted(CALL[:50], "length")
        .bind_tools(BOUND)
        .stream_events("q", version="v3")
        if event["event"] == "content-block-finish"
    ]
    assert [block["type"] for block in blocks] == ["invalid_tool_call"]
    blocks = [
        event["content"]
        for event in scripted(CALL).bind_tools(BOUND).stream_events("q", version="v3")
        if event["event"] == "content-block-finish"
    ]
    assert [block["args"] for block in blocks] == [json.loads(CALL)["arguments"]]


def test_a_cut_call_is_still_invalid_after_a_round_of_serialization():
    message = scripted(CALL[:50], "length", streaming=True).bind_tools(BOUND).invoke("q")
    again = AIMessage(**message.model_dump(exclude={"type"}))
    assert again.tool_calls == message.tool_calls == []
    assert again.invalid_tool_calls == message.invalid_tool_calls
