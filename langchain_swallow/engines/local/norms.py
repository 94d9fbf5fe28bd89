"""Computes the RMSNorm modules of a model by torch's operator.

Transformers computes RMSNorm with seven to ten operators; on a GPU, each is a kernel launch.
"""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from langchain_swallow.engines.local.replacing import is_watched, replace_forwards

# Sizes of the numbers for which two norms are compared; for small ones, epsilon matters.
_SIZES = torch.tensor([[1e-3], [1.0], [300.0]])


def fuse_norms(model: Any) -> Callable[[], None]:
    """Let a model's RMSNorm modules compute with `nn.functional.rms_norm`.

    A module is recognized by its results, so an unknown norm stays as it is. Outputs are equal up
    to rounding: in 16 bits, transformers rounds before and after it multiplies by the weight.

    Returns:
        A function that undoes this.
    """
    norms = {module: _equal_norm(module) for module in model.modules()}
    return replace_forwards({module: norm for module, norm in norms.items() if norm is not None})


def _normalize(module: Any, eps: float, offset: float, rows: torch.Tensor) -> torch.Tensor:
    weight = module.weight
    if rows.dtype != weight.dtype:
        return type(module).forward(module, rows)
    if offset:  # Gemma adds 1 to the weight, in float32.
        weight, rows = weight.float() + offset, rows.float()
    normalized = nn.functional.rms_norm(rows, weight.shape, weight, eps)
    return normalized.to(module.weight.dtype)


def _equal_norm(module: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return an RMSNorm with a module's results and parameters; `None` if there is none."""
    if not _may_be_norm(module) or is_watched(module):
        return None
    for eps in [value for value in vars(module).values() if isinstance(value, float)]:
        for offset in (0.0, 1.0):
            dtypes = (torch.float32, module.weight.dtype)
            if all(_agrees(module, eps, offset, dtype) for dtype in dtypes):
                return functools.partial(_normalize, module, eps, offset)
    return None


def _may_be_norm(module: nn.Module) -> bool:
    """Whether a module has one vector of weights, and one argument: others take a gate too."""
    tensors = [*module.parameters(), *module.buffers()]
    if len(tensors) != 1 or tensors[0] is not getattr(module, "weight", None):
        return False
    return tensors[0].dim() == 1 and len(inspect.signature(module.forward).parameters) == 1


@torch.no_grad()
def _agrees(module: Any, eps: float, offset: float, dtype: torch.dtype) -> bool:
    twin = copy.deepcopy(module).to(dtype)
    width = len(twin.weight)
    numbers = torch.randn(4, width, generator=torch.Generator().manual_seed(0))
    # With other weights than its own: those may be all 1.
    twin.weight.copy_(numbers[0])
    rows = (numbers[1:] * _SIZES).to(twin.weight)
    tolerance = 2 * torch.finfo(dtype).eps
    try:
        wanted = twin(rows)
    except (RuntimeError, TypeError, ValueError):  # not a module of rows of this width
        return False
    found = _normalize(twin, eps, offset, rows)
    return wanted.dtype == found.dtype and torch.allclose(found, wanted, tolerance, tolerance)
