"""Sizes computed from the catalog, against models that transformers builds from their configs."""

import dataclasses
import inspect

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import DynamicCache

from langchain_swallow import list_models, resolve_model
from langchain_swallow.catalog import GIB, GREEDY, ModelInfo, Shape
from langchain_swallow.engines.local.quantized import has_kernels, quantize_linear_layers

MODELS = list({(info.shape, info.vocabulary): info for info in list_models()}.values())


def config(shape, **others):
    """The config that a shape stands for."""
    sizes = {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "tie_word_embeddings": shape.ties_embeddings,
    }
    if shape.architecture != "qwen2":
        sizes["head_dim"] = shape.head_dim
    if shape.experts:
        sizes |= {"num_local_experts": shape.experts, "num_experts_per_tok": shape.active_experts}
    if shape.architecture == "qwen3_moe":
        sizes |= {"num_experts": shape.experts, "moe_intermediate_size": shape.intermediate}
    if shape.sliding_window:
        sizes["sliding_window"] = shape.sliding_window
    return AutoConfig.for_model(shape.architecture, **(sizes | others))


def on_meta(info):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(
            config(info.shape, vocab_size=info.vocabulary), dtype=torch.bfloat16
        )


def weights(model):
    return {id(weights): weights for weights in model.parameters()}.values()


@pytest.mark.slow
@pytest.mark.parametrize("info", MODELS, ids=lambda info: info.name)
def test_shape_agrees_with_the_model_built_from_its_config(info):
    info = dataclasses.replace(info, quantization=None)
    model = on_meta(info)
    assert info.parameters == sum(tensor.numel() for tensor in weights(model))
    stored = sum(tensor.numel() * tensor.itemsize for tensor in weights(model)) / GIB
    assert info.weights_gib(16) == pytest.approx(stored, rel=0.01)
    shape, attention = info.shape, model.model.layers[0].self_attn
    width = attention.k_proj.out_features + attention.v_proj.out_features
    per_1000 = 1000 * shape.layers * width * 2 / GIB
    assert info.kv_cache_gib_per_1000_tokens == pytest.approx(per_1000, rel=0.01)
    assert info.weights_gib(4) < info.weights_gib(8) < info.weights_gib(16)
    kinds = getattr(model.config, "layer_types", None) or []
    if shape.architecture != "mistral":
        assert shape.sliding_layers == kinds.count("sliding_attention")


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        # As their developers publish them.
        ("GPT-OSS-Swallow-20B-RL-v0.1", 20.9, 3.6),
        ("GPT-OSS-Swallow-120B-RL-v0.1", 116.8, 5.1),
        ("Qwen3-Swallow-30B-A3B-RL-v0.2", 30.5, 3.0),
        ("Qwen3-Swallow-8B-RL-v0.2", 8.2, 7.6),
        ("Swallow-MX-8x7b-NVE-v0.1", 46.7, 12.7),
    ],
)
def test_a_token_is_computed_by_the_active_experts_alone(name, total, active):
    info = resolve_model(name)
    assert round(info.parameters / 1e9, 1) == total
    assert round(info.active_parameters / 1e9, 1) == active


@pytest.mark.parametrize(
    ("name", "bf16", "four_bits", "kv"),
    [
        ("Qwen3-Swallow-8B-RL-v0.2", 15.3, 6.0, 0.137),
        ("Qwen3-Swallow-32B-RL-v0.2", 61.0, 19.2, 0.244),
    ],
)
def test_memory_of_models_whose_sizes_are_published(name, bf16, four_bits, kv):
    info = resolve_model(name)
    assert round(info.weights_gib(16), 1) == bf16
    assert round(info.weights_gib(4), 1) == four_bits
    assert round(info.kv_cache_gib_per_1000_tokens, 3) == kv


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("tokens", [20, 200])
def test_the_kv_cache_is_what_transformers_keeps(tokens, drops):
    """Its cache with a config forgets what leaves a window, and without one it does not."""
    shape = Shape(
        "gpt_oss", 64, 64, 4, 4, 2, 16, experts=4, active_experts=2,
        sliding_window=32, sliding_layers=2,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config(shape, vocab_size=300), dtype=torch.bfloat16)
    cache = DynamicCache(config=model.config) if drops else DynamicCache()
    # transformers 5.24 renamed it.
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    with torch.inference_mode():
        for start in range(0, tokens, 10):
            ids = torch.arange(start, start + 10)[None]
            model(ids, use_cache=True, **{name: cache})
    taken = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) / GIB
    info = ModelInfo("tiny", shape, 300, 512, "tokenizer", "")
    # Of a window transformers keeps all but the token that is computed next.
    assert info.kv_cache_gib(tokens, drops_outside_window=drops) == pytest.approx(taken, rel=0.02)


def test_fewer_bits_leave_experts_as_they_are():
    if not has_kernels(4):
        pytest.skip("torch has no kernels for weights of fewer bits")
    shape = Shape("qwen3_moe", 256, 64, 2, 4, 2, 64, experts=8, active_experts=2)
    model = AutoModelForCausalLM.from_config(config(shape, vocab_size=300), dtype=torch.bfloat16)
    quantize_linear_layers(model, 4, torch.bfloat16)
    taken = sum(tensor.nbytes for tensor in model.parameters()) / GIB
    info = ModelInfo("tiny", shape, 300, 512, "tokenizer", "")
    assert info.weights_gib(4) == pytest.approx(taken, rel=0.01)


def test_quantized_checkpoints_take_what_their_files_store():
    # gpt-oss-20b in MXFP4 is 13.8 GB on the hub, gpt-oss-120b 65.2 GB.
    for name, gigabytes in ("20B", 13.8), ("120B", 65.2):
        info = resolve_model(f"GPT-OSS-Swallow-{name}-RL-v0.1-MXFP4")
        assert info.weights_gib() * GIB / 1e9 == pytest.approx(gigabytes, rel=0.01)
    # Qwen's own Qwen3-8B-AWQ is 6.1 GB, Qwen3-32B-AWQ 19.3 GB.
    for name, gigabytes in ("8B", 6.1), ("32B", 19.3):
        info = resolve_model(f"Qwen3-Swallow-{name}-RL-v0.2-AWQ-INT4")
        assert info.weights_gib() * GIB / 1e9 == pytest.approx(gigabytes, rel=0.01)
    with pytest.raises(ValueError, match=r"is quantized already \(awq\).*Use bits=16"):
        info.weights_gib(4)


def test_bits_are_checked():
    with pytest.raises(ValueError, match="16, 8 or 4, not 2"):
        resolve_model("Swallow-7b-hf").weights_gib(2)


def test_models_that_think_sample_as_their_card_does_and_others_are_greedy():
    for info in list_models():
        if info.thinking:
            assert info.default_sampling == info.sampling
            assert info.default_sampling.temperature == 0.6
        else:
            assert info.default_sampling == GREEDY
    qwen3 = resolve_model("Qwen3-Swallow-8B-RL-v0.2").default_sampling
    assert (qwen3.top_p, qwen3.top_k) == (0.95, 20)
