"""Keys and values of several sequences, one slot each; the only place that touches them.

Per layer one tensor of shape (slots, kv heads, capacity, head dim); a slot's tokens lie at the
beginning of its row. A model reads and writes through a `Window`, a run of neighbouring rows, so
a decode step slices and never copies. For that the decoding sequences are kept in rows 0 … n−1;
a row moves only when a sequence begins or ends.

A finished sequence leaves its tokens behind. The next prompt that begins with the same tokens
takes the row over (the next turn of a chat) or copies the shared part (the same instructions with
other passages), and computes only the rest.

What is shared between prompts is never rounded otherwise than if it were computed alone. The same
token comes out differently in the last bits when it is computed in a pass of another size, so
prompts are computed in blocks on a fixed grid, and shared in whole blocks. Only a prompt that goes
on after a generated answer reuses the keys and values of its decode steps.
"""

import math
import mmap
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch

# Tokens of a row, to begin with, at least. Rows grow by doubling, which copies them all.
_FIRST_CAPACITY = 1024
# Rows on a GPU, to begin with; a CPU gives memory when it is written to, so there all are made.
_FIRST_SLOTS = 8


@dataclass(slots=True, eq=False)
class Slot:
    """One row: the tokens whose keys and values it holds, and whether a sequence uses it.

    The first `exact` of them were computed as a prompt, in blocks on the grid.
    """

    row: int
    ids: list[int] = field(default_factory=list)
    exact: int = 0
    in_use: bool = False
    last_used: int = 0


