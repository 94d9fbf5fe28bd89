"""One loaded model, one thread, any number of callers: continuous batching over transformers.

A `Sequence` flows from waiting to prefill to decode. Every step computes a bounded share of the
waiting prompts, then the next tokens of every running sequence; so sequences join and leave at
any step, and a long prompt does not hold up running streams.
"""

import atexit
import threading
import time
import weakref
from collections import deque
from typing import Any

import torch

from langchain_swallow.engines.base import UNLOADED, Event, Request, Sink
from langchain_swallow.engines.constraints import GrammarCompiler
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.devices import (
    empty_device_caches,
    failure,
    is_on_cpu,
    is_out_of_memory,
    release_freed_memory,
    release_openmp_threads,
)
from langchain_swallow.engines.forward import end_ids, forward, kv_bytes_per_token
from langchain_swallow.engines.kv_cache import KVCache, Slot
from langchain_swallow.engines.kv_memory import can_reserve
from langchain_swallow.engines.lookup import MAX_GUESS, PromptLookup
from langchain_swallow.engines.sampling import Sampler, token_logprob
from langchain_swallow.engines.sequence import Sequence
from langchain_swallow.engines.tiling import Tiling, whole_blocks
from langchain_swallow.errors import EngineError, PromptOverflowError
from langchain_swallow.forks import begin_anew_in_children
from langchain_swallow.prompts import encode_inside

# What a step computes of prompts. A longer prompt takes half of itself, so that its first token
# comes after its own prefill and at most two decode steps of the others.
_PREFILL_TOKENS_PER_STEP = 512
# Prompts are computed in blocks of this many tokens (see `kv_cache`): as many as keep the device
# busy, and no more, since a beginning is shared in whole blocks.
_BLOCK = {"cpu": 128}
_BLOCK_GPU = 256
# Guessed tokens are free while a decode pass is bound by reading the weights: up to this many.
_DECODE_TOKENS = {"cpu": 16}
_DECODE_TOKENS_GPU = 128
# How often a short prompt may go before a long one that is being computed.
_MAX_PASSED_OVER = 8
# Idle rows that keep prompt beginnings, beside those of running sequences.
_IDLE_SLOTS = 16

_ON_PARENTS_GPU = (
    "The model is on a GPU of the process that this one was forked from. Load it in each process "
    "and not before, or start processes with multiprocessing.get_context('spawn')."
)
_open_engines: "weakref.WeakSet[LocalEngine]" = weakref.WeakSet()


@atexit.register
def _close_engines() -> None:
    """Stop the threads before Python ends them: inside torch that aborts the process."""
    for engine in list(_open_engines):
        engine.close()


