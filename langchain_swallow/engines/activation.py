"""Activations that give an element the same bits wherever it lies in a tensor.

Torch divides a tensor among threads, and computes what does not fill a vector register at the end
of a thread's part by another function: with three threads and more, which elements those are
depends on how many tokens a pass has. Its exponential has no such end, and the rest is exact.
"""

import math
from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN

from langchain_swallow.engines.devices import is_float32, is_on_cpu
from langchain_swallow.engines.replacing import replace_modules
from langchain_swallow.engines.tiling import is_tiled

_SLOPE = 2 * math.sqrt(2 / math.pi)


class EvenSiLU(nn.Module):
    """`nn.SiLU`, in passes that ask for it (see `tiling`) at twice the time."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape → the same."""
        if not is_tiled():
            return nn.functional.silu(inputs)
        return _gated(inputs, inputs.neg())


class EvenGELU(nn.Module):
    """`nn.GELU("tanh")` likewise: a SiLU whose gate is steeper the larger an element is."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape → the same."""
        if not is_tiled():
            return nn.functional.gelu(inputs, approximate="tanh")
        slope = inputs.square().mul_(-0.044715 * _SLOPE).sub_(_SLOPE)
        return _gated(inputs, slope.mul_(inputs))


def use_even_activation(model: Any) -> None:
    """Replace the activations of a model in float32 on a CPU that is used for inference."""
    if not is_on_cpu(model) or not is_float32(model):
        return

    def even(module: nn.Module) -> nn.Module | None:
        kind = _EVEN.get(type(module))
        return kind() if kind else None

    replace_modules(model, even)


def _gated(inputs: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Divide by 1 + e^exponent, in the exponent's memory."""
    divisor = exponent.exp_().add_(1)
    return torch.div(inputs, divisor, out=divisor)


# Transformers has classes of its own.
_EVEN: dict[type, type[nn.Module]] = {
    nn.SiLU: EvenSiLU,
    type(ACT2FN["silu"]): EvenSiLU,
    type(ACT2FN["gelu_pytorch_tanh"]): EvenGELU,
}
