"""An activation that gives an element the same bits wherever it lies in a tensor.

Torch divides a tensor among threads, and computes what does not fill a vector register at the end
of a thread's part by another function: with three threads and more, which elements those are
depends on how many tokens a pass has. Its exponential has no such end, and the rest of SiLU is
exact.
"""

from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN

from langchain_swallow.engines.devices import is_on_cpu
from langchain_swallow.engines.tiling import is_tiled

# Transformers has a class of its own.
_KINDS = (nn.SiLU, type(ACT2FN["silu"]))


class EvenSiLU(nn.Module):
    """`nn.SiLU`, in passes that ask for it (see `tiling`) at twice the time."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape → the same."""
        if not is_tiled():
            return nn.functional.silu(inputs)
        divisor = inputs.neg().exp_().add_(1)
        return torch.div(inputs, divisor, out=divisor)


def use_even_activation(model: Any) -> None:
    """Replace the activations of a model in float32 on a CPU that is used for inference."""
    if not is_on_cpu(model) or model.dtype != torch.float32:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _KINDS):
                setattr(module, name, EvenSiLU())
