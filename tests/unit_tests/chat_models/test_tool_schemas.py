"""Tools and schemas of every kind: enforced as they are, or refused when they are bound."""

import asyncio
import json
import math
import typing
from typing import Annotated, Any, Optional

import jsonschema
import pytest
import typing_extensions
from langchain_core.exceptions import OutputParserException
from langchain_core.tools import InjectedToolArg, StructuredTool, tool
from pydantic import BaseModel, ConfigDict, Field
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.json_schemas import closed, to_json_schema
from langchain_swallow.chat_models.json_values import schema_error
from langchain_swallow.chat_models.structured_output import answer_grammar
from langchain_swallow.chat_models.tool_schemas import to_openai_tools
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.errors import GrammarError, IncompleteOutputError
from tests.support.byte_vocabulary import admits
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer


def fake(*answers, **fields):
    engine = FakeEngine(answers, trained_tokenizer())
    return ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1", **fields), engine


def call(name, arguments):
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


# Recursive


class Tree(BaseModel):
    """木"""

    value: int
    kids: list["Tree"] = []


class 社員(BaseModel):
    """社員"""

    value: int
    kids: list["社員"] = []
    上司: Optional["社員"] = None


class Odd(BaseModel):
    """奇数段"""

    value: int
    kids: list["Even"] = []


class Even(BaseModel):
    """偶数段"""

    value: int
    kids: list[Odd] = []


Odd.model_rebuild()


class TreeV1(BaseModelV1):
    """木"""

    value: int
    kids: list["TreeV1"] = []


TreeV1.update_forward_refs()


class TreeDict(typing_extensions.TypedDict):
    """木"""

    value: int
    kids: "list[TreeDict]"


class Inherited(Tree):
    """木"""

    model_config = ConfigDict(title="継承")
    name: str = ""


def plant(value: int, kids: list[Tree]) -> str:
    """植える"""
    return "植えた"


@tool
def plant_tool(value: int, kids: list[Odd], user: Annotated[str, InjectedToolArg]) -> str:
    """植える"""
    return "植えた"


BY_REFERENCE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/node",
}
TO_ROOT = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "kids": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["value"],
}
TO_PROPERTY = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "kids": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "kids": {"$ref": "#/properties/kids"},
                },
            },
        },
    },
    "required": ["value"],
}
ALL_OF = {
    "definitions": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "kids": {"type": "array", "items": {"allOf": [{"$ref": "#/definitions/node"}]}},
            },
            "required": ["value"],
        }
    },
    "allOf": [{"$ref": "#/definitions/node"}],
}


def described(schema):
    return {"type": "function", "function": {"name": "f", "description": "", "parameters": schema}}


def mcp(schema):
    return StructuredTool(name="f", description="d", args_schema=schema, func=lambda **_: None)


RECURSIVE = {
    "pydantic": Tree,
    "Japanese names": 社員,
    "two classes": Odd,
    "inherited": Inherited,
    "pydantic v1": TreeV1,
    "TypedDict": TreeDict,
    "function": plant,
    "tool": plant_tool,
    "OpenAI": described(BY_REFERENCE),
    "OpenAI, to its root": described(TO_ROOT),
    "OpenAI, to a property": described(TO_PROPERTY),
    "OpenAI, allOf": described(ALL_OF),
    "titled": {"title": "f", "description": "d", **BY_REFERENCE},
    "MCP": mcp(BY_REFERENCE),
    "MCP, to its root": mcp(TO_ROOT),
    "MCP, to a property": mcp(TO_PROPERTY),
    "MCP, allOf": mcp(ALL_OF),
    "Anthropic": {"name": "f", "input_schema": BY_REFERENCE},
}
GOOD = [
    {"value": 1, "kids": []},
    {"value": 1, "kids": [{"value": 2, "kids": [{"value": 3, "kids": []}]}]},
]
BAD = [
    {"value": 1, "kids": ["x"]},
    {"value": 1, "kids": [None]},
    {"value": 1, "kids": [{"value": 2, "kids": [3]}]},
    {"value": 1, "kids": [{"value": 2, "kids": [{"value": 3, "kids": [{"value": "x"}]}]}]},
]


