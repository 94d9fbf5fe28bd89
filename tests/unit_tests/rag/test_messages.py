"""Answers as LangChain's messages: citations as standard annotations, whole and streamed."""

import functools
import operator

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, ToolMessage, message_chunk_to_message
from langchain_core.tools import tool

from langchain_swallow import Answer, ChatSwallow, create_rag_chain
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.prompts.presets import REFUSAL
from langchain_swallow.rag import create_conversational_rag_chain
from tests.support.tokenizers import trained_tokenizer

RULES = Document(
    "有給休暇は入社半年後に10日付与する。慶弔休暇は5日とする。",
    metadata={"source": "規程/就業 規則.md", "headings": "第2章", "page": 3},
)
GUIDE = Document(
    "会議室は本社ビルの3階にある。",
    metadata={"source": "https://example.com/guide", "title": "案内"},
)
PASSAGES = [RULES, GUIDE]


def chain_of(*answers, retriever=lambda _: PASSAGES, **options):
    llm = ChatSwallow.from_engine(FakeEngine(answers, trained_tokenizer()), model="fake")
    return create_rag_chain(llm, retriever, **options)


def annotations_of(message):
    (block,) = message.content_blocks
    return block["annotations"]


def test_a_message_has_its_citations_as_annotations():
    text = "有給休暇は入社半年後に10日付与する。[1]\n会議室は本社ビルの3階にある[2]。"
    message = chain_of(text, output="message").invoke("有給休暇は何日？")
    assert type(message) is AIMessage
    assert message.text == text
    first, second = annotations_of(message)
    assert first == {
        "type": "citation",
        "url": "%E8%A6%8F%E7%A8%8B/%E5%B0%B1%E6%A5%AD%20%E8%A6%8F%E5%89%87.md",
        "title": "就業 規則.md",
        "start_index": 0,
        "end_index": text.index("\n"),
        "cited_text": "有給休暇は入社半年後に10日付与する",
        "extras": {
            "number": 1,
            "place": "就業 規則.md 第2章 3頁",
            "status": "supported",
            "contradicted": False,
            "verified": True,
        },
    }
    assert (second["url"], second["title"]) == ("https://example.com/guide", "案内")
    assert text[second["start_index"] : second["end_index"]] == "会議室は本社ビルの3階にある[2]"
    assert message.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize(
    ("said", "contradicted"),
    [("有給休暇は20日付与する。[1]", True), ("社長は田中です。[1]", False)],
)
def test_what_is_not_found_has_no_cited_text(said, contradicted):
    (found,) = annotations_of(chain_of(said, output="message").invoke("問"))
    assert "cited_text" not in found
    assert found["extras"]["status"] == "not_found"
    assert found["extras"]["contradicted"] is contradicted


def test_every_mark_is_checked_for_its_own_sentence():
    text = "慶弔休暇は5日とする。[1]\n社長は田中です。[1]\n慶弔休暇は5日とする。[1][2]"
    found = annotations_of(Answer(text, documents=PASSAGES).as_message())
    assert [
        (a["extras"]["number"], a["extras"]["status"], text[a["start_index"] : a["end_index"]])
        for a in found
    ] == [
        (1, "supported", "慶弔休暇は5日とする。[1]"),
        (1, "not_found", "社長は田中です。[1]"),
        (1, "supported", "慶弔休暇は5日とする。[1]"),
        (2, "not_found", "慶弔休暇は5日とする。[1][2]"),
    ]


@pytest.mark.parametrize("said", [REFUSAL, f"{REFUSAL}[1]"])
def test_a_refusal_has_no_annotations_and_says_so(said):
    message = chain_of(said, output="message").invoke("問")
    assert message.text == said
    assert annotations_of(message) == []
    assert message.response_metadata["refused"] is True
    assert message.response_metadata["question"] == "問"


def test_the_message_is_that_of_the_answer():
    text = "有給休暇は10日。[1]"
    assert chain_of(text).invoke("問").as_message() == chain_of(text, output="message").invoke("問")
    assert Answer().as_message().text == ""


@pytest.mark.parametrize("retriever", [lambda _: PASSAGES, lambda _: []])
@pytest.mark.parametrize("require_support", [False, True])
async def test_a_stream_adds_up_to_the_message(retriever, require_support):
    text = "有給休暇は入社半年後に10日付与する。[1]会議室は3階[9]。"

    def chain():
        options = {"retriever": retriever, "require_support": require_support}
        return chain_of(text, output="message", **options)

    message = chain().invoke("問")
    streamed = list(chain().stream("問"))
    awaited = [chunk async for chunk in chain().astream("問")]
    for chunks in (streamed, awaited):
        whole = functools.reduce(operator.add, chunks)
        assert message_chunk_to_message(whole) == message
    assert await chain().ainvoke("問") == message
    if retriever("") and not require_support:
        assert len([chunk for chunk in streamed if chunk.text]) > 10
        assert streamed[0].content_blocks[0]["text"] == "有"


def test_a_message_survives_serialization():
    message = chain_of("有給休暇は10日。[1]", output="message").invoke("問")
    assert loads(dumps(message), allowed_objects="messages") == message


def test_a_conversation_gives_messages_too():
    from langchain_core.chat_history import InMemoryChatMessageHistory

    session = InMemoryChatMessageHistory()
    llm = FakeListChatModel(responses=["慶弔休暇は5日とする。[1]"])
    chain = create_conversational_rag_chain(
        llm, lambda _: PASSAGES, lambda _: session, output="message"
    )
    message = chain.invoke("慶弔休暇は？", {"configurable": {"session_id": "a"}})
    assert annotations_of(message)[0]["cited_text"] == "慶弔休暇は5日とする"
    assert [m.text for m in session.messages] == ["慶弔休暇は？", "慶弔休暇は5日とする。[1]"]


def test_another_output_is_an_error():
    with pytest.raises(ValueError, match=r"Unknown output 'text'\. Use one of answer, "):
        chain_of("x", output="text")


def test_an_agent_gets_the_text_and_its_trace_the_citations():
    chain = chain_of("慶弔休暇は5日とする。[1]", output="message")

    @tool(response_format="content_and_artifact")
    def search_rules(question: str) -> tuple[str, AIMessage]:
        """Answer from the company's rules."""
        message = chain.invoke(question)
        return message.text, message

    call = '{"name": "search_rules", "arguments": {"question": "慶弔休暇は何日？"}}'
    llm = ChatSwallow.from_engine(
        FakeEngine([call, "5日です。"], trained_tokenizer()), model="fake"
    )
    found = create_agent(llm, [search_rules]).invoke({"messages": [("human", "慶弔休暇は？")]})
    (result,) = [m for m in found["messages"] if isinstance(m, ToolMessage)]
    assert result.content == "慶弔休暇は5日とする。[1]"
    assert annotations_of(result.artifact)[0]["cited_text"] == "慶弔休暇は5日とする"
