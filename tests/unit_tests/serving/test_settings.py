"""What a user chooses for an answer reaches the model, and nothing else does."""

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.serving.refusals import InvalidValueError
from langchain_swallow.serving.settings import AnswerLengths, Settings, answer_lengths
from tests.support.tokenizers import trained_tokenizer


@pytest.mark.parametrize(
    ("chosen", "expected"),
    # A model that thinks repeats itself at temperature 0: only who chooses it gets it.
    [(None, 0.6), (0.0, 0.0), (1.2, 1.2)],
)
def test_the_temperature_is_the_models_own_unless_it_is_chosen(chosen, expected):
    tokenizer = trained_tokenizer()
    engine = FakeEngine(["はい。"], tokenizer)
    llm = ChatSwallow.from_engine(engine, model="Qwen3-Swallow-8B-RL-v0.2", prompt_format="ver0.1")
    Settings(temperature=chosen).bound(llm).invoke("東京は？")
    assert engine.requests[0].temperature == expected


def test_a_temperature_out_of_bounds_is_refused():
    with pytest.raises(InvalidValueError, match=r"temperature must be from 0 to 1\.5"):
        Settings(temperature=1.6)


class _Windowed(FakeEngine):
    context_window = 32768


def _llm(model, engine=FakeEngine):
    return ChatSwallow.from_engine(engine(["はい。"], trained_tokenizer()), model=model)


@pytest.mark.parametrize(
    ("llm", "chosen", "expected"),
    [
        (_llm("Swallow-7b-instruct-v0.1"), None, AnswerLengths(256, 1024)),
        (_llm("Swallow-7b-instruct-v0.1"), 3000, AnswerLengths(3000, 3000)),
        (_llm("Qwen3-Swallow-8B-RL-v0.2", _Windowed), None, AnswerLengths(1024, 4096)),
        (_llm("Qwen3-Swallow-8B-RL-v0.2", _Windowed), 2000, AnswerLengths(2000, 4096)),
        (FakeListChatModel(responses=["はい。"]), None, AnswerLengths(256, 1024)),
    ],
)
def test_how_long_an_answer_may_be_follows_the_model(llm, chosen, expected):
    assert answer_lengths(llm, chosen) == expected


def test_an_answer_is_as_long_as_chosen_or_as_the_default():
    engine = FakeEngine(["はい。"] * 2, trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1")
    lengths = AnswerLengths(300, 2000)
    for chosen in (None, 2000):
        Settings(max_tokens=chosen, lengths=lengths).bound(llm).invoke("東京は？")
    assert [request.max_tokens for request in engine.requests] == [300, 2000]
    for wrong in (15, 2001):
        with pytest.raises(InvalidValueError, match="max_tokens must be from 16 to 2000"):
            Settings(max_tokens=wrong, lengths=lengths)
