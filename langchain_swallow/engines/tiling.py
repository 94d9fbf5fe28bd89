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


@dataclass(frozen=True, slots=True)
class Tiling:
    """How queries are asked so that their number does not show in the results.

    Attributes:
        multiple: Their number is filled up to a multiple of this one.
        aligned: A query is at the same place of its tile wherever a pass begins.
        parts: How many keys of the last block are asked, if no more are there.
    """

    multiple: int
    aligned: bool
    parts: tuple[int, ...]

    def whole_blocks(self, keys: int) -> int:
        """The next number of keys that is whole blocks and one of the parts."""
        blocks, rest = divmod(keys, _BLOCK)
        return blocks * _BLOCK + next(part for part in (0, *self.parts) if rest <= part)


# Those that ask for fewer come first. MKL's kernels for AVX512 sum up to 256 products in one piece
# on Intel's processors and up to 192 on AMD's; 64 and fewer they may sum in another order. Those
# for AVX2 take the third.
TILINGS = (
    Tiling(16, aligned=False, parts=(128, 256, _BLOCK)),
    Tiling(16, aligned=False, parts=(128, 192, 384, _BLOCK)),
    Tiling(32, aligned=True, parts=(128, 256, _BLOCK)),
    Tiling(32, aligned=True, parts=(_BLOCK,)),
)


@dataclass(frozen=True, slots=True)
class Tiles:
    """Queries of one row, that may be asked with others around them.

    Attributes:
        first: Position of the first query in its text.
        count: How many queries there are.
        tiling: What decides how many are asked; `None`: these alone.
    """

    first: int
    count: int
    tiling: Tiling | None

    @property
    def before(self) -> int:
        """How many are asked before the first."""
        aligned = self.tiling is not None and self.tiling.aligned
        return self.first % self._multiple if aligned else 0

    @property
    def positions(self) -> range:
        """Of all that are asked."""
        begin, multiple = self.first - self.before, self._multiple
        return range(begin, begin + -(-(self.before + self.count) // multiple) * multiple)

    @property
    def keys(self) -> int:
        """How many keys are asked."""
        return self.keys_before(self.first + self.count)

    def keys_before(self, end: int) -> int:
        """How many keys are asked by queries before this position."""
        return self.tiling.whole_blocks(end) if self.tiling else end

    @property
    def _multiple(self) -> int:
        return self.tiling.multiple if self.tiling else 1


_tiles: ContextVar[tuple[Tiles, ...] | None] = ContextVar("tiles", default=None)


@contextlib.contextmanager
def asked_in(tiles: tuple[Tiles, ...] | None) -> Iterator[None]:
    """Let a model attend so to the pieces of a pass; masks are for all queries that are asked."""
    token = _tiles.set(tiles)
    try:
        yield
    finally:
        _tiles.reset(token)


def current_tiles() -> tuple[Tiles, ...] | None:
    """What the pass asks that is being computed, piece by piece."""
    return _tiles.get()


def is_tiled() -> bool:
    """Whether the pass that is being computed may be of any size."""
    tiles = _tiles.get()
    return tiles is not None and tiles[0].tiling is not None


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
        end = min(tiles.keys_before(tiles.positions[part].stop), tiles.keys)
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
