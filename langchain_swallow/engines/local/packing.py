"""Packs the weights of linear layers in the memory layout of a CPU's matrix kernels.

With a plain `nn.Linear`, oneDNN or MKL rearranges the weight matrix at every call, which is most of
the time of a pass over few rows. If it is rearranged once, when the model is loaded, a step of 16
rows takes about 0.7 of the time in float32, and a step of any number of rows about half in bfloat16
(docs/benchmarks.md). The operators are those that torch's own compiler uses for frozen weights.
"""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, TypeGuard

import torch
from torch import nn

from langchain_swallow.engines.local.merging import SharedProduct, mergeable_layers
from langchain_swallow.engines.local.replacing import is_watched, replace_modules

# Number of rows for which oneDNN optimizes the layout; other numbers also work.
_ROWS = 16
_DTYPES = (torch.float32, torch.bfloat16)


class PackedLinear(nn.Module):
    """`nn.Linear` for inference on a CPU, with a packed copy of its weight.

    Args:
        linear: The layer.
        packed: Its packed weight, or that of several layers with the same input.
        part: For several layers: the rows of their weight that are this layer's.
        multiply: For several layers: maps the input to this layer's output, without its bias.
    """

    def __init__(
        self,
        linear: nn.Linear,
        packed: torch.Tensor,
        part: slice | None = None,
        multiply: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self.bias = linear.bias
        self.packed = packed
        self._part = part
        self._multiply = multiply

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
        dense = self.packed.to_dense()
        return dense if self._part is None else dense[self._part].clone()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        # torch's method leaves out `packed`, so that a saved model would lack these weights.
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self.dense_weight()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map shape (…, in) to (…, out)."""
        if self._multiply is None:
            return product(rows, self.packed, self.bias)
        result = self._multiply(rows)
        return result if self.bias is None else result + self.bias


def product(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`nn.functional.linear` by oneDNN, for packed and plain weights; see `is_supported`."""
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return result


def pack_linear_layers(model: Any) -> Callable[[], None]:
    """Replace the linear layers of a model that is used for inference only.

    Outputs are equal up to rounding. Layers with the same input share a packed weight (see
    `merging`). The layers are kept without their weights, so that no weight is in memory twice; one
    that another module has too (tied embeddings) is kept. Does nothing on other devices, for other
    dtypes, and if torch or the CPU lacks support.

    Returns:
        A function that puts the layers back, with the same parameters as before.
    """
    owners = Counter(
        id(weights) for module in model.modules() for weights in module.parameters(False)
    )
    singles = [[module] for module in model.modules() if type(module) is nn.Linear]
    packed: dict[nn.Module, PackedLinear] = {}
    for layers in [*mergeable_layers(model), *singles]:
        if all(_suits(layer) and layer not in packed for layer in layers):
            packed.update(zip(layers, _pack(layers), strict=True))
            for layer in layers:
                if owners[id(layer.weight)] == 1:
                    layer.weight.data = layer.weight.data.new_empty(0)
    replace_modules(model, packed.get)
    originals: dict[nn.Module, Any] = {layer: original for original, layer in packed.items()}

    def plain(module: nn.Module) -> nn.Module | None:
        if not isinstance(module, PackedLinear):
            return None
        layer = originals.pop(module, None)
        if layer is not None and not layer.weight.numel():
            layer.weight.data = module.dense_weight()
        return layer

    return lambda: replace_modules(model, plain)


def _pack(layers: Sequence[nn.Linear]) -> list[PackedLinear]:
    weights = [layer.weight.detach() for layer in layers]
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
    if len(layers) == 1:
        return [PackedLinear(layers[0], packed)]
    sizes = [layer.out_features for layer in layers]
    shared = SharedProduct(functools.partial(product, weight=packed), sizes)
    parts = [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]
    return [
        PackedLinear(layer, packed, part, functools.partial(shared.part, i))
        for i, (layer, part) in enumerate(zip(layers, parts, strict=True))
    ]


def _suits(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a layer can be packed: none that hooks watch or change."""
    if type(module) is not nn.Linear or module.weight.device.type != "cpu":
        return False
    dtype = module.weight.dtype
    return not is_watched(module) and dtype in _DTYPES and is_supported(dtype)


def weight_bytes(model: nn.Module) -> int:
    """Size of a model's weights in bytes, packed or not."""
    layers = [module for module in model.modules() if isinstance(module, PackedLinear)]
    packed = {id(layer.packed): layer.packed.nbytes for layer in layers}
    return sum(weights.nbytes for weights in model.parameters()) + sum(packed.values())


@functools.cache
def is_supported(dtype: torch.dtype) -> bool:
    """Whether torch has the operators and, for bfloat16, the CPU has AVX512."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        with torch.inference_mode():
            _pack([nn.Linear(16, 16, dtype=dtype)])[0](torch.zeros(1, 16, dtype=dtype))
    except (AttributeError, RuntimeError):
        return False
    return True
