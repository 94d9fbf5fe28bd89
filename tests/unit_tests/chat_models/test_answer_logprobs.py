"""Log probabilities of given answers are the model's own, whatever engine computes them."""

import math

import pytest
import torch

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.errors import EngineError
from tests.support.local_engines import run
from tests.support.tiny_models import tiny_llama
from tests.support.tokenizers import trained_tokenizer

ANSWERS = ["はい", "いいえ", "10日", "2", "12", '引用"と\n改行\\']


@pytest.fixture(scope="module")
def llm():
    llm = ChatSwallow.from_model(tiny_llama(), trained_tokenizer(), max_tokens=8)
    yield llm
    llm.unload()


def model_logprobs(prompt_ids, answer_ids):
    with torch.inference_mode():
        logits = tiny_llama()(torch.tensor([[*prompt_ids, *answer_ids]])).logits[0]
    rows = logits[len(prompt_ids) - 1 : -1].float().log_softmax(-1)
    return float(rows[range(len(answer_ids)), answer_ids].sum())


def test_they_are_the_logprobs_of_the_model(llm):
    found = llm.answer_logprobs("会議室は？", ANSWERS)
    engine = llm.load()
    requests = list(llm._scoring_requests([("会議室は？", ANSWERS)], engine, {}))
    for answer, logprob, request in zip(ANSWERS, found, requests, strict=True):
        ids, _ = run(engine, request)
        ids = [i for i in ids if i != trained_tokenizer().eos_token_id]
        assert trained_tokenizer().decode(ids) == answer
        assert logprob == pytest.approx(model_logprobs(request.prompt_ids, ids), abs=1e-3)


def test_every_next_token_of_an_answer_sums_to_one(llm):
    """Digits are single tokens here, so none of them is counted twice."""
    found = llm.answer_logprobs("何番ですか。", [*"0123456789"], system_prompt=None)
    assert 0 < sum(map(math.exp, found)) < 1
    message = llm.invoke("何番ですか。", system_prompt=None, top_logprobs=20, max_tokens=1)
    (token,) = message.response_metadata["logprobs"]["content"]
    assert max(found) <= token["logprob"] + 1e-3


def test_parameters_of_generation_change_nothing(llm):
    plain = llm.answer_logprobs("会議室は？", ["はい", "2"])
    options = {"temperature": 1.7, "top_k": 1, "repetition_penalty": 1.5, "presence_penalty": 1.0}
    changed = llm.answer_logprobs("会議室は？", ["はい", "2"], **options, stop=["は"], n=3)
    assert changed == pytest.approx(plain, abs=1e-3)
    assert llm.answer_logprobs("会議室は？", ["はい", "2"], system_prompt="猫。") != plain


async def test_async_and_several_prompts_give_the_same(llm):
    single = [llm.answer_logprobs(prompt, ANSWERS) for prompt in ("一", "二")]
    assert await llm.aanswer_logprobs("一", ANSWERS) == pytest.approx(single[0], abs=1e-3)
    both = llm.score_answers([("一", ANSWERS), ("二", ANSWERS)])
    for scored, alone in zip(both, single, strict=True):
        assert [answer.logprob for answer in scored] == pytest.approx(alone, abs=1e-3)


def test_the_prompt_is_computed_once_also_for_the_answer_after(llm):
    prompt = "有給休暇は入社半年後に10日付与する。" * 5
    scored = llm.score_answers([(prompt, ANSWERS)])[0]
    assert [answer.finish.cached_tokens for answer in scored[1:]] == [
        answer.finish.prompt_tokens for answer in scored[1:]
    ]
    usage = llm.invoke(prompt).usage_metadata
    assert usage["input_token_details"]["cache_read"] == usage["input_tokens"]


@pytest.mark.parametrize("answers", [[], ["はい", ""]])
def test_no_answer_is_an_error(llm, answers):
    with pytest.raises(ValueError, match="one or more answers, none of them empty"):
        llm.answer_logprobs("会議室は？", answers)


def test_nothing_is_submitted_if_a_later_prompt_is_wrong():
    engine = FakeEngine(["はい"], trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="x", prompt_format="ver0.1")
    with pytest.raises(ValueError, match="one or more answers"):
        llm.score_answers([("会議室は？", ["はい"]), ("食堂は？", [])])
    assert engine.requests == []


async def test_an_engine_without_logprobs_is_an_error():
    llm = ChatSwallow.from_engine(FakeEngine(["1", "1"], trained_tokenizer()), model="fake")
    with pytest.raises(EngineError, match="reported no log probabilities"):
        llm.answer_logprobs("会議室は？", ["1"])
    with pytest.raises(EngineError, match="reported no log probabilities"):
        await llm.aanswer_logprobs("会議室は？", ["1"])


def test_an_engine_that_answers_something_else_is_an_error():
    llm = ChatSwallow.from_engine(FakeEngine(["3"], trained_tokenizer()), model="fake")
    with pytest.raises(EngineError, match="answered '3' where a grammar admits only '1'"):
        llm.answer_logprobs("会議室は？", ["1"])
