"""Answers from documents by a model that thinks first."""

import functools
import operator

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, message_chunk_to_message

from langchain_swallow import Answer, ChatSwallow, create_rag_chain
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.rag import create_summary_chain
from langchain_swallow.rag.budget import prompt_budget
from tests.support.thinking import qwen3_tokenizer

PASSAGES = [
    Document("有給休暇は入社半年後に10日付与する。", metadata={"source": "就業規則.md"}),
    Document("会議室は本社ビルの3階にある。", metadata={"source": "案内.md"}),
]
THOUGHT = "資料[1]か資料[2]か。<b>[1]</b>だ。"


def model(*answers, window=4096, **fields):
    engine = FakeEngine(answers, qwen3_tokenizer(), context_window=window)
    return ChatSwallow.from_engine(engine, model="Qwen/Qwen3-8B", **fields), engine


def chain_of(answer="10日です。[1]", **options):
    llm, engine = model(f"{THOUGHT}</think>{answer}")
    return create_rag_chain(llm, lambda _: PASSAGES, **options), engine


def test_citations_are_looked_for_in_the_answer_only():
    answer = chain_of()[0].invoke("有給休暇は？")
    assert answer.text == "10日です。[1]"
    assert answer.reasoning == THOUGHT
    assert [citation.number for citation in answer.citations] == [1]
    assert answer.as_dict()["reasoning"] == THOUGHT
    unsure = chain_of("10日です。", require_support=True)[0].invoke("有給休暇は？")
    assert (unsure.refused, unsure.citations, unsure.reasoning) == (True, (), THOUGHT)


def test_a_stream_adds_up_and_has_the_thought_first():
    chain, _ = chain_of()
    pieces = list(chain.stream("有給休暇は？"))
    whole = functools.reduce(operator.add, pieces)
    assert whole == chain_of()[0].invoke("有給休暇は？")
    kinds = ["thought" if p.reasoning else "text" for p in pieces if p.reasoning or p.text]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"thought", "text"}


def test_a_message_has_the_thought_as_its_own_block():
    message = chain_of(output="message")[0].invoke("有給休暇は？")
    streamed = list(chain_of(output="message")[0].stream("有給休暇は？"))
    joined = message_chunk_to_message(functools.reduce(operator.add, streamed))
    for one in (message, joined):
        assert isinstance(one, AIMessage)
        assert one.text == "10日です。[1]"
        thought, text = one.content_blocks
        assert (thought["type"], thought["reasoning"]) == ("reasoning", THOUGHT)
        assert [cited["extras"]["number"] for cited in text["annotations"]] == [1]


def test_the_thought_is_shown_folded_and_escaped():
    shown = Answer("10日 [1]", reasoning=THOUGHT)._repr_html_()
    assert shown.startswith("<details><summary>Thought</summary>")
    assert "&lt;b&gt;[1]&lt;/b&gt;" in shown
    assert "<b>" not in shown


def test_a_budget_counts_the_thought():
    llm, _ = model(max_tokens=100, window=1000)
    plain = ChatSwallow.from_engine(FakeEngine([], qwen3_tokenizer(), context_window=1000),
                                    model="x", prompt_format="alpaca", max_tokens=100)  # fmt: skip
    assert prompt_budget(plain).prompt == 900
    assert 600 < prompt_budget(llm).prompt < 650 < 900 == prompt_budget(plain).prompt
    assert 350 < prompt_budget(llm.bind(max_reasoning_tokens=500)).prompt < 400
    assert 850 < prompt_budget(llm.bind(reasoning=False)).prompt < 900
    assert prompt_budget(llm).answer == 100


def test_what_is_bound_for_the_answer_does_not_trouble_the_budget():
    llm, _ = model(f"{THOUGHT}</think>10日です。[1]\n以上。")
    bound = llm.bind(stop=["\n"], temperature=0.0, max_tokens=50)
    answer = create_rag_chain(bound, lambda _: PASSAGES).invoke("有給休暇は？")
    assert answer.text == "10日です。[1]"


def test_packed_prompts_leave_room_for_the_thought():
    many = [Document(f"第{i}条　有給休暇は入社半年後に{i}日付与する。" * 3) for i in range(60)]
    for call in ({}, {"reasoning": False}, {"max_reasoning_tokens": 700}):
        llm, engine = model(f"{THOUGHT}</think>1日[1]", max_tokens=100, window=1500)
        answer = create_rag_chain(llm.bind(**call), lambda _: many).invoke("有給休暇は？")
        assert 1 < len(answer.documents) < 60
        first = engine.requests[0]
        assert len(first.prompt_ids) + first.max_tokens <= 1500


def test_chains_over_long_texts_take_the_answer_only():
    llm, _ = model(*["考え。</think>要点。"] * 9, window=1500, max_tokens=100)
    assert create_summary_chain(llm).invoke("有給休暇は10日。" * 200) == "要点。"
