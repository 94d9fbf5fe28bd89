"""One record per checkpoint of the Swallow family, and how to find one by name.

Shapes come from each checkpoint's `config.json`; parameter counts and memory are computed from
them, not copied. `tests/unit_tests/test_catalog.py` builds every config on the meta device and
compares.
"""

import difflib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_swallow.errors import BaseModelError, UnknownModelError

PromptFormat = Literal["ver0.1", "alpaca", "tokenizer"]
Architecture = Literal["llama", "mistral", "gemma2"]

# The embedded model, see `engines.demo`.
DEMO = "demo"
ORGANISATION = "tokyotech-llm"
GIB = 1024**3

# What bitsandbytes stores per quantised weight: int8 one byte; NF4 half a byte and one float32
# scale for every 64 weights (without double quantisation); torch's kernels take the same.
_BYTES_PER_LINEAR_WEIGHT = {8: 1.0, 4: 0.5 + 4 / 64}


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of a decoder's `config.json` that decide its size.

    `hidden`, `intermediate` and `head_dim` are widths, `heads` and `kv_heads` counts per layer.
    """

    architecture: Architecture
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int

    @property
    def linear_parameters(self) -> int:
        """Weights of the linear layers: layers · (2·h·q + 2·h·kv + 3·h·i)."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def norm_parameters(self) -> int:
        """Weights of the norms: h · (norms a layer · layers + 1)."""
        norms_per_layer = 4 if self.architecture == "gemma2" else 2
        return self.hidden * (norms_per_layer * self.layers + 1)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One checkpoint.

    Args:
        name: Name without the organisation, as on the hub.
        shape: Sizes of the decoder.
        vocabulary: Rows of the embedding.
        context_window: Tokens of prompt and answer together.
        prompt_format: How a conversation is written; `None` for a base model.
        licence: SPDX-like name, or the hub's.
        instruct_sibling: For a base model, the instruct model of the same size.
    """

    name: str
    shape: Shape
    vocabulary: int
    context_window: int
    prompt_format: PromptFormat | None
    licence: str
    instruct_sibling: str | None = None

    @property
    def repo_id(self) -> str:
        """The hub's identifier."""
        return f"{ORGANISATION}/{self.name}"

    @property
    def is_instruct(self) -> bool:
        """Whether the checkpoint was trained to chat."""
        return self.prompt_format is not None

    @property
    def ties_embeddings(self) -> bool:
        """Whether the output matrix is the embeddings' (Gemma 2)."""
        return self.shape.architecture == "gemma2"

    @property
    def embedding_parameters(self) -> int:
        """V·h, twice where the output has its own matrix."""
        return (1 if self.ties_embeddings else 2) * self.vocabulary * self.shape.hidden

    @property
    def parameters(self) -> int:
        """All weights: linear layers, norms and embeddings."""
        return self.shape.linear_parameters + self.shape.norm_parameters + self.embedding_parameters

    @property
    def layers(self) -> int:
        """Decoder layers."""
        return self.shape.layers

    @property
    def heads(self) -> int:
        """Attention heads a layer."""
        return self.shape.heads

    @property
    def kv_heads(self) -> int:
        """Key and value heads a layer."""
        return self.shape.kv_heads

    def weights_gib(self, bits: int = 16, itemsize: int = 2) -> float:
        """Memory of the weights in GiB.

        (linear · b + s · (embeddings + norms)) / 2³⁰ with s bytes of the dtype that is computed
        with, and b = s at 16 bits, 1 at 8, 0.5625 at 4 (NF4 with one float32 scale for 64 weights).
        Embeddings, output matrix and norms are not quantised.

        Args:
            bits: 16 (not quantised), 8 or 4.
            itemsize: 2 for bfloat16 and float16, 4 for float32.

        Raises:
            ValueError: `bits` is not 16, 8 or 4.
        """
        if bits not in (16, *_BYTES_PER_LINEAR_WEIGHT):
            raise ValueError(f"bits must be 16, 8 or 4, not {bits!r}.")
        rest = self.embedding_parameters + self.shape.norm_parameters
        linear = self.shape.linear_parameters * _BYTES_PER_LINEAR_WEIGHT.get(bits, itemsize)
        return (linear + itemsize * rest) / GIB

    @property
    def kv_cache_gib_per_1000_tokens(self) -> float:
        """Memory of keys and values in GiB: 1000 · 2 · layers · kv heads · head dim · 2 / 2³⁰."""
        shape = self.shape
        return 1000 * 2 * shape.layers * shape.kv_heads * shape.head_dim * 2 / GIB

    def as_dict(self) -> dict[str, Any]:
        """The record with its computed figures, for JSON."""
        return {
            "repo_id": self.repo_id,
            "parameters": self.parameters,
            "layers": self.layers,
            "heads": self.heads,
            "kv_heads": self.kv_heads,
            "hidden": self.shape.hidden,
            "architecture": self.shape.architecture,
            "prompt_format": self.prompt_format,
            "context_window": self.context_window,
            "vocabulary": self.vocabulary,
            "licence": self.licence,
            "memory_gib": {
                "bf16": round(self.weights_gib(16), 2),
                "8bit": round(self.weights_gib(8), 2),
                "4bit": round(self.weights_gib(4), 2),
                "kv_cache_per_1000_tokens": round(self.kv_cache_gib_per_1000_tokens, 3),
            },
        }


