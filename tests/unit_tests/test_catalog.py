"""Names, siblings, and shapes proved on the meta device."""

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, MistralConfig

from langchain_swallow import list_models, resolve_model
from langchain_swallow.catalog import GIB, chat_model_info
from langchain_swallow.errors import BaseModelError, UnknownModelError

CONFIGS = {"llama": LlamaConfig, "mistral": MistralConfig, "gemma2": Gemma2Config}


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_shape_agrees_with_the_model_built_from_its_config(info):
    shape = info.shape
    config = CONFIGS[shape.architecture](
        vocab_size=info.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=info.context_window,
        tie_word_embeddings=shape.architecture == "gemma2",
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    unique = {id(weights): weights for weights in model.parameters()}.values()
    assert info.parameters == sum(weights.numel() for weights in unique)
    stored = sum(weights.numel() * weights.itemsize for weights in unique) / GIB
    assert info.weights_gib(16) == pytest.approx(stored, rel=0.01)
    attention = model.model.layers[0].self_attn
    width = attention.k_proj.out_features + attention.v_proj.out_features
    per_1000 = 1000 * shape.layers * width * 2 / GIB
    assert info.kv_cache_gib_per_1000_tokens == pytest.approx(per_1000, rel=0.01)
    assert info.weights_gib(4) < info.weights_gib(8) < info.weights_gib(16)


@pytest.mark.parametrize(
    "name",
    [
        "tokyotech-llm/Swallow-7b-instruct-v0.1",
        "Swallow-7b-instruct-v0.1",
        "SWALLOW-7B-INSTRUCT-V0.1",
        " tokyotech-LLM/swallow-7b-instruct-v0.1/ ",
    ],
)
def test_names_resolve_in_any_form(name):
    assert resolve_model(name).repo_id == "tokyotech-llm/Swallow-7b-instruct-v0.1"


def test_the_whole_index_is_there():
    sizes = ("7b", "13b", "70b")
    names = [
        f"Swallow-{s}-{kind}" for s in sizes for kind in ("hf", "instruct-hf", "instruct-v0.1")
    ]
    names += [f"Swallow-{s}-NVE-hf" for s in sizes] + ["Swallow-7b-plus-hf"]
    names += ["Swallow-7b-NVE-instruct-hf", "Swallow-70b-NVE-instruct-hf"]
    assert set(names) <= {info.name for info in list_models()}


def test_the_cards_typo_resolves_with_a_warning():
    with pytest.warns(UserWarning, match="typo"):
        assert resolve_model("Swallow-7b-instruct-v1.0").name == "Swallow-7b-instruct-v0.1"


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownModelError, match=r"Did you mean 'Swallow-7b-instruct-v0.1'"):
        resolve_model("swallow-7b-instruct-v01")


@pytest.mark.parametrize(
    ("base", "sibling"),
    [
        ("Swallow-13b-hf", "Swallow-13b-instruct-v0.1"),
        ("Swallow-7b-plus-hf", "Swallow-7b-instruct-v0.1"),
        ("Swallow-70b-NVE-hf", "Swallow-70b-NVE-instruct-hf"),
    ],
)
def test_base_models_name_their_instruct_sibling(base, sibling):
    with pytest.raises(BaseModelError, match=sibling):
        chat_model_info(base)


def test_every_base_model_has_an_instruct_sibling_in_the_catalogue():
    for info in list_models():
        if not info.is_instruct:
            assert resolve_model(info.instruct_sibling).is_instruct


def test_bits_are_checked():
    with pytest.raises(ValueError, match="16, 8 or 4, not 2"):
        resolve_model("Swallow-7b-hf").weights_gib(2)
