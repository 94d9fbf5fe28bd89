"""Attention that gives a query the same bits whatever else is asked with it.

Torch's kernel for CPUs multiplies tiles of 32 queries with blocks of 512 keys, and takes what is
left over of either as it is. MKL sums these products in an order that depends on their sizes, and
with AVX2 on a query's place in its tile too. Here queries are filled up to whole tiles and keys to
few sizes of the last block. `invariance` tries out whether that suffices.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

import torch

# The kernel takes tiles of 32 queries in calls of fewer than 192.
_QUERIES = 160
_BLOCK = 512
# MKL sums up to 256 products in one piece; 64 and fewer it may sum in another order.
_PARTS_OF_BLOCK = (0, 128, 256, _BLOCK)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How queries are asked so that their number does not show in the results.

    Attributes:
        multiple: Their number is filled up to a multiple of this one.
        aligned: A query is at the same place of its tile wherever a pass begins.
    """

    multiple: int
    aligned: bool


# The one that asks for fewer comes first; MKL's kernels for AVX2 take the second.
TILINGS = (Tiling(16, aligned=False), Tiling(32, aligned=True))


@dataclass(frozen=True, slots=True)
class Tiles:
    """Queries of one row that are asked with others around them.

    Attributes:
        first: Position of the first query in its text.
        count: How many queries there are.
        tiling: What decides how many are asked.
    """

    first: int
    count: int
    tiling: Tiling

    @property
    def before(self) -> int:
        """How many are asked before the first."""
        return self.first % self.tiling.multiple if self.tiling.aligned else 0

    @property
    def positions(self) -> range:
        """Of all that are asked."""
        begin, multiple = self.first - self.before, self.tiling.multiple
        return range(begin, begin + -(-(self.before + self.count) // multiple) * multiple)

    @property
    def keys(self) -> int:
        """How many keys they may see."""
        return whole_blocks(self.first + self.count)


_tiles: ContextVar[Tiles | None] = ContextVar("tiles", default=None)


@contextlib.contextmanager
def asked_in(tiles: Tiles | None) -> Iterator[None]:
    """Let a model attend so; masks are for all queries that are asked."""
    token = _tiles.set(tiles)
    try:
        yield
    finally:
        _tiles.reset(token)


def current_tiles() -> Tiles | None:
    """What the pass asks that is being computed."""
    return _tiles.get()


def whole_blocks(keys: int) -> int:
    """The next number of keys that is whole blocks and one of the parts."""
    blocks, rest = divmod(keys, _BLOCK)
    return blocks * _BLOCK + next(part for part in _PARTS_OF_BLOCK if rest <= part)


def attend_in_tiles(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    tiles: Tiles,
    scale: float | None,
) -> torch.Tensor:
    """Attention of one row.

    Args:
        query: Shape (1, heads, new, head dim).
        key: Shape (1, kv heads, keys, head dim).
        value: The same.
        mask: Shape (1, 1, asked, keys), added to the scores.
        tiles: Which queries are asked.
        scale: Of the scores; `None`: by the width of a head.

    Returns:
        Shape (1, new, heads, head dim).
    """
    before, asked = tiles.before, len(tiles.positions)
    padded = torch.nn.functional.pad(query, (0, 0, before, asked - before - tiles.count))
    groups = padded.unflatten(1, (key.shape[1], -1))
    attended = groups.new_empty((*groups.shape[:-1], value.shape[3]))
    for start in range(0, asked, _QUERIES):
        part = slice(start, start + _QUERIES)
        # No more keys than these may see.
        end = min(whole_blocks(tiles.positions[part].stop), tiles.keys)
        for i in range(groups.shape[2]):
            attended[:, :, i, part] = torch.nn.functional.scaled_dot_product_attention(
                groups[:, :, i, part],
                key[:, :, :end],
                value[:, :, :end],
                attn_mask=mask[:, :, part, :end],
                scale=scale,
            )
    attended = attended.flatten(1, 2)[:, :, before : before + tiles.count]
    return attended.transpose(1, 2).contiguous()
