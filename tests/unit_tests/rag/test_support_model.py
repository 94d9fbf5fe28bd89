"""`support_check`: a model reads again what the rules call supported."""

import functools
import math
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.decisions import Noul
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import message_chunk_to_message
from langchain_core.tracers.context import collect_runs
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_swallow import Answer, ChatSwallow, SwallowDecision, create_rag_chain
from langchain_swallow.errors import GenerationTimeoutError
from langchain_swallow.prompts.presets import REFUSAL
from langchain_swallow.rag import (
    Citation,
    Claim,
    SupportCheck,
    calibrate_support_check,
    create_conversational_rag_chain,
)
from tests.support.tiny_models import tiny_llama
from tests.support.tokenizers import trained_tokenizer

RULES = Document("有給休暇は年に10日とする。慶弔休暇は年に5日とする。", metadata={"title": "規程"})
GUIDE = Document("会議室は本社の3階にある。")
LEAVE, MOURNING = "有給休暇は年に10日とする。", "慶弔休暇は年に5日とする。"
TEXT = f"{LEAVE}[1]{MOURNING}[1]社長は田中です。[1]会議室は本社の4階にある。[2]"
QUESTION = "休暇は年に何日ですか。"


class Scores(BaseCrossEncoder):
    """Gives each claim the number that it is listed with, 1 if it is not."""

    def __init__(self, **support):
        self.support = support
        self.calls = []

    def score(self, text_pairs):
        self.calls.append(text_pairs)
        said = [query.removeprefix(f"{QUESTION} ") for query, _ in text_pairs]
        return [self.support.get(text, 1.0) for text in said]


def chain_of(text, model, **options):
    check = SupportCheck(model, min_support=0.5)
    llm = FakeListChatModel(responses=[text])
    return create_rag_chain(llm, lambda _: [RULES, GUIDE], support_check=check, **options)


def statuses(answer):
    return {citation.number: citation.status for citation in answer.citations}


def test_the_supported_claims_are_scored_once_and_together():
    model = Scores()
    answer = chain_of(f"{TEXT}{LEAVE}[1]", model).invoke(QUESTION)
    shown = f"規程\n{RULES.page_content}"
    assert model.calls == [[(f"{QUESTION} {LEAVE}", shown), (f"{QUESTION} {MOURNING}", shown)]]
    assert statuses(answer) == {1: "supported", 2: "not_found"}
    assert answer.unconfirmed == ()


async def test_what_is_not_confirmed_is_quoted_however_the_chain_is_called():
    chain = chain_of(TEXT, Scores(**{LEAVE: 0.4, MOURNING: 0.1}))
    answer = chain.invoke(QUESTION)
    assert statuses(answer) == {1: "quoted", 2: "not_found"}
    assert answer.unconfirmed == ((1, LEAVE), (1, MOURNING))
    assert answer.text == TEXT
    streamed = [piece async for piece in chain.astream(QUESTION)]
    assert functools.reduce(operator.add, streamed) == answer
    assert functools.reduce(operator.add, chain.stream(QUESTION)) == answer
    assert await chain.ainvoke(QUESTION) == answer
    assert chain.batch([QUESTION] * 3) == [answer] * 3


def test_one_confirmed_sentence_supports_its_citation_and_each_mark_has_its_own_status():
    chain = chain_of(TEXT, Scores(**{LEAVE: 0.4}))
    assert statuses(chain.invoke(QUESTION)) == {1: "supported", 2: "not_found"}
    message = chain_of(TEXT, Scores(**{LEAVE: 0.4}), output="message").invoke(QUESTION)
    (block,) = message.content_blocks
    found = [citation["extras"]["status"] for citation in block["annotations"]]
    assert found == ["quoted", "supported", "not_found", "not_found"]
    chunks = chain_of(TEXT, Scores(**{LEAVE: 0.4}), output="message").stream(QUESTION)
    assert message_chunk_to_message(functools.reduce(operator.add, chunks)) == message


@pytest.mark.parametrize(
    "text", ["社長は田中です。[1]", "有給休暇は年に20日とする。[1]", f"{LEAVE}[7]", LEAVE, REFUSAL]
)
def test_a_model_is_not_asked_about_what_the_rules_do_not_support(text):
    model = Scores()
    without = create_rag_chain(FakeListChatModel(responses=[text]), lambda _: [RULES, GUIDE])
    assert chain_of(text, model).invoke(QUESTION) == without.invoke(QUESTION)
    assert model.calls == []


def test_require_support_refuses_what_is_not_confirmed():
    text = f"{LEAVE}[1]"
    refused = chain_of(text, Scores(**{LEAVE: 0.4}), require_support=True).invoke(QUESTION)
    assert (refused.text, refused.refused, refused.citations) == (REFUSAL, True, ())
    assert refused.unconfirmed == ()
    assert chain_of(text, Scores(), require_support=True).invoke(QUESTION).text == text


def test_a_conversation_is_checked_too():
    chain = create_conversational_rag_chain(
        FakeListChatModel(responses=[f"{LEAVE}[1]"]),
        lambda _: [RULES],
        lambda _: InMemoryChatMessageHistory(),
        support_check=SupportCheck(Scores(**{LEAVE: 0.0}), min_support=0.5),
    )
    answer = chain.invoke(QUESTION, {"configurable": {"session_id": "1"}})
    assert statuses(answer) == {1: "quoted"}


