"""The numbers of a decoder's `config.json` that decide its size, and the sizes they give."""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal[
    "llama", "mistral", "mixtral", "gemma2", "qwen2", "qwen3", "qwen3_moe", "gpt_oss"
]

_NORMS_PER_LAYER = {"gemma2": 4}
_WITH_QK_NORMS = ("qwen3", "qwen3_moe")


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder.

    Args:
        architecture: transformers' `model_type`.
        hidden: Width of the residual stream.
        intermediate: Width of the MLP, or of one expert.
        layers: Decoder layers.
        heads: Attention heads per layer.
        kv_heads: Key and value heads per layer.
        head_dim: Width of one head.
        experts: Experts per layer; 0 is a dense MLP.
        active_experts: Experts that compute one token.
        sliding_window: Tokens that a sliding layer looks back to.
        sliding_layers: Layers with a sliding window.
        ties_embeddings: Whether the output matrix is the embedding matrix.
    """

    architecture: Architecture
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    experts: int = 0
    active_experts: int = 0
    sliding_window: int | None = None
    sliding_layers: int = 0
    ties_embeddings: bool = False

    @property
    def linear_parameters(self) -> int:
        """Weights of the linear layers: layers · (2·h·q + 2·h·kv + 3·h·i).

        The MLP's part, 3·h·i, is missing where experts take its place.
        """
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return self.layers * (attention + (0 if self.experts else self._mlp))

    @property
    def expert_parameters(self) -> int:
        """Weight matrices of all experts: layers · experts · 3·h·i."""
        return self.layers * self.experts * self._mlp

    @property
    def idle_parameters(self) -> int:
        """Weights of the experts that one token does not use."""
        idle = self.experts - self.active_experts
        return self.layers * idle * (self._mlp + self._expert_biases)

    @property
    def other_parameters(self) -> int:
        """Norms, biases, routers and attention sinks: what no quantization touches."""
        return self.layers * (self._norms + self._biases + self._router) + self.hidden

    @property
    def _mlp(self) -> int:
        return 3 * self.hidden * self.intermediate

    @property
    def _norms(self) -> int:
        norms = self.hidden * _NORMS_PER_LAYER.get(self.architecture, 2)
        # One weight per dimension of a head, for queries and for keys.
        return norms + (2 * self.head_dim if self.architecture in _WITH_QK_NORMS else 0)

    @property
    def _biases(self) -> int:
        of_qkv = self.head_dim * (self.heads + 2 * self.kv_heads)
        if self.architecture == "qwen2":
            return of_qkv
        if self.architecture != "gpt_oss":
            return 0
        # One attention sink per head, and one bias per expert in the router.
        others = self.hidden + self.heads + self.experts
        return of_qkv + others + self.experts * self._expert_biases

    @property
    def _expert_biases(self) -> int:
        return 2 * self.intermediate + self.hidden if self.architecture == "gpt_oss" else 0

    @property
    def _router(self) -> int:
        return self.experts * self.hidden
