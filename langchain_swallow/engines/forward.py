"""One pass of a transformers model over rows of a `KVCache`."""

import functools
import inspect
from typing import Any

import torch

from langchain_swallow.engines.kv_cache import KVCache, Slot
from langchain_swallow.engines.kv_memory import Window
from langchain_swallow.engines.shared_beginning import asked_at_once
from langchain_swallow.engines.tiling import Tiles, Tiling, asked_in


def forward(
    model: Any,
    cache: KVCache,
    slots: list[Slot],
    new: list[list[int]],
    *,
    logits_of: int,
    tiling: Tiling | None = None,
) -> torch.Tensor:
    """Compute new tokens, the same number for each slot, behind those it has.

    Args:
        model: A causal language model.
        cache: Where the slots' keys and values lie.
        slots: In neighbouring rows, in their order.
        new: Token ids, one list per slot.
        logits_of: How many of the last tokens to return logits for.
        tiling: How to ask one slot's queries so that the bits of a token do not depend on how many
            are computed with it.

    Returns:
        Logits of shape (slots, logits_of, vocabulary).
    """
    starts = [len(slot.ids) for slot in slots]
    window = Window(cache.memory, slots[0].row, starts, len(new[0]))
    first = torch.tensor(starts, device=model.device)[:, None]
    positions = asked = first + torch.arange(window.count, device=model.device)
    tiles = Tiles(starts[0], window.count, tiling) if tiling else None
    if tiles:
        window.end = tiles.keys
        asked = torch.tensor([list(tiles.positions)], device=model.device)
    # With a window a mask hides some of the beginning.
    shared = 0 if _window(model) else cache.shared_by(slots)
    with asked_in(tiles), asked_at_once(shared, len(slots)):
        output = model(
            input_ids=torch.tensor(new, device=model.device),
            position_ids=positions,
            attention_mask=_masks(model, asked, window.end),
            use_cache=True,
            # A number of 0 would be all.
            logits_to_keep=logits_of or torch.zeros(0, dtype=torch.long, device=model.device),
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