class KVCache:
    """Slots for up to `max_slots` sequences within `budget_bytes`.

    Args:
        bytes_per_token: Keys and values of one token, all layers.
        max_slots: Most sequences at once, idle beginnings included.
        max_tokens: Most tokens of one sequence.
        budget_bytes: Most memory to take; grown into, not allocated ahead.
        block: Prompts are computed, and shared, in multiples of this many tokens.
        device: Kind of device the model is on.
    """

    def __init__(
        self,
        *,
        bytes_per_token: int,
        max_slots: int,
        max_tokens: int,
        budget_bytes: int,
        block: int = 128,
        device: str = "cpu",
    ) -> None:
        self.block = block
        self._bytes_per_token = bytes_per_token
        self._max_slots = max_slots
        self._max_tokens = max_tokens
        self._budget_bytes = budget_bytes
        self._grows_freely = device == "cpu"
        # Where it costs nothing, rows are at once as long as lets all of them fit.
        longest = budget_bytes // (max_slots * bytes_per_token) if self._grows_freely else 0
        self._first_capacity = max(longest, _FIRST_CAPACITY)
        self._capacity = 0
        self._clock = 0
        self._slots: list[Slot] = []
        self._keys: dict[int, torch.Tensor] = {}
        self._values: dict[int, torch.Tensor] = {}

    def acquire(self, prompt_ids: tuple[int, ...], length: int) -> Slot | None:
        """A slot for a sequence of up to `length` tokens, or `None` while there is no room.

        Its `ids` are the beginning of the prompt that is known already; at least the last prompt
        token is left to compute.

        Raises:
            MemoryError: `length` tokens exceed the budget even alone.
        """
        if not self._make_room(length):
            return None
        source, shared = self._longest_beginning(prompt_ids[:-1])
        idle = [slot for slot in self._slots if not slot.in_use]
        # Taking the row over spares a copy, and loses what follows the shared part.
        if source is not None and not source.in_use and 2 * shared > len(source.ids):
            slot = source
        else:
            slot = min(idle, key=lambda s: (len(s.ids) > 0, s.last_used))
            if source is not None and slot is not source:
                self._copy(source.row, slot.row, shared)
        slot.exact = 0 if source is None else min(source.exact, shared)
        slot.ids = list(prompt_ids[:shared])
        slot.in_use = True
        return slot

    def append(self, slot: Slot, ids: list[int], *, of_prompt: bool) -> None:
        """Note tokens whose keys and values were just written."""
        if of_prompt and slot.exact == len(slot.ids):
            slot.exact += len(ids)
        slot.ids += ids

    def release(self, slot: Slot) -> None:
        """End of a sequence; its tokens stay as a beginning for later ones."""
        self._clock += 1
        slot.in_use = False
        slot.last_used = self._clock

    def discard(self, slot: Slot) -> None:
        """End of a sequence whose keys and values may be incomplete."""
        slot.ids = []
        slot.exact = 0
        slot.in_use = False
        slot.last_used = 0

    def gather(self, slots: Collection[Slot]) -> list[Slot]:
        """Move slots into neighbouring rows, as few as need to; in the order of their rows."""
        rows, count = {slot.row for slot in slots}, len(slots)
        if max(rows) - min(rows) >= count:
            firsts = range(len(self._slots) - count + 1)
            first = max(firsts, key=lambda row: len(rows.intersection(range(row, row + count))))
            free = [row for row in range(first, first + count) if row not in rows]
            for slot in slots:
                if not first <= slot.row < first + count:
                    self._exchange(slot, free.pop())
        return sorted(slots, key=lambda slot: slot.row)

    def _exchange(self, slot: Slot, row: int) -> None:
        other = next(s for s in self._slots if s.row == row)
        its, others = len(slot.ids), len(other.ids)
        for tensor in (*self._keys.values(), *self._values.values()):
            moved = tensor[slot.row, :, :its].clone()
            tensor[slot.row, :, :others] = tensor[row, :, :others]
            tensor[row, :, :its] = moved
        slot.row, other.row = row, slot.row

    def write(self, layer: int, window: "Window", keys: torch.Tensor, values: torch.Tensor) -> None:
        """Store new keys and values, shape (rows, kv heads, n, head dim), at their positions."""
        if layer not in self._keys:
            shape = (len(self._slots), keys.shape[1], self._capacity)
            self._keys[layer] = _zeros((*shape, keys.shape[3]), keys)
            self._values[layer] = _zeros((*shape, values.shape[3]), values)
        window.store(self._keys[layer], keys)
        window.store(self._values[layer], values)

    def read(self, layer: int, window: "Window") -> tuple[torch.Tensor, torch.Tensor]:
        """Views of shape (rows, kv heads, window.end, head dim)."""
        rows = slice(window.row, window.row + window.rows)
        return (
            self._keys[layer][rows, :, : window.end],
            self._values[layer][rows, :, : window.end],
        )

    def clear(self) -> None:
        """Forget everything and free the memory."""
        self._keys.clear()
        self._values.clear()
        self._slots.clear()
        self._capacity = 0

    def _longest_beginning(self, prompt_ids: tuple[int, ...]) -> tuple[Slot | None, int]:
        lengths = [(self._usable(slot, prompt_ids), slot) for slot in self._slots]
        shared, source = max(lengths, key=lambda pair: pair[0], default=(0, None))
        return (source, shared) if shared else (None, 0)

    def _usable(self, slot: Slot, prompt_ids: tuple[int, ...]) -> int:
        """How many of a slot's tokens this prompt may begin with."""
        shared = shared_length(slot.ids, prompt_ids)
        # It goes on after an answer, or is asked again: then its own last block is there whole.
        if shared > slot.exact or shared == slot.exact == len(prompt_ids):
            return shared
        return shared // self.block * self.block

    def _make_room(self, length: int) -> bool:
        """Whether a row of `length` tokens is free now, growing the tensors if need be."""
        rounded = max(self._first_capacity, _round_up(length))
        wanted = max(self._capacity, min(self._max_tokens, rounded))
        slots = min(self._max_slots, self._budget_bytes // (wanted * self._bytes_per_token))
        if slots == 0:
            need = length * self._bytes_per_token / 1024**3
            raise MemoryError(
                f"keys and values of {length} tokens need {need:.2f} GiB, "
                f"the budget is {self._budget_bytes / 1024**3:.2f} GiB"
            )
        in_use = sum(slot.in_use for slot in self._slots)
        if in_use >= slots:
            return False
        grown = len(self._slots)
        if in_use == grown:
            grown = slots if self._grows_freely else max(_FIRST_SLOTS, 2 * grown)
        if wanted > self._capacity or grown > len(self._slots):
            self._resize(min(slots, grown), wanted)
        return True

    def _resize(self, slots: int, capacity: int) -> None:
        """New tensors of this size, keeping all sequences in use and the latest beginnings."""
        keep = sorted(self._slots, key=lambda s: (s.in_use, s.last_used), reverse=True)[:slots]
        for tensors in (self._keys, self._values):
            for layer, old in tensors.items():
                new = _zeros((slots, old.shape[1], capacity, old.shape[3]), old)
                for row, slot in enumerate(keep):
                    used = len(slot.ids)
                    new[row, :, :used] = old[slot.row, :, :used]
                tensors[layer] = new
        for row, slot in enumerate(keep):
            slot.row = row
        self._slots = keep + [Slot(row) for row in range(len(keep), slots)]
        self._capacity = capacity

    def _copy(self, source: int, target: int, length: int) -> None:
        for tensor in (*self._keys.values(), *self._values.values()):
            tensor[target, :, :length] = tensor[source, :, :length]


class Window:
    """What a model sees as its cache for one forward pass over neighbouring rows.

    Args:
        cache: Where keys and values lie.
        row: First row.
        starts: For each row, the position of its first new token.
        count: New tokens per row.
    """

    def __init__(self, cache: KVCache, row: int, starts: list[int], count: int) -> None:
        self._cache = cache
        self.row = row
        self.rows = len(starts)
        self.starts = starts
        self.count = count
        self.end = max(starts) + count
        self._index: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Transformers' cache protocol: store the new, return all."""
        self._cache.write(layer_idx, self, keys, values)
        return self._cache.read(layer_idx, self)

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


def shared_length(known: list[int], wanted: tuple[int, ...]) -> int:
    """How many tokens at the beginning are the same."""
    limit = min(len(known), len(wanted))
    if known[:limit] == list(wanted[:limit]):
        return limit
    return next(i for i in range(limit) if known[i] != wanted[i])


def _zeros(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Zeros, not empty: what is masked out must still be finite."""
    if like.device.type != "cpu":
        return like.new_zeros(shape)
    memory = _lazy_memory(math.prod(shape) * like.dtype.itemsize)
    return torch.frombuffer(memory, dtype=like.dtype).view(shape)


def _lazy_memory(size: int) -> mmap.mmap:
    """Zeros that cost nothing until they are written to, as torch's do.

    In small pages: of huge ones the beginning of a row would touch them all.
    """
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    # Private memory takes two thirds of the time of shared memory to be touched first.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory


def _round_up(length: int) -> int:
    """To the first capacity, doubled as often as needed."""
    times = -(-length // _FIRST_CAPACITY)
    return int(_FIRST_CAPACITY * 2 ** (times - 1).bit_length())
