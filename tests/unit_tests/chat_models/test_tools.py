"""Tools and structured output: what the model is told, what it may answer, what callers get."""

import json
from typing import Annotated, Literal, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.json_schemas import closed, to_json_schema
from langchain_swallow.chat_models.tool_call_lines import CallRules
from langchain_swallow.chat_models.tool_calls import ToolCallReader, read_calls
from langchain_swallow.chat_models.tools import ToolUse
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.errors import GrammarError, IncompleteOutputError
from tests.support.byte_vocabulary import admits
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer


@tool
def 天気(都市: Annotated[str, "都市の名前"], 日数: int = 1) -> str:
    """天気予報を調べる。"""
    return f"{都市}は晴れ"


@tool
def list_rooms() -> str:
    """空いている会議室の一覧を出す。"""
    return "A会議室"


class 社員(BaseModel):
    """社員の記録。"""

    名前: str = Field(description="姓名", max_length=8)
    部署: Literal["営業", "経理"]
    年齢: int | None = None


def fake(*answers, **fields):
    engine = FakeEngine(answers, trained_tokenizer())
    return ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1", **fields), engine


def sent(engine):
    """The prompts, without the space that decoding puts after a special token."""
    texts = [engine.tokenizer.decode(request.prompt_ids) for request in engine.requests]
    return [text.replace("s> ", "s>") for text in texts]


@pytest.fixture(scope="module")
def random_llm():
    """Random weights, real grammar."""
    engine = LocalEngine(tiny(), trained_tokenizer(), context_window=2048)
    yield ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1", max_tokens=400)
    engine.close()


# What the model is told


def test_the_prompt_of_a_tool_is_the_documented_one():
    llm, engine = fake("はい。", system_prompt="誠実に。")
    llm.bind_tools([天気, list_rooms]).invoke("東京は？")
    assert sent(engine)[0] == (
        """<s>[INST] <<SYS>>
誠実に。
次のツールを使えます。使うときは、呼び出しだけを次の形の JSON で書いてください。
{"name": "ツールの名前", "arguments": {"引数の名前": 値}}
ツールの結果は次の発言で渡されます。
ツールを使わなくても答えられるときは、ふつうの文で答えてください。

## 天気
天気予報を調べる。
- 都市（必須）{"type": "string"} 都市の名前
- 日数（省略可）{"default": 1, "type": "integer"}

## list_rooms
空いている会議室の一覧を出す。
<</SYS>>

東京は？ [/INST] """
    )


def test_calls_and_results_have_a_place_in_the_format():
    llm, engine = fake("晴れです。")
    call = {"name": "天気", "args": {"都市": "東京"}, "id": "1", "type": "tool_call"}
    llm.bind_tools([天気]).invoke(
        [
            HumanMessage("東京は？"),
            AIMessage("", tool_calls=[call]),
            ToolMessage("晴れ", tool_call_id="1", name="天気"),
        ]
    )
    assert sent(engine)[0].endswith(
        '東京は？ [/INST] {"name": "天気", "arguments": {"都市": "東京"}}</s>'
        "[INST] ツール「天気」の結果:\n晴れ [/INST] "
    )


def test_no_tools_are_shown_when_none_may_be_called():
    llm, engine = fake("x", "x")
    llm.bind_tools([天気], tool_choice="none").invoke("東京は？")
    llm.invoke("東京は？")
    assert sent(engine)[0] == sent(engine)[1]
    assert engine.requests[0].grammar is None


def test_counting_counts_the_tools():
    llm, engine = fake("x")
    message = [HumanMessage("東京は？")]
    counted = llm.get_num_tokens_from_messages(message, tools=[天気])
    llm.bind_tools([天気]).invoke(message)
    assert counted == len(engine.requests[0].prompt_ids)


