"""Which requests wait and which run, and whose prompt is computed when.

A request waits until there is room for its keys and values, then its prompt is computed, then its
answer, a token a step. It may leave at any step.
"""

from collections import deque
from collections.abc import Collection

from langchain_swallow.engines.base import Event
from langchain_swallow.engines.devices import empty_device_caches, failure
from langchain_swallow.engines.kv_cache import KVCache, shared_length
from langchain_swallow.engines.lookup import MAX_GUESS
from langchain_swallow.engines.sequence import Sequence

# How often a short prompt may go before a long one that is being computed.
_MAX_PASSED_OVER = 8
# Tokens of another prompt's beginning for which it is worth waiting until they are computed: a
# pass of its own takes as long as reading the weights.
_WORTH_WAITING = 32


class Schedule:
    """Requests between being asked and being answered.

    Args:
        cache: Where the running ones have their slots.
        max_batch: Most that run at once.

    Attributes:
        waiting: In the order in which they came.
        running: They have slots; the prompts of the first may still be computed.
    """

    def __init__(self, cache: KVCache, max_batch: int) -> None:
        self._cache = cache
        self._max_batch = max_batch
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    @property
    def has_work(self) -> bool:
        """Whether any request is left."""
        return bool(self.waiting or self.running)

    def decoding(self) -> list[Sequence]:
        """Those whose prompts are computed, in the order of their neighbouring rows."""
        by_slot = {s.slot: s for s in self.running if s.slot and s.generated > 0}
        return [by_slot[slot] for slot in self._cache.gather(by_slot)] if by_slot else []

    def next_prompt(self) -> Sequence | None:
        """The prompt to compute now: the one begun, unless a much shorter one waits."""
        begun = next((s for s in self.running if s.generated == 0), None)
        if begun is None:
            return self._admit(self.waiting[0]) if self.waiting else None
        shortest = min(self.waiting, key=lambda s: s.to_prefill, default=None)
        if (
            shortest is not None
            and 2 * shortest.to_prefill < begun.to_prefill
            and begun.passed_over < _MAX_PASSED_OVER
            and (admitted := self._admit(shortest)) is not None
        ):
            begun.passed_over += 1
            # Before the longer one, so that it stays the one begun.
            self.running.remove(admitted)
            self.running.insert(0, admitted)
            return admitted
        return begun

    def companion(self, others: Collection[Sequence]) -> Sequence | None:
        """The prompt that waits longest, if nothing is lost by computing it with these others.

        A prompt finds in the cache what it has in common with one that was computed before it.
        """
        if not self.waiting:
            return None
        prompt = self.waiting[0].request.prompt_ids
        common = max(shared_length(other.ids, prompt) for other in others)
        if common - self._cache.known(prompt) >= _WORTH_WAITING:
            return None
        return self._admit(self.waiting[0])

    def drop_ended(self) -> None:
        """Take out what was cancelled or is out of time."""
        for sequence in [*self.waiting, *self.running]:
            if sequence.cancelled:
                self.end(sequence)
            elif ending := sequence.ending():
                self.end(sequence, ending)

    def end(self, sequence: Sequence, event: Event | None = None, *, keep: bool = True) -> None:
        """Take a request out; its slot keeps what was computed, if that is whole."""
        if sequence in self.running:
            self.running.remove(sequence)
        if sequence in self.waiting:
            self.waiting.remove(sequence)
        if sequence.slot is not None:
            (self._cache.release if keep else self._cache.discard)(sequence.slot)
            sequence.slot = None
        if event is not None:
            sequence.sink(event)

    def fail(self, sequence: Sequence, error: Exception) -> None:
        """End one request, whose keys and values may be incomplete."""
        self.end(sequence, failure(error), keep=False)
        empty_device_caches()

    def fail_all(self, error: Exception) -> None:
        """End every request."""
        for sequence in [*self.running, *self.waiting]:
            self.end(sequence, error, keep=False)

    def _admit(self, sequence: Sequence) -> Sequence | None:
        """Give a waiting request its slot, or the next one if it fails; `None`: no room."""
        while len(self.running) < self._max_batch:
            length = len(sequence.ids) + sequence.request.max_tokens + MAX_GUESS
            try:
                sequence.slot = self._cache.acquire(sequence.request.prompt_ids, length)
            except (MemoryError, RuntimeError) as error:
                self.fail(sequence, error)
                if not self.waiting:
                    return None
                sequence = self.waiting[0]
                continue
            if sequence.slot is None:
                return None
            sequence.cached_tokens = len(sequence.slot.ids)
            sequence.prefill_share = -(-sequence.to_prefill // 2)
            self.waiting.remove(sequence)
            self.running.append(sequence)
            return sequence
        return None
