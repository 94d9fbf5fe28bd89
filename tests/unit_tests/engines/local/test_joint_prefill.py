"""Prompts of several requests computed in one pass."""

import pytest
import torch

from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.local.attention import use_quick_attention
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.local.loading import engine_from
from langchain_swallow.engines.local.model_runner import ModelRunner
from langchain_swallow.engines.local.scheduler import PROMPT_TOKENS
from langchain_swallow.engines.protocol import Request
from langchain_swallow.errors import EngineError, OutOfMemoryError, SwallowError
from tests.support import tiny_models
from tests.support.local_engines import HOLDING, NoEnd, held_up, logprobs
from tests.support.tiny_models import tiny


@pytest.fixture(params=tiny_models.DEVICES)
def device(request):
    return request.param


@pytest.fixture
def passes(monkeypatch):
    """How many tokens of which pieces each pass computes."""
    computed = []

    def noted(runner, work):
        # That with which the engine is held up is nobody's.
        if not work[0].is_answer and work[0].sequence.request.prompt_ids != HOLDING:
            computed.append([len(one.ids) for one in work])
        return run(runner, work)

    run = ModelRunner.run
    monkeypatch.setattr(ModelRunner, "run", noted)
    return computed


def engine_of(device, kind="llama", attention="sdpa", **options):
    """In half precision, where prompts are computed together on every machine."""
    model = tiny(kind, device=device, max_position_embeddings=2048).to(torch.bfloat16)
    model.set_attn_implementation(attention)
    use_quick_attention(model)
    engine = LocalEngine(model, NoEnd(), context_window=2048, block=7, **options)
    # That of a CPU, on every device.
    engine.scheduler.max_prompt_tokens = PROMPT_TOKENS
    return engine


def prompts(own, shared=0):
    """As many as there are lengths, each with so many tokens after what they share."""
    return [
        (1, *[45] * shared, *((50 + 31 * i + 3 * j) % 500 + 50 for j in range(count)))
        for i, count in enumerate(own)
    ]


def ask_together(engine, asked, **options):
    """The events of requests that all wait when a step begins; of a failed one its error."""
    options = {"max_tokens": 3, "logprobs": 2, **options}
    with held_up(engine):
        streams = [Stream(engine, Request(prompt_ids=ids, **options)) for ids in asked]
    return [events_of(stream) for stream in streams]


def events_of(stream):
    try:
        return list(stream)
    except SwallowError as error:
        return error


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_prompts_that_wait_are_computed_in_one_pass_as_if_alone(kind, passes, device):
    asked = prompts(range(1, 60, 7))
    together = engine_of(device, kind)
    answers = ask_together(together, asked)
    together.close()
    assert passes == [[len(ids) for ids in asked]]
    for ids, events in zip(asked, answers, strict=True):
        alone = engine_of(device, kind)
        (cold,) = ask_together(alone, [ids])
        alone.close()
        for one, other in zip(logprobs(events)[:1], logprobs(cold)[:1], strict=True):
            assert one[0].logprob == pytest.approx(other[0].logprob, abs=0.05)


def test_prompts_of_a_model_that_is_loaded_elsewhere_are_computed_together(passes, device):
    model = tiny(device=device).to(torch.bfloat16)
    for _ in range(2):
        engine = engine_from(model, NoEnd())
        ask_together(engine, prompts([9, 9, 9]))
        engine.close()
    assert passes == [[10] * 3] * 2


def test_a_model_with_attention_of_its_own_computes_one_after_another(passes, device):
    engine = engine_of(device, attention="eager")
    ask_together(engine, prompts([9, 9, 9]))
    engine.close()
    # They share their first token.
    assert passes == [[10], [9], [9]]


def test_a_pass_is_no_longer_than_a_steps_share_and_none_is_computed_twice(passes, device):
    engine = engine_of(device)
    answers = ask_together(engine, prompts([39] * 30))
    engine.close()
    # The later ones find their first token.
    assert passes == [[40] * 12 + [32], [8] + [39] * 12 + [36], [3] + [39] * 4]
    assert all(events[-1].completion_tokens == 3 for events in answers)


def test_what_prompts_share_is_computed_once_if_it_is_worth_a_pass(passes, device):
    engine = engine_of(device)
    known = [events[-1].cached_tokens for events in ask_together(engine, prompts([9] * 6, 50))]
    engine.close()
    assert passes == [[60], [9] * 5]
    assert known == [0, *[51] * 5]
    del passes[:]
    engine = engine_of(device)
    ask_together(engine, prompts([9] * 6, 30))
    assert passes == [[40] * 6]
    # A beginning that is known already is no reason to wait.
    del passes[:]
    ask_together(engine, prompts([8] * 6, 31))
    engine.close()
    assert passes == [[9] * 6]


def test_short_prompts_go_together_before_the_rest_of_a_long_one(passes, device):
    engine = engine_of(device)
    ask_together(engine, prompts([1499, *[19] * 12]))
    engine.close()
    # A pass of it first; what is left of it waits for none but them.
    assert passes == [[512], [19] * 12, [10], [512], [238], [228]]


def test_a_prompt_that_cannot_be_computed_fails_alone(passes, device):
    engine = engine_of(device)
    asked = prompts([9, 9, 9, 9])
    asked[2] = (1, 598, 60)

    def check(module, arguments):
        if (arguments[0] == 598).any():
            raise ValueError("no such row")

    engine.model.get_input_embeddings().register_forward_pre_hook(check)
    answers = ask_together(engine, asked)
    assert passes == [[10, 10, 3, 10], [10], [10], [3], [10]]
    assert [isinstance(events, EngineError) for events in answers] == [False, False, True, False]
    assert ask_together(engine, asked[:1])[0][-1].cached_tokens == 10
    engine.close()


def test_an_answer_that_cannot_begin_leaves_the_others_of_its_pass_alone(passes, device):
    engine = engine_of(device)
    asked = prompts([9, 9, 9])
    engine.model.model.embed_tokens.weight.data[599] = float("nan")
    asked[0] = (*asked[0][:-1], 599)
    # Of logits that are no numbers nothing can be drawn.
    answers = ask_together(engine, asked, temperature=1.0, top_k=1)
    engine.close()
    assert passes == [[10] * 3]
    assert "logits are not numbers" in str(answers[0])
    assert all(events[-1].completion_tokens == 3 for events in answers[1:])


def test_however_many_requests_are_too_large_the_next_one_is_answered(device):
    # Keys and values of a token: 3 layers of 2 heads of 16, in 16 bits.
    engine = engine_of(device, kv_budget_bytes=2 * 3 * 2 * 16 * 2 * 1500)
    too_large = Request(prompt_ids=(1, 50, 60), max_tokens=1600)
    with held_up(engine):
        refused = [Stream(engine, too_large) for _ in range(1100)]
        answered = Stream(engine, Request(prompt_ids=(1, 50, 60), max_tokens=3))
    assert list(answered)[-1].completion_tokens == 3
    assert all(isinstance(events_of(stream), OutOfMemoryError) for stream in refused)
    engine.close()


def test_when_a_pass_is_more_than_the_device_has_room_for_it_is_divided(monkeypatch, device):
    def limited(runner, work):
        if len(work) > 1 and not work[0].is_answer:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run(runner, work)

    run = ModelRunner.run
    monkeypatch.setattr(ModelRunner, "run", limited)
    engine = engine_of(device)
    answers = ask_together(engine, prompts([9] * 5))
    engine.close()
    assert all(events[-1].completion_tokens == 3 for events in answers)
