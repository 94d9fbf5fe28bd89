"""Schedules which tokens of which requests the next step computes.

A request waits until there is room for its KV cache. Then its prompt is computed (prefill), then
its answer, one token per step (decode). It may end at any step. A step is one forward pass, either
over pieces of prompts or over the running answers: `schedule` returns its work, and `accept` takes
the results.

This module only decides: it has no clock and computes nothing.
"""

import weakref
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from langchain_swallow.engines.local.kv_cache import KVCache, Slot, shared_length
from langchain_swallow.engines.local.lookup import MAX_DRAFT
from langchain_swallow.engines.local.sequence import Sequence
from langchain_swallow.engines.protocol import Event

# Maximum prefill tokens in one pass, unless the scheduler is given another number.
PROMPT_TOKENS = 512
# Maximum size of a pass's attention mask: its new tokens times the tokens of its longest prompt.
# Without this limit, the memory of a pass would grow with the prompt.
_MAX_MASK = 2**26
# How often short prompts may overtake a long one that is being computed.
_MAX_PASSED_OVER = 8
# Minimum length of a shared prefix, in tokens, for which a prompt waits until another one has
# computed it. A separate pass takes as long as reading the weights.
_MIN_PREFIX_TO_WAIT_FOR = 32


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens to compute for one request, after those in its slot.

    Attributes:
        sequence: The request.
        slot: The KV cache row of the request.
        ids: The tokens. Empty for a prompt whose logits are cached. For an answer: its last token,
            then the drafts, then padding with the last token where another request has more drafts.
        drafts: Draft tokens of speculative decoding.
        is_answer: Whether this is decode work; otherwise it is prefill. A pass has only one kind of
            work.
    """

    sequence: Sequence
    slot: Slot
    ids: list[int]
    drafts: list[int] = field(default_factory=list)
    is_answer: bool = False

    @property
    def ends_prompt(self) -> bool:
        """Whether this work completes a prompt; read it before the work is accepted."""
        return len(self.ids) == self.sequence.to_prefill


class Scheduler:
    """Holds all requests from submission to their last token.

    Args:
        cache: Assigns slots to running requests.
        max_batch: Maximum number of running requests.
        block: Minimum tokens of a prefill pass, unless fewer are left. Default: 1.
        decode_tokens: Maximum tokens of a decode pass, filled up with drafts: as many as take no
            longer than one token per answer. Default: 0, no drafts.
        prompt_tokens: Maximum prefill tokens in one pass, and between two decode passes. A longer
            prompt may take half of its length between two decode passes, so that its first token
            waits for at most two of them. Default: 512.
        joins_prompts: Whether one pass may compute pieces of several prompts. Default: true.
        failure: Turns an error that ends a request into the one its caller gets.

    Attributes:
        max_prompt_tokens: See `prompt_tokens`.
        waiting: Requests without a slot, in the order in which they get one.
        running: Requests with slots; the prompts of the first ones may be incomplete.
    """

    def __init__(
        self,
        cache: KVCache,
        max_batch: int,
        *,
        block: int = 1,
        decode_tokens: int = 0,
        prompt_tokens: int = PROMPT_TOKENS,
        joins_prompts: bool = True,
        failure: Callable[[Exception], Exception] = lambda error: error,
    ) -> None:
        self._cache = cache
        self._max_batch = max_batch
        self._block = block
        self._decode_tokens = decode_tokens
        self._joins_prompts = joins_prompts
        self._failure = failure
        self.max_prompt_tokens = prompt_tokens
        # Prefill tokens left until the next decode pass, and the prompts that raised this number.
        self._prompt_tokens = prompt_tokens
        self._favored: set[Sequence] = set()
        # What requests that were queued are part of (`Request.part_of`).
        self._begun: weakref.WeakSet[Any] = weakref.WeakSet()
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []

    @property
    def has_work(self) -> bool:
        """Whether any request is waiting or running."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Queue a request; one that continues another (`Request.part_of`) is the next.

        It has waited once, and its prefix would be evicted while it waits again.
        """
        part_of = sequence.request.part_of
        if part_of is None or part_of not in self._begun:
            self.waiting.append(sequence)
        else:
            self.waiting.appendleft(sequence)
        if part_of is not None:
            self._begun.add(part_of)

    def schedule(self, now: float) -> list[Work]:
        """Return the work of the next pass; empty if there is none.

        Args:
            now: Time in seconds, on the clock of the deadlines. Requests that are cancelled or past
                their deadline end.
        """
        for sequence in [*self.waiting, *self.running]:
            if sequence.cancelled:
                self.end(sequence)
            elif ending := sequence.ending(now):
                self.end(sequence, ending)
        if work := self._prompts() or self._answers():
            return work
        # There is nothing to decode between two shares of prefill.
        return self._prompts()

    def accept(self, work: Work, tokens: list[int]) -> None:
        """Record the result of a pass for one request.

        Args:
            work: What `schedule` returned.
            tokens: The tokens chosen for the answer, in order; all but the last are accepted
                drafts. For a prompt: one token if it is complete, else none.
        """
        if work.is_answer:
            work.slot.ids += [work.ids[0], *tokens[:-1]]
        else:
            work.slot.ids += work.ids
            work.slot.prompt_length = len(work.slot.ids)

    def fail(self, sequence: Sequence, error: Exception) -> None:
        """End one request with an error; its KV cache may be incomplete and is dropped."""
        self.end(sequence, self._failure(error), keep=False)

    def fail_all(self, error: Exception) -> None:
        """End every request."""
        for sequence in [*self.running, *self.waiting]:
            self.end(sequence, error, keep=False)

    def end(self, sequence: Sequence, event: Event | None = None, *, keep: bool = True) -> None:
        """Remove a request; with `keep`, its slot keeps the computed tokens as a prefix."""
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
        """Return a piece of a prompt, and pieces of waiting prompts that fit in the same pass."""
        # A rest of less than a block is not worth a pass.
        if self._prompt_tokens < self._block or (sequence := self._next_prompt()) is None:
            return []
        if sequence not in self._favored:
            self._favored.add(sequence)
            self._prompt_tokens = max(self._prompt_tokens, sequence.prefill_share)
        limit = min(self._prompt_tokens, self.max_prompt_tokens)
        longest = len(sequence.request.prompt_ids)
        work = [self._piece(sequence, min(max(limit, self._block), _most_tokens(longest)))]
        room = limit - len(work[0].ids)
        while self._joins_prompts and room > 0:
            other = self._companion([piece.sequence for piece in work])
            # A prompt that does not fit in this pass is computed in the next.
            if other is None or min(other.to_prefill, self._block) > room:
                break
            longest = max(longest, len(other.request.prompt_ids))
            room = min(room, _most_tokens(longest) - sum(len(piece.ids) for piece in work))
            if room <= 0:
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
        """Return decode work for all requests with complete prompts, in the order of their rows."""
        self._prompt_tokens = self.max_prompt_tokens
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
        """Return the prompt to compute now: the one in progress, or a much shorter one."""
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
            # Inserted before the longer prompt, so that it stays the one in progress.
            self.running.remove(admitted)
            self.running.insert(0, admitted)
            return admitted
        return begun

    def _companion(self, others: Collection[Sequence]) -> Sequence | None:
        """Return the prompt that waits longest, unless it should wait for a prefix of the others.

        A prompt can reuse the cached prefix of a prompt that was computed in an earlier pass.
        """
        if not self.waiting:
            return None
        begun = next((s for s in self.running if s.generated == 0 and s not in others), None)
        # A prompt that a shorter one has passed over is not passed over by a longer one too.
        if begun is not None and begun.to_prefill <= self.waiting[0].to_prefill:
            return begun
        prompt = self.waiting[0].request.prompt_ids
        common = max(shared_length(other.ids, prompt) for other in others)
        if common - self._cache.known(prompt) >= _MIN_PREFIX_TO_WAIT_FOR:
            return None
        return self._admit(self.waiting[0])

    def _admit(self, sequence: Sequence) -> Sequence | None:
        """Give a waiting request its slot, or the next if it fails; `None` without room."""
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


def _most_tokens(longest: int) -> int:
    """Maximum new tokens of a pass whose longest prompt has this many tokens."""
    return max(1, _MAX_MASK // max(1, longest))
