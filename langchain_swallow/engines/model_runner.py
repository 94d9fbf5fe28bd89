"""Passes of a transformers model over rows of a `KVCache`: of prompts, and of answers."""

import functools
import inspect
import itertools
from typing import Any

import torch

from langchain_swallow.engines.attention import attends_quickly
from langchain_swallow.engines.kv_cache import KVCache, Slot
from langchain_swallow.engines.kv_memory import Window, Windows


def decode(model: Any, cache: KVCache, slots: list[Slot], new: list[list[int]]) -> torch.Tensor:
    """Compute new tokens of several rows, the same number for each.

    Args:
        model: A causal language model.
        cache: Where the slots' keys and values lie.
        slots: In neighbouring rows, in their order.
        new: Token ids behind those that a slot has, one list per slot.

    Returns:
        Logits of shape (slots, new, vocabulary).
    """
    starts = [len(slot.ids) for slot in slots]
    window = Window(cache.memory, slots[0].row, starts, len(new[0]))
    first = torch.tensor(starts, device=model.device)[:, None]
    positions = first + torch.arange(window.count, device=model.device)
    return _pass(model, new, positions, window, window.count)


def prefill(
    model: Any, cache: KVCache, pieces: list[tuple[Slot, list[int]]], last: list[int]
) -> torch.Tensor:
    """Compute pieces of prompts in one pass.

    Args:
        model: A causal language model; for several pieces one that attends quickly.
        cache: Where the slots' keys and values lie.
        pieces: Slots, and the token ids behind those that they have.
        last: Which pieces end a prompt.

    Returns:
        Logits of shape (last, vocabulary) of the tokens that end a prompt.
    """
    windows = [Window(cache.memory, slot.row, [len(slot.ids)], len(ids)) for slot, ids in pieces]
    ids = [token for _, piece in pieces for token in piece]
    positions = torch.cat([torch.arange(w.starts[0], w.end, device=model.device) for w in windows])
    ends = list(itertools.accumulate(window.count for window in windows))
    window = Windows(windows) if attends_quickly(model) else windows[0]
    return _pass(model, [ids], positions[None], window, [ends[i] - 1 for i in last])[0]


def _pass(
    model: Any,
    ids: list[list[int]],
    positions: torch.Tensor,
    window: Window | Windows,
    logits_of: int | list[int],
) -> torch.Tensor:
    """Logits of shape (rows, logits_of, vocabulary).

    Args:
        model: A causal language model.
        ids: Tokens, the same number in each row.
        positions: Of the tokens, in their texts.
        window: Where the model's keys and values are.
        logits_of: How many of the last tokens of a row are wanted, or which; no tensor, since the
            last layer may be on another device than the first.
    """
    output = model(
        input_ids=torch.tensor(ids, device=model.device),
        position_ids=positions,
        attention_mask=_masks(model, positions, window.end),
        use_cache=True,
        logits_to_keep=logits_of,
        **{_cache_parameter(model.__class__): window},
    )
    logits: torch.Tensor = output.logits
    return logits


@functools.cache
def _cache_parameter(kind: Any) -> str:
    """What a class of models calls its cache: transformers 5.24 gave it another name."""
    parameters = inspect.signature(kind.forward).parameters
    return "cache" if "cache" in parameters else "past_key_values"


def kv_bytes_per_token(model: Any) -> int:
    """Memory of one token's keys and values over all layers."""
    config = model.config.get_text_config()
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    width: int = config.num_key_value_heads * head_dim
    return 2 * config.num_hidden_layers * width * model.dtype.itemsize


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's EOS and those of the generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in [*ids, tokenizer.eos_token_id] if i is not None)


def _masks(model: Any, positions: torch.Tensor, end: int) -> Any:
    """Additive attention masks of shape (rows, 1, queries, end).

    A model with sliding layers takes one mask per kind of layer; keys and values are all kept,
    so the window is in the mask.
    """
    keys = torch.arange(end, device=positions.device)
    seen = keys <= positions[:, :, None]
    window = _window(model)
    if not window:
        return _additive(seen, model.dtype)
    masks = {
        "full_attention": _additive(seen, model.dtype),
        "sliding_attention": _additive(seen & (keys > positions[:, :, None] - window), model.dtype),
    }
    # Without a list of layer types (Mistral) every layer has the window.
    kinds = set(getattr(model.config, "layer_types", None) or ["sliding_attention"])
    return masks if len(kinds) > 1 else masks[kinds.pop()]


def _window(model: Any) -> int | None:
    """Tokens that the layers of some models look back to at most."""
    return getattr(model.config, "sliding_window", None)


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
