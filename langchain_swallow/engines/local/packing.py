"""Packs the weights of linear layers in the memory layout of a CPU's matrix kernels.

With a plain `nn.Linear`, oneDNN or MKL rearranges the weight matrix at every call, which is most of
the time of a pass over few rows. If it is rearranged once, when the model is loaded, a step of 16
rows takes about 0.7 of the time in float32, and a step of any number of rows about half in bfloat16
(docs/benchmarks.md). The operators are those that torch's own compiler uses for frozen weights.
"""

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeGuard

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

    def __getattr__(self, name: str) -> Any:
        # A copy of the weight would take changes without a word.
        if name == "weight":
            raise AttributeError(
                "This layer's weight is packed for inference. To read or change it, unload() the "
                "chat model, or use ChatSwallow.from_model(…, prepare=False)."
            )
        return super().__getattr__(name)

    def dense_weight(self) -> torch.Tensor:
        """Return a copy of the weight as a plain matrix, shape (out, in)."""
        return self.packed.to_dense()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        # torch's method leaves out `packed`, so that a saved model would lack these weights.
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self.dense_weight()

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

    Outputs are equal up to rounding. The model can no longer be trained. Does nothing on other
    devices, for other dtypes, and if torch or the CPU lacks support.
    """
    replace_modules(model, lambda module: PackedLinear(module) if _suits(module) else None)


def pack_until_undone(model: Any) -> Callable[[], None]:
    """Replace the linear layers of a model that belongs to the caller; as `pack_linear_layers`.

    The layers are kept without their weights, so that no weight is in memory twice. A weight that
    another module has too (tied embeddings) is kept.

    Returns:
        A function that puts the layers back, with the same parameters as before.
    """
    owners = Counter(
        id(weights) for module in model.modules() for weights in module.parameters(False)
    )
    replaced: dict[PackedLinear, nn.Linear] = {}

    def packed(module: nn.Module) -> nn.Module | None:
        if not _suits(module):
            return None
        layer = PackedLinear(module)
        replaced[layer] = module
        if owners[id(module.weight)] == 1:
            module.weight.data = module.weight.data.new_empty(0)
        return layer

    def plain(module: nn.Module) -> nn.Module | None:
        if not isinstance(module, PackedLinear):
            return None
        layer = replaced.pop(module, None)
        if layer is not None and not layer.weight.numel():
            layer.weight.data = module.dense_weight()
        return layer

    replace_modules(model, packed)
    return lambda: replace_modules(model, plain)


def _suits(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a layer can be packed: none that hooks watch or change."""
    if type(module) is not nn.Linear or module.weight.device.type != "cpu":
        return False
    has_hooks = module._forward_hooks or module._forward_pre_hooks or hasattr(module, "_hf_hook")
    return not has_hooks and module.weight.dtype in _DTYPES and is_supported(module.weight.dtype)


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
