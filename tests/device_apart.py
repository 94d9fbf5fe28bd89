"""A device that is not the CPU, for machines without one: a pytest plugin, for a run of its own.

    pytest -p tests.device_apart tests/unit_tests/engines/local/test_engine.py

Its tensors are computed on the CPU, out of reach: an operation that mixes them with the host's is
an error, as on a GPU, and what makes the host wait for the device is counted. What it cannot show
is what a GPU's kernels compute, and how fast.
"""

from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from tests.support import tiny_models

NAME = "apart"
_HOST = torch.device("cpu")
_ops = torch.ops.aten
_BETWEEN_DEVICES = {_ops.copy_.default, _ops._to_copy.default}
_READS = {_ops._local_scalar_dense.default, _ops.item.default, _ops.nonzero.default}


class Apart(torch.Tensor):
    """A tensor of the device; `held` is its content, on the host."""

    held: torch.Tensor
    # How often the host has waited for the device.
    waits = 0

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Apart":
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        made.held = held
        return made

    def tolist(self) -> Any:
        """Torch's own takes no subclasses."""
        Apart.waits += 1
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        given = (args, kwargs or {})
        leaves = tree_leaves(given)
        on_host = [t for t in leaves if isinstance(t, torch.Tensor) and not isinstance(t, Apart)]
        if function not in _BETWEEN_DEVICES and any(tensor.dim() for tensor in on_host):
            raise RuntimeError(f"{function}: Expected all tensors to be on the same device")
        to_host = any(isinstance(leaf, torch.device) and leaf == _HOST for leaf in leaves)
        Apart.waits += to_host or function in _READS
        given = tree_map_only(Apart, lambda tensor: tensor.held, given)
        args_there, kwargs_there = tree_map_only(torch.device, lambda _: _HOST, given)
        made = function(*args_there, **kwargs_there)
        if _writes_to_its_first(function):
            return args[0]
        return made if to_host else tree_map_only(torch.Tensor, Apart, made)


def _writes_to_its_first(function: Any) -> bool:
    arguments = function._schema.arguments
    return bool(arguments and arguments[0].alias_info and arguments[0].alias_info.is_write)


def _held(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.held if isinstance(tensor, Apart) else tensor


def _empty(size: Any, *, dtype: Any = None, **_: Any) -> Apart:
    return Apart(torch.empty(size, dtype=dtype))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> Apart:
    return Apart(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: torch.Tensor, target: torch.Tensor, *_: Any) -> torch.Tensor:
    """What `torch.tensor(…, device=…)` calls, past any subclass."""
    _held(target).copy_(_held(source))
    return target


_setup_privateuseone_for_python_backend(NAME)
# Parameters become those of a subclass.
torch.__future__.set_swap_module_params_on_conversion(True)
_library = torch.library.Library("aten", "IMPL")
_library.impl("empty.memory_format", _empty, "PrivateUse1")
_library.impl("empty_strided", _empty_strided, "PrivateUse1")
_library.impl("_copy_from", _copy_from, "PrivateUse1")
tiny_models.DEVICES[:] = [NAME]
