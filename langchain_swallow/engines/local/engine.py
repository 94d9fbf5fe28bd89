"""Continuous batching over a transformers model: one thread computes for all callers.

A `Sequence` goes from waiting to prefill to decode. Each step computes a bounded share of the
waiting prompts, then the next tokens of all running sequences. So sequences join and leave at any
step, and a long prompt does not delay running streams.
"""

import atexit
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from langchain_swallow._system.forks import register_fork_reset
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.grammar import GrammarCompiler
from langchain_swallow.engines.local.choosing import choose_first, choose_tokens
from langchain_swallow.engines.local.devices import (
    empty_device_caches,
    failure,
    has_lost_device,
    is_on_cpu,
    is_out_of_memory,
    is_quantized,
    release_freed_memory,
    release_openmp_threads,
)
from langchain_swallow.engines.local.kv_cache import KVCache
from langchain_swallow.engines.local.kv_memory import KVMemory, can_reserve
from langchain_swallow.engines.local.lookup import MAX_DRAFT, PromptLookup
from langchain_swallow.engines.local.model_runner import (
    ModelRunner,
    Output,
    end_ids,
    kv_bytes_per_token,
)
from langchain_swallow.engines.local.sampling import Sampler
from langchain_swallow.engines.local.scheduler import PROMPT_TOKENS, Scheduler, Work
from langchain_swallow.engines.local.sequence import Sequence
from langchain_swallow.engines.protocol import (
    UNLOADED,
    EngineLoad,
    Request,
    Sink,
    check_fits,
)
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts import encode_inside
from langchain_swallow.prompts.tokenizer import Tokenizer

# Maximum tokens of a prefill pass on a GPU; see `Scheduler`.
_PROMPT_TOKENS_GPU = 2048
# Minimum tokens of a prefill pass, unless the prompt has fewer left: enough to keep the device
# busy.
_BLOCK = {"cpu": 128}
_BLOCK_GPU = 256
# Draft tokens cost nothing while a decode pass is bound by reading the weights: up to this many.
_DECODE_TOKENS = {"cpu": 16}
_DECODE_TOKENS_GPU = 128
# Kernels for quantized weights unpack them once for a few tokens: on a CPU, eight take twice as
# long as four.
_DECODE_TOKENS_QUANTIZED = 4
# Additional KV cache rows that keep the prefixes of ended sequences.
_IDLE_SLOTS = 16

_ON_PARENTS_GPU = (
    "The model is on a GPU of the process that this one was forked from. Load it in each process "
    "and not before, or start processes with multiprocessing.get_context('spawn')."
)
_open_engines: "weakref.WeakSet[LocalEngine]" = weakref.WeakSet()


@atexit.register
def _close_engines() -> None:
    """Stop the threads before Python ends them, which would abort the process inside torch."""
    for engine in list(_open_engines):
        engine.close()


