"""Whether a model's arithmetic depends on what else a pass has ("batch invariance").

Matrix libraries choose the order of their sums by the shapes they are given, so a token's last bits
usually depend on its company (He et al., "Defeating Nondeterminism in LLM Inference", 2025). In
float32 they need not: oneDNN's packed products (`packing`) go row by row, and attention in tiles
(`tiling`) has products of few shapes, and `activation` computes elements alike. Whether that
suffices is a matter of the processor and the libraries' versions, so it is tried out on the model's
own first layers.
"""

import contextlib
from collections.abc import Iterable
from typing import Any

import torch

from langchain_swallow.engines.attention import attends_quickly
from langchain_swallow.engines.devices import is_float32, is_on_cpu
from langchain_swallow.engines.forward import kv_bytes_per_token, prefill
from langchain_swallow.engines.kv_cache import KVCache
from langchain_swallow.engines.kv_memory import KVMemory, Window
from langchain_swallow.engines.tiling import TILINGS, Tiling

# What a layer computes shows in the keys and values of the next.
_LAYERS = 2
# The same tokens in few passes and in many, of small, odd and large sizes, in either order.
_REFERENCE = (512, 192)
_PASSES = (2, 3, 4, 5, 7, 11, 16, 17, 31, 33, 47, 64, 95, 129, 240)
# Prompts that end in one pass, against as many as may.
_ENDS, _MOST_ENDS = (2, 7, 33), 64


def invariant_tiling(model: Any) -> Tiling | None:
    """The first tiling with which a prompt's tokens come out bit by bit in any company.

    Takes the time of 2,100 to 6,300 tokens in the first layers. `None` without trying with fewer
    bits, where nothing asks for it, and on other devices.
    """
    if not is_on_cpu(model) or not is_float32(model) or not attends_quickly(model):
        return None
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.config.get_text_config().vocab_size
    ids = torch.randint(vocabulary, (sum(_REFERENCE),), generator=generator).tolist()
    with torch.inference_mode():
        if not _head_is_invariant(model, generator):
            return None
        return next((tiling for tiling in TILINGS if _is_invariant(model, ids, tiling)), None)


def _head_is_invariant(model: Any, generator: torch.Generator) -> bool:
    """Whether logits do not depend on how many rows there are, if there are several."""
    head, width = model.get_output_embeddings(), model.config.get_text_config().hidden_size
    rows = torch.randn(1, _MOST_ENDS, width, generator=generator)
    wanted = head(rows)
    return all(torch.equal(head(rows[:, :count].clone()), wanted[:, :count]) for count in _ENDS)


def _is_invariant(model: Any, ids: list[int], tiling: Tiling) -> bool:
    wanted = _keys_and_values(model, ids, _REFERENCE, tiling)
    return all(
        torch.equal(found, one)
        for sizes in (_PASSES, _PASSES[::-1])
        for found, one in zip(_keys_and_values(model, ids, sizes, tiling), wanted, strict=True)
    )


def _keys_and_values(
    model: Any, ids: list[int], sizes: Iterable[int], tiling: Tiling
) -> list[torch.Tensor]:
    """Those of the first layers, computed in passes of these sizes."""
    cache = KVCache(
        bytes_per_token=kv_bytes_per_token(model),
        max_slots=1,
        max_tokens=1024,
        budget_bytes=1024 * kv_bytes_per_token(model),
        grid=1,
    )
    memory = cache.memory = _FirstLayers(lazy=False)
    slot = cache.acquire(tuple(ids), len(ids))
    assert slot is not None
    for size in sizes:
        piece = ids[len(slot.ids) : len(slot.ids) + size]
        with contextlib.suppress(_EnoughError):
            prefill(model, cache, [(slot, piece)], [], tiling=tiling)
        cache.append(slot, piece, of_prompt=True)
    window = Window(memory, slot.row, [0], len(ids))
    return [one for layer in range(memory.layers) for one in memory.read(layer, window)]


class _EnoughError(Exception):
    """Ends a pass; no error."""


class _FirstLayers(KVMemory):
    """Memory that ends a pass when the first layers are computed."""

    layers = 0

    def write(self, layer: int, window: Window, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().write(layer, window, keys, values)
        self.layers = max(self.layers, layer + 1)
        if layer + 1 == _LAYERS:
            raise _EnoughError