def test_a_schema_is_shown_to_the_model():
    llm, engine = fake('{"件名": "会議"}', system_prompt=None)
    llm.with_structured_output(記録).invoke("題は？")
    assert sent(engine)[0] == (
        "<s>[INST] <<SYS>>\n次の JSON スキーマに従って、JSON だけで答えてください。\n"
        '{"description": "記録", "type": "object", "properties": {"件名": {"description": "件名", '
        '"type": "string"}}, "required": ["件名"], "additionalProperties": false}'
        "\n<</SYS>>\n\n題は？ [/INST] "
    )


# What callers get


def test_an_answer_that_is_a_call_becomes_a_tool_call():
    llm, _ = fake('{"name": "天気", "arguments": {"都市": "東京", "日数": 2}}')
    message = llm.bind_tools([天気]).invoke("東京は？")
    assert message.content == ""
    assert message.tool_calls[0]["name"] == "天気"
    assert message.tool_calls[0]["args"] == {"都市": "東京", "日数": 2}
    assert message.tool_calls[0]["id"].startswith("call_")
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_free_text_stays_text():
    llm, _ = fake("波括弧 { は文字です。")
    message = llm.bind_tools([天気]).invoke("こんにちは")
    assert (message.content, message.tool_calls) == ("波括弧 { は文字です。", [])


def test_several_calls_come_one_a_line():
    lines = [
        '{"name": "天気", "arguments": {"都市": "東京"}}',
        '{"name": "list_rooms", "arguments": {}}',
    ]
    llm, engine = fake("\n".join(lines))
    message = llm.bind_tools([天気, list_rooms], parallel_tool_calls=True).invoke("両方")
    assert [call["name"] for call in message.tool_calls] == ["天気", "list_rooms"]
    assert "一行に一つずつ" in sent(engine)[0]


def test_a_streamed_call_joins_to_the_invoked_one():
    text = '{"name": "天気", "arguments": {"都市": "{東}京", "日数": 12}}'
    llm, _ = fake(text, text)
    bound = llm.bind_tools([天気])
    chunks = list(bound.stream("東京は？"))
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined += chunk
    invoked = bound.invoke("東京は？")
    assert joined.content == ""
    assert joined.invalid_tool_calls == []
    assert [(c["name"], c["args"]) for c in joined.tool_calls] == [
        (c["name"], c["args"]) for c in invoked.tool_calls
    ]
    assert joined.response_metadata["finish_reason"] == "tool_calls"
    # Its name comes first; its arguments come when they are whole and were checked.
    parts = [chunk for chunk in chunks if chunk.tool_call_chunks]
    assert [part.tool_call_chunks[0]["name"] for part in parts] == ["天気", None]
    assert parts[0].tool_calls == []


async def test_a_streamed_call_is_the_same_async():
    llm, _ = fake('{"name": "list_rooms", "arguments": {}}')
    joined = None
    async for chunk in llm.bind_tools([list_rooms]).astream("部屋は？"):
        joined = chunk if joined is None else joined + chunk
    assert [(c["name"], c["args"]) for c in joined.tool_calls] == [("list_rooms", {})]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_the_reader_gives_the_same_calls_whatever_the_pieces(size):
    text = '{"name": "a", "arguments": {"x": {"y": "}\\n\\"}"}}}\n{"name": "b", "arguments": {}}'
    rules = CallRules({"a": {}, "b": {}}, parallel=True)
    reader = ToolCallReader(rules)
    parts = []
    for start in range(0, len(text), size):
        parts += reader.feed(text[start : start + size])[1]
    parts += reader.end()[1]
    arguments = {0: "", 1: ""}
    for part in parts:
        arguments[part["index"]] += part["args"] or ""
    assert [p["name"] for p in parts if p["name"]] == ["a", "b"]
    assert [json.loads(a) for a in arguments.values()] == [
        call.arguments for call in read_calls(text, rules)
    ]


def test_a_call_cut_by_max_tokens_is_invalid_and_not_lost():
    llm, _ = fake('{"name": "天気", "arguments": {"都市": "東')
    message = llm.bind_tools([天気]).invoke("東京は？")
    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["args"] == '{"都市": "東'
    assert "max_tokens" in message.invalid_tool_calls[0]["error"]


