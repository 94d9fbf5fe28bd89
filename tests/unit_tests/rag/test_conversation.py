"""Conversations over documents: each session its own, whole turns only."""

import asyncio

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.rag import create_conversational_rag_chain
from tests.support.tokenizers import trained_tokenizer

PASSAGES = [Document("有給休暇は入社半年後に10日付与する。", metadata={"source": "就業規則.md"})]


@pytest.fixture
def histories():
    return {}


def chain_of(histories, *answers, search=lambda question: PASSAGES):
    engine = FakeEngine(answers, trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="fake", max_tokens=64)

    def history(session):
        return histories.setdefault(session, InMemoryChatMessageHistory())

    return create_conversational_rag_chain(llm, RunnableLambda(search), history), engine


def of(session):
    return {"configurable": {"session_id": session}}


def said(histories, session):
    return [(m.type, m.content) for m in histories[session].messages]


async def test_a_follow_up_is_understood_in_its_own_session(histories):
    asked = []
    answers = ["10日 [1]", "有給休暇はいつもらえますか。", "入社半年後 [1]", "それは分かりません。"]
    chain, engine = chain_of(
        histories, *answers, search=lambda question: asked.append(question) or PASSAGES
    )
    assert chain.invoke("有給休暇は何日ですか。", of("甲")).text == "10日 [1]"
    answer = await chain.ainvoke({"question": "それはいつもらえますか。"}, of("甲"))
    assert (answer.question, answer.text) == ("有給休暇はいつもらえますか。", "入社半年後 [1]")
    # In another session there is nothing that it could refer to.
    chain.invoke("それはいつもらえますか。", of("乙"))
    assert asked == [
        "有給休暇は何日ですか。", "有給休暇はいつもらえますか。", "それはいつもらえますか。",
    ]  # fmt: skip
    assert said(histories, "甲") == [
        ("human", "有給休暇は何日ですか。"), ("ai", "10日 [1]"),
        ("human", "それはいつもらえますか。"), ("ai", "入社半年後 [1]"),
    ]  # fmt: skip
    assert len(said(histories, "乙")) == 2
    assert len(engine.requests) == 4


async def test_a_stream_that_is_left_is_what_was_said(histories):
    chain, _ = chain_of(histories, "有給休暇は10日です。", "有給休暇は10日です。")
    shown = ""
    stream = chain.stream("有給休暇は何日ですか。", of("甲"))
    for piece in stream:
        shown += piece.text
        if shown:
            break
    stream.close()
    assert said(histories, "甲") == [("human", "有給休暇は何日ですか。"), ("ai", shown)]
    assert shown != "有給休暇は10日です。"
    shown, pieces = "", chain.astream("有給休暇は何日ですか。", of("乙"))
    async for piece in pieces:
        shown += piece.text
        if shown:
            break
    await pieces.aclose()
    # An async generator that another one holds is closed by the event loop.
    await asyncio.sleep(0.01)
    assert said(histories, "乙") == [("human", "有給休暇は何日ですか。"), ("ai", shown)]


def test_a_turn_that_fails_is_not_remembered(histories):
    def fail(question):
        raise ConnectionError("gone")

    chain, _ = chain_of(histories, search=fail)
    with pytest.raises(ConnectionError):
        chain.invoke("有給休暇は？", of("甲"))
    assert said(histories, "甲") == []


def test_a_session_is_needed(histories):
    chain, _ = chain_of(histories)
    with pytest.raises(ValueError, match=r"No session\. Pass config="):
        chain.invoke("有給休暇は何日ですか。")
    with pytest.raises(ValueError, match="No question"):
        chain.invoke({}, of("甲"))