@pytest.mark.parametrize("kind", RECURSIVE.values(), ids=RECURSIVE)
def test_a_recursive_schema_is_enforced_as_a_tools(kind):
    (name,) = [made["function"]["name"] for made in to_openai_tools([kind])]
    llm, engine = fake(*(call(name, value) for value in [*GOOD, *BAD]))
    bound = llm.bind_tools([kind], tool_choice="any")
    messages = [bound.invoke("q") for _ in [*GOOD, *BAD]]
    assert [m.tool_calls[0]["args"] for m in messages[:2]] == GOOD
    assert [m.tool_calls for m in messages[2:]] == [[]] * 4
    assert all(m.invalid_tool_calls[0]["error"] for m in messages[2:])
    grammar = engine.requests[0].grammar
    assert [admits(grammar, call(name, value)) for value in [*GOOD, *BAD]] == [True] * 2 + [
        False
    ] * 4


CLASSES = {name: kind for name, kind in RECURSIVE.items() if isinstance(kind, (type, dict))}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_recursive_schema_is_enforced_by_every_method(kind, method):
    (name,) = [made["function"]["name"] for made in to_openai_tools([kind])]
    llm, engine = fake(json.dumps(GOOD[1]) if method == "json_schema" else call(name, GOOD[1]))
    value = llm.with_structured_output(kind, method=method).invoke("q")
    value = value.model_dump() if isinstance(value, BaseModel) else value
    value = value.dict() if isinstance(value, BaseModelV1) else value
    assert value["kids"][0]["kids"][0]["value"] == 3
    grammar = engine.requests[0].grammar
    for example, is_good in [*((v, True) for v in GOOD), *((v, False) for v in BAD)]:
        text = json.dumps(example) if method == "json_schema" else call(name, example)
        assert admits(grammar, text) == is_good, example


def test_the_model_is_shown_what_a_recursive_tool_refers_to():
    llm, engine = fake("はい。")
    llm.bind_tools([Tree]).invoke("q")
    shown = engine.tokenizer.decode(engine.requests[0].prompt_ids)
    assert '- value（必須）{"type": "integer"}' in shown
    assert '"items": {"$ref": "#/$defs/Tree"}' in shown
    assert (
        '$defs: {"Tree": {"description": "木", "properties": {"value": {"type": "integer"}' in shown
    )


def test_a_recursive_typed_dict_that_pydantic_does_not_take_is_refused():
    Old = typing.TypedDict("Old", {"kids": "list[Old]"})  # noqa: UP013
    Old.__annotations__["kids"] = list[Old]
    Old.__module__ = __name__
    globals()["Old"] = Old
    llm, _ = fake()
    try:
        enforced = llm.bind_tools([Old])
    except GrammarError as error:
        assert "typing_extensions.TypedDict" in str(error)  # noqa: PT017
    else:  # Python 3.12 and later
        assert "$ref" in json.dumps(enforced.kwargs["tools"])


# Boolean schemas, and schemas of anything