def test_an_answer_in_a_schema_or_a_call():
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": to_json_schema(社員)}}
    answer = '{"name": "これは答え", "部署": "営業"}'
    llm, engine = fake(answer, '{"name": "list_rooms", "arguments": {}}')
    bound = llm.bind_tools([list_rooms], response_format=asked)
    assert bound.invoke("田中").content == answer
    assert bound.invoke("部屋").tool_calls[0]["name"] == "list_rooms"
    grammar = engine.requests[0].grammar
    assert "answer: %json" in grammar.text
    # Both begin with a brace and a quotation mark.
    assert admits(grammar, '{"名前": "田中", "部署": "営業"}')
    assert admits(grammar, '{"name": "list_rooms", "arguments": {}}')
    assert not admits(grammar, '{"名前": "list_rooms", "arguments": {}}')


# What is refused


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        ({"not": {"type": "string"}}, "not"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "string", "format": "湯桶"}, "湯桶"),
        ({"type": "string", "pattern": "(?=x)y"}, "look-around"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"type": "integer", "maximum": -6, "multipleOf": 5}, "multipleOf"),
    ],
    ids=["not", "uniqueItems", "format", "pattern", "ref", "negative multipleOf"],
)
def test_a_schema_that_cannot_be_enforced_is_refused_when_it_is_bound(schema, part):
    llm, _ = fake()
    whole = {"title": "x", "type": "object", "properties": {"a": schema}}
    with pytest.raises(GrammarError, match=part):
        llm.with_structured_output(whole)
    function = {"name": "f", "description": "", "parameters": whole}
    with pytest.raises(GrammarError, match=part):
        llm.bind_tools([{"type": "function", "function": function}])


def test_an_unknown_choice_is_refused_when_it_is_bound():
    llm, _ = fake()
    with pytest.raises(ValueError, match="Unknown tool_choice '地図'"):
        llm.bind_tools([天気], tool_choice="地図")
    with pytest.raises(ValueError, match="Unknown method 'xml'"):
        llm.with_structured_output(社員, method="xml")
    with pytest.raises(ValueError, match="Unknown response_format"):
        llm.invoke("x", response_format="json")


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (None, "auto"),
        ("required", "any"),
        (True, "any"),
        ("天気", "天気"),
        ({"type": "function", "function": {"name": "天気"}}, "天気"),
    ],
)
def test_openai_words_for_a_choice_are_known(choice, meant):
    llm, engine = fake('{"name": "天気", "arguments": {"都市": "東京"}}')
    llm.bind_tools([天気, list_rooms], tool_choice=choice).invoke("東京は？")
    use = ToolUse(tuple(engine_tools()), meant)
    assert engine.requests[0].grammar == use.grammar


def engine_tools():
    from langchain_core.utils.function_calling import convert_to_openai_tool

    return [convert_to_openai_tool(天気), convert_to_openai_tool(list_rooms)]


# Structured output


class 記録(TypedDict):
    """記録"""

    件名: Annotated[str, ..., "件名"]


class 社員V1(BaseModelV1):
    """社員"""

    名前: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize(
    ("schema", "value", "wanted"),
    [
        (社員, {"名前": "田中", "部署": "営業"}, 社員(名前="田中", 部署="営業")),
        (社員V1, {"名前": "田中"}, 社員V1(名前="田中")),
        (記録, {"件名": "会議"}, {"件名": "会議"}),
        (
            {"title": "t", "type": "object", "properties": {"a": {"type": "null"}}},
            {"a": None},
            {"a": None},
        ),
    ],
    ids=["pydantic", "pydantic v1", "TypedDict", "JSON schema"],
)
def test_every_kind_of_schema_by_every_method(schema, value, wanted, method):
    name = getattr(schema, "__name__", "t")
    text = json.dumps(value, ensure_ascii=False)
    if method == "function_calling":
        text = json.dumps({"name": name, "arguments": value}, ensure_ascii=False)
    llm, _ = fake(text, text, text)
    structured = llm.with_structured_output(schema, method=method)
    assert structured.invoke("x") == wanted
    assert list(structured.stream("x"))[-1] == wanted
    raw = llm.with_structured_output(schema, method=method, include_raw=True).invoke("x")
    assert raw["parsed"] == wanted
    assert isinstance(raw["raw"], AIMessage)
    assert raw["parsing_error"] is None


