"""One loaded model, one thread, any number of callers: continuous batching over transformers.

A `Sequence` flows from waiting to prefill to decode. Every step admits what fits, computes a
bounded piece of the waiting prompts, then one token for every running sequence; so sequences
join and leave at any step, and a long prompt does not hold up running streams.
"""

import atexit
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch

from langchain_swallow.engines.base import Chunk, Event, Finish, Request, Sink, TokenLogprob
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.kv_cache import KVCache, Slot, Window
from langchain_swallow.engines.sampling import Sampler, token_logprob
from langchain_swallow.errors import (
    EngineError,
    GenerationTimeoutError,
    OutOfMemoryError,
    PromptOverflowError,
)

_PREFILL_TOKENS_PER_STEP = 512
# Idle rows that keep prompt beginnings, beside those of running sequences.
_MAX_SLOTS = 32


@dataclass(slots=True, eq=False)
class Sequence:
    """A request on its way, and its own `Ticket`."""

    request: Request
    sink: Sink
    detokenizer: Detokenizer
    sampler: Sampler
    ids: list[int]
    deadline: float | None
    slot: Slot | None = None
    cached_tokens: int = 0
    cancelled: bool = False
    wake: threading.Condition = field(default_factory=threading.Condition)

    def cancel(self) -> None:
        """Stop within one step."""
        with self.wake:
            self.cancelled = True
            self.wake.notify()

    @property
    def generated(self) -> int:
        """Tokens of the answer so far."""
        return len(self.ids) - len(self.request.prompt_ids)

    @property
    def pending(self) -> list[int]:
        """Tokens whose keys and values are still to compute."""
        return self.ids[len(self.slot.ids) :] if self.slot else self.ids


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
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        context_window: int,
        max_batch: int = 16,
        kv_budget_bytes: int = 4 * 1024**3,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._device = model.device
        self._context_window = context_window
        self._max_batch = max_batch
        self._to_bytes = token_bytes(tokenizer)
        self._end_ids = _end_ids(model, tokenizer)
        self._cache = KVCache(
            bytes_per_token=_kv_bytes_per_token(model),
            max_slots=_MAX_SLOTS,
            max_tokens=context_window,
            budget_bytes=kv_budget_bytes,
        )
        self._wake = threading.Condition()
        self._incoming: deque[Sequence] = deque()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def context_window(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context_window

    def submit(self, request: Request, sink: Sink) -> Sequence:
        """Queue a request.

        Raises:
            PromptOverflowError: Prompt and answer do not fit the context window.
            EngineError: The engine is closed.
        """
        length = len(request.prompt_ids) + request.max_tokens
        if length > self._context_window:
            raise PromptOverflowError(
                f"{len(request.prompt_ids)} prompt tokens and max_tokens={request.max_tokens} are "
                f"{length}, the context window is {self._context_window}."
            )
        sequence = Sequence(
            request=request,
            sink=sink,
            detokenizer=Detokenizer(self._to_bytes, request.stop),
            sampler=Sampler(request, self._device),
            ids=list(request.prompt_ids),
            deadline=request.timeout_s and time.monotonic() + request.timeout_s,
            wake=self._wake,
        )
        with self._wake:
            if self._closed:
                raise EngineError("The model was unloaded. Call the chat model again to load it.")
            self._incoming.append(sequence)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="swallow", daemon=True)
                self._thread.start()
                _open_engines.add(self)
            self._wake.notify()
        return sequence

    def close(self) -> None:
        """End running sequences with `EngineError` and free the memory; safe to call twice."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        _open_engines.discard(self)
        self._cache.clear()
        self.model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _run(self) -> None:
        while self._has_work():
            try:
                self._step()
            except Exception as error:  # the callers' threads must hear of it
                self._fail_all(EngineError(f"Generation failed: {error}"), error)
        self._fail_all(EngineError("The model was unloaded during generation."))

    def _has_work(self) -> bool:
        """Wait for work; `False` when the engine is closed."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closed or self._incoming or self._waiting or self._running
            )
            self._waiting.extend(self._incoming)
            self._incoming.clear()
            return not self._closed

    def _step(self) -> None:
        self._drop_ended()
        self._prefill()
        self._decode()

    def _drop_ended(self) -> None:
        """Remove what was cancelled or is out of time."""
        now = time.monotonic()
        for sequence in [*self._waiting, *self._running]:
            if sequence.cancelled:
                self._end(sequence, None)
            elif sequence.deadline is not None and now > sequence.deadline:
                limit = sequence.request.timeout_s
                self._end(
                    sequence,
                    GenerationTimeoutError(
                        f"No complete answer within timeout={limit} s after "
                        f"{sequence.generated} tokens. Raise timeout or lower max_tokens."
                    ),
                )

    def _prefill(self) -> None:
        """Compute waiting prompts, one after another, up to a step's share of tokens.

        A prompt is admitted when the one before it is computed, so that it finds their shared
        beginning in the cache. The last token is left to `_decode`: a prompt that is asked again
        then takes the same passes as the first time, and rounds to the same logits.
        """
        budget = _PREFILL_TOKENS_PER_STEP
        while budget > 0 and (sequence := self._next_prompt()) is not None:
            piece = sequence.pending[:-1][:budget]
            budget -= len(piece)
            try:
                if piece:
                    self._forward([sequence], [piece])
            except torch.OutOfMemoryError as error:
                self._run_out_of_memory(sequence, error)

    def _next_prompt(self) -> Sequence | None:
        """The prompt being computed, or the next that fits; `None` when there is none."""
        for sequence in self._running:
            if len(sequence.pending) > 1:
                return sequence
        while self._waiting and len(self._running) < self._max_batch:
            sequence = self._waiting[0]
            length = len(sequence.ids) + sequence.request.max_tokens
            try:
                sequence.slot = self._cache.acquire(sequence.request.prompt_ids, length)
            except MemoryError as error:
                self._end(sequence, _out_of_memory(error))
                continue
            if sequence.slot is None:
                return None
            sequence.cached_tokens = len(sequence.slot.ids)
            self._running.append(self._waiting.popleft())
            return sequence
        return None

    def _decode(self) -> None:
        """Compute the one pending token of each sequence, and choose the next."""
        running = [s for s in self._running if len(s.pending) == 1]
        if not running:
            return
        for row, sequence in enumerate(running):
            assert sequence.slot is not None
            self._cache.place(sequence.slot, row)
        try:
            logits = self._forward(running, [s.pending for s in running])
        except torch.OutOfMemoryError as error:
            self._run_out_of_memory(running[-1], error)
            return
        best = logits.argmax(-1).tolist()
        for row, sequence in enumerate(running):
            greedy = sequence.sampler.is_greedy
            token = best[row] if greedy else sequence.sampler.choose(logits[row].clone())
            self._emit(sequence, token, logits[row])

    def _forward(self, sequences: list[Sequence], new: list[list[int]]) -> torch.Tensor:
        """Compute new tokens, the same number for each sequence; logits of the last, (n, V)."""
        slots = [s.slot for s in sequences if s.slot is not None]
        starts = [len(slot.ids) for slot in slots]
        window = Window(self._cache, slots[0].row, starts, len(new[0]))
        device = self._device
        first = torch.tensor(starts, device=device)[:, None]
        positions = first + torch.arange(window.count, device=device)
        output = self.model(
            input_ids=torch.tensor(new, device=device),
            position_ids=positions,
            attention_mask=_masks(self.model, positions, window.end),
            past_key_values=window,
            use_cache=True,
            logits_to_keep=1,
        )
        for slot, ids in zip(slots, new, strict=True):
            slot.ids += ids
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _emit(self, sequence: Sequence, token: int, logits: torch.Tensor) -> None:
        sequence.ids.append(token)
        request, detokenizer = sequence.request, sequence.detokenizer
        ended = token in self._end_ids
        text = "" if ended else detokenizer.push(token)
        logprobs: tuple[TokenLogprob, ...] = ()
        if request.logprobs is not None and not ended:
            logprobs = (token_logprob(logits, token, request.logprobs, self.tokenizer),)
        stopped = ended or detokenizer.stop_sequence is not None
        finished = stopped or sequence.generated >= request.max_tokens
        if finished:
            text += detokenizer.finish()
        if text or logprobs:
            sequence.sink(Chunk(text, logprobs))
        if finished:
            finish = Finish(
                reason="stop" if stopped else "length",
                prompt_tokens=len(request.prompt_ids),
                completion_tokens=sequence.generated,
                stop_sequence=detokenizer.stop_sequence,
                cached_tokens=sequence.cached_tokens,
            )
            self._end(sequence, finish)

    def _end(self, sequence: Sequence, event: Event | None) -> None:
        """Take a sequence out and tell its caller; its slot keeps the computed beginning."""
        if sequence in self._running:
            self._running.remove(sequence)
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        if sequence.slot is not None:
            self._cache.release(sequence.slot)
            sequence.slot = None
        if event is not None:
            sequence.sink(event)

    def _run_out_of_memory(self, sequence: Sequence, error: Exception) -> None:
        if sequence.slot is not None:
            self._cache.discard(sequence.slot)
            sequence.slot = None
        self._end(sequence, _out_of_memory(error))
        torch.cuda.empty_cache()

    def _fail_all(self, error: EngineError, cause: Exception | None = None) -> None:
        error.__cause__ = cause
        with self._wake:
            self._waiting.extend(self._incoming)
            self._incoming.clear()
        for sequence in [*self._running, *self._waiting]:
            if sequence.slot is not None:
                self._cache.discard(sequence.slot)
                sequence.slot = None
            self._end(sequence, error)