ANYTHING = [None, True, 3, -2.5, "字", [], [1, [None]], {}, {"a": {"b": [1.5]}}]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"properties": {"x": True}}, [{"x": v} for v in ANYTHING] + [{}], []),
        ({"properties": {"x": {}}}, [{"x": v} for v in ANYTHING], []),
        (
            {"properties": {"x": {"title": "X", "description": "d"}}},
            [{"x": v} for v in ANYTHING],
            [],
        ),
        ({"properties": {"x": True}, "required": ["x"]}, [{"x": None}], [{}]),
        ({"properties": {"x": False}}, [{}], [{"x": 1}]),
        ({"properties": {"x": {"type": "array"}}}, [{"x": ANYTHING}], [{"x": 1}]),
        ({"properties": {"x": {"type": "array", "items": True}}}, [{"x": ANYTHING}], [{"x": {}}]),
        ({"properties": {"x": {"type": "array", "items": False}}}, [{"x": []}], [{"x": [1]}]),
        (
            {"properties": {"x": {"type": "array", "prefixItems": [True, {"type": "null"}]}}},
            [{"x": [1, None, "a"]}],
            [{"x": [1, 2]}],
        ),
        ({"additionalProperties": True}, [{"a": v} for v in ANYTHING], []),
        ({}, [{}], [{"a": 1}]),
        ({"type": "object"}, [{"a": v} for v in ANYTHING], []),
        ({"properties": {"a": {"type": "null"}}, "additionalProperties": False}, [{}], [{"b": 1}]),
        (
            {"additionalProperties": {"type": "integer"}},
            [{"a": 1, "b": 2}],
            [{"a": "1"}],
        ),
        (
            {"properties": {"x": {"anyOf": [{"type": "null"}, {"type": "array"}]}}},
            [{"x": None}, {"x": [1]}],
            [{"x": 1}],
        ),
        (
            {"properties": {"x": {"type": ["integer", "null"]}}},
            [{"x": None}, {"x": 1}],
            [{"x": "1"}],
        ),
        (
            {"properties": {"enum": {"type": "integer"}, "default": True, "title": {"const": 1}}},
            [{"enum": 1, "default": "x", "title": 1}],
            [{"enum": "1"}, {"title": 2}],
        ),
        (
            {
                "properties": {"x": {"$ref": "#/$defs/any"}},
                "$defs": {"any": True},
            },
            [{"x": v} for v in ANYTHING],
            [],
        ),
        (
            {
                "properties": {
                    "x": {
                        "$ref": "#/$defs/base",
                        "properties": {"b": {"type": "string"}},
                        "required": ["b"],
                    }
                },
                "$defs": {
                    "base": {
                        "type": "object",
                        "properties": {"a": {"type": "integer"}},
                        "required": ["a"],
                    }
                },
            },
            [{"x": {"a": 1, "b": "c"}}],
            [{"x": {"a": 1}}, {"x": {"a": "1", "b": "c"}}],
        ),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_boolean_and_open_schemas_are_enforced_in_tools(schema, good, bad):
    llm, engine = fake(*(call("f", value) for value in [*good, *bad]))
    bound = llm.bind_tools([described(schema)], tool_choice="any")
    for value in good:
        assert bound.invoke("q").tool_calls[0]["args"] == value
        assert admits(engine.requests[0].grammar, call("f", value))
    for value in bad:
        assert bound.invoke("q").tool_calls == []
        assert not admits(engine.requests[0].grammar, call("f", value))


def test_parameters_that_are_true_are_any_object():
    llm, engine = fake(call("f", {"a": 1}), call("f", 3))
    bound = llm.bind_tools([described(True)], tool_choice="any")
    assert bound.invoke("q").tool_calls[0]["args"] == {"a": 1}
    assert bound.invoke("q").tool_calls == []
    assert not admits(engine.requests[0].grammar, call("f", 3))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": ["string", "null"]},
        False,
        {"type": "object", "properties": {"x": False}, "required": ["x"]},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema.json"},
    ],
    ids=str,
)
def test_parameters_that_are_no_object_are_refused_when_bound(schema):
    llm, _ = fake()
    with pytest.raises(GrammarError):
        llm.bind_tools([described(schema)])


