"""The available engines, and the shared instance for each checkpoint and its settings.

To add an engine, write a module with a function from `LoadSettings` to an `Engine`, and add a line
to `ENGINES`. An engine's libraries are imported only after it is chosen, so a client of a server
never loads torch.
"""

import importlib
import pkgutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from langchain_swallow.engines.protocol import Engine, release_cpu_threads
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import forget_tokenizer, tokenizer_from_files
from langchain_swallow.prompts.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class EngineKind:
    """How to start an engine.

    Args:
        load: The function that starts it, or its name as `"module:function"`, which is imported on
            first use.
        options: A model of the options that only this engine has; its fields are made by `option`.
            `ChatSwallow` takes them by name, the command line shows them, and `load` finds them in
            `settings.engine_options`.
    """

    load: str | Callable[[LoadSettings], Engine]
    options: type[BaseModel] | None = None


ENGINES: dict[str, EngineKind] = {
    "transformers": EngineKind("langchain_swallow.engines.local.loading:load_local_engine"),
    "vllm": EngineKind("langchain_swallow.engines.vllm:load_vllm_engine"),
    "server": EngineKind("langchain_swallow.engines.server.client:connect"),
}

_engines: dict[LoadSettings, Engine] = {}
_locks: dict[LoadSettings, threading.Lock] = {}
_guard = threading.Lock()


def check_engine(name: str) -> None:
    """Raise an error for the name of an unknown engine.

    Raises:
        ValueError: The engine does not exist.
    """
    if name != "auto" and name not in ENGINES:
        raise ValueError(f"Unknown engine {name!r}. Use one of auto, {', '.join(ENGINES)}.")


def own_options() -> dict[str, FieldInfo]:
    """Return the options that only one engine has, by name."""
    models = [kind.options for kind in ENGINES.values() if kind.options]
    return {name: field for model in models for name, field in model.model_fields.items()}


def shared_engine(settings: LoadSettings) -> Engine:
    """Return the shared engine for these settings; the first caller starts it.

    Raises:
        ModelUnavailableError: The files are not available.
        DeviceError: The device does not exist, or does not support the dtype.
        OutOfMemoryError: The weights do not fit.
        MissingDependencyError: A required extra is not installed.
        ServerConnectionError: The address of a server is not valid. Whether the server can be
            reached is checked later; see `ServerEngine.prepare`.
    """
    with _guard:
        lock = _locks.setdefault(settings, threading.Lock())
    with lock:
        engine = _engines.get(settings)
        if engine is None:
            engine = _engines[settings] = _start(settings)
        return engine


def started_engine(settings: LoadSettings) -> Engine | None:
    """Return the shared engine if it is started, else `None`; never blocks."""
    return _engines.get(settings)


def tokenizer_for(settings: LoadSettings) -> Tokenizer:
    """Return the tokenizer for these settings, without loading weights or calling a server.

    Raises:
        ModelUnavailableError: The tokenizer's files are not available.
    """
    engine = started_engine(settings)
    return engine.tokenizer if engine else tokenizer_from_files(settings)


def unload_engine(settings: LoadSettings) -> None:
    """Close the shared engine if it is started; the next caller starts it again."""
    forget_tokenizer(settings)
    with _guard:
        engine = _engines.pop(settings, None)
    if engine is not None:
        engine.close()


def _start(settings: LoadSettings) -> Engine:
    kind = ENGINES[_choose(settings)]
    load = pkgutil.resolve_name(kind.load) if isinstance(kind.load, str) else kind.load
    # Loading runs in the calling thread, so that Ctrl-C ends it and frees what was loaded.
    engine: Engine = load(settings)
    # Loading leaves OpenMP threads behind, which would compete with the engine's.
    release_cpu_threads(engine)
    return engine


def _choose(settings: LoadSettings) -> str:
    """Return the engine's name; `"auto"` chooses by what is available."""
    if settings.engine != "auto":
        return settings.engine
    if settings.has_server:
        return "server"
    return "vllm" if _suits_vllm(settings) else "transformers"


def _suits_vllm(settings: LoadSettings) -> bool:
    """Whether vLLM is installed and supports these settings."""
    from langchain_swallow.engines.vllm import vllm_is_installed

    if settings.device_map is not None or not vllm_is_installed():
        return False
    # Imported by name because the module loads torch.
    devices = importlib.import_module("langchain_swallow.engines.local.devices")
    # vLLM takes the first visible GPU whatever `device` says.
    return devices.choose_device(settings.device) in ("cuda", "cuda:0")