def list_models() -> list[ModelInfo]:
    """Every checkpoint of the Swallow index, and the later instruct models."""
    return list(_MODELS)


def resolve_model(name: str) -> ModelInfo:
    """Find a checkpoint by name, in any case, with or without `tokyotech-llm/`.

    Raises:
        UnknownModelError: There is no such checkpoint; the message names the nearest.

    >>> resolve_model("swallow-7b-INSTRUCT-v0.1").repo_id
    'tokyotech-llm/Swallow-7b-instruct-v0.1'
    """
    wanted = name.strip().removesuffix("/").lower().removeprefix(f"{ORGANISATION}/")
    # The model card's index links to -instruct-v1.0, which never existed.
    corrected = wanted.replace("-instruct-v1.0", "-instruct-v0.1")
    found = _BY_NAME.get(corrected)
    if found is None:
        raise UnknownModelError(_unknown(name, wanted))
    if corrected != wanted:
        warnings.warn(
            f"{name!r} is a typo in the model card's links; using {found.repo_id!r}.",
            stacklevel=2,
        )
    return found


def require_instruct(info: ModelInfo) -> ModelInfo:
    """Return `info` if it can chat.

    Raises:
        BaseModelError: It is a base model; the message names its instruct sibling.
    """
    if info.is_instruct:
        return info
    raise BaseModelError(
        f"{info.repo_id} is a base model without a chat format. "
        f"Use {ORGANISATION}/{info.instruct_sibling}."
    )


def chat_model_info(model: str, *, by_folder_name: bool = False) -> ModelInfo | None:
    """The record of what a chat model was asked to load; `None` for the demo and for folders.

    Args:
        model: A checkpoint's name, `"demo"`, or a local directory.
        by_folder_name: Find the checkpoint a local directory is named after, if any.

    Raises:
        UnknownModelError: Neither a checkpoint nor a directory.
        BaseModelError: A base model.
    """
    folder = Path(model)
    is_folder = folder.is_dir()
    if model == DEMO or (is_folder and not by_folder_name):
        return None
    try:
        return require_instruct(resolve_model(folder.name if is_folder else model))
    except UnknownModelError:
        if by_folder_name:
            return None
        raise


def _unknown(name: str, wanted: str) -> str:
    near = difflib.get_close_matches(wanted, _BY_NAME, n=3, cutoff=0.5)
    names = ", ".join(repr(_BY_NAME[key].name) for key in near)
    hint = f" Did you mean {names}?" if near else ""
    return (
        f"Unknown Swallow model {name!r}.{hint} "
        "Run langchain-swallow models for the list, or pass a local directory."
    )


