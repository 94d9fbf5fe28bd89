"""What a user chooses for an answer reaches the model, and nothing else does."""

import pytest

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.serving.refusals import InvalidValueError
from langchain_swallow.serving.settings import Settings
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
