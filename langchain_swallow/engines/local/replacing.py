"""Other modules in place of a model's own, without both of them in memory."""

from collections.abc import Callable
from typing import Any

from torch import nn


def replace_modules(model: Any, make: Callable[[nn.Module], nn.Module | None]) -> None:
    """Put what is made of a module in its place; `None` leaves it.

    Each is freed before the next is made. A list of all modules would keep the weights of those
    that are replaced to the end: 25 GiB of a model of 7B in float32.
    """
    for parent in [module for module in model.modules() if module._modules]:
        for name in list(parent._modules):
            child = parent._modules[name]
            if child is not None and (replacement := make(child)) is not None:
                parent._modules[name] = replacement
