"""Attention on a CPU: torch's kernel, asked in the forms that it is quick at.

Transformers copies keys and values for each head of a group that shares them, whenever there are
several new tokens; and torch takes twice as long for one query in bfloat16 as for two. Here the
heads of a group are queries of one head, and a single query is asked twice: the same up to rounding
(docs/benchmarks.md).
"""

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from langchain_swallow.engines.devices import is_on_cpu
from langchain_swallow.engines.shared_beginning import attend_at_once, shared_tokens
from langchain_swallow.engines.tiling import attend_in_tiles, current_tiles

_NAME = "swallow_sdpa"


def use_quick_attention(model: Any) -> None:
    """Let a model that is used for inference with additive masks attend this way.

    Does nothing on other devices, and to a model with attention of its own.
    """
    if is_on_cpu(model) and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(_NAME)


def attends_quickly(model: Any) -> bool:
    """Whether it attends this way."""
    return bool(model.config._attn_implementation == _NAME)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' protocol.

    Args:
        module: The layer.
        query: Shape (rows, heads, new, head dim).
        key: Shape (rows, kv heads, known, head dim).
        value: The same.
        attention_mask: Shape (rows, 1, new, known), added to the scores. In tiles it is as long as
            they are.
        options: For `sdpa_attention_forward`.

    Returns:
        Shape (rows, new, heads, head dim), and no weights.
    """
    tiles = current_tiles()
    if not options.keys().isdisjoint(("position_bias", "softcap")):
        if tiles:
            attention_mask = attention_mask[:, :, tiles.before :][:, :, : tiles.count]
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    scale = options.get("scaling")
    if tiles:
        return attend_in_tiles(query, key, value, attention_mask, tiles, scale), None
    rows, heads, new, width = query.shape
    group = heads // key.shape[1]
    # The heads of a group lie next to each other, each with its queries.
    queries = query.reshape(rows, key.shape[1], group * new, width)
    shared_mask = new == 1 or group == 1
    mask = attention_mask if shared_mask else attention_mask.repeat(1, 1, group, 1)
    if group * new == 1 and query.dtype == torch.bfloat16:
        queries = queries.repeat(1, 1, 2, 1)
    if shared := shared_tokens(key, value):
        attended = attend_at_once(queries, key, value, mask, shared, scale)
    else:
        attended = torch.nn.functional.scaled_dot_product_attention(
            queries, key, value, attn_mask=mask, scale=scale
        )
    attended = attended[:, :, : group * new].reshape(rows, heads, new, -1)
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(_NAME, _attend)
