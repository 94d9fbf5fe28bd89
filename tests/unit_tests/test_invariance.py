"""Prompts computed in passes of any size, bit by bit, where the machine's arithmetic allows it."""

import pytest
import torch
from torch import nn

from langchain_swallow.engines.activation import EvenGELU, EvenSiLU, use_even_activation
from langchain_swallow.engines.attention import use_quick_attention
from langchain_swallow.engines.base import Request, Stream
from langchain_swallow.engines.invariance import invariant_tiling
from langchain_swallow.engines.local import LocalEngine
from langchain_swallow.engines.packing import pack_linear_layers
from langchain_swallow.engines.tiling import Tiles, asked_in
from tests.unit_tests.test_local_engine import NoEnd, logprobs, run
from tests.unit_tests.tiny_models import tiny

ACTIVATIONS = {EvenSiLU: nn.SiLU(), EvenGELU: nn.GELU("tanh")}
# Room for more than one block of keys; products long enough to be summed in several ways.
SIZES = {"hidden_size": 256, "intermediate_size": 2048, "max_position_embeddings": 2048}


def loaded(kind="llama", **sizes):
    """As `loading` prepares a model."""
    model = tiny(kind, **sizes)
    pack_linear_layers(model)
    use_quick_attention(model)
    use_even_activation(model)
    return model