# Numbers


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E400", "9" * 400, "-" + "9" * 400])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number"},
        {"type": "integer"},
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMaximum": 0},
        {"type": "integer", "minimum": 1},
        {"type": "number", "multipleOf": 0.5},
        {"type": ["number", "null"]},
        {"anyOf": [{"type": "number"}, {"type": "string"}]},
        {},
        True,
    ],
    ids=str,
)
def test_no_grammar_admits_a_number_that_is_not_finite(schema, number):
    whole = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    assert not admits(answer_grammar(closed(whole)), f'{{"x": {number}}}')
    nested = {"type": "object", "properties": {"x": {"type": "array", "items": schema}}}
    assert not admits(answer_grammar(closed(nested)), f'{{"x": [{number}]}}')
    assert not admits(answer_grammar({"type": "object"}), f'{{"x": {number}}}')


@pytest.mark.parametrize("number", ["0", "-1", "3.14", "0.000001", "9007199254740991"])
def test_other_numbers_may_come_out(number):
    for schema in ({"type": "number"}, {}, {"type": ["null", "number"]}):
        whole = {"type": "object", "properties": {"x": schema}}
        assert admits(answer_grammar(closed(whole)), f'{{"x": {number}}}')


@pytest.mark.parametrize("text", ['{"x": 1e999}', '{"x": NaN}', '{"x": [-Infinity]}'])
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_a_number_that_is_not_finite_is_not_taken(text, method):
    schema = {"title": "t", "type": "object", "properties": {"x": True}}
    llm, _ = fake(text, text)
    structured = llm.with_structured_output(schema, method=method)
    with pytest.raises(OutputParserException, match="not valid JSON"):
        structured.invoke("q")
    with pytest.raises(OutputParserException, match="not valid JSON"):
        list(structured.stream("q"))


# What is not a tool


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([{"type": "web_search"}], "such as web_search, do not exist here"),
        ([{"type": "web_search_20250305", "name": "web_search"}], "do not exist here"),
        ([{"type": "computer_use_preview", "display_width": 1}], "Pass functions"),
        ([{"type": "code_interpreter", "container": {"type": "auto"}}], "Pass functions"),
        ([{"type": "mcp", "server_url": "https://example.com"}], "Pass functions"),
        ([{"type": "function"}], "has no name"),
        ([{"type": "function", "function": {}}], "has no name"),
        ([{"type": "function", "function": {"name": 3}}], "has no name"),
        ([{"type": "function", "function": {"name": ""}}], "has no name"),
        ([{}], "is not a tool"),
        ([{"name": "f", "parameters": "x"}], "Pass a JSON schema"),
        ([3], "3 is not a tool"),
        (["search"], "'search' is not a tool"),
        ([None], "None is not a tool"),
        ({"type": "function", "function": {"name": "f"}}, "must be a list"),
        ("search", "must be a list"),
        ([{"name": "f", "parameters": {}}, {"name": "f", "parameters": TO_ROOT}], "Two tools"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_not_a_tool_is_refused_and_the_error_says_what_is(tools, message):
    llm, _ = fake("a")
    with pytest.raises(GrammarError, match=message):
        llm.bind_tools(tools)
    with pytest.raises(GrammarError, match=message):
        llm.invoke("q", tools=tools)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": None},
        {"properties": {"x": "string"}},
        {"properties": {"x": None}},
        {"properties": {}, "required": 3},
        {"properties": {"x": {"type": "integer", "minimum": "0"}}},
        {"properties": {"x": {"anyOf": 3}}},
        {"properties": {"x": {}}, "$defs": None},
        {"type": 3},
        {"$ref": 3},
    ],
    ids=str,
)
def test_what_is_not_a_json_schema_is_refused_when_bound(schema):
    llm, _ = fake("{}")
    with pytest.raises(GrammarError):
        llm.bind_tools([described(schema)])
    with pytest.raises(GrammarError):
        llm.with_structured_output({"title": "t", "type": "object", **schema})


