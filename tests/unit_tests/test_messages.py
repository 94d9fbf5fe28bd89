"""LangChain messages → turns."""

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_swallow.errors import PromptError
from langchain_swallow.messages import to_turns

CALL = {"name": "検索", "args": {"語": "休暇"}, "id": "1"}


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
    ],
)
def test_each_kind_of_message(message, turn):
    assert to_turns([message], None) == [turn]


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
