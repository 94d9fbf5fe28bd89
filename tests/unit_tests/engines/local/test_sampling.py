"""Drawing a token, against transformers' own warpers."""

from collections import Counter

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from langchain_swallow.engines.local.sampling import Sampler, choose
from langchain_swallow.engines.protocol import Request

DRAWS = 500


class Even:
    """Numbers spread evenly over [0, 1), so that each token is drawn as often as it is likely."""

    def __init__(self):
        self._drawn = -1

    def random(self):
        self._drawn += 1
        return (self._drawn + 0.5) / DRAWS


def sampler_of(**options):
    request = Request(prompt_ids=(1,), max_tokens=1, **{"temperature": 1.0, **options})
    return Sampler(request, torch.device("cpu"), None)


def choose_one(sampler, logits):
    (token,) = choose([sampler], logits[None])
    sampler.record(token)
    return token


def shares(logits, **options):
    """How often each token is drawn."""
    sampler = sampler_of(**options)
    sampler.random = Even()
    drawn = Counter(choose_one(sampler, logits) for _ in range(DRAWS))
    return {token: count / DRAWS for token, count in drawn.items()}


def probabilities(logits, temperature, top_k, top_p, min_p):
    """What transformers would draw from."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    if min_p:
        warpers.append(MinPLogitsWarper(min_p))
    return warpers(None, logits[None].float())[0].softmax(-1)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.05, 2.0, 6.0])
@pytest.mark.parametrize("size", [40, 1300])
@pytest.mark.parametrize("top_p", [1.0, 0.95, 0.4])
@pytest.mark.parametrize("top_k", [0, 25])
@pytest.mark.parametrize("min_p", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("temperature", [0.7, pytest.param(1.5, marks=pytest.mark.slow)])
def test_tokens_are_drawn_as_often_as_transformers_would(
    spread, size, top_p, top_k, min_p, temperature
):
    logits = spread * torch.randn(size, generator=torch.Generator().manual_seed(size))
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    drawn = shares(logits, **options)
    wanted = probabilities(logits, **options)
    assert set(drawn) <= set(wanted.nonzero()[:, 0].tolist())
    got = torch.tensor([drawn.get(token, 0.0) for token in range(size)])
    torch.testing.assert_close(got, wanted, rtol=0, atol=1.5 / DRAWS)


def test_of_equally_likely_tokens_none_is_left_out_by_top_p():
    logits = torch.tensor([3.0, 1.0, 2.0, 2.0, 2.0, 1.0])
    assert set(shares(logits, top_p=0.6)) == {0, 2, 3, 4}


@pytest.mark.parametrize("top_p", [1e-9, 0.5, 1 - 1e-9])
def test_equal_logits_leave_every_token(top_p):
    assert set(shares(torch.zeros(100), top_p=top_p)) == set(range(100))


@pytest.mark.parametrize("size", [1, 511, 512, 513])
def test_what_is_forbidden_is_never_drawn(size):
    logits = torch.full((size,), -torch.inf)
    logits[-1] = 0
    assert shares(logits) == {size - 1: 1.0}


def test_a_seed_repeats_itself():
    logits = torch.randn(5000)
    first, again, other = (
        [choose_one(sampler, logits) for _ in range(20)]
        for sampler in (sampler_of(seed=1), sampler_of(seed=1), sampler_of(seed=2))
    )
    assert first == again != other


@pytest.mark.parametrize("temperature", [1e-320, 1e-40, 1e-10, 9.9e-6, 1e-5, 1e-4])
def test_a_tiny_temperature_takes_the_likeliest_token(temperature):
    logits = torch.tensor([1.0, 80.0, 79.9, -torch.inf])
    sampler = sampler_of(temperature=temperature, top_p=0.9)
    assert {choose_one(sampler, logits) for _ in range(20)} == {1}


def test_only_the_likeliest_is_left_at_a_min_p_of_one():
    assert set(shares(torch.tensor([1.0, 3.0, 2.9]), min_p=1.0)) == {1}


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"seed": 3}], ids=["greedy", "drawn"])
def test_presence_penalty_lowers_what_the_answer_has_once_and_not_the_prompt(options):
    # The prompt is token 1: it keeps its score.
    logits = torch.tensor([0.0, 9.0, 8.5, 0.0])
    sampler = sampler_of(presence_penalty=1.0, **(options | {"top_k": 1}))
    assert not sampler.is_greedy
    # 9.0, then 8.0 < 8.5, then 7.5 < 8.0: from then on both are lowered, and once only.
    assert [choose_one(sampler, logits) for _ in range(5)] == [1, 2, 1, 1, 1]


def test_a_negative_presence_penalty_keeps_to_what_was_written():
    sampler = sampler_of(presence_penalty=-2.0, temperature=0.0)
    assert choose_one(sampler, torch.tensor([1.0, 2.0])) == 1
    assert choose_one(sampler, torch.tensor([3.0, 2.0])) == 1
    assert choose_one(sampler, torch.tensor([5.0, 2.0])) == 0


def test_sequences_are_sampled_together_as_each_alone():
    """Same seeds, same tokens, with every option in the same computation."""
    made = torch.Generator().manual_seed(4)
    options = [
        {"seed": 1},
        {"seed": 2, "top_p": 0.8},
        {"seed": 3, "top_k": 7},
        {"seed": 4, "top_k": 7, "min_p": 0.1, "temperature": 2.0},
        {"seed": 5, "repetition_penalty": 1.3},
        {"temperature": 0.0, "presence_penalty": 0.7},
        {"seed": 6, "top_k": 3, "presence_penalty": 1.5},
    ]
    together, alone = ([sampler_of(**chosen) for chosen in options] for _ in range(2))
    for _ in range(30):
        logits = 3 * torch.randn(len(options), 900, generator=made)
        before = logits.clone()
        tokens = choose(together, logits)
        for sampler, token in zip(together, tokens, strict=True):
            sampler.record(token)
        assert torch.equal(logits, before)
        wanted = [choose_one(s, row) for s, row in zip(alone, logits, strict=True)]
        assert tokens == wanted