def test_no_pattern_takes_long_to_check():
    schema = {"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    llm, _ = fake(call("f", {"x": "a" * 50 + "b"}))
    message = llm.bind_tools([described(schema)]).invoke("q")
    assert "does not match '^(a+)+$'" in message.invalid_tool_calls[0]["error"]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "pattern": r"^\p{Han}+$"}, "東京", "とうきょう"),
        ({"type": "number", "multipleOf": 0.01}, 19.99, 19.995),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-02-29"),
        ({"type": "string", "format": "uuid"}, "00000000-0000-0000-0000-000000000003", "3"),
    ],
    ids=["pattern", "multiple", "date", "uuid"],
)
def test_values_are_checked_as_the_grammar_has_them(schema, good, bad):
    llm, engine = fake(call("f", {"x": good}), call("f", {"x": bad}))
    bound = llm.bind_tools([described({"properties": {"x": schema}})], tool_choice="any")
    assert bound.invoke("q").tool_calls[0]["args"] == {"x": good}
    assert bound.invoke("q").tool_calls == []
    assert admits(engine.requests[0].grammar, call("f", {"x": good}))


@pytest.mark.parametrize("factor", [0.01, 1e-300, 5, 0.5])
@pytest.mark.parametrize("value", [1e26, 1e308, -1e300, 10**30, 10**4000, 0, 0.0, True])
def test_large_numbers_are_multiples(value, factor):
    assert schema_error(value, {"multipleOf": factor}) is None


@pytest.mark.parametrize(
    ("value", "factor"),
    [(10**30 + 1, 7), (1e300, 7), (10**200 + 1, 10), (10**40 + 1, 3.5), (1e-300, 0.01)],
    ids=["int", "float", "200 digits", "of a float", "small"],
)
def test_large_numbers_that_are_no_multiples_are_errors(value, factor):
    assert "is not a multiple of" in schema_error(value, {"multipleOf": factor})


def test_the_dicts_of_other_providers_are_tools():
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    tools = [
        {"type": "function", "name": "responses", "parameters": schema},
        {"name": "anthropic", "input_schema": schema},
        {"type": "custom", "name": "custom", "input_schema": schema},
        {"toolSpec": {"name": "bedrock", "inputSchema": {"json": schema}}},
        {"title": "titled", **schema},
        described(schema),
    ]
    names = ["responses", "anthropic", "custom", "bedrock", "titled", "f"]
    llm, _ = fake(*(call(name, {"x": 1}) for name in names))
    bound = llm.bind_tools(tools, tool_choice="any")
    assert [bound.invoke("q").tool_calls[0]["name"] for _ in names] == names


@pytest.mark.parametrize(
    ("choice", "meant"),
    [({"type": "auto"}, "auto"), ({"type": "any"}, "any"), ({"type": "tool", "name": "f"}, "f")],
)
def test_anthropics_words_for_a_choice_are_known(choice, meant):
    llm, engine = fake(call("f", {}), call("f", {}))
    for word in (choice, meant):
        llm.bind_tools([described({})], tool_choice=word).invoke("q")
    assert engine.requests[0].grammar == engine.requests[1].grammar


@pytest.mark.parametrize(
    "given",
    [
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {}},
        {"type": "json_schema", "json_schema": {"name": "x"}},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": None}},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": "object"}},
        {"type": "json_schema", "schema": {"type": "object"}},
        {"type": "xml"},
        {},
        3,
    ],
    ids=str,
)
def test_a_response_format_without_schema_is_refused_and_the_error_says_what_is_taken(given):
    llm, _ = fake("a")
    with pytest.raises(GrammarError, match=r"Unknown response_format .* Use \{'type'"):
        llm.invoke("q", response_format=given)


# A stop string within JSON


class 回答(BaseModel):
    """回答"""

    文: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("schema", [回答, to_json_schema(回答)], ids=["class", "dict"])
