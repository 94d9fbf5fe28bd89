"""LangChain's middleware with the model's own token counter and the Japanese summary preset."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    SummarizationMiddleware,
)
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_swallow import ChatSwallow, get_preset
from langchain_swallow.engines.fake import FakeEngine
from tests.support.tokenizers import trained_tokenizer

HISTORY = [
    HumanMessage("有給休暇は入社半年後に10日付与する。会議室は3階にあります。" * 6),
    AIMessage("会議室は3階にあります。" * 6),
    HumanMessage("有給休暇は何日ですか。"),
]


def fake(*answers):
    engine = FakeEngine(answers, trained_tokenizer())
    return ChatSwallow.from_engine(engine, model="fake", max_tokens=64), engine


@pytest.mark.parametrize("counts_itself", [True, False])
def test_a_conversation_is_summarized_at_the_models_own_count(counts_itself):
    llm, engine = fake("・有給休暇は10日", "10日です。")
    limit = (count_tokens_approximately(HISTORY) + llm.get_num_tokens_from_messages(HISTORY)) // 2
    assert count_tokens_approximately(HISTORY) < limit < llm.get_num_tokens_from_messages(HISTORY)
    counter = {"token_counter": llm.get_num_tokens_from_messages} if counts_itself else {}
    middleware = SummarizationMiddleware(
        llm,
        trigger=("tokens", limit),
        keep=("messages", 1),
        summary_prompt=get_preset("会話の要約").text,
        **counter,
    )
    found = create_agent(llm, middleware=[middleware]).invoke({"messages": HISTORY})["messages"]
    assert len(engine.requests) == (2 if counts_itself else 1)
    if counts_itself:
        prompt = engine.tokenizer.decode(engine.requests[0].prompt_ids)
        assert "次の会話の履歴を、続きの会話に必要なことが失われないように" in prompt
        assert '<message type="human">有給休暇は入社半年後に' in prompt
        assert "・有給休暇は10日" in found[0].text
        assert [m.text for m in found[1:]] == ["有給休暇は何日ですか。", "10日です。"]


def test_old_tool_results_are_cleared_at_the_models_own_count():
    llm, engine = fake("10日です。")
    call = {"name": "search", "args": {"q": "休暇"}, "id": "1", "type": "tool_call"}
    history = [
        HumanMessage("調べて。"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("会議室は3階にあります。" * 20, tool_call_id="1", name="search"),
        HumanMessage("有給休暇は何日ですか。"),
    ]
    limit = llm.get_num_tokens_from_messages(history) - 1
    assert count_tokens_approximately(history) < limit
    middleware = ContextEditingMiddleware(
        edits=[ClearToolUsesEdit(trigger=limit, keep=0)],
        token_counter=llm.get_num_tokens_from_messages,
    )
    create_agent(llm, middleware=[middleware]).invoke({"messages": history})
    prompt = engine.tokenizer.decode(engine.requests[0].prompt_ids)
    assert "会議室は3階にあります。" not in prompt
    assert "[cleared]" in prompt


def test_init_chat_model_does_not_know_swallow():
    """The guide says what to write; it is to be changed if LangChain opens its table."""
    with pytest.raises(ValueError, match="swallow"):
        init_chat_model("swallow:Swallow-7b-instruct-v0.1")
