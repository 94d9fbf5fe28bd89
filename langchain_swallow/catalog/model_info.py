"""One checkpoint: what it is, how it is prompted and sampled, how much memory it takes."""

from dataclasses import dataclass
from typing import Any, Literal

from langchain_swallow.catalog.shape import Shape

PromptFormat = Literal["ver0.1", "alpaca", "tokenizer"]
Thinking = Literal["think_tag", "harmony"]
ToolForm = Literal["hermes", "harmony", "llama3.1"]
Quantization = Literal["awq", "mxfp4"]

ORGANISATION = "tokyotech-llm"
GIB = 1024**3

# What bitsandbytes stores per quantised weight: int8 one byte; NF4 half a byte and one float32
# scale for every 64 weights (without double quantisation); torch's kernels take the same.
_BYTES_PER_LINEAR_WEIGHT = {8: 1.0, 4: 0.5 + 4 / 64}
# What a quantized checkpoint stores: AWQ half a byte, and for every 128 weights a float16 scale
# and a zero point of four bits; MXFP4 half a byte, and one byte of scale for every 32.
_BYTES_PER_AWQ_WEIGHT = 0.5 + 2.5 / 128
_BYTES_PER_MXFP4_WEIGHT = 0.5 + 1 / 32


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; see `ChatSwallow` for the parameters. The default is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0


