"""Tensors of the KV cache; no other module accesses them.

Each layer has two tensors of shape (rows, kv heads, capacity, head dim). A sequence's tokens are at
the start of its row. A model reads and writes through a `Window` of neighboring rows, so a decode
step slices and never copies.

Linux allocates memory on first write. So on a CPU under Linux, every row has the length of the
longest sequence from the start, and uses only the memory that was written. Elsewhere, rows are
added and lengthened by copying.
"""

import contextlib
import math
import mmap
import sys
from dataclasses import dataclass
from typing import Any

import torch

# Linux's value; Python has a name for it since 3.13.
_MAP_NORESERVE = 0x4000


class KVMemory:
    """The KV cache of all sequences, one row each.

    Args:
        lazy: Whether the system allocates memory on first write, and `release` returns it.

    Attributes:
        rows: Number of rows.
        capacity: Number of tokens that fit in a row.
        written: For each row, the number of tokens of memory that it uses.
    """

    def __init__(self, *, lazy: bool) -> None:
        self.lazy = lazy
        self.rows = 0
        self.capacity = 0
        self.written: list[int] = []
        self._keys: dict[int, torch.Tensor] = {}
        self._values: dict[int, torch.Tensor] = {}
        # With the number of heads in each.
        self._mapped: list[tuple[mmap.mmap, int]] = []

    def resize(self, rows: int, capacity: int, kept: list[tuple[int, int]]) -> None:
        """Allocate `rows` rows; the first are copies of `kept`, pairs of (row, tokens to copy).

        Raises:
            RuntimeError: The device is out of memory; nothing was changed.
        """
        self._check_room(rows * capacity)
        for tensors in (self._keys, self._values):
            for layer, old in tensors.items():
                new = self._zeros((rows, old.shape[1], capacity, old.shape[3]), old)
                for row, (kept_row, used) in enumerate(kept):
                    new[row, :, :used] = old[kept_row, :, :used]
                tensors[layer] = new
        self.rows = rows
        self.capacity = capacity
        self.written = [used for _, used in kept] + [0] * (rows - len(kept))

    def write(self, layer: int, window: "Window", keys: torch.Tensor, values: torch.Tensor) -> None:
        """Store new keys and values, shape (rows, kv heads, n, head dim), at their positions."""
        if layer not in self._keys:
            # Assign both or neither, in case only one fits in memory.
            self._keys[layer], self._values[layer] = (
                self._zeros((self.rows, new.shape[1], self.capacity, new.shape[3]), new)
                for new in (keys, values)
            )
        window.store(self._keys[layer], keys)
        window.store(self._values[layer], values)

    def read(self, layer: int, window: "Window") -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values as views of shape (rows, kv heads, window.end, head dim)."""
        rows = slice(window.row, window.row + window.rows)
        return (
            self._keys[layer][rows, :, : window.end],
            self._values[layer][rows, :, : window.end],
        )

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a row to another."""
        for tensor in (*self._keys.values(), *self._values.values()):
            tensor[target, :, :tokens] = tensor[source, :, :tokens]
        self.note(target, tokens)

    def exchange(self, row: int, tokens: int, other: int, others: int) -> None:
        """Exchange two rows that use `tokens` and `others` tokens."""
        for tensor in (*self._keys.values(), *self._values.values()):
            moved = tensor[row, :, :tokens].clone()
            tensor[row, :, :others] = tensor[other, :, :others]
            tensor[other, :, :tokens] = moved
        self.note(row, others)
        self.note(other, tokens)

    def release(self, row: int, tokens: int = 0) -> None:
        """Zero a row behind its first tokens; if it is lazy, its memory goes back to the system.

        Attention reads a row beyond its sequence, with weight 0. A NaN that a failed request left
        there would make that NaN.
        """
        if self.lazy:
            for mapped, heads in self._mapped:
                # One piece of memory where nothing is kept, else one behind each head's tokens.
                pieces = heads if tokens else 1
                size = len(mapped) // (self.rows * pieces)
                kept = size * tokens // self.capacity
                for piece in range(row * pieces, (row + 1) * pieces):
                    _return_pages(mapped, piece * size + kept, size - kept)
        else:
            for tensor in (*self._keys.values(), *self._values.values()):
                tensor[row, :, tokens:] = 0
        if self.written:
            self.written[row] = min(self.written[row], tokens)

    def has_nan(self, row: int) -> bool:
        """Whether a row has a NaN, to judge by the last layer.

        A token attends to itself, so a NaN in its keys or values of any layer is in those of all
        later layers too.
        """
        layer, tokens = max(self._keys, default=None), self.written[row]
        if layer is None:
            return False
        tensors = (self._keys[layer], self._values[layer])
        return any(bool(tensor[row, :, :tokens].sum().isnan()) for tensor in tensors)

    def clear(self) -> None:
        """Free all rows."""
        self._keys.clear()
        self._values.clear()
        self._mapped.clear()
        self.written.clear()
        self.rows = self.capacity = 0

    def note(self, row: int, tokens: int) -> None:
        """Record that the first tokens of a row are written, or are about to be."""
        self.written[row] = max(self.written[row], tokens)

    def _check_room(self, tokens: int) -> None:
        """Allocate and free the memory that all layers need, before any layer is changed."""
        tensors = [*self._keys.values(), *self._values.values()]
        for device in {tensor.device for tensor in tensors}:
            on_device = [tensor for tensor in tensors if tensor.device == device]
            # Layers are moved one after another, so the old and the new tensor of one exist
            # together.
            sizes = [t[0, :, 0].numel() * (tokens - self.rows * self.capacity) for t in on_device]
            self._zeros((max(0, sum(sizes)) + max(t.numel() for t in on_device),), on_device[0])

    def _zeros(self, shape: tuple[int, ...], reference: torch.Tensor) -> torch.Tensor:
        """Return zeros instead of uninitialized memory, because masked values must be finite."""
        if reference.device.type != "cpu":
            return reference.new_zeros(shape)
        # torch writes its zeros immediately; the system's are written on first use.
        mapped = _reserve(math.prod(shape) * reference.dtype.itemsize)
        if self.lazy:
            self._mapped.append((mapped, shape[1]))
        return torch.frombuffer(mapped, dtype=reference.dtype).view(shape)


