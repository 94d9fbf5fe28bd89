"""Which tokens of which requests a step computes.

A request waits until there is room for its keys and values, then its prompt is computed, then its
answer, a token a step. It may leave at any step. A step is one pass of the model, over pieces of
prompts or over the running answers: `schedule` says which, and `accept` takes what came of it.

This module decides and nothing else: it has no clock, and computes nothing.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from langchain_swallow.engines.local.kv_cache import KVCache, Slot, shared_length
from langchain_swallow.engines.local.lookup import MAX_DRAFT
from langchain_swallow.engines.local.sequence import Sequence
from langchain_swallow.engines.protocol import Event

# Tokens of prompts between two passes over the running answers, and in one pass. A longer prompt
# takes half of itself between two, so that its first token comes after its own passes and at most
# two of the others'.
PROMPT_TOKENS = 512
# How often a short prompt may go before a long one that is being computed.
_MAX_PASSED_OVER = 8
# Tokens of another prompt's prefix for which it is worth waiting until they are computed: a pass
# of its own takes as long as reading the weights.
_MIN_PREFIX_TO_WAIT_FOR = 32


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens to compute for one request, behind those that its slot has.

    Attributes:
        sequence: The request.
        slot: Where its keys and values go.
        ids: The tokens; none of a prompt whose logits are known already. Of an answer its last
            token, then the drafts; the last token again where another request has more drafts.
        drafts: Tokens of an answer that are guessed to come next.
        is_answer: Whether the answer has begun. All work of a pass is of one kind.
    """

    sequence: Sequence
    slot: Slot
    ids: list[int]
    drafts: list[int] = field(default_factory=list)
    is_answer: bool = False

    @property
    def ends_prompt(self) -> bool:
        """Whether a prompt is whole when this is computed; to be asked before."""
        return len(self.ids) == self.sequence.to_prefill


class Scheduler:
    """Requests between being asked and being answered.

    Args:
        cache: Where the running ones have their slots.
        max_batch: Most that run at once.
        block: The fewest tokens of a prompt that are worth a pass, unless fewer are left.
        decode_tokens: Tokens that a pass over answers takes as long for as for one each: up to this
            many are filled up with drafts. 0 for none.
        joins_prompts: Whether one pass may have pieces of several prompts.
        failure: Makes what a caller hears of an error that ends its request.

    Attributes:
        waiting: In the order in which they came.
        running: They have slots; the prompts of the first may still be computed.
    """

    def __init__(
        self,
        cache: KVCache,
        max_batch: int,
        *,
        block: int = 1,
        decode_tokens: int = 0,
        joins_prompts: bool = True,
        failure: Callable[[Exception], Exception] = lambda error: error,
    ) -> None:
        self._cache = cache
        self._max_batch = max_batch
        self._block = block
        self._decode_tokens = decode_tokens
        self._joins_prompts = joins_prompts
        self._failure = failure
        # What is left of prompts until the next pass over answers, and what made it longer.
        self._prompt_tokens = PROMPT_TOKENS
        self._favored: set[Sequence] = set()
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    @property
    def has_work(self) -> bool:
        """Whether any request is left."""
        return bool(self.waiting or self.running)

    def schedule(self, now: float) -> list[Work]:
        """What the next pass computes; empty where nothing is left.

        Args:
            now: Seconds of the clock that deadlines are of. What is cancelled or out of time ends.
        """
        for sequence in [*self.waiting, *self.running]:
            if sequence.cancelled:
                self.end(sequence)
            elif ending := sequence.ending(now):
                self.end(sequence, ending)
        if work := self._prompts() or self._answers():
            return work
        # There was nothing to decode between two shares of prompts.
        return self._prompts()

    def accept(self, work: Work, tokens: list[int]) -> None:
        """Note what was computed for one request.

        Args:
            work: As `schedule` gave it.
            tokens: Those that were chosen for its answer, in order; all but the last are drafts
                that held. Of a prompt one if it is computed, or none.
        """
        if work.is_answer:
            work.slot.ids += [work.ids[0], *tokens[:-1]]
        else:
            work.slot.ids += work.ids
            work.slot.prompt_length = len(work.slot.ids)

    def fail(self, sequence: Sequence, error: Exception) -> None:
        """End one request, whose keys and values may be incomplete."""
        self.end(sequence, self._failure(error), keep=False)

    def fail_all(self, error: Exception) -> None:
        """End every request."""
        for sequence in [*self.running, *self.waiting]:
            self.end(sequence, error, keep=False)

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

    def _prompts(self) -> list[Work]:
        """A piece of a prompt, and of those that wait where there is room for them."""
        # What is left at the end, less than a block, is not worth a pass.
        if self._prompt_tokens < self._block or (sequence := self._next_prompt()) is None:
            return []
        if sequence not in self._favored:
            self._favored.add(sequence)
            self._prompt_tokens = max(self._prompt_tokens, sequence.prefill_share)
        limit = min(self._prompt_tokens, PROMPT_TOKENS)
        work = [self._piece(sequence, max(limit, self._block))]
        room = limit - len(work[0].ids)
        while self._joins_prompts and room > 0:
            other = self._companion([piece.sequence for piece in work])
            # One that has no room in this pass is the next one's.
            if other is None or min(other.to_prefill, self._block) > room:
                break
            work.append(self._piece(other, room))
            room -= len(work[-1].ids)
        self._prompt_tokens -= sum(len(piece.ids) for piece in work)
        return work

    def _piece(self, sequence: Sequence, limit: int) -> Work:
        assert sequence.slot is not None
        start = len(sequence.slot.ids)
        return Work(sequence, sequence.slot, sequence.ids[start : start + limit])

    def _answers(self) -> list[Work]:
        """The next tokens of all whose prompts are computed, in the order of their rows."""
        self._prompt_tokens = PROMPT_TOKENS
        self._favored.clear()
        by_slot = {s.slot: s for s in self.running if s.slot and s.generated > 0}
        if not by_slot:
            return []
        running = [(by_slot[slot], slot) for slot in self._cache.gather(by_slot)]
        limit = min(MAX_DRAFT, self._decode_tokens // len(running) - 1)
        drafts = [sequence.draft(limit) for sequence, _ in running]
        longest = max(map(len, drafts))
        return [
            Work(sequence, slot, [last, *draft, *[last] * (longest - len(draft))], draft, True)
            for (sequence, slot), draft in zip(running, drafts, strict=True)
            for last in sequence.ids[-1:]
        ]

    def _next_prompt(self) -> Sequence | None:
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

    def _companion(self, others: Collection[Sequence]) -> Sequence | None:
        """The prompt that waits longest, if nothing is lost by computing it with these others.

        A prompt finds in the cache what it has in common with one that was computed before it.
        """
        if not self.waiting:
            return None
        prompt = self.waiting[0].request.prompt_ids
        common = max(shared_length(other.ids, prompt) for other in others)
        if common - self._cache.known(prompt) >= _MIN_PREFIX_TO_WAIT_FOR:
            return None
        return self._admit(self.waiting[0])

    def _admit(self, sequence: Sequence) -> Sequence | None:
        """Give a waiting request its slot, or the next one if it fails; `None`: no room."""
        while len(self.running) < self._max_batch:
            length = len(sequence.ids) + sequence.request.max_tokens + MAX_DRAFT
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
