"""Loads a checkpoint with transformers into an engine in this process."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from langchain_swallow.engines.files import resolve_files, unavailable
from langchain_swallow.engines.local.attention import attends_quickly, use_quick_attention
from langchain_swallow.engines.local.devices import (
    choose_device,
    choose_dtype,
    cpu_has_bfloat16,
    is_on_cpu,
    is_out_of_memory,
    keep_to_allowed_cores,
)
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.local.fitting import (
    BITS,
    check_memory,
    has_room_to_merge,
    kv_budget,
    too_large,
)
from langchain_swallow.engines.local.merging import merge_projections
from langchain_swallow.engines.local.norms import fuse_norms
from langchain_swallow.engines.local.packing import pack_linear_layers
from langchain_swallow.engines.local.quantized import has_kernels, quantize_linear_layers
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.tokenizers import tokenizer_from_files
from langchain_swallow.errors import MissingDependencyError, OutOfMemoryError
from langchain_swallow.prompts.tokenizer import Tokenizer


def load_local_engine(settings: LoadSettings) -> LocalEngine:
    """Load a model with transformers; `shared_engine` lists the errors.

    Args:
        settings: The checkpoint and how to load it.
    """
    _check_attention(settings.attn_implementation)
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device, _architecture(settings, device))
    if settings.device_map is None:
        check_memory(settings, device, dtype)
    bits = _bits_by_torch(settings, device)
    quantization = None if bits else _quantization_config(settings.quantization, dtype)
    # Each weight goes to the GPU as it is read, because the model may not fit in host memory.
    placed = device if quantization or device != "cpu" else None
    tokenizer = tokenizer_from_files(settings)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            resolve_files(settings.model),
            # The dtype of most checkpoints, so that files stay memory-mapped until they are
            # quantized.
            dtype=torch.bfloat16 if bits else dtype,
            attn_implementation=settings.attn_implementation,
            device_map=settings.device_map or placed,
            # Passing None would hide the quantization of the checkpoint itself.
            **({"quantization_config": quantization} if quantization else {}),
            trust_remote_code=settings.trust_remote_code,
            **settings.hub,
        )
    except ImportError as error:  # a package with the kernels of a quantized checkpoint
        raise MissingDependencyError(
            f"Loading {settings.model!r} needs a package that is not installed: {error}. Install "
            'it, or use engine="vllm".'
        ) from error
    except (OSError, ValueError) as error:
        if "attention implementation" in str(error):
            raise ValueError(
                f'{settings.model!r} has no "{settings.attn_implementation}" attention. Leave out '
                'attn_implementation, set it to "eager", or use engine="vllm".'
            ) from error
        raise unavailable(settings, error) from error
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(too_large(settings, device, dtype)) from error
    if bits:
        quantize_linear_layers(model, bits, dtype)
    if settings.device_map is None and quantization is None:
        pack_linear_layers(model)
    _use_fewer_operators(model)
    return engine_from(
        model,
        tokenizer,
        settings.max_model_len or settings.context_window,
        prompt_lookup=settings.speculative is not None,
    )


def engine_from(
    model: Any,
    tokenizer: Tokenizer,
    context_window: int | None = None,
    *,
    prompt_lookup: bool = True,
    prepare: bool = False,
) -> LocalEngine:
    """Return an engine for a model that is already loaded.

    Args:
        model: Set to evaluation mode and to this engine's attention.
        tokenizer: The model's tokenizer.
        context_window: Maximum number of tokens of prompt and answer together. `None`, or a value
            above the model's context window, takes the model's.
        prompt_lookup: See `LocalEngine`.
        prepare: Whether to make the model faster until the engine is closed: with packed linear
            layers on a CPU, with fewer operators on a GPU.

    Raises:
        ValueError: The model's attention does not support masks.
    """
    if not attends_quickly(model):
        _check_attention(model.config._attn_implementation)
    use_quick_attention(model)
    keep_to_allowed_cores()
    undo = contextlib.ExitStack()
    for step in [*_use_fewer_operators(model), pack_linear_layers(model)] if prepare else []:
        undo.callback(step)
    if not is_on_cpu(model):
        _warm_up(model)
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 4096
    return LocalEngine(
        model.eval(),
        tokenizer,
        context_window=min(context_window or limit, limit),
        kv_budget_bytes=kv_budget(model),
        prompt_lookup=prompt_lookup,
        on_close=undo.close,
    )


def _use_fewer_operators(model: Any) -> list[Callable[[], None]]:
    """Launch fewer kernels for a token on a GPU; returns functions that undo it.

    On a CPU, `rms_norm` takes as long as transformers' operators, or longer.
    """
    undo = [] if is_on_cpu(model) else [fuse_norms(model)]
    if has_room_to_merge(model):
        undo.append(merge_projections(model))
    return undo


def _architecture(settings: LoadSettings, device: str) -> str:
    """The `model_type` of a checkpoint; on a CPU, where no dtype depends on it, `""`."""
    if device == "cpu":
        return ""
    try:
        config = AutoConfig.from_pretrained(
            resolve_files(settings.model),
            trust_remote_code=settings.trust_remote_code,
            **settings.hub,
        )
    except (OSError, ValueError) as error:
        raise unavailable(settings, error) from error
    return str(config.model_type)


def _warm_up(model: Any) -> None:
    """Compute one token on a GPU, so that its libraries have their memory before it is counted."""
    with torch.inference_mode():
        model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device))


def _check_attention(implementation: str | None) -> None:
    # Rows of different lengths form one batch, so a mask says what each row may attend to.
    if implementation not in (None, "sdpa", "eager"):
        raise ValueError(
            f'{implementation!r} takes no attention masks. Use attn_implementation="sdpa" '
            '(of a loaded model, set_attn_implementation("sdpa")), or engine="vllm", which has '
            "flash attention of its own."
        )


def _bits_by_torch(settings: LoadSettings, device: str) -> int | None:
    """Bits for torch's own quantized kernels, on CPUs for which bitsandbytes has no kernels."""
    bits = BITS.get(settings.quantization or "")
    on_cpu = device == "cpu" and settings.device_map is None
    suits = bits is not None and on_cpu and not cpu_has_bfloat16() and has_kernels(bits)
    return bits if suits else None


def _quantization_config(quantization: str | None, dtype: torch.dtype) -> BitsAndBytesConfig | None:
    if quantization is None:
        return None
    if quantization not in BITS:
        raise ValueError(
            f'Unknown quantization {quantization!r}. Use "8bit" or "4bit"; others are for '
            'engine="vllm".'
        )
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Using quantization={quantization!r}, but bitsandbytes is not installed. "
            "Install it using `pip install langchain-swallow[quantization]`."
        ) from error
    if quantization == "8bit":
        # Looking for outliers waits for the GPU in every layer.
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
