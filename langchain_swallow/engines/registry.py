"""One engine per checkpoint and settings, started by the first who asks for it.

Which kind is decided here; its libraries are imported only then, so that a client of a server
never loads torch.
"""

import importlib
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_swallow.catalog import DEMO
from langchain_swallow.engines.protocol import Engine

EngineName = Literal["auto", "transformers", "vllm", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """What makes two engines the same.

    Args:
        model: `"demo"`, a hub id or a local directory.
        engine: Which engine; `"auto"` takes a server if there are `base_urls`, vLLM where it is
            installed and a CUDA device is there, else transformers.
        context_window: Most tokens of prompt and answer; `None` takes the model's own.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; `None` takes the best there is.
        device_map: As in transformers; over several GPUs `"auto"`.
        dtype: `"auto"`, `"bfloat16"`, `"float16"` or `"float32"`.
        quantization: `"8bit"` or `"4bit"` (bitsandbytes), or a name that vLLM knows.
        tensor_parallel_size: GPUs that share each layer (vLLM).
        pipeline_parallel_size: Groups of layers on GPUs or machines of their own (vLLM).
        max_model_len: Window that vLLM makes room for.
        gpu_memory_utilization: Share of a GPU's memory that vLLM takes, in (0, 1].
        speculative: `"prompt_lookup"` guesses tokens from the prompt; `"auto"` does with
            transformers, where it adapts to what holds, and leaves it to vLLM.
        engine_options: Further arguments of vLLM's `AsyncEngineArgs`.
        base_urls: Servers.
        api_key: Theirs; `token` is the hub's and never sent to them.
        tokenizer: Folder or hub id of the tokenizer, if it is not the model's (server).
        served_model: Name of the model on the servers.
        prompt_as: `"ids"`, `"text"`, or `"auto"` to find out what a server takes.
        max_retries: Tries after the first (server); every one of several is tried, unless it is 0.
    """

    model: str
    engine: EngineName = "auto"
    context_window: int | None = None
    device: str | None = None
    device_map: str | None = None
    dtype: str = "auto"
    quantization: str | None = None
    attn_implementation: str | None = None
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False
    token: str | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    speculative: Literal["auto", "prompt_lookup"] | None = "auto"
    # Compared, but not hashed: vLLM's options may be dicts.
    engine_options: tuple[tuple[str, Any], ...] = field(default=(), hash=False)
    base_urls: tuple[str, ...] = ()
    api_key: str | None = None
    tokenizer: str | None = None
    served_model: str | None = None
    prompt_as: Literal["auto", "ids", "text"] = "auto"
    max_retries: int = 2


_engines: dict[LoadSettings, Engine] = {}
_locks: dict[LoadSettings, threading.Lock] = {}
_guard = threading.Lock()


def shared_engine(settings: LoadSettings) -> Engine:
    """The engine for these settings, started by the first caller.

    Raises:
        ModelUnavailableError: The files cannot be had.
        DeviceError: No such device, or the dtype does not go with it.
        OutOfMemoryError: The weights do not fit.
        MissingDependencyError: An extra is not installed.
        ServerConnectionError: The address of a server is not one. Whether servers can be reached
            is found out later; see `ServerEngine.prepare`.
    """
    with _guard:
        lock = _locks.setdefault(settings, threading.Lock())
    with lock:
        engine = _engines.get(settings)
        if engine is None:
            engine = _engines[settings] = _start(settings)
        return engine


def started_engine(settings: LoadSettings) -> Engine | None:
    """The shared engine, if somebody has started it; never waits."""
    return _engines.get(settings)


def unload_engine(settings: LoadSettings) -> None:
    """Free the shared engine, if there is one; the next caller starts it again."""
    with _guard:
        engine = _engines.pop(settings, None)
    if engine is not None:
        engine.close()


def _start(settings: LoadSettings) -> Engine:
    if settings.engine == "server" or (settings.engine == "auto" and settings.base_urls):
        return _connect(settings)
    # Everything else loads torch.
    loading = importlib.import_module("langchain_swallow.engines.local.loading")
    engine: Engine = loading.load_engine(settings)
    return engine


def _connect(settings: LoadSettings) -> Engine:
    from langchain_swallow.engines.server.client import ServerEngine
    from langchain_swallow.engines.server.tokenizer import load_client_tokenizer

    if not settings.base_urls:
        raise ValueError('engine="server" needs base_url, such as "http://localhost:8000/v1".')
    tokenizer = load_client_tokenizer(
        _tokenizer_source(settings.tokenizer or settings.model),
        revision=settings.revision,
        cache_dir=settings.cache_dir,
        local_files_only=settings.local_files_only,
        token=settings.token,
    )
    return ServerEngine(
        settings.base_urls,
        tokenizer,
        model=settings.served_model or settings.model,
        api_key=settings.api_key,
        max_retries=settings.max_retries,
        context_window=settings.max_model_len,
        prompt_as=settings.prompt_as,
    )


def _tokenizer_source(name: str) -> str:
    """Where the files of a tokenizer are: the demo model's are made here, not downloaded."""
    if name != DEMO:
        return name
    demo = importlib.import_module("langchain_swallow.engines.demo")
    return str(demo.demo_model_folder())
