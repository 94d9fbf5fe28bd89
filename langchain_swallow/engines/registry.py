"""The engines there are; and one per checkpoint and settings, started by the first who asks for it.

To add an engine, write a module with a function from `LoadSettings` to an `Engine`, and add a line
to `ENGINES`. Which one is decided here; its libraries are imported only then, so that a client of a
server never loads torch.
"""

import importlib
import pkgutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from langchain_swallow.engines.protocol import Engine
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import forget_tokenizer, tokenizer_from_files
from langchain_swallow.prompts.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class EngineKind:
    """How an engine is started.

    Args:
        load: The function that starts it, or its name as `"module:function"`, which is imported
            when it is needed.
        options: What it alone can be given, its fields made by `option`. `ChatSwallow` takes them
            by their names, the command line shows them, and `load` finds them in
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
    """Refuse the name of an engine that does not exist.

    Raises:
        ValueError: There is no such engine.
    """
    if name != "auto" and name not in ENGINES:
        raise ValueError(f"Unknown engine {name!r}. Use one of auto, {', '.join(ENGINES)}.")


def own_options() -> dict[str, FieldInfo]:
    """The options that one engine alone has, by their names."""
    models = [kind.options for kind in ENGINES.values() if kind.options]
    return {name: field for model in models for name, field in model.model_fields.items()}


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
    return engine.tokenizer if engine else tokenizer_from_files(settings)


def unload_engine(settings: LoadSettings) -> None:
    """Free the shared engine, if there is one; the next caller starts it again."""
    forget_tokenizer(settings)
    with _guard:
        engine = _engines.pop(settings, None)
    if engine is not None:
        engine.close()


def _start(settings: LoadSettings) -> Engine:
    kind = ENGINES[_choose(settings)]
    load = pkgutil.resolve_name(kind.load) if isinstance(kind.load, str) else kind.load
    # In the calling thread, so that Ctrl-C ends it and frees what was loaded.
    engine: Engine = load(settings)
    # Loading leaves that thread OpenMP threads, which would slow the engine's.
    engine.make_way()
    return engine


def _choose(settings: LoadSettings) -> str:
    """The name of the engine; `"auto"` takes what is there."""
    if settings.engine != "auto":
        return settings.engine
    if settings.has_server:
        return "server"
    return "vllm" if _suits_vllm(settings) else "transformers"


def _suits_vllm(settings: LoadSettings) -> bool:
    """Whether vLLM is there and can do what is asked for."""
    from langchain_swallow.engines.vllm import vllm_is_installed

    if settings.device_map is not None or not vllm_is_installed():
        return False
    # By name: it loads torch.
    devices = importlib.import_module("langchain_swallow.engines.local.devices")
    return bool(devices.choose_device(settings.device).startswith("cuda"))