class Company(nn.Module):
    """A layer whose results depend on how many rows it is given."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, rows):
        return self.layer(rows) * (1 + 1e-6 * (rows.shape[1] % 5))


def test_a_model_that_rounds_by_the_size_of_a_pass_is_found_out():
    model = loaded()
    layer = model.model.layers[0].mlp
    layer.down_proj = Company(layer.down_proj)
    assert invariant_tiling(model) is None


def test_a_head_that_rounds_by_the_number_of_prompts_is_found_out():
    model = loaded()
    model.lm_head = Company(model.lm_head)
    assert invariant_tiling(model) is None


def test_it_is_not_tried_where_nothing_asks_for_it(monkeypatch):
    half, eager = loaded().to(torch.bfloat16), loaded()
    eager.set_attn_implementation("eager")
    for model in (tiny(), half, eager):
        monkeypatch.setattr(model, "forward", None)
        assert invariant_tiling(model) is None


@pytest.fixture(scope="module")
def model():
    return loaded(**SIZES)


@pytest.fixture(scope="module")
def tiling(model):
    if (found := invariant_tiling(model)) is None:
        pytest.skip("this machine's products round by the size of a pass")
    return found


@pytest.fixture
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=["SiLU", "GELU"])
@pytest.mark.parametrize("threads", [1, 3, 7], indirect=True)
def test_ends_of_threads_parts_do_not_show_in_the_activation(tiling, threads, activation):
    made = torch.Generator().manual_seed(threads)
    whole, even = torch.randn(512, 1376, generator=made), activation()
    with asked_in((Tiles(0, 1, tiling),)):
        wanted = even(whole)
        for first, count in ((0, 47), (5, 129), (200, 95), (511, 1)):
            part = slice(first, first + count)
            assert torch.equal(even(whole[part].clone()), wanted[part])


@pytest.mark.parametrize(("activation", "torchs"), ACTIVATIONS.items(), ids=["SiLU", "GELU"])
def test_the_activation_is_torchs(tiling, activation, torchs):
    numbers, even = torch.linspace(-200, 200, 4001), activation()
    assert torch.equal(even(numbers), torchs(numbers))
    with asked_in((Tiles(0, 1, tiling),)):
        torch.testing.assert_close(even(numbers), torchs(numbers))


@pytest.mark.parametrize("hidden_act", ["silu", "gelu_pytorch_tanh"])
def test_a_models_activations_are_replaced(hidden_act):
    model = loaded(hidden_act=hidden_act)
    wanted = {"silu": EvenSiLU, "gelu_pytorch_tanh": EvenGELU}[hidden_act]
    assert {type(layer.mlp.act_fn) for layer in model.model.layers} == {wanted}


def engine_of(model, tiling):
    return LocalEngine(model, NoEnd(), context_window=2048, tiling=tiling)


def test_a_pass_asks_for_whole_tiles(tiling):
    for first, count in ((0, 1), (37, 500), (1500, 33)):
        tiles = Tiles(first, count, tiling)
        assert len(tiles.positions) % tiling.multiple == 0
        assert tiles.keys >= first + count


@pytest.mark.parametrize("shared", [1, 2, 45, 130, 517, 1100])
def test_what_is_shared_to_the_token_gives_the_logits_of_a_cold_run_bit_by_bit(
    model, tiling, shared
):
    beginning = (1, *(40 + i % 500 for i in range(shared - 1)))
    first, second = ((*beginning, *range(300 + i, 340 + 60 * i)) for i in range(2))
    options = {"max_tokens": 5, "logprobs": 3}
    warm, cold = engine_of(model, tiling), engine_of(model, tiling)
    run(warm, Request(prompt_ids=first, max_tokens=5))
    _, with_cache = run(warm, Request(prompt_ids=second, **options))
    _, without = run(cold, Request(prompt_ids=second, **options))
    warm.close()
    cold.close()
    assert with_cache[-1].cached_tokens == shared
    assert logprobs(with_cache) == logprobs(without)


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_prompts_computed_together_give_the_logits_of_cold_runs_bit_by_bit(kind):
    model = loaded(kind, **SIZES)
    if (found := invariant_tiling(model)) is None:
        pytest.skip("this machine's products round by the size of a pass")
    prompts = [(1, *(40 + (7 * i + j) % 500 for j in range(3 + 40 * i))) for i in range(8)]
    requests = [Request(prompt_ids=ids, max_tokens=1, logprobs=3) for ids in prompts]
    together = engine_of(model, found)
    passes = []
    model.register_forward_hook(lambda *_: passes.append(1))
    with together._wake:
        streams = [Stream(together, request) for request in requests]
    answers = [list(stream) for stream in streams]
    together.close()
    # 1,152 tokens in passes of up to 512; what is divided leaves a block in each.
    assert len(passes) == 3
    for request, answer in zip(requests, answers, strict=True):
        cold = engine_of(model, found)
        assert logprobs(answer) == logprobs(run(cold, request)[1])
        cold.close()


@pytest.mark.parametrize("threads", [3, 7], indirect=True)
def test_with_any_number_of_threads_a_warm_run_is_a_cold_one(model, threads):
    if (found := invariant_tiling(model)) is None:
        pytest.skip("with so many threads this machine's products round by the size of a pass")
    prompt = (1, *(40 + i % 500 for i in range(700)))
    request = Request(prompt_ids=prompt, max_tokens=3, logprobs=3)
    warm, cold = engine_of(model, found), engine_of(model, found)
    for shared in (100, 347, 575):
        run(warm, Request(prompt_ids=(*prompt[:shared], 39), max_tokens=1))
    (_, with_cache), (_, without) = run(warm, request), run(cold, request)
    warm.close()
    cold.close()
    assert with_cache[-1].cached_tokens == 575
    assert logprobs(with_cache) == logprobs(without)


def test_turns_after_answers_give_the_logits_of_a_cold_run_bit_by_bit(model, tiling):
    prompt, known = (1, *range(40, 340)), 0
    warm = engine_of(model, tiling)
    for _ in range(4):
        request = Request(prompt_ids=prompt, max_tokens=9, logprobs=3)
        cold = engine_of(model, tiling)
        (answer, with_cache), (_, without) = run(warm, request), run(cold, request)
        cold.close()
        # All of the turn before; its answer is computed again.
        assert with_cache[-1].cached_tokens == known
        assert logprobs(with_cache) == logprobs(without)
        known = len(prompt)
        prompt = (*prompt, *answer, 77, 78)
    warm.close()
