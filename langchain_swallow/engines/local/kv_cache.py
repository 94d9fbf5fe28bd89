"""Assigns KV cache rows to sequences, and reuses cached prefixes (prefix cache).

Decoding sequences occupy neighboring rows of a `KVMemory`. A row moves only when a sequence starts
or ends, and only if it is not adjacent to the others.

The tokens of a finished sequence stay in the cache. The next prompt with the same prefix takes the
row over (the next turn of a chat) or copies the shared prefix (the same instructions with other
passages), and computes only the rest. Tokens of prompts and of answers are both reused; their
values may differ in the last bits from those of a pass of another size. The least recently used
rows are evicted first.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that the scheduler does not import torch
    from langchain_swallow.engines.local.kv_memory import KVMemory

# Initial number of rows and tokens per row, on devices where growing copies them.
_INITIAL_ROWS = 8
_INITIAL_CAPACITY = 1024


@dataclass(slots=True, eq=False)
class Slot:
    """One row: the tokens in its KV cache, and whether a sequence uses it.

    If the first `prompt_length` tokens are a complete prompt, `logits` are those of its next token.
    A sequence that uses the row may grow to `length` tokens.
    """

    row: int
    ids: list[int] = field(default_factory=list)
    prompt_length: int = 0
    logits: Any = None
    in_use: bool = False
    length: int = 0
    last_used: int = 0


class KVCache:
    """Slots for up to `max_slots` sequences within `budget_bytes`.

    Args:
        memory: Holds the keys and values. If it is `lazy`, the system allocates memory on first
            write.
        bytes_per_token: Size of the KV cache of one token over all layers.
        max_slots: Maximum number of rows, including idle ones that keep prefixes.
        max_tokens: Maximum number of tokens of one sequence.
        budget_bytes: Maximum memory in bytes; allocated as needed, not in advance.

    `slots` lists all rows: in use, kept for later prompts, or empty.
    """

    def __init__(
        self,
        memory: "KVMemory",
        *,
        bytes_per_token: int,
        max_slots: int,
        max_tokens: int,
        budget_bytes: int,
    ) -> None:
        self.memory = memory
        self._bytes_per_token = bytes_per_token
        self._max_slots = max_slots
        self._max_tokens = max_tokens
        self._budget = budget_bytes // bytes_per_token
        self._clock = 0
        # Tokens per row for which the device had no room beside the running sequences.
        self._refused_capacity = 0
        self.slots: list[Slot] = []

    def acquire(self, prompt_ids: tuple[int, ...], length: int) -> Slot | None:
        """Return a slot for a sequence of up to `length` tokens, or `None` while there is no room.

        The slot's `ids` are the cached prefix of the prompt: the whole prompt, with `logits`, if
        the same prompt was computed before.

        Raises:
            MemoryError: `length` tokens alone exceed the budget.
        """
        if length > self._budget:
            need, budget = (n * self._bytes_per_token / 1024**3 for n in (length, self._budget))
            raise MemoryError(
                f"the KV cache of {length} tokens needs {need:.2f} GiB, "
                f"the budget is {budget:.2f} GiB, which is {self._budget} tokens"
            )
        if not self._has_room(length):
            return None
        source, shared = self._longest_prefix(prompt_ids)
        # Taking the row over avoids a copy, but discards the tokens after the shared prefix.
        if source is not None and not source.in_use and 2 * shared > len(source.ids):
            slot = source
        else:
            slot = self._least_recently_used(length)
        if self.memory.lazy:
            if self.memory.written[slot.row] > length:
                # Else every row would in time have the memory of the longest sequence it ever had.
                self.memory.release(slot.row, length)
            self._evict_for(slot, length, source)
        if source is None or not source.ids:
            source, shared = None, 0
        elif slot is not source:
            self.memory.copy(source.row, slot.row, shared)
        slot.prompt_length = shared
        slot.logits = source.logits if source and shared == len(prompt_ids) else None
        slot.ids = list(prompt_ids[:shared])
        slot.in_use = True
        slot.length = length
        return slot

    def usage(self) -> float:
        """Share of the budget that running sequences may use, in [0, 1]; any thread may call it."""
        in_use = sum(slot.length for slot in list(self.slots) if slot.in_use)
        return in_use / max(1, self._budget)

    def known(self, prompt_ids: tuple[int, ...]) -> int:
        """Number of tokens of a prompt that are cached."""
        return self._longest_prefix(prompt_ids)[1]

    def release(self, slot: Slot) -> None:
        """End a sequence; its tokens stay cached as a prefix for later prompts.

        An incomplete prompt with a NaN is dropped: it has no logits yet, which would show it.
        """
        if slot.logits is None and self.memory.has_nan(slot.row):
            self.discard(slot)
            return
        self._clock += 1
        self._refused_capacity = 0
        slot.in_use = False
        slot.last_used = self._clock

    def discard(self, slot: Slot) -> None:
        """End a sequence and drop its tokens: incomplete, or not needed any longer."""
        self._refused_capacity = 0
        slot.ids = []
        slot.logits = None
        slot.in_use = False
        slot.last_used = 0
        self.memory.release(slot.row)

    def gather(self, slots: Collection[Slot]) -> list[Slot]:
        """Move slots into neighboring rows with few moves; return them in row order."""
        rows, count = {slot.row for slot in slots}, len(slots)
        if max(rows) - min(rows) >= count:
            firsts = range(len(self.slots) - count + 1)
            first = max(firsts, key=lambda row: len(rows.intersection(range(row, row + count))))
            free = [row for row in range(first, first + count) if row not in rows]
            for slot in slots:
                if not first <= slot.row < first + count:
                    self._exchange(slot, free.pop())
        return sorted(slots, key=lambda slot: slot.row)

    def clear(self) -> None:
        """Evict everything and free the memory."""
        self.memory.clear()
        self.slots.clear()

    def _exchange(self, slot: Slot, row: int) -> None:
        other = next(s for s in self.slots if s.row == row)
        self.memory.exchange(slot.row, len(slot.ids), row, len(other.ids))
        slot.row, other.row = row, slot.row

    def _longest_prefix(self, prompt_ids: tuple[int, ...]) -> tuple[Slot | None, int]:
        lengths = [(self._usable(slot, prompt_ids), slot) for slot in self.slots]
        shared, source = max(lengths, key=lambda pair: pair[0], default=(0, None))
        return (source, shared) if shared else (None, 0)

    def _usable(self, slot: Slot, prompt_ids: tuple[int, ...]) -> int:
        """Number of a slot's tokens that this prompt can reuse."""
        shared = shared_length(slot.ids, prompt_ids)
        if slot.logits is not None and shared == slot.prompt_length == len(prompt_ids):
            return shared
        # The last token must be computed, because its logits are needed.
        return max(0, min(shared, len(prompt_ids) - 1))

    def _least_recently_used(self, length: int) -> Slot:
        """Return an empty row if the budget allows it, or else the least recently used one.

        Among empty rows, memory that was written before is faster than new memory.
        """
        fits = not self.memory.lazy or sum(map(self._cost, self.slots)) + length <= self._budget
        idle = [slot for slot in self.slots if not slot.in_use]
        return min(idle, key=lambda s: ((len(s.ids) > 0) == fits, s.last_used))

    def _has_room(self, length: int) -> bool:
        """Whether the running sequences leave room for `length` tokens."""
        if not self.memory.lazy:
            return self._grow_for(length)
        if not self.slots:
            self.memory.resize(self._max_slots, self._max_tokens, [])
            self.slots = [Slot(row) for row in range(self._max_slots)]
        in_use = sum(self._cost(slot) for slot in self.slots if slot.in_use)
        return in_use + length <= self._budget

    def _evict_for(self, slot: Slot, length: int, source: Slot | None) -> None:
        """Evict prefixes until a slot can grow to `length` tokens; its source is evicted last."""
        idle = [s for s in self.slots if not s.in_use]
        for other in sorted(idle, key=lambda s: (s is slot, s is source, s.last_used)):
            others = sum(self._cost(s) for s in self.slots if s is not slot)
            if others + max(length, self._cost(slot)) <= self._budget:
                break
            self.discard(other)

    def _cost(self, slot: Slot) -> int:
        """Memory of a slot in tokens: what it holds, and what its sequence may still need."""
        written = self.memory.written[slot.row]
        return max(written, slot.length) if slot.in_use else written

    def _grow_for(self, length: int) -> bool:
        """Whether a row of `length` tokens is free; adds or lengthens rows if necessary."""
        capacity = max(self.memory.capacity, self._rounded(length))
        max_rows = min(self._max_slots, self._budget // capacity)
        in_use = sum(slot.in_use for slot in self.slots)
        if in_use >= max_rows or (in_use and capacity == self._refused_capacity):
            return False
        rows = len(self.slots)
        # Prefixes are evicted only if there is no room for more rows.
        if all(slot.in_use or slot.ids for slot in self.slots):
            rows = max(_INITIAL_ROWS, 2 * rows)
        rows = min(max_rows, rows)
        if capacity == self.memory.capacity and rows <= len(self.slots):
            return True
        try:
            self._resize(rows, capacity)
        except (MemoryError, RuntimeError):
            return self._do_without(capacity, in_use)
        return True

    def _do_without(self, capacity: int, in_use: int) -> bool:
        """Whether there is room although the device has none for more or longer rows."""
        if capacity == self.memory.capacity:
            self._max_slots = len(self.slots)
            return in_use < len(self.slots)
        if in_use:
            self._refused_capacity = capacity
            return False
        self.clear()
        self._resize(1, capacity)
        return True

    def _rounded(self, length: int) -> int:
        """Round up to the initial capacity times a power of two, at most a row's maximum."""
        times = -(-length // _INITIAL_CAPACITY)
        rounded = _INITIAL_CAPACITY * 2 ** int(times - 1).bit_length()
        return min(self._max_tokens, self._budget, rounded)

    def _resize(self, rows: int, capacity: int) -> None:
        """Resize the memory, and keep all running sequences and the most recent prefixes."""
        keep = sorted(self.slots, key=lambda s: (s.in_use, s.last_used), reverse=True)[:rows]
        self.memory.resize(rows, capacity, [(slot.row, len(slot.ids)) for slot in keep])
        for row, slot in enumerate(keep):
            slot.row = row
        self.slots = keep + [Slot(row) for row in range(len(keep), rows)]


def shared_length(cached_ids: list[int], prompt_ids: tuple[int, ...]) -> int:
    """Length of the common prefix of two token lists."""
    limit = min(len(cached_ids), len(prompt_ids))
    if cached_ids[:limit] == list(prompt_ids[:limit]):
        return limit
    return next(i for i in range(limit) if cached_ids[i] != prompt_ids[i])
