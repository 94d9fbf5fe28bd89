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
from typing import Any, NamedTuple

import torch

from langchain_swallow.engines.attention import attends_quickly
from langchain_swallow.engines.base import UNLOADED, Request, Sink
from langchain_swallow.engines.constraints import GrammarCompiler
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.devices import (
    empty_device_caches,
    failure,
    is_on_cpu,
    is_out_of_memory,
    is_quantized,
    release_freed_memory,
    release_openmp_threads,
)
from langchain_swallow.engines.model_runner import decode, end_ids, kv_bytes_per_token, prefill
from langchain_swallow.engines.kv_cache import KVCache, Slot
from langchain_swallow.engines.kv_memory import can_reserve
from langchain_swallow.engines.lookup import MAX_GUESS, PromptLookup
from langchain_swallow.engines.sampling import Sampler, token_logprob
from langchain_swallow.engines.scheduler import Scheduler
from langchain_swallow.engines.sequence import Sequence
from langchain_swallow.errors import EngineError, PromptOverflowError
from langchain_swallow.forks import begin_anew_in_children
from langchain_swallow.prompts import encode_inside

# What a step computes of prompts. A longer prompt takes half of itself, so that its first token
# comes after its own prefill and at most two decode steps of the others.
_PREFILL_TOKENS_PER_STEP = 512
# No pass over a prompt has fewer tokens, unless fewer are left: as many as keep the device busy.
_BLOCK = {"cpu": 128}
_BLOCK_GPU = 256
# Guessed tokens are free while a decode pass is bound by reading the weights: up to this many.
_DECODE_TOKENS = {"cpu": 16}
_DECODE_TOKENS_GPU = 128
# A CPU's kernels for quantised weights unpack them once for so many; eight take twice as long.
_DECODE_TOKENS_QUANTIZED = 4
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


class _Piece(NamedTuple):
    """The next tokens of a prompt; none where even the logits are known."""

    sequence: Sequence
    slot: Slot
    ids: list[int]