def _out_of_memory(error: Exception) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"Not enough memory for this request: {error}. Shorten the prompt, lower max_tokens, "
        'or load the model with quantization="8bit" or "4bit".'
    )


def _masks(model: Any, positions: torch.Tensor, end: int) -> Any:
    """Additive attention masks of shape (rows, 1, new, end).

    A model with sliding layers takes one mask per kind of layer; keys and values are all kept,
    so the window is in the mask.
    """
    keys = torch.arange(end, device=positions.device)
    seen = keys <= positions[:, :, None]
    window = getattr(model.config, "sliding_window", None)
    if not window:
        return _additive(seen, model.dtype)
    masks = {
        "full_attention": _additive(seen, model.dtype),
        "sliding_attention": _additive(seen & (keys > positions[:, :, None] - window), model.dtype),
    }
    # Without a list of layer types (Mistral) every layer has the window.
    kinds = set(getattr(model.config, "layer_types", None) or ["sliding_attention"])
    return masks if len(kinds) > 1 else masks[kinds.pop()]


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def _kv_bytes_per_token(model: Any) -> int:
    config = model.config.get_text_config()
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    width: int = config.num_key_value_heads * head_dim
    return 2 * config.num_hidden_layers * width * model.dtype.itemsize


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's EOS and those of the generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in [*ids, tokenizer.eos_token_id] if i is not None)
