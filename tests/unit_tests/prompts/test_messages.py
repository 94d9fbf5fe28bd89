"""LangChain messages → turns."""

import enum
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts.messages import to_turns

CALL = {"name": "検索", "args": {"語": "休暇"}, "id": "1"}
BROKEN = {"name": "検索", "args": '{"語": "休', "id": "1", "error": "max_tokens was reached."}


@pytest.mark.parametrize(
    ("message", "turn"),
    [
        (SystemMessage("簡潔に"), ("system", "簡潔に")),
        (HumanMessage("問"), ("user", "問")),
        (AIMessage("答"), ("assistant", "答")),
        (ChatMessage("問", role="user"), ("user", "問")),
        (ChatMessage("問", role="human"), ("user", "問")),
        (ToolMessage("3件", tool_call_id="1", name="検索"), ("user", "ツール「検索」の結果:\n3件")),
        (
            ToolMessage("失敗", tool_call_id="1", status="error"),
            ("user", "ツール「1」のエラー:\n失敗"),
        ),
        (
            AIMessage("調べます。", tool_calls=[CALL]),
            ("assistant", '調べます。\n{"name": "検索", "arguments": {"語": "休暇"}}'),
        ),
        (
            AIMessage(
                [{"type": "tool_use", "name": "検索", "input": {}, "id": "1"}], tool_calls=[CALL]
            ),
            ("assistant", '{"name": "検索", "arguments": {"語": "休暇"}}'),
        ),
        (HumanMessage(["一", {"type": "text", "text": "二"}]), ("user", "一\n二")),
        (AIMessage([{"type": "reasoning", "reasoning": "考え"}, "答"]), ("assistant", "答")),
        (
            HumanMessage([{"type": "tool_result", "content": [{"type": "text", "text": "晴れ"}]}]),
            ("user", "晴れ"),
        ),
        (HumanMessage([{"type": "text-plain", "text": "議事録"}]), ("user", "議事録")),
        (HumanMessage([{"type": "tool_result", "content": None}]), ("user", "")),
        (
            AIMessage("", invalid_tool_calls=[BROKEN]),
            ("assistant", '{"name": "検索", "arguments": {"語": "休'),
        ),
        (
            AIMessage("調べます。", tool_calls=[CALL], invalid_tool_calls=[BROKEN]),
            (
                "assistant",
                '調べます。\n{"name": "検索", "arguments": {"語": "休暇"}}\n'
                '{"name": "検索", "arguments": {"語": "休',
            ),
        ),
        (
            AIMessage("", invalid_tool_calls=[{**BROKEN, "name": None}]),
            ("assistant", '{"語": "休'),
        ),
        (
            AIMessage("", invalid_tool_calls=[{**BROKEN, "args": None}]),
            ("assistant", '{"name": "検索", "arguments": {}'),
        ),
        (
            AIMessage([{"type": "tool_use", "name": "検索", "input": {"語": "休暇"}, "id": "1"}]),
            ("assistant", '{"name": "検索", "arguments": {"語": "休暇"}}'),
        ),
        (
            AIMessage([{**BROKEN, "type": "invalid_tool_call"}]),
            ("assistant", '{"name": "検索", "arguments": {"語": "休'),
        ),
    ],
)
def test_each_kind_of_message(message, turn):
    assert to_turns([message], None) == [turn]


class 色(enum.Enum):
    赤 = "red"


class 予定(BaseModel):
    日: date


class 予定V1(BaseModelV1):
    日: date


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (date(2026, 4, 1), "2026-04-01"),
        (datetime(2026, 4, 1, 9, 30), "2026-04-01T09:30:00"),
        (timedelta(hours=1), "PT1H"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=3), "00000000-0000-0000-0000-000000000003"),
        (色.赤, "red"),
        ({"一"}, ["一"]),
        ((1, None), [1, None]),
        ("東京".encode(), "東京"),
        (b"\xff\x00", "_wA="),
        (予定(日=date(2026, 4, 1)), {"日": "2026-04-01"}),
        (予定V1(日=date(2026, 4, 1)), {"日": "2026-04-01"}),
        ({date(2026, 4, 1): [Decimal(2)]}, {"2026-04-01": ["2"]}),
        (np.float64(1.5), 1.5),
        (np.arange(2), [0, 1]),
    ],
)
def test_values_that_json_does_not_have_are_written_as_pydantic_writes_them(value, written):
    message = AIMessage("", tool_calls=[{"name": "f", "args": {"x": value}, "id": "1"}])
    ((_, text),) = to_turns([message], None)
    assert json.loads(text) == {"name": "f", "arguments": {"x": written}}


def test_arguments_that_contain_themselves_are_an_error_that_says_so():
    arguments = {}
    arguments["x"] = arguments
    message = AIMessage("").model_copy(
        update={"tool_calls": [{"name": "f", "args": arguments, "id": "1"}]}
    )
    with pytest.raises(PromptError, match=r"cannot be written as JSON: Circular"):
        to_turns([message], None)


@pytest.mark.parametrize(
    "block",
    [{"type": "text"}, {"type": "text", "text": None}, {"type": "text", "text": 3}],
)
def test_a_text_block_without_text_is_an_error_that_says_so(block):
    with pytest.raises(PromptError, match="a text block without text"):
        to_turns([HumanMessage([block])], None)


def test_a_text_file_that_is_elsewhere_is_not_text():
    block = {"type": "text-plain", "url": "https://example.com/a.txt"}
    with pytest.raises(PromptError, match="read text only"):
        to_turns([HumanMessage([block])], None)


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([{"type": "reasoning", "summary": []}, {"type": "output_text", "text": "晴れ"}], "晴れ"),
        ([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "晴れ"}], "晴れ"),
        ([{"type": "reasoning_content", "reasoning_content": {}}, "晴れ"], "晴れ"),
        ([{"type": "refusal", "refusal": "答えられません。"}], "答えられません。"),
        (
            [{"type": "function_call", "name": "f", "arguments": '{"a": 1}', "call_id": "1"}],
            '{"name": "f", "arguments": {"a": 1}}',
        ),
    ],
)
def test_an_answer_of_another_model_is_read_in_its_own_form(blocks, text):
    assert to_turns([HumanMessage("問"), AIMessage(blocks)], None)[1] == ("assistant", text)


@pytest.mark.parametrize("kind", ["image_url", "image", "audio", "file"])
def test_what_is_not_text_is_an_error_that_says_so(kind):
    with pytest.raises(PromptError, match=f"read text only; a message has a '{kind}' block"):
        to_turns([HumanMessage([{"type": kind}])], None)


def test_no_message_is_an_error_whatever_the_system_prompt():
    with pytest.raises(PromptError, match="No messages"):
        to_turns([], "簡潔に")


def test_a_message_of_another_kind_is_an_error():
    with pytest.raises(PromptError, match="Cannot send a FunctionMessage"):
        to_turns([FunctionMessage("x", name="f")], None)


def test_the_system_prompt_is_for_conversations_without_one():
    assert to_turns([HumanMessage("問")], "既定")[0] == ("system", "既定")
    own = [HumanMessage("問"), SystemMessage("後から")]
    assert to_turns(own, "既定") == [("user", "問"), ("system", "後から")]
