"""Weights of 8 and 4 bits: near those they are made of, by few rows and by many, in a model too."""

import sys

import pytest
import torch
from torch import nn

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.local import loading, quantized
from langchain_swallow.engines.local.quantized import Int4Linear, Int8Linear
from langchain_swallow.engines.protocol import Request
from tests.support.local_engines import engine_of, run
from tests.support.tiny_models import tiny

pytestmark = pytest.mark.skipif(
    not (quantized.has_kernels(8) and quantized.has_kernels(4)), reason="torch has no such kernels"
)
KINDS = {Int8Linear: 0.01, Int4Linear: 0.1}


@pytest.fixture(params=[(128, 192, False), (192, 128, True), (1024, 2304, False)], ids=str)
def linear(request):
    torch.manual_seed(0)
    width, height, bias = request.param
    return nn.Linear(width, height, bias=bias, dtype=torch.bfloat16)


def error(found, wanted):
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 10), (1, 21), (1, 129), (3, 100)])
@torch.inference_mode()
def test_the_products_are_near(linear, kind, dtype, shape):
    rows = torch.randn(*shape, linear.in_features, dtype=dtype)
    found, wanted = kind(linear)(rows), linear.to(dtype)(rows)
    assert found.shape == wanted.shape
    assert found.dtype == dtype
    assert error(found, wanted) < KINDS[kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_few_rows_and_many_have_the_same_weights(linear, kind):
    made = kind(linear)
    every = torch.eye(linear.in_features, dtype=torch.bfloat16)
    few = torch.cat([made.multiply_few(part) for part in every.split(64)])
    assert error(made.multiply_many(every), few) < 0.006
    # All of them: none is in another's place.
    scale = linear.weight.abs().max()
    assert (made.multiply_many(every) - few).abs().max() < 0.02 * scale


@torch.inference_mode()
def test_weights_of_one_value_and_of_none():
    linear = nn.Linear(128, 128, bias=False, dtype=torch.bfloat16)
    rows = torch.ones(1, 128, dtype=torch.bfloat16)
    for value in (0.0, 0.5, -3.0):
        linear.weight.fill_(value)
        for kind in KINDS:
            assert kind(linear)(rows).float().mean() == pytest.approx(128 * value, rel=0.01)


def test_what_is_not_quantized_has_the_wanted_dtype():
    model = tiny(hidden_size=64, intermediate_size=96).to(torch.bfloat16)
    quantized.quantize_linear_layers(model, 4, torch.float32)
    kinds = {name: type(module) for name, module in model.named_modules()}
    # 96 is no multiple of 64.
    assert kinds["model.layers.0.mlp.down_proj"] is nn.Linear
    assert kinds["model.layers.0.self_attn.q_proj"] is Int4Linear
    assert kinds["lm_head"] is nn.Linear
    assert model.dtype == model.lm_head.weight.dtype == torch.float32
    assert model.model.layers[0].self_attn.q_proj.scale_and_zero.dtype == torch.bfloat16


@pytest.mark.parametrize(("quantization", "kind"), [("8bit", Int8Linear), ("4bit", Int4Linear)])
def test_a_cpu_without_bfloat16_takes_torchs_kernels(checkpoint, monkeypatch, quantization, kind):
    monkeypatch.setattr(loading, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    llm = ChatSwallow(
        model=str(checkpoint),
        quantization=quantization,
        dtype="float32",
        max_tokens=12,
        temperature=0,
    )
    model = llm.load().model
    assert any(isinstance(module, kind) for module in model.modules())
    alone = [llm.invoke(question).text for question in ("東京は？", "大阪は？")]
    assert [answer.text for answer in llm.batch(["東京は？", "大阪は？"])] == alone
    assert llm.invoke("東京は？").text == alone[0]
    llm.unload()


@pytest.mark.parametrize("bits", [8, 4])
def test_a_turn_begins_with_the_answer_before_in_float32_too(bits):
    model = tiny(hidden_size=64, intermediate_size=128).to(torch.bfloat16)
    quantized.quantize_linear_layers(model, bits, torch.float32)
    engine = engine_of(model, block=7)
    first = (1, *range(40, 69))
    answer, _ = run(engine, Request(prompt_ids=first, max_tokens=6))
    following = (*first, *answer, 77, 78)
    continued, events = run(engine, Request(prompt_ids=following, max_tokens=3))
    engine.close()
    # The last token of an answer was never fed back.
    assert events[-1].cached_tokens == len(following) - 3
    assert len(continued) == 3


@pytest.mark.parametrize(("bits", "most"), [(8, 4), (4, 4), (None, 9)])
def test_fewer_tokens_are_guessed_where_each_costs_more(bits, most):
    model = tiny(hidden_size=64, intermediate_size=128).to(torch.bfloat16)
    if bits:
        quantized.quantize_linear_layers(model, bits, torch.float32)
    passes = []
    model.register_forward_pre_hook(
        lambda _model, _args, inputs: passes.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    engine = engine_of(model)
    # What repeats itself is guessed to go on, and a random model repeats itself.
    run(engine, Request(prompt_ids=(1, *[50, 51, 52] * 10), max_tokens=60))
    engine.close()
    assert max(passes[1:]) == most
