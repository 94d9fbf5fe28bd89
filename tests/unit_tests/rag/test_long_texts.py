"""Chains over long texts: nothing is lost between the parts, and every prompt fits."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from pydantic import BaseModel

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.errors import PromptOverflowError
from langchain_swallow.prompts.presets import get_preset
from langchain_swallow.rag import (
    create_extraction_chain,
    create_summary_chain,
    create_translation_chain,
)
from langchain_swallow.rag.long_texts import _Prompt
from tests.support.judges import RuleModel
from tests.support.tokenizers import trained_tokenizer


class Windowed(RuleModel):
    """A model with a window, whose tokens are characters."""

    context_window: int = 600
    max_tokens: int = 100

    def get_num_tokens_from_messages(self, messages, tools=None):
        return sum(len(m.content) for m in messages)


def material(messages):
    """What the preset was given: the text after its instruction."""
    return messages[-1].content.split("\n", 1)[1]


TEXT = "".join(f"第{i}条は{'規定' * (i % 7 + 3)}とする。" for i in range(80))


def test_a_short_text_is_summarised_at_once():
    model = Windowed(rule=lambda m, p: f"要約: {material(m)[:4]}")
    assert create_summary_chain(model).invoke("第1条は規定とする。") == "要約: 第1条は"
    assert len(model.calls) == 1


async def test_a_long_text_is_summarised_in_parts_and_these_together():
    model = Windowed(rule=lambda m, p: "要" + material(m)[:5] + "。")
    seen = []
    chain = create_summary_chain(model, on_progress=lambda done, of: seen.append((done, of)))
    summary = chain.invoke([Document(TEXT[:900]), TEXT[900:]])
    first = [material(m) for m, _ in model.calls]
    # The first round has the whole text, in order, nothing twice.
    count = seen[0][1]
    assert "".join(sorted(first[:count], key=(TEXT[:900] + "\n\n" + TEXT[900:]).index)) == (
        TEXT[:900] + "\n\n" + TEXT[900:]
    )
    assert count > 3
    assert summary.startswith("要要")
    assert seen[-1] == (1, 1)
    assert all(sum(len(m.content) for m in ms) + 100 <= 600 for ms, _ in model.calls)
    again = create_summary_chain(model)
    assert await again.ainvoke([Document(TEXT[:900]), TEXT[900:]]) == summary


def test_a_text_without_sentences_is_cut():
    model = Windowed(rule=lambda m, p: "要。")
    table = "、".join(f"品目{i}" for i in range(400))
    assert create_summary_chain(model).invoke(table) == "要。"
    parts = [material(m) for m, _ in model.calls[:-1]]
    assert "".join(sorted(parts, key=table.index)) == table
    assert all(part.endswith("、") for part in sorted(parts, key=table.index)[:-1])


def test_a_text_is_counted_in_time_that_grows_with_its_length():
    counted = []

    class Counting(Windowed):
        def get_num_tokens_from_messages(self, messages, tools=None):
            counted.append(sum(len(m.content) for m in messages))
            return super().get_num_tokens_from_messages(messages, tools)

    prompt = _Prompt(Counting(rule=lambda m, p: "", context_window=40_000), get_preset("要約"))
    text = TEXT * 20
    prompt.parts(text)
    template = counted[0]
    assert sum(size - template for size in counted) < 4 * len(text)


def test_summaries_that_do_not_get_shorter_are_an_error():
    model = Windowed(rule=lambda m, p: material(m))
    with pytest.raises(PromptOverflowError, match=r"summaries of \d+ parts do not fit into fewer"):
        create_summary_chain(model).invoke(TEXT)


async def test_a_translation_keeps_the_paragraphs_and_their_order():
    def translate(messages, parameters):
        return " ".join(f"Article {n}." for n in re.findall(r"第(\d+)条", material(messages)))

    model = Windowed(rule=translate, max_tokens=100)
    text = f"{TEXT[:700]}\n\n{TEXT[700:1000]}"
    chain = create_translation_chain(model)
    translated = chain.invoke(text)
    numbers = [re.findall(r"第(\d+)条", part) for part in text.split("\n\n")]
    assert [re.findall(r"\d+", part) for part in translated.split("\n\n")] == numbers
    # A part is no longer than what its translation may be.
    assert all(len(material(m)) <= 60 for m, _ in model.calls)
    assert await chain.ainvoke(text) == translated


class Rule(BaseModel):
    number: int


def test_what_a_schema_asks_for_is_found_in_each_part():
    answers = ['{"number": 1}', '{"number": 2}', *['{"number": 1}'] * 20]
    engine = FakeEngine(answers, trained_tokenizer(), context_window=700)
    llm = ChatSwallow.from_engine(engine, model="fake", max_tokens=32)
    found = create_extraction_chain(llm, Rule).invoke(TEXT[:900])
    assert sorted(rule.number for rule in found) == [1, 2]
    assert len(engine.requests) >= 3
    assert all(request.grammar is not None for request in engine.requests)
    assert all(len(request.prompt_ids) + 32 <= 700 for request in engine.requests)


@settings(max_examples=60, deadline=None)
@given(st.text("あいう。、\n「」", max_size=300), st.integers(300, 700))
def test_parts_are_the_text_and_every_prompt_fits(text, window):
    model = Windowed(rule=lambda m, p: "", context_window=window)
    prompt = _Prompt(model, get_preset("要約"))
    parts = prompt.parts(text)
    # What is between two parts is blank.
    assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", text)
    assert all(part in text for part in parts)
    for part in parts:
        tokens = model.get_num_tokens_from_messages(prompt._messages(part))
        assert tokens + 100 <= window


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda llm: create_summary_chain(llm, preset="質問応答"), "variable text alone"),
        (lambda llm: create_summary_chain(llm).invoke(" "), "The text is empty"),
        (lambda llm: create_translation_chain(llm).invoke([]), "The text is empty"),
        (
            lambda llm: create_summary_chain(llm.model_copy(update={"max_tokens": 550})).invoke(
                "あ"
            ),
            r"max_tokens=550 leaves \d+ tokens of the context window for the text. Lower",
        ),
        (
            lambda llm: create_translation_chain(llm.model_copy(update={"max_tokens": 20})).invoke(
                "あ"
            ),
            "max_tokens=20 cuts off the translation of even a short part. Raise max_tokens",
        ),
    ],
)
def test_what_cannot_be_done_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make(Windowed(rule=lambda m, p: ""))
