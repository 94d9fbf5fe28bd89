"""Tiny models with random weights and real tokenizers, loaded by the same code as Swallow."""

import functools

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

# Where generation is tested: on the CPU always, and on a GPU where one is at hand.
DEVICES = [
    "cpu",
    *(["cuda"] if torch.cuda.is_available() else []),
    *(["mps"] if torch.backends.mps.is_available() else []),
]

SIZES = {
    "vocab_size": 600,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def tiny(kind="llama", seed=0, *, device="cpu", **sizes):
    """A model whose greedy answers differ with the prompt and do not stop by themselves."""
    torch.manual_seed(seed)
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**{**SIZES, **sizes}))
    elif kind == "gemma2":
        model = Gemma2ForCausalLM(Gemma2Config(**SIZES, head_dim=16, sliding_window=8))
    else:
        model = MistralForCausalLM(MistralConfig(**{**SIZES, **sizes}, sliding_window=8))
    for weights in model.parameters():
        weights.data *= 3
    # Bytes drawn at random are no text: tokens 3 to 258 get a logit of 0.
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.lm_head.weight.data[3:259] = 0
    model.config.tie_word_embeddings = False
    # Without this a random model may end an answer at any token.
    model.generation_config.eos_token_id = None
    return model.eval().to(device)


@functools.cache
def tiny_llama(device="cpu"):
    return tiny(device=device)
