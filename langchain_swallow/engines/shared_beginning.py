"""Attention of rows that begin alike: all ask the first row's copy of the beginning, at once.

A decode step reads the keys and values of every row. Where a batch has the same instructions or
examples, most of them are the same; read once, they stay in the processor's cache. The rest of each
row is asked as ever, and the two answers are weighed by the sums of their exponentials (Juravsky et
al., "Hydragen", 2024).
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import torch

# Tokens that are not read again, from where it takes less time (docs/benchmarks.md).
_WORTH = 1024

_length: ContextVar[int] = ContextVar("length", default=0)


@contextlib.contextmanager
def asked_at_once(length: int, rows: int) -> Iterator[None]:
    """Let a model attend so to this many tokens that all rows begin with, if it is worth it."""
    token = _length.set(length if length * (rows - 1) >= _WORTH else 0)
    try:
        yield
    finally:
        _length.reset(token)


def shared_tokens(key: torch.Tensor, value: torch.Tensor) -> int:
    """How many tokens are asked at once; 0 where torch's kernel cannot."""
    suits = key.device.type == "cpu" and key.shape[-1] == value.shape[-1]
    return _length.get() if suits else 0


def attend_at_once(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    shared: int,
    scale: float | None,
) -> torch.Tensor:
    """Attention to keys of which the first are the same in all rows.

    Args:
        query: Shape (rows, kv heads, n, head dim).
        key: Shape (rows, kv heads, known, head dim).
        value: The same.
        mask: Shape (rows, 1, n, known) or what broadcasts to it, added to the scores; 0 for all
            that is shared.
        shared: How many of the keys.
        scale: Of the scores; `None`: by the width of a head.

    Returns:
        Shape (rows, kv heads, n, head dim).
    """
    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    rows, heads, count, width = query.shape
    together = query.transpose(0, 1).reshape(1, heads, rows * count, width)
    first, first_sum = attend(together, key[:1, :, :shared], value[:1, :, :shared], scale=scale)
    first = first.view(heads, rows, count, width).transpose(0, 1)
    first_sum = first_sum.view(heads, rows, count).transpose(0, 1)
    rest, rest_sum = attend(
        query,
        key[:, :, shared:],
        value[:, :, shared:],
        attn_mask=mask[..., shared:],
        scale=scale,
    )
    # The logarithms of the sums of exponentials.
    share = torch.sigmoid(first_sum - rest_sum)[..., None]
    return torch.lerp(rest.float(), first.float(), share.float()).to(query.dtype)