def test_a_dict_streams_as_it_grows():
    llm, _ = fake('{"件名": "会議室"}')
    seen = list(llm.with_structured_output(記録).stream("x"))
    assert seen[-1] == {"件名": "会議室"}
    assert {"件名": "会"} in seen


class 検査付き(BaseModel):
    """検査"""

    数: int

    @field_validator("数")
    @classmethod
    def even(cls, value):
        if value % 2:
            raise ValueError("偶数でない")
        return value


def test_checks_beyond_the_schema_are_the_callers():
    llm, engine = fake('{"数": 3}', '{"数": 3}')
    with pytest.raises(ValidationError, match="偶数でない"):
        llm.with_structured_output(検査付き).invoke("x")
    raw = llm.with_structured_output(検査付き, include_raw=True).invoke("x", max_tokens=30)
    assert engine.requests[-1].max_tokens == 30
    assert raw["parsed"] is None
    assert isinstance(raw["parsing_error"], ValidationError)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_max_tokens_before_the_end_is_a_typed_error_with_the_text(random_llm, method):
    structured = random_llm.with_structured_output(記録, method=method)
    with pytest.raises(IncompleteOutputError, match="max_tokens was reached") as error:
        structured.invoke("x", max_tokens=30)
    assert error.value.partial
    with pytest.raises(IncompleteOutputError):
        list(structured.stream("x", max_tokens=30))
    raw = random_llm.with_structured_output(記録, method=method, include_raw=True)
    assert isinstance(raw.invoke("x", max_tokens=30)["parsing_error"], IncompleteOutputError)


# Schemas


def test_objects_are_closed_unless_they_are_put_together():
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    made = closed({"type": "object", "properties": {"x": inner}})
    assert made["additionalProperties"] is False
    assert made["properties"]["x"]["additionalProperties"] is False
    together = {"allOf": [inner, {"type": "object", "properties": {"b": {}}}]}
    assert closed(together) == together
    assert closed({**inner, "additionalProperties": True})["additionalProperties"] is True


class Node(BaseModel):
    """木"""

    値: int = Field(ge=0, le=9)
    子: list["Node"] = Field(max_length=1)


class 住所(BaseModel):
    """住所"""

    市: str = Field(max_length=4)


class 顧客(BaseModel):
    """顧客"""

    自宅: 住所
    勤務先: 住所


def test_classes_with_japanese_names_may_refer_to_each_other(random_llm):
    structured = random_llm.with_structured_output(顧客)
    assert isinstance(structured.invoke("x", temperature=1.0, seed=1), 顧客)


def test_a_recursive_class_is_enforced(random_llm):
    structured = random_llm.with_structured_output(Node)
    assert isinstance(structured.invoke("x", temperature=1.0, seed=1), Node)


def test_tools_are_called_with_valid_arguments_by_random_weights(random_llm):
    @tool
    def 予約(部屋: Literal["A", "B"], 人数: Annotated[int, Field(ge=1, le=20)]) -> str:
        """会議室を予約する。"""

    for seed in range(5):
        bound = random_llm.bind_tools([予約, list_rooms], tool_choice="any")
        message = bound.invoke("x", temperature=1.5, seed=seed)
        (call,) = message.tool_calls
        if call["name"] == "予約":
            assert call["args"]["部屋"] in ("A", "B")
            assert 1 <= call["args"]["人数"] <= 20