class LocalEngine:
    """A causal language model of transformers, shared by all its callers.

    Args:
        model: Loaded, in evaluation mode.
        tokenizer: Its tokenizer.
        context_window: Most tokens of prompt and answer together.
        max_batch: Most sequences that decode at once.
        kv_budget_bytes: Memory for keys and values.
        block: The fewest tokens of a prompt to compute at once, unless fewer are left; `None` takes
            what suits the device.
        prompt_lookup: Guess tokens that repeat earlier ones, and verify them; see `lookup`.
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
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._device = model.device
        self._is_on_cpu = is_on_cpu(model)
        self.context_window = context_window
        self._max_batch = max_batch
        self._to_bytes = token_bytes(tokenizer)
        self._end_ids = end_ids(model, tokenizer)
        self._grammars = GrammarCompiler(
            tokenizer, self._to_bytes, self._end_ids, lambda text: encode_inside(text, tokenizer)
        )
        per_token = kv_bytes_per_token(model)
        slots, longest = max_batch + _IDLE_SLOTS, context_window + MAX_GUESS
        self._block = block or _BLOCK.get(self._device.type, _BLOCK_GPU)
        self._cache = KVCache(
            bytes_per_token=per_token,
            max_slots=slots,
            max_tokens=longest,
            budget_bytes=kv_budget_bytes,
            lazy=self._is_on_cpu and can_reserve(slots * longest * per_token),
        )
        self._joins_prompts = attends_quickly(model)
        tokens = _DECODE_TOKENS.get(self._device.type, _DECODE_TOKENS_GPU)
        if self._is_on_cpu and is_quantized(model):
            tokens = _DECODE_TOKENS_QUANTIZED
        self._decode_tokens = tokens if prompt_lookup else 0
        # Why no request is taken any more.
        self._closed_because: str | None = None
        self._begin()
        begin_anew_in_children(self)

    def _begin(self) -> None:
        self._wake = threading.Condition()
        self._incoming: deque[Sequence] = deque()
        self._schedule = Schedule(self._cache, self._max_batch)
        self._thread: threading.Thread | None = None

    def begin_anew(self) -> None:
        """Go on in a forked child with the parent's weights, if they are in the host's memory."""
        if self._is_on_cpu:
            self._cache.clear()
        else:
            self._closed_because = _ON_PARENTS_GPU
        left = [*self._schedule.running, *self._schedule.waiting, *self._incoming]
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

    def _fail_all(self, error: Exception) -> None:
        with self._wake:
            self._take_incoming()
        self._schedule.fail_all(error)

    def _has_work(self) -> bool:
        """Wait for work; `False` when the engine is closed."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closed_because or self._incoming or self._schedule.has_work
            )
            self._take_incoming()
            return not self._closed_because

    def _take_incoming(self) -> None:
        self._schedule.waiting.extend(self._incoming)
        self._incoming.clear()

    def _step(self) -> None:
        self._schedule.drop_ended()
        self._prefill()
        self._decode()

    def _prefill(self) -> None:
        """Compute a step's share of the prompts, and choose the first tokens of their answers."""
        budget = _PREFILL_TOKENS_PER_STEP
        # What is left of it at the end, less than a block, is not worth a pass.
        while budget >= self._block and (sequence := self._schedule.next_prompt()) is not None:
            share = max(budget, sequence.prefill_share)
            budget -= share
            while share > 0 and sequence.slot is not None and sequence.generated == 0:
                pieces = self._next_pass(sequence, share)
                share -= sum(len(piece.ids) for piece in pieces)
                self._compute(pieces)
            budget += max(0, share)

    def _next_pass(self, sequence: Sequence, most: int) -> list[_Piece]:
        """A piece of a prompt, and of those that wait where there is room for them."""
        pieces = [self._piece(sequence, most)]
        room = min(most, _PREFILL_TOKENS_PER_STEP) - len(pieces[0].ids)
        while self._joins_prompts and room > 0:
            other = self._schedule.companion([piece.sequence for piece in pieces])
            # One that has no room in this pass is the next one's.
            if other is None or len((piece := self._piece(other, room)).ids) > room:
                break
            pieces.append(piece)
            room -= len(piece.ids)
        return pieces

    def _piece(self, sequence: Sequence, most: int) -> _Piece:
        slot = sequence.slot
        assert slot is not None
        start = len(slot.ids)
        end = start + max(most, self._block)
        return _Piece(sequence, slot, sequence.ids[start:end])

    def _compute(self, pieces: list[_Piece]) -> None:
        """Compute a pass, and choose the first tokens of the answers whose prompts it ends."""
        new = [piece for piece in pieces if piece.ids]
        last = [i for i, piece in enumerate(new) if len(piece.ids) == piece.sequence.to_prefill]
        if new:
            work = [(piece.slot, piece.ids) for piece in new]
            try:
                logits = prefill(self.model, self._cache, work, last)
            except Exception as error:
                self._blame(pieces, error)
                return
            for slot, ids in work:
                slot.ids += ids
                slot.logits = None
            for i, own in zip(last, logits, strict=True):
                new[i].slot.logits = own
                new[i].slot.prompt_length = len(new[i].slot.ids)
        for piece in pieces:
            if piece.slot.logits is not None:
                self._choose_first(piece.sequence, piece.slot.logits)

    def _blame(self, pieces: list[_Piece], error: Exception) -> None:
        """Find the request with which a pass fails: its caller must hear of it, others go on."""
        if len(pieces) == 1:
            self._schedule.fail(pieces[0].sequence, error)
            return
        empty_device_caches()
        for piece in pieces:
            self._compute([piece])

    def _choose_first(self, sequence: Sequence, logits: torch.Tensor) -> None:
        try:
            self._choose(sequence, logits, int(_best(logits)))
        except Exception as error:  # of its grammar, or its sampling
            self._schedule.fail(sequence, error)

    def _decode(self) -> None:
        """Compute the next tokens of all sequences whose prompts are computed."""
        running = self._schedule.decoding()
        if not running:
            return
        slots = [sequence.slot for sequence in running if sequence.slot]
        most = min(MAX_GUESS, self._decode_tokens // len(running) - 1)
        guesses = [sequence.guess(most) for sequence in running]
        count = 1 + max(map(len, guesses))
        # Rows with a shorter guess are filled up; what is beyond a guess is not looked at.
        new = [
            [sequence.ids[-1], *guess, *[sequence.ids[-1]] * (count - 1 - len(guess))]
            for sequence, guess in zip(running, guesses, strict=True)
        ]
        try:
            logits = decode(self.model, self._cache, slots, new)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            latest = next(s for s in reversed(self._schedule.running) if s.generated > 0)
            self._schedule.fail(latest, error)
            return
        best = _best(logits).tolist()
        for row, (sequence, guess) in enumerate(zip(running, guesses, strict=True)):
            try:
                right = self._accept(sequence, guess, logits[row], best[row])
            except Exception as error:  # of its grammar, or its sampling
                self._schedule.fail(sequence, error)
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
            slot.ids.append(sequence.ids[-1])
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
            self._schedule.end(sequence)
        return is_last


def _best(logits: torch.Tensor) -> torch.Tensor:
    """Arg max over the vocabulary, which `argmax` takes four times as long for in bfloat16."""
    return logits.max(-1).indices
