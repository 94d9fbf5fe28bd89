"""Replaces modules of a model without holding the old and the new ones in memory together."""

from collections.abc import Callable
from typing import Any

from torch import nn


def replace_modules(model: Any, make: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replace each module by what `make` returns for it; `None` keeps the module.

    Each module is freed before the next is made. A list of all modules would keep the replaced
    weights in memory until the end: 25 GiB for a 7B model in float32.
    """
    for parent in [module for module in model.modules() if module._modules]:
        for name in list(parent._modules):
            child = parent._modules[name]
            if child is not None and (replacement := make(child)) is not None:
                parent._modules[name] = replacement