class LocalEngine:
    """A causal language model of transformers, shared by all its callers.

    Args:
        model: Loaded, in evaluation mode.
        tokenizer: Its tokenizer.
        context_window: Most tokens of prompt and answer together.
        max_batch: Most sequences that decode at once.
        kv_budget_bytes: Memory for keys and values.
        block: Prompts are computed and shared in multiples of this many tokens in float32, and
            computed in no fewer in 16 bits; `None` takes what suits the device.
        prompt_lookup: Guess tokens that repeat earlier ones, and verify them; see `lookup`.
        tiling: How to ask prompts' queries so that passes may be of any size; see `invariance`.
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        context_window: int,
        max_batch: int = 64,
        kv_budget_bytes: int = 4 * 1024**3,
        block: int | None = None,
        prompt_lookup: bool = True,
        tiling: Tiling | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._device = model.device
        self._is_on_cpu = is_on_cpu(model)
        self.context_window = context_window
        self._max_batch = max_batch
        self._tiling = tiling
        self._to_bytes = token_bytes(tokenizer)
        self._end_ids = end_ids(model, tokenizer)
        self._grammars = GrammarCompiler(
            tokenizer, self._to_bytes, self._end_ids, lambda text: encode_inside(text, tokenizer)
        )
        per_token = kv_bytes_per_token(model)
        slots, longest = max_batch + _IDLE_SLOTS, context_window + MAX_GUESS
        block = block or _BLOCK.get(self._device.type, _BLOCK_GPU)
        # In float32 a turn is to equal a cold run bit by bit; 16 bits are rounded anyway.
        grid = None if model.dtype != torch.float32 else 1 if tiling else block
        self._cache = KVCache(
            bytes_per_token=per_token,
            max_slots=slots,
            max_tokens=whole_blocks(longest) if tiling else longest,
            budget_bytes=kv_budget_bytes,
            grid=grid,
            block=block,
            lazy=self._is_on_cpu and can_reserve(slots * longest * per_token),
        )
        tokens = _DECODE_TOKENS.get(self._device.type, _DECODE_TOKENS_GPU)
        self._decode_tokens = tokens if prompt_lookup else 0
        # Why no request is taken any more.
        self._closed_because: str | None = None
        self._begin()
        begin_anew_in_children(self)

    def _begin(self) -> None:
        self._wake = threading.Condition()
        self._incoming: deque[Sequence] = deque()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._thread: threading.Thread | None = None

    def begin_anew(self) -> None:
        """Go on in a forked child with the parent's weights, if they are in the host's memory."""
        if self._is_on_cpu:
            self._cache.clear()
        else:
            self._closed_because = _ON_PARENTS_GPU
        left = [*self._running, *self._waiting, *self._incoming]
        self._begin()
        for sequence in left:
            sequence.wake = self._wake
            sequence.sink(EngineError("The process was forked during generation."))

    def submit(self, request: Request, sink: Sink) -> Sequence:
        """Queue a request.

        Raises:
            PromptOverflowError: Prompt and answer do not fit the context window.
            GrammarError: The grammar cannot be enforced.
            EngineError: The engine is closed.
        """
        sequence = self._sequence(request, sink)
        self.make_way()
        with self._wake:
            if self._closed_because:
                raise EngineError(self._closed_because)
            self._incoming.append(sequence)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="swallow", daemon=True)
                self._thread.start()
                _open_engines.add(self)
            self._wake.notify()
        return sequence

    def make_way(self) -> None:
        """End the calling thread's OpenMP threads, which would slow the engine's."""
        if self._device.type == "cpu":
            release_openmp_threads()

    def close(self) -> None:
        """End running sequences with `EngineError` and free the memory; safe to call twice."""
        with self._wake:
            self._closed_because = UNLOADED
            self._wake.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        _open_engines.discard(self)
        self._cache.clear()
        self.model = None
        release_freed_memory()

    def _sequence(self, request: Request, sink: Sink) -> Sequence:
        length = len(request.prompt_ids) + request.max_tokens
        if length > self.context_window:
            raise PromptOverflowError(
                f"{len(request.prompt_ids)} prompt tokens and max_tokens={request.max_tokens} are "
                f"{length}, the context window is {self.context_window}."
            )
        mask = self._grammars.mask(request.grammar) if request.grammar else None
        ids = list(request.prompt_ids)
        return Sequence(
            request=request,
            sink=sink,
            detokenizer=Detokenizer(self._to_bytes, request.stop),
            sampler=Sampler(request, self._device, mask),
            ids=ids,
            lookup=PromptLookup(ids),
            deadline=request.timeout_s and time.monotonic() + request.timeout_s,
            wake=self._wake,
        )

    @torch.inference_mode()
    def _run(self) -> None:
        while self._has_work():
            try:
                self._step()
            except Exception as error:  # the callers' threads must hear of it
                self._fail_all(failure(error))
        self._fail_all(EngineError("The model was unloaded during generation."))

    def _has_work(self) -> bool:
        """Wait for work; `False` when the engine is closed."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closed_because or self._incoming or self._waiting or self._running
            )
            self._waiting.extend(self._incoming)
            self._incoming.clear()
            return not self._closed_because

    def _step(self) -> None:
        self._drop_ended()
        self._prefill()
        self._decode()

    def _drop_ended(self) -> None:
        """Remove what was cancelled or is out of time."""
        for sequence in [*self._waiting, *self._running]:
            if sequence.cancelled:
                self._end(sequence)
            elif ending := sequence.ending():
                self._end(sequence, ending)

    def _prefill(self) -> None:
        """Compute a step's share of the waiting prompts, one after another.

        A prompt is admitted when the one before it is computed, so that it finds their shared
        beginning in the cache.
        """
        budget = _PREFILL_TOKENS_PER_STEP
        while budget > 0 and (sequence := self._next_prompt()) is not None:
            share = max(budget, sequence.prefill_share)
            budget -= share
            try:
                while share > 0 and sequence.slot is not None and sequence.generated == 0:
                    share -= self._prefill_piece(sequence, sequence.slot, share)
            except Exception as error:  # its caller must hear of it, and the others go on
                self._fail(sequence, error)
            budget += max(0, share)

    def _prefill_piece(self, sequence: Sequence, slot: Slot, most: int) -> int:
        """Compute the next tokens of a prompt, and choose the first of the answer; how many."""
        start = len(slot.ids)
        left = len(sequence.ids) - start
        piece = sequence.ids[start : start + self._cache.next_pass(slot, most, left)]
        if piece:
            wanted = int(len(piece) == left)
            logits = forward(
                self.model, self._cache, [slot], [piece], logits_of=wanted, tiling=self._tiling
            )
            self._cache.append(slot, piece, of_prompt=True)
            slot.logits = logits[0, 0] if wanted else None
        if slot.logits is not None:
            self._choose(sequence, slot.logits, int(_best(slot.logits)))
        return len(piece)

    def _next_prompt(self) -> Sequence | None:
        """The prompt to compute now: the one begun, unless a much shorter one waits."""
        begun = next((s for s in self._running if s.generated == 0), None)
        if begun is None:
            return self._admit(self._waiting[0]) if self._waiting else None
        shortest = min(self._waiting, key=lambda s: s.to_prefill, default=None)
        if (
            shortest is not None
            and 2 * shortest.to_prefill < begun.to_prefill
            and begun.passed_over < _MAX_PASSED_OVER
            and (admitted := self._admit(shortest)) is not None
        ):
            begun.passed_over += 1
            # Before the longer one, so that it stays the one begun.
            self._running.remove(admitted)
            self._running.insert(0, admitted)
            return admitted
        return begun

    def _admit(self, sequence: Sequence) -> Sequence | None:
        """Give a waiting sequence its slot; `None` while there is no room."""
        if len(self._running) >= self._max_batch:
            return None
        length = len(sequence.ids) + sequence.request.max_tokens + MAX_GUESS
        try:
            sequence.slot = self._cache.acquire(sequence.request.prompt_ids, length)
        except (MemoryError, RuntimeError) as error:
            self._fail(sequence, error)
            return self._admit(self._waiting[0]) if self._waiting else None
        if sequence.slot is None:
            return None
        sequence.cached_tokens = len(sequence.slot.ids)
        sequence.prefill_share = -(-sequence.to_prefill // 2)
        self._waiting.remove(sequence)
        self._running.append(sequence)
        return sequence

    def _decode(self) -> None:
        """Compute the next tokens of all sequences whose prompts are computed."""
        by_slot = {s.slot: s for s in self._running if s.slot and s.generated > 0}
        if not by_slot:
            return
        slots = self._cache.gather(by_slot)
        running = [by_slot[slot] for slot in slots]
        most = min(MAX_GUESS, self._decode_tokens // len(running) - 1)
        guesses = [sequence.guess(most) for sequence in running]
        count = 1 + max(map(len, guesses))
        # Rows with a shorter guess are filled up; what is beyond a guess is not looked at.
        new = [
            [sequence.ids[-1], *guess, *[sequence.ids[-1]] * (count - 1 - len(guess))]
            for sequence, guess in zip(running, guesses, strict=True)
        ]
        try:
            logits = forward(self.model, self._cache, slots, new, logits_of=count)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._fail(list(by_slot.values())[-1], error)
            return
        best = _best(logits).tolist()
        for row, (sequence, guess) in enumerate(zip(running, guesses, strict=True)):
            try:
                right = self._accept(sequence, guess, logits[row], best[row])
            except Exception as error:  # of its grammar, or its sampling
                self._fail(sequence, error)
                continue
            if guess:
                sequence.lookup.learn(len(guess), right)

    def _accept(
        self, sequence: Sequence, guess: list[int], logits: torch.Tensor, best: list[int]
    ) -> int:
        """Choose one token after another for as long as they are the guessed ones; how many were.

        A guess that holds is the token that would have been chosen without it, greedy or drawn,
        so the answer is the same and its distribution too.
        """
        slot = sequence.slot
        assert slot is not None
        for position, guessed in enumerate([*guess, None]):
            self._cache.append(slot, sequence.ids[-1:], of_prompt=False)
            if self._choose(sequence, logits[position], best[position]):
                return position
            if sequence.ids[-1] != guessed:
                return position
        return len(guess)

    def _choose(self, sequence: Sequence, logits: torch.Tensor, best: int) -> bool:
        """Choose the next token for logits of shape (vocabulary,); `True` when it was the last."""
        token = sequence.choose(logits, best)
        logprob = None
        if sequence.request.logprobs is not None:
            top = sequence.request.logprobs
            logprob = token_logprob(logits, token, top, self.tokenizer)
        is_last = sequence.take(token, logprob, self._end_ids)
        if is_last:
            self._end(sequence)
        return is_last

    def _end(self, sequence: Sequence, event: Event | None = None, *, keep: bool = True) -> None:
        """Take a sequence out; its slot keeps what was computed, if that is whole."""
        if sequence in self._running:
            self._running.remove(sequence)
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        if sequence.slot is not None:
            (self._cache.release if keep else self._cache.discard)(sequence.slot)
            sequence.slot = None
        if event is not None:
            sequence.sink(event)

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        """End one sequence, whose keys and values may be incomplete."""
        self._end(sequence, failure(error), keep=False)
        empty_device_caches()

    def _fail_all(self, error: Exception) -> None:
        with self._wake:
            self._waiting.extend(self._incoming)
            self._incoming.clear()
        for sequence in [*self._running, *self._waiting]:
            self._end(sequence, error, keep=False)


def _best(logits: torch.Tensor) -> torch.Tensor:
    """Arg max over the vocabulary, which `argmax` takes four times as long for in bfloat16."""
    return logits.max(-1).indices
