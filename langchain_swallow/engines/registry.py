"""One engine per checkpoint and settings, started by the first who asks for it.

Which kind is decided here; its libraries are imported only then, so that a client of a server
never loads torch.
"""

import importlib
import threading

from langchain_swallow.engines.files import files_of
from langchain_swallow.engines.protocol import Engine
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import forget_tokenizer, tokenizer_of_files
from langchain_swallow.prompts.tokenizer import Tokenizer

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


def tokenizer_for(settings: LoadSettings) -> Tokenizer:
    """The tokenizer for these settings: no weights are loaded, and no server is asked.

    Raises:
        ModelUnavailableError: Its files cannot be had.
    """
    engine = started_engine(settings)
    return engine.tokenizer if engine else tokenizer_of_files(settings)


def unload_engine(settings: LoadSettings) -> None:
    """Free the shared engine, if there is one; the next caller starts it again."""
    forget_tokenizer(settings)
    with _guard:
        engine = _engines.pop(settings, None)
    if engine is not None:
        engine.close()


def _start(settings: LoadSettings) -> Engine:
    if settings.has_server:
        return _connect(settings)
    # Everything else loads torch, and is imported by name so that type checkers need none of it.
    source = files_of(settings.model)
    if settings.engine == "vllm" or (settings.engine == "auto" and _suits_vllm(settings)):
        from langchain_swallow.engines.vllm import load_vllm_engine

        return load_vllm_engine(settings, source)
    loading = importlib.import_module("langchain_swallow.engines.local.loading")
    # In the calling thread, so that Ctrl-C ends it and frees what was loaded.
    engine: Engine = loading.load_local_engine(settings, source)
    # Loading leaves that thread OpenMP threads, which would slow the engine's.
    engine.make_way()
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

    if not settings.base_urls:
        raise ValueError('engine="server" needs base_url, such as "http://localhost:8000/v1".')
    return ServerEngine(
        settings.base_urls,
        tokenizer_of_files(settings),
        model=settings.served_model or settings.model,
        api_key=settings.api_key,
        max_retries=settings.max_retries,
        context_window=settings.max_model_len,
        prompt_as=settings.prompt_as,
    )
