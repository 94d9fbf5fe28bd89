"""`min_relevance`: passages that the model would not answer from alone are left out."""

import math

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.tracers.context import collect_runs

from langchain_swallow import ChatSwallow, create_rag_chain, get_preset
from langchain_swallow.errors import GenerationTimeoutError
from langchain_swallow.prompts.presets import REFUSAL
from langchain_swallow.rag.packing import fenced
from tests.support.tiny_models import tiny_llama
from tests.support.tokenizers import trained_tokenizer

PASSAGES = [
    Document("有給休暇は入社半年後に10日付与する。", metadata={"source": "a"}),
    Document("会議室は本社ビルの3階にある。", metadata={"source": "b"}),
    Document("出張の日当は３，０００円とする。", metadata={"source": "c"}),
]


@pytest.fixture(scope="module")
def llm():
    llm = ChatSwallow.from_model(tiny_llama(), trained_tokenizer(), max_tokens=4)
    yield llm
    llm.unload()


@pytest.fixture(autouse=True)
def _short_refusal(monkeypatch):
    """A random model never refuses; a digit that it might begin with stands for the refusal."""
    monkeypatch.setattr("langchain_swallow.rag.relevance.REFUSAL", "1")


def sources(answer):
    return [document.metadata["source"] for document in answer.documents]


async def test_passages_below_the_threshold_are_left_out(llm):
    template = get_preset("質問応答").template
    found = {}
    for passage in PASSAGES:
        prompt = template.invoke({"context": fenced([passage]), "question": "何日？"})
        found[passage.metadata["source"]] = -math.expm1(llm.answer_logprobs(prompt, ["1"])[0])
    worst, *kept = sorted(found, key=found.__getitem__)
    between = (found[worst] + found[kept[0]]) / 2
    chain = create_rag_chain(llm, lambda _: PASSAGES, min_relevance=between)
    answer = chain.invoke("何日？")
    assert sources(answer) == sorted(kept)
    for document in answer.documents:
        assert document.metadata["relevance"] == pytest.approx(
            found[document.metadata["source"]], abs=1e-4
        )
    assert sources(await chain.ainvoke("何日？")) == sources(answer)
    assert "relevance" not in PASSAGES[0].metadata


async def test_without_a_relevant_passage_nothing_is_generated(llm, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("asked")

    monkeypatch.setattr(ChatSwallow, "_stream", refuse)
    monkeypatch.setattr(ChatSwallow, "_astream", refuse)
    chain = create_rag_chain(llm, lambda _: PASSAGES, min_relevance=1.0)
    for answer in (chain.invoke("何日？"), await chain.ainvoke("何日？")):
        assert (answer.text, answer.refused, answer.documents) == (REFUSAL, True, ())


def test_zero_keeps_all_and_nothing_found_asks_nothing(llm):
    assert (
        len(create_rag_chain(llm, lambda _: PASSAGES, min_relevance=0).invoke("問").documents) == 3
    )
    assert create_rag_chain(llm, lambda _: [], min_relevance=0.5).invoke("問").refused


def test_parameters_that_the_model_is_bound_to_count(llm):
    chain = create_rag_chain(llm.bind(timeout=1e-9), lambda _: PASSAGES, min_relevance=0)
    with pytest.raises(GenerationTimeoutError):
        chain.invoke("問")


def test_a_trace_shows_which_passages_were_kept(llm):
    with collect_runs() as runs:
        create_rag_chain(llm, lambda _: PASSAGES, min_relevance=1.0).invoke("問")
    (step,) = [run for run in runs.traced_runs[0].child_runs if run.name == "SwallowRelevance"]
    assert step.outputs["output"] == []


def test_what_has_no_log_probabilities_is_refused():
    with pytest.raises(ValueError, match="log probabilities of a ChatSwallow, not FakeListChatM"):
        create_rag_chain(FakeListChatModel(responses=["x"]), lambda _: [], min_relevance=0.5)


@pytest.mark.parametrize("value", [-0.1, 1.5, 50, math.nan])
def test_a_threshold_is_a_probability(llm, value):
    with pytest.raises(ValueError, match="min_relevance must be between 0 and 1, not"):
        create_rag_chain(llm, lambda _: PASSAGES, min_relevance=value)