@pytest.mark.parametrize("stop", ["。", '"', "}", "文"])
def test_a_stop_string_within_json_is_a_typed_error_that_names_it(method, schema, stop):
    text = json.dumps({"文": "東京。大阪"}, ensure_ascii=False)
    if method == "function_calling":
        text = call("回答", {"文": "東京。大阪"})
    llm, _ = fake(text, text, text, stop=[stop])
    structured = llm.with_structured_output(schema, method=method)
    for ask in (structured.invoke, lambda q: list(structured.stream(q))):
        with pytest.raises(IncompleteOutputError) as caught:
            ask("q")
        assert f"The stop string {stop!r}" in str(caught.value)
        assert text.split(stop)[0].endswith(caught.value.partial)
    raw = llm.with_structured_output(schema, method=method, include_raw=True).invoke("q")
    assert isinstance(raw["parsing_error"], IncompleteOutputError)
    assert raw["parsed"] is None


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_a_stop_string_behind_the_json_does_no_harm(method):
    text = json.dumps({"文": "東京"}, ensure_ascii=False)
    if method == "function_calling":
        text = call("回答", {"文": "東京"})
    llm, _ = fake(text + "\n\n以上", text + "\n\n以上", stop=["\n\n"])
    structured = llm.with_structured_output(回答, method=method)
    assert structured.invoke("q") == list(structured.stream("q"))[-1] == 回答(文="東京")


@pytest.mark.parametrize("text", ["東京です。", "", '{"文": 3', '{"文": "a"} です', '["a"]', "3"])
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_an_answer_that_is_not_the_json_is_an_error_of_langchains_parsers(method, text):
    llm, _ = fake(text, text)
    structured = llm.with_structured_output(to_json_schema(回答), method=method)
    with pytest.raises(OutputParserException):
        structured.invoke("q")
    with pytest.raises(OutputParserException):
        list(structured.stream("q"))


# Random weights, real grammar


@pytest.fixture(scope="module")
def random_llm():
    engine = LocalEngine(tiny(), trained_tokenizer(), context_window=2048)
    yield ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1", max_tokens=250)
    engine.close()


class Small(BaseModel):
    """木"""

    値: Annotated[int, Field(ge=0, le=9)]
    子: Annotated[list["Small"], Field(max_length=1)] = []
    何か: Any = None
    率: float = 0.0


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["auto", "any"])
def test_whatever_random_weights_say_a_call_is_valid(random_llm, choice):
    bound = random_llm.bind_tools([Small, plant], tool_choice=choice, parallel_tool_calls=True)
    schemas = {
        made["function"]["name"]: made["function"]["parameters"]
        for made in to_openai_tools([Small, plant])
    }
    valid = cut = 0
    for seed in range(12):
        options = {"temperature": 1.5, "seed": seed, "max_tokens": 40 + 20 * seed}
        whole = bound.invoke("x", **options)
        chunks = list(bound.stream("x", **options))
        joined = sum(chunks[1:], chunks[0])
        assert joined.content == whole.content
        assert [c["args"] for c in joined.tool_calls] == [c["args"] for c in whole.tool_calls]
        assert len(joined.invalid_tool_calls) == len(whole.invalid_tool_calls)
        for made in whole.tool_calls:
            jsonschema.validate(made["args"], schemas[made["name"]])
            json.dumps(made["args"], allow_nan=False)
        valid += len(whole.tool_calls)
        cut += len(whole.invalid_tool_calls)
        # What is not valid was cut, and nothing else.
        assert all("max_tokens" in c["error"] for c in whole.invalid_tool_calls)
    assert cut or valid or choice == "auto"


# Keys of a TypedDict that may be left out, and what constrains nothing


class Part(typing.TypedDict):
    """部分"""

    name: typing_extensions.NotRequired[str]
    size: typing.Annotated[int, ..., "大きさ"]


class Order(typing.TypedDict):
    """注文"""

    parts: list[Part]
    note: typing_extensions.NotRequired[typing.Annotated[str, ..., "備考"]]