def test_an_answer_keeps_what_was_not_confirmed_when_it_is_stored():
    answer = chain_of(TEXT, Scores(**{LEAVE: 0.4})).invoke(QUESTION)
    stored = JsonPlusSerializer(allowed_msgpack_modules=[Answer, Citation])
    loaded = stored.loads_typed(stored.dumps_typed(answer))
    assert loaded == answer
    assert loaded.as_message() == answer.as_message()


@pytest.fixture(scope="module")
def llm():
    llm = ChatSwallow.from_model(tiny_llama(), trained_tokenizer(), max_tokens=4)
    yield llm
    llm.unload()


async def test_a_chat_model_decides_about_each_claim(llm):
    asked = (
        "「{}」という質問に「{}」と回答しました。この回答は、内容に書かれていることと一致し、"
        "質問に正しく答えていますか。"
    )
    questions = {
        said: Noul(instructions=asked.format(QUESTION, said)) for said in (LEAVE, MOURNING)
    }
    state = f"規程\n{RULES.page_content}"
    nouls = SwallowDecision(llm=llm).invoke({"state": state, "questions": questions}).nouls
    worse, better = sorted((LEAVE, MOURNING), key=lambda said: nouls[said].noul)
    between = (nouls[worse].noul + nouls[better].noul) / 2
    chain = create_rag_chain(
        FakeListChatModel(responses=[TEXT]),
        lambda _: [RULES, GUIDE],
        support_check=SupportCheck(llm, min_support=between),
    )
    with collect_runs() as runs:
        answer = chain.invoke(QUESTION)
    assert answer.unconfirmed == ((1, worse),)
    assert await chain.ainvoke(QUESTION) == answer
    (step,) = [run for run in runs.traced_runs[0].child_runs if run.name == "SwallowSupportCheck"]
    assert [run.name for run in step.child_runs] == ["SwallowDecision"]


async def test_an_error_of_the_model_is_one_of_the_chain_after_the_text():
    llm = ChatSwallow.from_model(tiny_llama(), trained_tokenizer(), timeout=1e-9)
    chain = chain_of(TEXT, llm)
    pieces = []
    with pytest.raises(GenerationTimeoutError):
        pieces.extend(chain.stream(QUESTION))
    assert "".join(piece.text for piece in pieces) == TEXT
    with pytest.raises(GenerationTimeoutError):
        await chain.ainvoke(QUESTION)
    llm.unload()


@pytest.mark.parametrize("model", [FakeListChatModel(responses=["はい"]), "demo", None])
def test_a_model_that_cannot_check_is_refused(model):
    with pytest.raises(ValueError, match=f"or a cross-encoder, not {type(model).__name__}"):
        SupportCheck(model, min_support=0.5)


class Listed(BaseCrossEncoder):
    """Reads the score that is written in the claim."""

    def score(self, text_pairs):
        return [float(query.split()[-1]) for query, _ in text_pairs]


def claims(support):
    return [Claim("問", repr(value), GUIDE) for value in support]


SUPPORT = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


@given(SUPPORT, SUPPORT, st.floats(0, 1))
def test_a_calibrated_threshold_is_the_lowest_that_holds(right, wrong, max_wrong):
    found = calibrate_support_check(Listed(), claims(right), claims(wrong), max_wrong=max_wrong)
    confirmed = [value for value in wrong if value >= found.min_support]
    assert found.wrong == len(confirmed) / len(wrong) <= max_wrong
    assert found.right == sum(value >= found.min_support for value in right) / len(right)
    lower = max((v for v in wrong if v < found.min_support), default=-math.inf)
    assert lower == -math.inf or sum(value >= lower for value in wrong) / len(wrong) > max_wrong


def test_a_calibrated_threshold_is_between_the_claims():
    right, wrong = claims([0.9, 0.8, 0.3]), claims([0.5, 0.2, 0.1, 0.0])
    found = calibrate_support_check(Listed(), right, wrong, max_wrong=0.25)
    assert (found.min_support, found.right, found.wrong) == (0.25, 1.0, 0.25)
    strict = calibrate_support_check(Listed(), right, wrong, max_wrong=0.0)
    assert (strict.min_support, strict.right, strict.wrong) == (0.65, 2 / 3, 0.0)


@pytest.mark.parametrize(
    ("right", "wrong", "max_wrong", "message"),
    [
        ([], [0.1], 0.1, "Pass right and wrong claims, not 0 and 1"),
        ([0.1], [], 0.1, "Pass right and wrong claims, not 1 and 0"),
        ([0.1], [0.1], 5, "max_wrong must be between 0 and 1, not 5"),
        ([0.1], [0.1], math.nan, "max_wrong must be between 0 and 1, not nan"),
    ],
)
def test_calibration_refuses_what_gives_no_threshold(right, wrong, max_wrong, message):
    with pytest.raises(ValueError, match=message):
        calibrate_support_check(Listed(), claims(right), claims(wrong), max_wrong=max_wrong)
