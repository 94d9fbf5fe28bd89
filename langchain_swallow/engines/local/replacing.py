"""Replaces modules of a model, or how they compute."""

from collections.abc import Callable, Mapping
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


def replace_forwards(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Callable[[], None]:
    """Let modules compute with other functions; their names, types and parameters stay.

    Returns:
        A function that undoes this.
    """
    for module, forward in forwards.items():
        module.forward = forward

    def undo() -> None:
        for module, forward in forwards.items():
            if vars(module).get("forward") is forward:
                del module.forward

    return undo


def is_watched(module: nn.Module) -> bool:
    """Whether something else watches or changes what a module computes: hooks or accelerate."""
    hooks = module._forward_hooks or module._forward_pre_hooks
    return bool(hooks) or hasattr(module, "_hf_hook") or "forward" in vars(module)