GREEDY = Sampling()


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
        organisation: The hub's organization.
        release_date: ISO date; without the day where only the month is known.
        japanese_mt_bench: Average on Japanese MT-Bench, 0 to 1, from the Swallow LLM Leaderboard
            v2; `None` where it has no score by the same judge.
        thinking: How the model writes a thought before its answer: `"think_tag"` is
            `<think>…</think>`, `"harmony"` the channel `analysis`; `None` if it does not think.
        tool_form: How the checkpoint's own chat template writes tools; `None` if it has no form.
        sampling: What the model card samples with; `None` where it says nothing.
        quantization: How the checkpoint's own weights are quantized; `None` is bfloat16.
    """

    name: str
    shape: Shape
    vocabulary: int
    context_window: int
    prompt_format: PromptFormat | None
    licence: str
    instruct_sibling: str | None = None
    organisation: str = ORGANISATION
    release_date: str = ""
    japanese_mt_bench: float | None = None
    thinking: Thinking | None = None
    tool_form: ToolForm | None = None
    sampling: Sampling | None = None
    quantization: Quantization | None = None

    @property
    def repo_id(self) -> str:
        """The hub's identifier."""
        return f"{self.organisation}/{self.name}"

    @property
    def is_instruct(self) -> bool:
        """Whether the checkpoint was trained to chat."""
        return self.prompt_format is not None

    @property
    def default_sampling(self) -> Sampling:
        """The card's sampling for a model that thinks, and greedy decoding for all others.

        Greedy decoding makes thoughts repeat themselves without end.
        """
        return self.sampling if self.thinking and self.sampling else GREEDY

    @property
    def ties_embeddings(self) -> bool:
        """Whether the output matrix is the embedding matrix."""
        return self.shape.ties_embeddings

    @property
    def embedding_parameters(self) -> int:
        """V·h, twice where the output has its own matrix."""
        return (1 if self.ties_embeddings else 2) * self.vocabulary * self.shape.hidden

    @property
    def parameters(self) -> int:
        """All weights: linear layers, experts, embeddings, and the rest."""
        shape = self.shape
        return shape.linear_parameters + shape.expert_parameters + self._unquantized_parameters

    @property
    def active_parameters(self) -> int:
        """Weights that compute one token: without idle experts and without the embedding lookup."""
        looked_up = 0 if self.ties_embeddings else self.vocabulary * self.shape.hidden
        return self.parameters - self.shape.idle_parameters - looked_up

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

    @property
    def _unquantized_parameters(self) -> int:
        return self.embedding_parameters + self.shape.other_parameters

    def weights_gib(self, bits: int = 16, itemsize: int = 2) -> float:
        """Memory of the weights in GiB.

        (linear · b + s · (experts + embeddings + rest)) / 2³⁰ with s bytes of the dtype that is
        computed with, and b = s at 16 bits, 1 at 8, 0.5625 at 4 (NF4 with one float32 scale for 64
        weights). Experts are not linear layers to bitsandbytes, and stay as they are. A checkpoint
        that is quantized takes what its files store: AWQ 0.52 bytes per weight of linear layers and
        experts, MXFP4 0.53 per weight of experts.

        Args:
            bits: 16 (the checkpoint as it is), 8 or 4.
            itemsize: 2 for bfloat16 and float16, 4 for float32.

        Raises:
            ValueError: `bits` is not 16, 8 or 4, or is less than 16 for a quantized checkpoint.
        """
        if bits not in (16, *_BYTES_PER_LINEAR_WEIGHT):
            raise ValueError(f"bits must be 16, 8 or 4, not {bits!r}.")
        if self.quantization and bits != 16:
            raise ValueError(
                f"{self.name} is quantized already ({self.quantization}) and cannot be quantized "
                f"to {bits} bits. Use bits=16 for the checkpoint as it is."
            )
        of_linear = _BYTES_PER_LINEAR_WEIGHT.get(bits, float(itemsize))
        of_experts = float(itemsize)
        if self.quantization == "awq":
            of_linear = of_experts = _BYTES_PER_AWQ_WEIGHT
        elif self.quantization == "mxfp4":
            of_experts = _BYTES_PER_MXFP4_WEIGHT
        quantized = self.shape.linear_parameters * of_linear
        quantized += self.shape.expert_parameters * of_experts
        return (quantized + itemsize * self._unquantized_parameters) / GIB

    def kv_cache_gib(self, tokens: int, *, drops_outside_window: bool = False) -> float:
        """Memory of the KV cache of one sequence in GiB, in 16 bits.

        2 · layers · kv heads · head dim · 2 bytes per token.

        Args:
            tokens: Tokens of prompt and answer.
            drops_outside_window: Whether sliding layers forget what their window has left, as
                vLLM's do; the local engine keeps it, so that prefixes can be reused.
        """
        shape = self.shape
        layer_tokens = shape.layers * tokens
        if drops_outside_window and shape.sliding_window:
            layer_tokens -= shape.sliding_layers * max(0, tokens - shape.sliding_window)
        return layer_tokens * 2 * shape.kv_heads * shape.head_dim * 2 / GIB

    @property
    def kv_cache_gib_per_1000_tokens(self) -> float:
        """Memory of the KV cache of 1,000 tokens in GiB, as the local engine keeps it."""
        return self.kv_cache_gib(1000)

    def as_dict(self) -> dict[str, Any]:
        """The record with its computed figures, for JSON."""
        return {
            "repo_id": self.repo_id,
            "release_date": self.release_date,
            "japanese_mt_bench": self.japanese_mt_bench,
            "parameters": self.parameters,
            "active_parameters": self.active_parameters,
            "layers": self.layers,
            "heads": self.heads,
            "kv_heads": self.kv_heads,
            "hidden": self.shape.hidden,
            "experts": self.shape.experts,
            "architecture": self.shape.architecture,
            "prompt_format": self.prompt_format,
            "thinking": self.thinking,
            "tool_form": self.tool_form,
            "quantization": self.quantization,
            "context_window": self.context_window,
            "vocabulary": self.vocabulary,
            "licence": self.licence,
            "memory_gib": self._memory_gib(),
        }

    def _memory_gib(self) -> dict[str, float | None]:
        fewer_bits = {} if self.quantization else {8: self.weights_gib(8), 4: self.weights_gib(4)}
        rounded = {bits: round(size, 2) for bits, size in fewer_bits.items()}
        whole = self.kv_cache_gib(self.context_window, drops_outside_window=True)
        return {
            "bf16": round(self.weights_gib(16), 2),
            "8bit": rounded.get(8),
            "4bit": rounded.get(4),
            "kv_cache_per_1000_tokens": round(self.kv_cache_gib_per_1000_tokens, 3),
            "kv_cache_full_context": round(self.kv_cache_gib(self.context_window), 2),
            "kv_cache_full_context_vllm": round(whole, 2),
        }