class LocalEngine:
    """A causal language model of transformers that all callers share; thread-safe.

    Args:
        model: The loaded model, in evaluation mode.
        tokenizer: The model's tokenizer.
        context_window: Maximum number of tokens of prompt and answer together.
        max_batch: Maximum number of sequences that run at the same time. Default: 64.
        kv_budget_bytes: Memory for the KV cache in bytes. Default: 4 GiB.
        block: Minimum tokens of a prefill pass, unless fewer are left. `None`, the default, is 128
            on a CPU and 256 on a GPU.
        prompt_lookup: Whether to use speculative decoding by prompt lookup; see `lookup`. Default:
            true.
        on_close: Called once, when no pass runs any longer.
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        context_window: int,
        max_batch: int = 64,
        kv_budget_bytes: int = 4 * 1024**3,
        block: int | None = None,
        prompt_lookup: bool = True,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._on_close = on_close
        self._device = model.device
        self._is_on_cpu = is_on_cpu(model)
        self.context_window = context_window
        self._max_batch = max_batch
        self._to_bytes = token_bytes(tokenizer)
        self._end_ids = end_ids(model, tokenizer)
        self._vocabulary = len(model.get_input_embeddings().weight)
        self._grammars = GrammarCompiler(
            tokenizer, self._to_bytes, self._end_ids, lambda text: encode_inside(text, tokenizer)
        )
        per_token = kv_bytes_per_token(model)
        slots, longest = max_batch + _IDLE_SLOTS, context_window + MAX_DRAFT
        self._block = block or _BLOCK.get(self._device.type, _BLOCK_GPU)
        memory = KVMemory(lazy=self._is_on_cpu and can_reserve(slots * longest * per_token))
        self._runner = ModelRunner(model, memory)
        self._cache = KVCache(
            memory,
            bytes_per_token=per_token,
            max_slots=slots,
            max_tokens=longest,
            budget_bytes=kv_budget_bytes,
        )
        tokens = _DECODE_TOKENS.get(self._device.type, _DECODE_TOKENS_GPU)
        if is_quantized(model):
            tokens = _DECODE_TOKENS_QUANTIZED
        self._decode_tokens = tokens if prompt_lookup else 0
        # The reason why the engine refuses requests; `None` while it is open.
        self._closed_because: str | None = None
        self._begin()
        register_fork_reset(self)

    def _begin(self) -> None:
        self._wake = threading.Condition()
        self._incoming: deque[Sequence] = deque()
        self.scheduler = Scheduler(
            self._cache,
            self._max_batch,
            block=self._block,
            decode_tokens=self._decode_tokens,
            prompt_tokens=PROMPT_TOKENS if self._is_on_cpu else _PROMPT_TOKENS_GPU,
            joins_prompts=self._runner.joins_prompts,
            failure=failure,
        )
        self._thread: threading.Thread | None = None

    def reset_after_fork(self) -> None:
        """In a forked child, continue with the parent's weights if they are in host memory."""
        if self._is_on_cpu:
            self._cache.clear()
        else:
            self._closed_because = _ON_PARENTS_GPU
        pending = [*self.scheduler.running, *self.scheduler.waiting, *self._incoming]
        self._begin()
        for sequence in pending:
            sequence.wake = self._wake
            sequence.sink(EngineError("The process was forked during generation."))

    def submit(self, request: Request, sink: Sink) -> Sequence:
        """Queue a request; `sink` gets its events from the engine's thread.

        Raises:
            PromptOverflowError: Prompt and answer exceed the context window.
            GrammarError: The grammar cannot be enforced.
            EngineError: The engine is closed, or a token id is not in the model's vocabulary.
        """
        sequence = self._sequence(request, sink)
        # The engine's own thread submits the answer that follows a thought.
        if threading.current_thread() is not self._thread:
            self.release_cpu_threads()
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

    @property
    def is_closed(self) -> bool:
        """Whether the engine refuses requests."""
        return self._closed_because is not None

    def measure(self) -> EngineLoad:
        """Return how busy the engine is now."""
        scheduler = self.scheduler
        waiting = len(scheduler.waiting) + len(self._incoming)
        return EngineLoad(len(scheduler.running), waiting, self._cache.usage())

    def check(self, request: Request) -> None:
        """Compile the request's grammar in the calling thread; the first one compiles the
        vocabulary too.

        Raises:
            GrammarError: The grammar cannot be enforced.
        """
        if request.grammar:
            self._grammars.mask(request.grammar)

    def release_cpu_threads(self) -> None:
        """Release the calling thread's OpenMP threads, so that the engine can use the cores."""
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
        if self._on_close is not None:
            self._on_close()
            self._on_close = None
        self.model = None
        self._runner.model = None
        release_freed_memory()

    def _sequence(self, request: Request, sink: Sink) -> Sequence:
        check_fits(request, self.context_window)
        self._check_ids(request)
        mask = self._grammars.mask(request.grammar) if request.grammar else None
        ids = list(request.prompt_ids)
        return Sequence(
            request=request,
            sink=sink,
            detokenizer=Detokenizer(
                self._to_bytes, request.stop, drops_first_space=request.drops_first_space
            ),
            sampler=Sampler(request, self._device, mask),
            ids=ids,
            lookup=PromptLookup(ids),
            deadline=request.timeout_s and time.monotonic() + request.timeout_s,
            wake=self._wake,
        )

    def _check_ids(self, request: Request) -> None:
        """Refuse token ids that the embedding does not have: on CUDA they end the process's use."""
        for token in (min(request.prompt_ids, default=0), max(request.prompt_ids, default=0)):
            if not 0 <= token < self._vocabulary:
                raise EngineError(
                    f"The prompt has the token id {token}, but the ids of the model go from 0 to "
                    f"{self._vocabulary - 1}. Pass the tokenizer of this model as tokenizer=."
                )

    @torch.inference_mode()
    def _run(self) -> None:
        while self._has_work():
            try:
                self._step()
            except Exception as error:  # reported to all callers
                if has_lost_device(error):
                    self._give_up(error)
                else:
                    self._fail_all(failure(error))
        self._fail_all(EngineError("The model was unloaded during generation."))

    def _give_up(self, error: Exception) -> None:
        """Close the engine after an error of the GPU, for which all later calls would fail too."""
        lost = EngineError(
            f"The GPU failed, and this process cannot use it any longer: {error}. Start the "
            "process again."
        )
        with self._wake:
            self._closed_because = str(lost)
        self._cache.clear()
        self._fail_all(lost)

    def _fail_all(self, error: Exception) -> None:
        with self._wake:
            self._take_incoming()
        self.scheduler.fail_all(error)

    def _has_work(self) -> bool:
        """Block until there is work; return `False` when the engine is closed."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closed_because or self._incoming or self.scheduler.has_work
            )
            self._take_incoming()
            return not self._closed_because

    def _take_incoming(self) -> None:
        while self._incoming:
            self.scheduler.add(self._incoming.popleft())

    def _step(self) -> None:
        work = self.scheduler.schedule(time.monotonic())
        if work:
            self._compute(work)

    def _compute(self, work: list[Work]) -> None:
        try:
            outputs = self._runner.run(work)
        except Exception as error:
            if has_lost_device(error):
                raise
            failed = error
        else:
            chosen = choose_first(work, outputs)
            for one, output in zip(work, outputs, strict=True):
                self._accept(one, output, chosen.get(one.sequence))
            return
        # Not within `except`, and without the frames, which hold the tensors of the failed pass.
        traceback.clear_frames(failed.__traceback__)
        self._isolate_failure(work, failed)

    def _isolate_failure(self, work: list[Work], error: Exception) -> None:
        """Find the request whose pass fails and report the error to its caller."""
        if work[0].is_answer:
            if not is_out_of_memory(error):
                raise error
            answers = {one.sequence for one in work}
            latest = next(s for s in reversed(self.scheduler.running) if s in answers)
            self.scheduler.fail(latest, error)
        elif len(work) == 1:
            self.scheduler.fail(work[0].sequence, error)
        else:
            empty_device_caches()
            for one in work:
                self._compute([one])

    def _accept(self, work: Work, output: Output | None, first: int | None) -> None:
        """Choose tokens, of which `first` may be known, and pass them to scheduler and caller."""
        tokens: list[int] = []
        is_last = False
        try:
            if output is not None:
                tokens, is_last = choose_tokens(work, output, first, self._end_ids, self.tokenizer)
        except Exception as error:  # from the grammar or the sampler
            if has_lost_device(error):
                raise
            self.scheduler.fail(work.sequence, error)
            return
        self.scheduler.accept(work, tokens)
        if not work.is_answer:
            work.slot.logits = None if output is None else output.logits[0]
        if is_last:
            self.scheduler.end(work.sequence)
