"""Tiny models of other architectures than Llama, with random weights."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from tests.support.tiny_models import SIZES, tiny

KINDS = {
    "qwen3": {"head_dim": 16},
    "qwen3_moe": {
        "head_dim": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "norm_topk_prob": True,
    },
    "gpt_oss": {
        "head_dim": 16,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    },
}


def made(kind):
    """A tiny model with random weights; nothing in it is zero."""
    torch.manual_seed(0)
    sizes = {**SIZES, "num_hidden_layers": 4, **KINDS[kind], "tie_word_embeddings": False}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes))
    for name, weights in model.named_parameters():
        # Sinks that take much of the attention: without them other tokens are chosen.
        scale = 2.0 if "sinks" in name else 0.15
        weights.data = scale * torch.randn_like(weights) + (1.0 if "norm" in name else 0.0)
    model.lm_head.weight.data[3:259] = 0
    model.generation_config.eos_token_id = None
    return model.eval()


def made_of(kind, dtype):
    if kind in ("qwen3", "gpt_oss"):
        return made(kind).to(dtype)
    if kind == "qwen2":  # biases of query, key and value
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(Qwen2Config(**SIZES)).eval()
        for name, weights in model.named_parameters():
            weights.data = 0.15 * torch.randn_like(weights) + (1.0 if "norm" in name else 0.0)
        return model.to(dtype)
    return tiny(kind).to(dtype)