class Loose(typing_extensions.TypedDict, total=False):
    """ゆるい"""

    parts: "typing_extensions.Required[dict[str, Part] | list[Part]]"
    note: str | None


GIVEN = [{"parts": [{"size": 3}]}, {"parts": [{"name": "軸", "size": 3}], "note": "急ぎ"}]


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("kind", [Order, Loose])
@pytest.mark.parametrize("given", GIVEN)
def test_keys_of_a_typed_dict_may_be_left_out(kind, method, given):
    text = json.dumps(given, ensure_ascii=False)
    call = f'{{"name": "{kind.__name__}", "arguments": {text}}}'
    llm, _ = fake(call if method == "function_calling" else text)
    assert llm.with_structured_output(kind, method=method).invoke("q") == given


@pytest.mark.parametrize("kind", [Order, Loose])
def test_the_other_keys_of_a_typed_dict_are_required(kind):
    (tool,) = to_openai_tools([kind])
    schema = tool["function"]["parameters"]
    assert tool["function"]["description"] == kind.__doc__
    assert schema["required"] == ["parts"]
    assert schema["$defs"]["Part"]["required"] == ["size"]
    assert schema["$defs"]["Part"]["properties"]["size"]["description"] == "大きさ"


def no_limit(most: float = math.inf) -> str:
    """探す"""


class NoLimit(BaseModel):
    """探す"""

    most: int = Field(default=1, le=2**128)
    least: float = -math.inf


def test_what_constrains_nothing_need_not_be_json():
    llm, _ = fake('{"name": "no_limit", "arguments": {"most": 2}}')
    assert llm.bind_tools([no_limit]).invoke("q").tool_calls[0]["args"] == {"most": 2}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_limits_may_be_longer_than_a_machine_word(method):
    text = '{"most": 3, "least": -1.5}'
    call = f'{{"name": "NoLimit", "arguments": {text}}}'
    llm, _ = fake(call if method == "function_calling" else text)
    made = llm.with_structured_output(NoLimit, method=method).invoke("q")
    assert made == NoLimit(most=3, least=-1.5)


@pytest.mark.parametrize("key", ["default", "maximum", "enum"])
def test_a_schema_that_is_not_json_is_refused_when_bound(key):
    schema = {"title": "A", "type": "object", "properties": {"x": {"type": "number", key: {1}}}}
    llm, _ = fake()
    with pytest.raises(GrammarError):
        llm.with_structured_output(schema)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [('{"size": "大"}}', "'大' is not of type 'integer'"), ('{"size": ', "ended within the call")],
)
def test_a_stream_says_as_invoke_does_what_is_wrong_with_a_call(arguments, reason):
    call = f'{{"name": "Part", "arguments": {arguments}'
    llm, _ = fake(call, call)
    made = llm.with_structured_output(Part, method="function_calling")
    with pytest.raises(OutputParserException, match=reason) as invoked:
        made.invoke("q")
    with pytest.raises(OutputParserException, match=reason) as streamed:
        list(made.stream("q"))
    assert str(streamed.value) == str(invoked.value)


@pytest.mark.parametrize("text", ['{"size": 3}', '{"size": "大"}', '{"size": '])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_with_raw_a_stream_gives_the_error_as_invoke_does(method, text):
    call = f'{{"name": "Part", "arguments": {text}' + "}" * text.endswith("}")
    given = call if method == "function_calling" else text
    llm, _ = fake(given, given, given)
    made = llm.with_structured_output(Part, method=method, include_raw=True)

    async def astream():
        return [part async for part in made.astream("q")]

    invoked = made.invoke("q")
    for (streamed,) in (list(made.stream("q")), asyncio.run(astream())):
        assert streamed.keys() == invoked.keys() == {"raw", "parsed", "parsing_error"}
        assert streamed["parsed"] == invoked["parsed"]
        assert repr(streamed["parsing_error"]) == repr(invoked["parsing_error"])
