"""Checkpoint → model and tokenizer → `LocalEngine`, once per checkpoint and settings.

The model is loaded at first use and shared by everyone who asks for the same `LoadSettings`.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from langchain_swallow.catalog import DEMO, list_models
from langchain_swallow.engines.demo import demo_model_folder
from langchain_swallow.engines.devices import choose_device, choose_dtype, free_gib, host_memory_gib
from langchain_swallow.engines.local import LocalEngine
from langchain_swallow.engines.packing import pack_linear_layers
from langchain_swallow.errors import (
    MissingDependencyError,
    ModelUnavailableError,
    OutOfMemoryError,
)

Quantization = Literal["8bit", "4bit"]

# Share of the memory that is free after loading, for keys and values.
_KV_SHARE_CUDA = 0.8
_KV_SHARE_HOST = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """What makes two loaded models the same.

    Args:
        model: `"demo"`, a hub id or a local directory.
        context_window: Most tokens of prompt and answer; `None` takes the model's own.
        weights_gib: Memory the weights take, quantised or in 16 bits; checked before anything is
            read, `None` if unknown.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`; `None` takes the best there is.
        device_map: As in transformers; over several GPUs `"auto"`.
        dtype: `"auto"`, `"bfloat16"`, `"float16"` or `"float32"`.
        quantization: `"8bit"` or `"4bit"` with bitsandbytes, `None` for none.
    """

    model: str
    context_window: int | None = None
    weights_gib: float | None = None
    device: str | None = None
    device_map: str | None = None
    dtype: str = "auto"
    quantization: Quantization | None = None
    attn_implementation: str | None = None
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    trust_remote_code: bool = False
    token: str | None = None


_engines: dict[LoadSettings, LocalEngine] = {}
_locks: dict[LoadSettings, threading.Lock] = {}
_guard = threading.Lock()


def shared_engine(settings: LoadSettings) -> LocalEngine:
    """The engine for these settings, loaded by the first caller.

    Raises:
        ModelUnavailableError: The files cannot be had.
        DeviceError: No such device, or the dtype does not go with it.
        OutOfMemoryError: The weights do not fit.
        MissingDependencyError: An extra is not installed.
    """
    with _guard:
        lock = _locks.setdefault(settings, threading.Lock())
    with lock:
        if settings not in _engines:
            _engines[settings] = load_engine(settings)
        return _engines[settings]


def unload_engine(settings: LoadSettings) -> None:
    """Free the shared engine, if there is one; the next caller loads it again."""
    with _guard:
        engine = _engines.pop(settings, None)
    if engine is not None:
        engine.close()


def load_engine(settings: LoadSettings) -> LocalEngine:
    """Load a model of one's own; see `shared_engine` for the errors."""
    source = str(demo_model_folder()) if settings.model == DEMO else settings.model
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    if settings.device_map is None:
        _check_memory(settings, dtype, device)
    hub = {
        "revision": settings.revision,
        "cache_dir": settings.cache_dir,
        "local_files_only": settings.local_files_only,
        "trust_remote_code": settings.trust_remote_code,
        "token": settings.token,
    }
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **hub)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            attn_implementation=settings.attn_implementation,
            device_map=settings.device_map or (device if settings.quantization else None),
            quantization_config=_quantization_config(settings.quantization),
            **hub,
        )
    except torch.OutOfMemoryError as error:
        free = free_gib(device)
        raise OutOfMemoryError(_too_large(settings.model, None, free, device, dtype)) from error
    except (OSError, ValueError) as error:
        raise _unavailable(settings, error) from error
    if settings.device_map is None and settings.quantization is None:
        model = model.to(device)
        pack_linear_layers(model)
    return engine_from(model, tokenizer, settings.context_window)


def engine_from(model: Any, tokenizer: Any, context_window: int | None = None) -> LocalEngine:
    """An engine around a model that is loaded already."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 4096
    return LocalEngine(
        model.eval(),
        tokenizer,
        context_window=min(context_window or limit, limit),
        kv_budget_bytes=_kv_budget(model.device),
    )


def _check_memory(settings: LoadSettings, dtype: torch.dtype, device: str) -> None:
    if settings.weights_gib is None:
        return
    free = free_gib(device)
    need = settings.weights_gib
    if settings.quantization is None:
        need *= dtype.itemsize / torch.bfloat16.itemsize
    if need > free:
        raise OutOfMemoryError(_too_large(settings.model, need, free, device, dtype))


def _too_large(model: str, need: float | None, free: float, device: str, dtype: torch.dtype) -> str:
    """What is missing, and what would fit; quantisation only where it is to be had."""
    needs = "" if need is None else f" needs {need:.1f} GiB"
    size = dtype.itemsize / torch.bfloat16.itemsize
    fitting = [m for m in list_models() if m.prompt_format and size * m.weights_gib(16) <= free]
    best = max(fitting, key=lambda m: m.parameters, default=None)
    smaller = f"a smaller model such as {best.name}" if best else 'model="demo"'
    on_gpu = 'quantization="8bit" or "4bit", device_map="auto" over several GPUs, or '
    return (
        f"{model}{needs}, {device} has {free:.1f} GiB. Use "
        f"{on_gpu if device.startswith('cuda') else ''}{smaller}: "
        "langchain-swallow models says which fit here."
    )


def _quantization_config(quantization: Quantization | None) -> BitsAndBytesConfig | None:
    if quantization is None:
        return None
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Using quantization={quantization!r}, but bitsandbytes is not installed. "
            "Install it using `pip install langchain-swallow[quantization]`."
        ) from error
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )


def _unavailable(settings: LoadSettings, error: Exception) -> ModelUnavailableError:
    """Say what to do about transformers' error."""
    text = str(error)
    name = settings.model
    if Path(name).is_dir():
        hint = "The directory is incomplete; it needs config.json, weights and tokenizer files."
    elif "gated" in text or "401" in text or "403" in text:
        hint = f"Accept its licence on the hub and log in with `hf auth login` to load {name}."
    elif settings.local_files_only:
        hint = "It is not in the local cache. Set local_files_only=False to download it."
    else:
        hint = (
            "The hub cannot be reached or has no such files. Check the network, pass a local "
            'directory, or try model="demo", which needs no hub.'
        )
    return ModelUnavailableError(f"Cannot load {name!r}. {hint} ({text.splitlines()[0][:200]})")


def _kv_budget(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * _KV_SHARE_CUDA)
    return int(host_memory_gib() * _KV_SHARE_HOST * 1024**3)
