"""Memory of keys and values; the only place that touches them.

Per layer two tensors of shape (rows, kv heads, capacity, head dim); a sequence's tokens lie at the
beginning of its row. A model reads and writes through a `Window`, a run of neighbouring rows, so a
decode step slices and never copies.

Linux gives memory to a process when it is written to. There, on a CPU, all rows are as long as the
longest sequence from the beginning, and cost what was written. Elsewhere rows are added and made
longer by copying.
"""

import contextlib
import math
import mmap
import sys
from dataclasses import dataclass
from typing import Any

import torch

# Of Linux; Python has a name for it since 3.13.
_MAP_NORESERVE = 0x4000


class KVMemory:
    """Rows for keys and values of sequences.

    Args:
        lazy: Memory is given when it is written to, and given back by `release`.

    Attributes:
        rows: How many there are.
        capacity: Tokens that fit a row.
        written: For each row, how many tokens of memory it has taken.
    """

    def __init__(self, *, lazy: bool) -> None:
        self.lazy = lazy
        self.rows = 0
        self.capacity = 0
        self.written: list[int] = []
        self._keys: dict[int, torch.Tensor] = {}
        self._values: dict[int, torch.Tensor] = {}
        self._mapped: list[mmap.mmap] = []

    def resize(self, rows: int, capacity: int, kept: list[tuple[int, int]]) -> None:
        """Make so many rows of this capacity; the first are copies of those kept, (row, tokens).

        Raises:
            RuntimeError: The device has no room for more; nothing has changed.
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
            # Both or none: there may be room for one only.
            self._keys[layer], self._values[layer] = (
                self._zeros((self.rows, new.shape[1], self.capacity, new.shape[3]), new)
                for new in (keys, values)
            )
        window.store(self._keys[layer], keys)
        window.store(self._values[layer], values)

    def read(self, layer: int, window: "Window") -> tuple[torch.Tensor, torch.Tensor]:
        """Views of shape (rows, kv heads, window.end, head dim)."""
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
        """Exchange two rows, of which so many tokens are in use."""
        for tensor in (*self._keys.values(), *self._values.values()):
            moved = tensor[row, :, :tokens].clone()
            tensor[row, :, :others] = tensor[other, :, :others]
            tensor[other, :, :tokens] = moved
        self.note(row, others)
        self.note(other, tokens)

    def release(self, row: int) -> None:
        """Give the memory of a row back where the system takes it; pages of two rows stay."""
        for mapped in self._mapped:
            size = len(mapped) // self.rows
            first = -(-row * size // mmap.PAGESIZE) * mmap.PAGESIZE
            end = (row + 1) * size // mmap.PAGESIZE * mmap.PAGESIZE
            if first < end:
                mapped.madvise(mmap.MADV_DONTNEED, first, end - first)
        self.written[row] = 0

    def clear(self) -> None:
        """Free it all."""
        self._keys.clear()
        self._values.clear()
        self._mapped.clear()
        self.written.clear()
        self.rows = self.capacity = 0

    def note(self, row: int, tokens: int) -> None:
        """Note that the first tokens of a row are written, or about to be."""
        self.written[row] = max(self.written[row], tokens)

    def _check_room(self, tokens: int) -> None:
        """Take what all layers will take more, and give it back, before any is touched."""
        tensors = [*self._keys.values(), *self._values.values()]
        for device in {tensor.device for tensor in tensors}:
            on_device = [tensor for tensor in tensors if tensor.device == device]
            # One after another is moved: the old of one is there beside its new.
            sizes = [t[0, :, 0].numel() * (tokens - self.rows * self.capacity) for t in on_device]
            self._zeros((max(0, sum(sizes)) + max(t.numel() for t in on_device),), on_device[0])

    def _zeros(self, shape: tuple[int, ...], reference: torch.Tensor) -> torch.Tensor:
        """Zeros, not empty: what is masked out must still be finite."""
        if reference.device.type != "cpu":
            return reference.new_zeros(shape)
        # torch's zeros are written at once; a system's are when they are used.
        mapped = _reserve(math.prod(shape) * reference.dtype.itemsize)
        if self.lazy:
            self._mapped.append(mapped)
        return torch.frombuffer(mapped, dtype=reference.dtype).view(shape)


def can_reserve(size: int) -> bool:
    """Whether this system lets a process have addresses for so many bytes, written or not."""
    if sys.platform != "linux":
        return False
    try:
        _reserve(size).close()
    except (OSError, OverflowError):  # limited by ulimit or by the system's policy
        return False
    return True


def _reserve(size: int) -> mmap.mmap:
    if sys.platform != "linux":
        return mmap.mmap(-1, size)
    # Private memory is touched in two thirds of the time of shared memory; of huge pages the
    # beginning of a row would touch all.
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        mapped.madvise(mmap.MADV_NOHUGEPAGE)
    return mapped


class Window:
    """What a model sees as its cache for one forward pass over neighbouring rows.

    Args:
        memory: Where keys and values lie.
        row: First row.
        starts: For each row, the position of its first new token.
        count: New tokens per row.

    Attributes:
        end: How many tokens of a row are read.
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
        """Transformers' cache protocol: store the new, return all."""
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
    """Keys or values of several prompts in one pass.

    Attributes:
        rows: All of each row, shape (1, kv heads, known, head dim).
        counts: How many of each are new.
    """

    rows: tuple[torch.Tensor, ...]
    counts: list[int]


class Windows:
    """Windows of one row each, whose new tokens follow each other in one row of a pass."""

    def __init__(self, windows: list[Window]) -> None:
        self._windows = windows
        self._counts = [window.count for window in windows]
        self.end = max(window.end for window in windows)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Pieces, Pieces]:
        """As a window's, with all of each row apart."""
        new = zip(keys.split(self._counts, 2), values.split(self._counts, 2), strict=True)
        stored = [w.update(*piece, layer_idx) for w, piece in zip(self._windows, new, strict=True)]
        known, weighed = zip(*stored, strict=True)
        return Pieces(known, self._counts), Pieces(weighed, self._counts)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Transformers' cache protocol: tokens stored before this pass."""
        return max(window.get_seq_length(layer_idx) for window in self._windows)
