"""Computes linear layers that have the same input as one matrix product.

Query, key and value, and gate and up of an MLP: two products instead of five. The layers stay in
the model. Whichever is called first computes all of them, and the others take their part if they
are called with the very same tensor; otherwise it is computed again. So a model that calls them in
another way has the same results.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from langchain_swallow.engines.local.replacing import is_watched, replace_forwards

_NAMES = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class SharedProduct:
    """The outputs of several layers for the latest input, until each has taken its own.

    Within `torch.inference_mode`, the input must not be changed in place between the layers, since
    torch does not count changes there.

    Args:
        multiply: Maps the input to the outputs of all layers, concatenated.
        sizes: Number of output features of each layer.
    """

    def __init__(
        self, multiply: Callable[[torch.Tensor], torch.Tensor], sizes: Sequence[int]
    ) -> None:
        self._multiply = multiply
        self._sizes = list(sizes)
        # The input, how often it had been changed, and the outputs that are not taken yet.
        self._known: tuple[torch.Tensor, int, dict[int, torch.Tensor]] | None = None

    def part(self, index: int, rows: torch.Tensor) -> torch.Tensor:
        """Return the output of one of the layers, shape (…, out)."""
        # Read once, because several threads may compute with the model.
        known = self._known
        is_same = known is not None and known[0] is rows and known[1] == _changes(rows)
        parts = known[2] if known is not None and is_same else {}
        if index not in parts:
            parts = dict(enumerate(self._multiply(rows).split(self._sizes, -1)))
            self._known = (rows, _changes(rows), parts)
        part = parts.pop(index)
        if not parts:
            self._known = None
        return part


def mergeable_layers(model: Any) -> list[list[nn.Linear]]:
    """Return groups of layers that probably have the same input, and can be computed together."""
    named: list[list[Any]] = [
        [getattr(parent, name, None) for name in names]
        for parent in model.modules()
        for names in _NAMES
    ]
    return [layers for layers in named if _can_merge(layers)]


def merge_projections(model: Any) -> Callable[[], None]:
    """Let the layers of each attention and each MLP compute together.

    Their weights become views of one matrix, one group after another, so that no more than one
    group is in memory twice. A layer whose weight is replaced or moved later computes alone, and
    so does every layer in gradient mode.

    Returns:
        A function that undoes this; the weights stay where they are.
    """
    forwards: dict[nn.Module, Callable[..., Any]] = {}
    for layers in mergeable_layers(model):
        weight = _join([layer.weight for layer in layers])
        biases = [layer.bias for layer in layers if layer.bias is not None]
        multiply = functools.partial(
            nn.functional.linear, weight=weight, bias=_join(biases) if biases else None
        )
        shared = SharedProduct(multiply, [layer.out_features for layer in layers])
        for i, layer in enumerate(layers):
            forwards[layer] = functools.partial(_part, layer, _place(layer), shared, i)
    return replace_forwards(forwards)


def _part(
    layer: nn.Linear, place: tuple[int, int], shared: SharedProduct, index: int, rows: torch.Tensor
) -> torch.Tensor:
    if torch.is_grad_enabled() or _place(layer) != place:
        return nn.functional.linear(rows, layer.weight, layer.bias)
    return shared.part(index, rows)


def _can_merge(layers: Sequence[Any]) -> bool:
    if not all(type(layer) is nn.Linear and not is_watched(layer) for layer in layers):
        return False
    weights = [layer.weight for layer in layers]
    # Quantized weights may be tensors of another type in an `nn.Linear`.
    if not all(type(weight) is nn.Parameter and weight.dtype in _DTYPES for weight in weights):
        return False
    shared = {(weight.shape[1], weight.dtype, weight.device) for weight in weights}
    return len(shared) == 1 and len({layer.bias is None for layer in layers}) == 1


def _join(parameters: Sequence[torch.Tensor]) -> torch.Tensor:
    """Concatenate parameters, and make them views of the result."""
    joined = torch.cat([parameter.detach() for parameter in parameters])
    sizes = [len(parameter) for parameter in parameters]
    for parameter, view in zip(parameters, joined.split(sizes), strict=True):
        parameter.data = view
    return joined


def _place(layer: nn.Linear) -> tuple[int, int]:
    """Where a layer's parameters are in memory."""
    return layer.weight.data_ptr(), 0 if layer.bias is None else layer.bias.data_ptr()


def _changes(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