def can_reserve(size: int) -> bool:
    """Whether the system lets a process reserve address space of `size` bytes."""
    if sys.platform != "linux":
        return False
    try:
        _reserve(size).close()
    except (OSError, OverflowError):  # limited by ulimit or by the overcommit policy
        return False
    return True


def _reserve(size: int) -> mmap.mmap:
    if sys.platform != "linux":
        return mmap.mmap(-1, size)
    # A first write to private memory takes two thirds of the time of shared memory. With huge
    # pages, the start of a row would allocate all of it.
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        mapped.madvise(mmap.MADV_NOHUGEPAGE)
    return mapped


def _return_pages(mapped: mmap.mmap, start: int, size: int) -> None:
    """Zero a part of lazy memory: whole pages by returning them, the edges by writing."""
    end = start + size
    first = min(end, -(-start // mmap.PAGESIZE) * mmap.PAGESIZE)
    last = max(first, end // mmap.PAGESIZE * mmap.PAGESIZE)
    if first < last:
        mapped.madvise(mmap.MADV_DONTNEED, first, last - first)
    mapped[start:first] = bytes(first - start)
    mapped[last:end] = bytes(end - last)


class Window:
    """The cache object that a model gets for one forward pass over neighboring rows.

    Args:
        memory: Holds the keys and values.
        row: First row.
        starts: For each row, the position of its first new token.
        count: New tokens per row.

    Attributes:
        end: Number of tokens of a row that are read.
    """

    def __init__(self, memory: KVMemory, row: int, starts: list[int], count: int) -> None:
        self._memory = memory
        self.row = row
        self.rows = len(starts)
        self.starts = starts
        self.count = count
        self.end = max(starts) + count
        for i, start in enumerate(starts):
            memory.note(row + i, start + count)
        self._index: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Transformers' cache protocol: store the new keys and values, and return all."""
        self._memory.write(layer_idx, self, keys, values)
        return self._memory.read(layer_idx, self)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Transformers' cache protocol: tokens stored before this pass."""
        return max(self.starts)

    def store(self, tensor: torch.Tensor, new: torch.Tensor) -> None:
        """Write `new`, shape (rows, kv heads, count, head dim), into a layer's tensor."""
        if self.rows == 1:
            start = self.starts[0]
            tensor[self.row, :, start : start + self.count] = new[0]
            return
        if self._index is None or self._index[0].device != tensor.device:
            rows = torch.arange(self.row, self.row + self.rows, device=tensor.device)
            starts = torch.tensor(self.starts, device=tensor.device)[:, None]
            positions = starts + torch.arange(self.count, device=tensor.device)
            self._index = (rows[:, None], positions)
        rows, positions = self._index
        tensor[rows, :, positions] = new.transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Keys or values of several prompts that one pass computes.

    Attributes:
        rows: The keys or values of each prompt, shape (1, kv heads, known, head dim).
        counts: Number of new tokens of each prompt.
    """

    rows: tuple[torch.Tensor, ...]
    counts: list[int]


class Windows:
    """Windows of one row each; their new tokens are concatenated in one row of the pass."""

    def __init__(self, windows: list[Window]) -> None:
        self._windows = windows
        self._counts = [window.count for window in windows]
        self.end = max(window.end for window in windows)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Pieces, Pieces]:
        """As `Window.update`, but each row is returned separately."""
        new = zip(keys.split(self._counts, 2), values.split(self._counts, 2), strict=True)
        stored = [w.update(*piece, layer_idx) for w, piece in zip(self._windows, new, strict=True)]
        known, weighed = zip(*stored, strict=True)
        return Pieces(known, self._counts), Pieces(weighed, self._counts)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Transformers' cache protocol: tokens stored before this pass."""
        return max(window.get_seq_length(layer_idx) for window in self._windows)
