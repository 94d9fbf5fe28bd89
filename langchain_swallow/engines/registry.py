"""One engine per checkpoint and settings, started by the first who asks for it.

Which kind is decided here; its libraries are imported only then, so that a client of a server
never loads torch.
"""

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor

from langchain_swallow.catalog import DEMO
from langchain_swallow.engines.protocol import Engine
from langchain_swallow.engines.settings import LoadSettings

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
    # Everything else loads torch, and is imported by name so that type checkers need none of it.
    source = _files_of(settings.model)
    if settings.engine == "vllm" or (settings.engine == "auto" and _suits_vllm(settings)):
        from langchain_swallow.engines.vllm import load_vllm_engine

        return load_vllm_engine(settings, source)
    loading = importlib.import_module("langchain_swallow.engines.local.loading")
    # A thread that ends takes its OpenMP threads along (see `devices`).
    with ThreadPoolExecutor(1) as pool:
        engine: Engine = pool.submit(loading.load_local_engine, settings, source).result()
    return engine


def _suits_vllm(settings: LoadSettings) -> bool:
    """Whether vLLM is there and can do what is asked for."""
    from langchain_swallow.engines.vllm import vllm_is_installed

    if settings.device_map is not None or not vllm_is_installed():
        return False
    devices = importlib.import_module("langchain_swallow.engines.local.devices")
    return bool(devices.choose_device(settings.device).startswith("cuda"))


def _connect(settings: LoadSettings) -> Engine:
    from langchain_swallow.engines.server.client import ServerEngine
    from langchain_swallow.prompts.client_tokenizer import load_client_tokenizer

    if not settings.base_urls:
        raise ValueError('engine="server" needs base_url, such as "http://localhost:8000/v1".')
    tokenizer = load_client_tokenizer(
        _files_of(settings.tokenizer or settings.model),
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


def _files_of(name: str) -> str:
    """Hub id or folder of a checkpoint: the demo model's files are made here, not downloaded."""
    if name != DEMO:
        return name
    demo = importlib.import_module("langchain_swallow.engines.demo")
    return str(demo.demo_model_folder())
