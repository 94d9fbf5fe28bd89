"""Attention by torch's SDPA kernels, called with the tensor shapes that they compute fastest.

For several new tokens, transformers copies keys and values for each head of a group (GQA); and on a
CPU, torch takes twice as long for one query in bfloat16 as for two. Here the heads of a group
become queries of one head, and a single query is computed twice. Results are equal up to rounding
(docs/benchmarks.md). A pass may also contain pieces of several prompts, each with its own KV cache.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from langchain_swallow.engines.local.kv_memory import Pieces
from langchain_swallow.errors import EngineError

_KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
_NAME = "swallow_sdpa"
# Devices whose torch kernels are known to support these shapes.
_DEVICES = ("cpu", "cuda")


def kernels(device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which torch does not take cuDNN's attention on CUDA.

    torch 2.11 and later prefer it on Hopper and Blackwell GPUs. It makes a plan for each shape, so
    for each decode step: 35 to 450 ms (reported).
    """
    return sdpa_kernel(_KERNELS) if device.type == "cuda" else nullcontext()


def use_quick_attention(model: Any) -> None:
    """Switch a model from transformers' "sdpa" to this attention; nothing else changes.

    A model with another attention implementation is left as it is.
    """
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(_NAME)


def attends_quickly(model: Any) -> bool:
    """Whether a model uses this attention."""
    return bool(model.config._attn_implementation == _NAME)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: Any,
    value: Any,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention function, for rows of equal length and for pieces of prompts.

    Args:
        module: The attention layer.
        query: Shape (rows, heads, new, head dim). Pieces follow each other in one row.
        key: Shape (rows, kv heads, known, head dim), or `Pieces` with one row each.
        value: As `key`.
        attention_mask: Shape (rows, 1, new, known): either added to the scores, or true for visible
            keys. For pieces, `known` is that of the longest.
        options: Passed to `sdpa_attention_forward`.

    Returns:
        The output, shape (rows, new, heads, head dim), and `None` for the attention weights.

    Raises:
        EngineError: The layer has attention sinks (gpt-oss).
    """
    if attention_mask is None or not isinstance(key, Pieces):
        return _attend_rows(module, query, key, value, attention_mask, **options), None
    queries = query.split(key.counts, 2)
    masks = attention_mask.split(key.counts, 2)
    attended = [
        _attend_rows(module, q, k, v, mask[..., : k.shape[2]], **options)
        for q, k, v, mask in zip(queries, key.rows, value.rows, masks, strict=True)
    ]
    return attended[0] if len(attended) == 1 else torch.cat(attended, 1), None


def _attend_rows(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    **options: Any,
) -> torch.Tensor:
    if options.get("s_aux") is not None:
        # torch's kernels do not support sinks, and without them the answer differs.
        raise EngineError(
            f"{type(module).__name__} has attention sinks, which this attention ignores. Use "
            'attn_implementation="eager" (of a loaded model, set_attn_implementation("eager")), or '
            'engine="vllm".'
        )
    device = query.device.type
    if mask is None or device not in _DEVICES or not _is_known(options):
        attended, _ = sdpa_attention_forward(module, query, key, value, mask, **options)
        return attended
    rows, heads, new, width = query.shape
    group = heads // key.shape[1]
    scale = options.get("scaling")
    # The heads of a group are adjacent, each with its queries.
    queries = query.reshape(rows, key.shape[1], group * new, width)
    if new > 1 and group > 1:
        mask = mask.repeat(1, 1, group, 1)
    if group * new == 1 and query.dtype == torch.bfloat16 and device == "cpu":
        queries = queries.repeat(1, 1, 2, 1)
    attended = torch.nn.functional.scaled_dot_product_attention(
        queries, key, value, attn_mask=mask, scale=scale
    )
    attended = attended[:, :, : group * new].reshape(rows, heads, new, -1)
    return attended.transpose(1, 2).contiguous()


def _is_known(options: dict[str, Any]) -> bool:
    """Whether this attention supports all of the options."""
    return not options.get("dropout") and options.keys().isdisjoint(("position_bias", "softcap"))


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)
