"""Estimates which checkpoints fit a device, with how many bits, and how much KV cache."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import torch

from langchain_swallow.catalog import GIB, ModelInfo, chat_model_info, list_models
from langchain_swallow.engines.local.devices import empty_device_caches, free_gib, host_memory_gib
from langchain_swallow.engines.local.packing import weight_bytes
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import OutOfMemoryError

BITS = {"8bit": 8, "4bit": 4}
_LAYER = re.compile(r"\blayers\.\d+\.")
# Prompt and answer of a question about documents.
QUESTION_TOKENS = 4096
# Intermediate results of a pass, and the workspaces of a GPU's libraries.
RESERVED_GIB = 0.4
# Shares of memory for the KV cache: of what is free on a GPU after loading, of all host memory, and
# of the host memory that a large model leaves.
_KV_SHARE_CUDA = 0.8
_KV_SHARE_HOST = 0.25
_KV_SHARE_LEFT = 0.7
# Maximum size of the weights, as a share of a GPU's free memory, for which layers are merged.
_MERGED_SHARE = 0.25


def fits(info: ModelInfo, device: str, dtype: torch.dtype, bits: int = 16) -> bool:
    """Whether a device has memory for a checkpoint and a question about documents.

    Args:
        info: The checkpoint.
        device: The device to load on, such as `"cpu"` or `"cuda:0"`.
        dtype: The dtype of computation.
        bits: Bits of the linear layers' weights: 4, 8, or 16, which keeps `dtype`. Default: 16.
    """
    if bits < 16 and (info.quantization or device.startswith("mps")):
        return False  # quantized already, or this device cannot quantize
    if info.quantization == "awq" and not device.startswith("cuda"):
        return False  # AWQ kernels need a GPU
    cache = info.kv_cache_gib_per_1000_tokens * QUESTION_TOKENS / 1000 * dtype.itemsize / 2
    reserved = 0.0 if device == "cpu" else RESERVED_GIB
    return _loaded_gib(info, device, dtype, bits) + cache + reserved <= free_gib(device)


def check_memory(settings: LoadSettings, device: str, dtype: torch.dtype) -> None:
    """Refuse a checkpoint whose weights do not fit, before any file is read.

    Raises:
        OutOfMemoryError: The weights do not fit; the message suggests what does.
    """
    if info := chat_model_info(settings.model):
        need = _loaded_gib(info, device, dtype, BITS.get(settings.quantization or "", 16))
        if need > free_gib(device):
            raise OutOfMemoryError(too_large(settings, device, dtype, f" needs {need:.1f} GiB"))


def kv_budget(model: Any) -> int:
    """Memory in bytes for the KV cache of a loaded model, in addition to its weights."""
    if layers := _layers_by_gpu(model):
        # Otherwise, memory that torch keeps for later allocations looks used.
        empty_device_caches()
        # Each GPU holds the KV cache of its own layers, so the fullest one is the limit.
        total = sum(layers.values())
        free = min(torch.cuda.mem_get_info(gpu)[0] * total / n for gpu, n in layers.items())
        return int(free * _KV_SHARE_CUDA)
    memory = host_memory_gib() * GIB
    # Memory-mapped weights may exceed all memory.
    remaining = max(memory - weight_bytes(model), memory / 16)
    return int(min(_KV_SHARE_HOST * memory, _KV_SHARE_LEFT * remaining))


def has_room_to_merge(model: Any) -> bool:
    """Whether the layers of a loaded model should be merged (see `merging`): on a large GPU only.

    The memory of the separate weights is in use in part, so torch cannot return it to the GPU. At
    worst, as much as the merged weights is lost for the KV cache.
    """
    if model.device.type != "cuda":
        return False
    empty_device_caches()
    return weight_bytes(model) <= _MERGED_SHARE * torch.cuda.mem_get_info(model.device)[0]


def _layers_by_gpu(model: Any) -> Counter[torch.device]:
    """Number of a model's layers on each CUDA GPU."""
    places = {
        layer[0]: parameter.device
        for name, parameter in model.named_parameters()
        if parameter.device.type == "cuda" and (layer := _LAYER.search(name))
    }
    return Counter(places.values())


def too_large(
    settings: LoadSettings, device: str, dtype: torch.dtype, needs: str = " is too large"
) -> str:
    """Error message for a model that does not fit; suggests alternatives that do."""
    ways = _fewer_bits(settings, device, dtype)
    if device.startswith("cuda"):
        ways.append('device_map="auto" over several GPUs')
    smaller = [info for info in list_models() if info.is_instruct and fits(info, device, dtype)]
    best = max(smaller, key=lambda info: info.parameters, default=None)
    ways.append(f"a smaller model such as {best.name}" if best else 'model="demo"')
    return (
        f"{settings.model}{needs}, {device} has {free_gib(device):.1f} GiB. Use "
        f"{', or '.join(ways)}: langchain-swallow models says which fit here."
    )


def _loaded_gib(info: ModelInfo, device: str, dtype: torch.dtype, bits: int) -> float:
    """Memory of a checkpoint's weights in GiB after loading."""
    if info.quantization == "mxfp4" and not device.startswith("cuda"):
        # Without kernels for the quantization, transformers dequantizes.
        info = replace(info, quantization=None)
    size = info.weights_gib(bits, dtype.itemsize)
    if device == "cpu" and info.ties_embeddings:
        # The packed output matrix no longer shares memory with the embedding (see `packing`).
        size += info.embedding_parameters * dtype.itemsize / GIB
    return size


def _fewer_bits(settings: LoadSettings, device: str, dtype: torch.dtype) -> list[str]:
    """Quantization settings with which the model fits; a folder's size is not known in advance."""
    info = chat_model_info(settings.model)
    if info is None:
        return [] if settings.quantization or device.startswith("mps") else ['quantization="4bit"']
    return [
        f'quantization="{name}" ({_loaded_gib(info, device, dtype, bits):.1f} GiB)'
        for name, bits in BITS.items()
        if name != settings.quantization and fits(info, device, dtype, bits)
    ]
