"""Chooses the device and the dtype, and manages memory and CPU threads."""

import ctypes
import functools
import gc
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from langchain_swallow._system.machine import allowed_cores, allowed_memory
from langchain_swallow._system.openmp import Pause, end_idle_threads, gnu_openmp_pauses
from langchain_swallow.errors import DeviceError, EngineError, OutOfMemoryError, SwallowError

# Architectures, by the start of their `model_type`, that compute NaN in float16.
_OVERFLOWING = ("gemma",)
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def choose_device(name: str | None) -> str:
    """Return the device to load on; `None` takes cuda, mps or cpu, the first that is available.

    Raises:
        DeviceError: The device does not exist on this machine, or this torch has no kernels for it.
    """
    if name is None:
        if torch.cuda.is_available() and _has_kernels("cuda"):
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.split(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            f'device={name!r}, but no CUDA GPU is visible. Use device="cpu", or install a '
            "CUDA build of torch and check nvidia-smi."
        )
    if kind == "cuda" and not _has_kernels(name):
        built = ", ".join(torch.cuda.get_arch_list())
        raise DeviceError(
            f"device={name!r} is a {torch.cuda.get_device_name(name)}, and this torch is built for "
            f'{built}. Install another build of torch, or use device="cpu".'
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError('device="mps" needs an Apple GPU. Use device="cpu".')
    if kind not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"Unknown device {name!r}. Use cpu, cuda, cuda:N or mps.")
    return name


def choose_dtype(name: str, device: str, architecture: str = "") -> torch.dtype:
    """Return the dtype of the weights; "auto" is 16 bits if the device computes with them.

    Args:
        name: `"auto"`, or the name of a dtype.
        device: The device to load on.
        architecture: The `model_type` of the checkpoint's configuration. Gemma's activations exceed
            float16's range (65,504), so that all its logits are NaN.

    Raises:
        DeviceError: The dtype is unknown, too slow on this device to be useful, or too narrow for
            the model.
    """
    overflows = architecture.startswith(_OVERFLOWING)
    if name != "auto":
        if name not in _DTYPES:
            raise DeviceError(f"Unknown dtype {name!r}. Use auto, {', '.join(_DTYPES)}.")
        if name == "float16" and device == "cpu":
            raise DeviceError('float16 is not for CPUs. Use dtype="auto" or "float32".')
        if name == "float16" and overflows:
            raise DeviceError(
                f'{architecture} models exceed the range of float16. Use dtype="auto" or "float32".'
            )
        return _DTYPES[name]
    if device == "cpu":
        return torch.bfloat16 if cpu_has_bfloat16() else torch.float32
    has_bfloat16 = _gpu_has_bfloat16(device) if device != "mps" else _mps_has_bfloat16()
    if has_bfloat16:
        return torch.bfloat16
    return torch.float32 if overflows else torch.float16


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices (AVX512-BF16 or AMX).

    A torch too old to detect this gets float32, which every CPU supports.
    """
    ask: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
    capabilities = ask()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def is_on_cpu(model: Any) -> bool:
    """Whether a model is entirely in host memory."""
    return {parameter.device.type for parameter in model.parameters()} == {"cpu"}


def is_quantized(model: Any) -> bool:
    """Whether any of a model's weights are integers."""
    return not all(parameter.is_floating_point() for parameter in model.parameters())


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means out of memory; for mps, torch has no error class of its own."""
    typed = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return typed or "out of memory" in str(error)


def has_lost_device(error: Exception) -> bool:
    """Whether an error of CUDA ends this process's use of the GPU: any but out of memory."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def failure(error: Exception) -> SwallowError:
    """Turn an error into the one its caller gets; after out of memory, free the GPU's cache."""
    empty_device_caches()
    if isinstance(error, SwallowError):
        return error
    failed: SwallowError = EngineError(f"Generation failed: {error}")
    if is_out_of_memory(error):
        failed = OutOfMemoryError(
            f"Not enough memory for this request: {error}. Shorten the prompt, lower max_tokens, "
            'or load the model with quantization="8bit" or "4bit".'
        )
    failed.__cause__ = error
    return failed


def free_gib(device: str) -> float:
    """Free memory of a GPU in GiB, or all of the host's, since the host can swap."""
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0] / 1024**3)
    return host_memory_gib()


def host_memory_gib() -> float:
    """Host memory in GiB that this process may use."""
    return allowed_memory() / 1024**3


def keep_to_allowed_cores() -> None:
    """Limit torch to as many threads as this process has cores.

    In a container with one core, two threads took 1.6× as long as one (measured).
    """
    if torch.get_num_threads() > allowed_cores():
        torch.set_num_threads(allowed_cores())


def release_openmp_threads() -> None:
    """End the idle OpenMP threads of the calling thread; torch starts them again when needed.

    GNU OpenMP lets threads spin while waiting only if there are no more threads than cores. A
    caller that computed with torch before, such as with an embedding model, keeps one thread per
    core. Together with the engine's threads these exceed the cores, so each of a decode step's
    hundreds of parallel regions is woken through the kernel: 32 instead of 22 ms per step
    (measured).
    """
    end_idle_threads(_openmp_pauses())


def release_freed_memory() -> None:
    """Return freed memory to the system: the GPU's, and the host's that glibc keeps.

    glibc serves later large allocations from its heaps, and keeps freed memory there while anything
    above it is in use: hundreds of megabytes after a model of 320 MB (measured).
    """
    gc.collect()
    empty_device_caches()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def empty_device_caches() -> None:
    """Release the GPU memory that torch caches."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _gpu_has_bfloat16(device: str) -> bool:
    """Whether a GPU computes bfloat16 in hardware; on older ones (T4), torch emulates it slowly."""
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def _mps_has_bfloat16() -> bool:
    return bool(torch.backends.mps.is_macos_or_newer(14, 0))


def _has_kernels(device: str) -> bool:
    """Whether this torch is built for a GPU: for its generation, or with code for later ones."""
    if torch.version.hip:
        return True
    major, minor = torch.cuda.get_device_capability(device)
    for built in torch.cuda.get_arch_list():
        kind, _, version = built.partition("_")
        number = re.match(r"\d+", version)
        if number is None:
            continue
        built_major, built_minor = divmod(int(number[0]), 10)
        if kind == "sm" and built_major == major and built_minor <= minor:
            return True
        if kind == "compute" and (built_major, built_minor) <= (major, minor):
            return True
    return False


@functools.cache
def _openmp_pauses() -> list[Pause]:
    """Cached after torch has loaded its copy, because the search takes a millisecond."""
    return gnu_openmp_pauses()
