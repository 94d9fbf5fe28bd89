"""Packs the weights of linear layers in the memory layout of a CPU's matrix kernels.

With a plain `nn.Linear`, oneDNN or MKL rearranges the weight matrix at every call, which is most of
the time of a pass over few rows. If it is rearranged once, when the model is loaded, a step of 16
rows takes about 0.7 of the time in float32, and a step of any number of rows about half in bfloat16
(docs/benchmarks.md). The operators are those that torch's own compiler uses for frozen weights.
"""

import functools
from typing import Any

import torch
from torch import nn

from langchain_swallow.engines.local.replacing import replace_modules

# Number of rows for which oneDNN optimizes the layout; other numbers also work.
_ROWS = 16
_DTYPES = (torch.float32, torch.bfloat16)


class PackedLinear(nn.Module):
    """`nn.Linear` for inference on a CPU, with a packed copy of its weight."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self.bias = linear.bias
        weight = linear.weight.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map shape (…, in) to (…, out)."""
        return product(rows, self.packed, self.bias)


def product(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`nn.functional.linear` by oneDNN, for packed and plain weights; see `is_supported`."""
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return result


def pack_linear_layers(model: Any) -> None:
    """Replace the linear layers of a model that is used for inference only.

    Outputs are equal up to rounding. The model can no longer be saved or trained. Does nothing on
    other devices, for other dtypes, and if torch or the CPU lacks support.
    """
    if model.device.type != "cpu":
        return
    dtypes = [dtype for dtype in _DTYPES if is_supported(dtype)]

    def packed(module: nn.Module) -> PackedLinear | None:
        if type(module) is not nn.Linear or module.weight.dtype not in dtypes:
            return None
        return PackedLinear(module)

    replace_modules(model, packed)


def weight_bytes(model: nn.Module) -> int:
    """Size of a model's weights in bytes, packed or not."""
    packed = [module.packed for module in model.modules() if isinstance(module, PackedLinear)]
    return sum(weights.nbytes for weights in [*model.parameters(), *packed])


@functools.cache
def is_supported(dtype: torch.dtype) -> bool:
    """Whether torch has the operators and, for bfloat16, the CPU has AVX512."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        with torch.inference_mode():
            PackedLinear(nn.Linear(16, 16, dtype=dtype))(torch.zeros(1, 16, dtype=dtype))
    except (AttributeError, RuntimeError):
        return False
    return True