_L7 = Shape("llama", 4096, 11008, 32, 32, 32, 128)
_L13 = Shape("llama", 5120, 13824, 40, 40, 40, 128)
_L70 = Shape("llama", 8192, 28672, 80, 64, 8, 128)
_MS7 = Shape("mistral", 4096, 14336, 32, 32, 8, 128)
_L8 = Shape("llama", 4096, 14336, 32, 32, 8, 128)
_G2 = Shape("gemma2", 2304, 9216, 26, 8, 4, 256)
_G9 = Shape("gemma2", 3584, 14336, 42, 16, 8, 256)
_G27 = Shape("gemma2", 4608, 36864, 46, 32, 16, 128)


def _llama2(name: str, shape: Shape, sibling: str | None = None) -> ModelInfo:
    vocabulary = 32_000 if "-NVE-" in name else 43_176
    chat: PromptFormat | None = "alpaca" if name.endswith("-instruct-hf") else None
    prompt_format: PromptFormat | None = "ver0.1" if name.endswith("-v0.1") else chat
    return ModelInfo(name, shape, vocabulary, 4096, prompt_format, "llama2", sibling)


def _llama3(name: str, shape: Shape, window: int, licence: str) -> ModelInfo:
    return ModelInfo(name, shape, 128_256, window, "tokenizer", licence)


def _gemma2(size: str, shape: Shape) -> ModelInfo:
    name = f"Gemma-2-Llama-Swallow-{size}-it-v0.1"
    return ModelInfo(name, shape, 256_000, 8192, "tokenizer", "gemma AND llama3.3")


_MODELS: tuple[ModelInfo, ...] = (
    _llama2("Swallow-7b-instruct-v0.1", _L7),
    _llama2("Swallow-13b-instruct-v0.1", _L13),
    _llama2("Swallow-70b-instruct-v0.1", _L70),
    _llama2("Swallow-7b-instruct-hf", _L7),
    _llama2("Swallow-13b-instruct-hf", _L13),
    _llama2("Swallow-70b-instruct-hf", _L70),
    _llama2("Swallow-7b-NVE-instruct-hf", _L7),
    _llama2("Swallow-70b-NVE-instruct-hf", _L70),
    _llama2("Swallow-7b-hf", _L7, "Swallow-7b-instruct-v0.1"),
    _llama2("Swallow-7b-plus-hf", _L7, "Swallow-7b-instruct-v0.1"),
    _llama2("Swallow-13b-hf", _L13, "Swallow-13b-instruct-v0.1"),
    _llama2("Swallow-70b-hf", _L70, "Swallow-70b-instruct-v0.1"),
    _llama2("Swallow-7b-NVE-hf", _L7, "Swallow-7b-NVE-instruct-hf"),
    _llama2("Swallow-13b-NVE-hf", _L13, "Swallow-13b-instruct-v0.1"),
    _llama2("Swallow-70b-NVE-hf", _L70, "Swallow-70b-NVE-instruct-hf"),
    ModelInfo("Swallow-MS-7b-instruct-v0.1", _MS7, 42_800, 4096, "tokenizer", "apache-2.0"),
    _llama3("Llama-3-Swallow-8B-Instruct-v0.1", _L8, 8192, "llama3"),
    _llama3("Llama-3-Swallow-70B-Instruct-v0.1", _L70, 8192, "llama3"),
    _llama3("Llama-3.1-Swallow-8B-Instruct-v0.1", _L8, 131_072, "llama3.1"),
    _llama3("Llama-3.1-Swallow-8B-Instruct-v0.2", _L8, 131_072, "llama3.1"),
    _llama3("Llama-3.1-Swallow-8B-Instruct-v0.3", _L8, 131_072, "llama3.1 AND gemma"),
    _llama3("Llama-3.1-Swallow-8B-Instruct-v0.5", _L8, 131_072, "llama3.3 AND gemma"),
    _llama3("Llama-3.1-Swallow-70B-Instruct-v0.1", _L70, 131_072, "llama3.1"),
    _llama3("Llama-3.1-Swallow-70B-Instruct-v0.3", _L70, 131_072, "llama3.1 AND gemma"),
    _llama3("Llama-3.3-Swallow-70B-Instruct-v0.4", _L70, 131_072, "llama3.3 AND gemma"),
    _gemma2("2b", _G2),
    _gemma2("9b", _G9),
    _gemma2("27b", _G27),
)
_BY_NAME = {model.name.lower(): model for model in _MODELS}
