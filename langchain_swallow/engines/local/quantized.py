"""Linear layers with 8-bit or 4-bit weights on a CPU, computed by torch's own kernels.

Decoding is bound by reading the weights, so smaller weights make it faster. A pass of many rows is
bound by its matrix products: the weights are then dequantized to the dtype of computation, one part
at a time.

8-bit weights are q = round(w / scale), with one scale per row. 4-bit weights are scale · (q − 8) +
zero, with a scale and a zero for each group of 64 in a row.
"""

import functools
from typing import Any, TypeGuard

import torch
from torch import nn
from transformers.utils import logging

from langchain_swallow.engines.local.packing import is_supported, product
from langchain_swallow.engines.local.replacing import replace_modules

# Above this number of rows, dequantizing is faster than the kernels for few rows.
_FEW_ROWS = {8: 32, 4: 96}
# Maximum number of weights that are dequantized at a time: they stay in the CPU's cache.
_MAX_DEQUANTIZED = 2**20
_GROUP = 64
_KERNEL_DTYPE = torch.bfloat16


class QuantizedLinear(nn.Module):
    """`nn.Linear` for inference, with quantized weights.

    Args:
        linear: The layer to quantize.
        few: Maximum number of rows for which `multiply_few` is faster than `multiply_many`.
    """

    def __init__(self, linear: nn.Linear, few: int) -> None:
        super().__init__()
        self.out_features, self.in_features = linear.weight.shape
        self.bias = linear.bias
        self._few = few

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map shape (…, in) to (…, out)."""
        flat = rows.reshape(-1, self.in_features)
        if len(flat) <= self._few:
            result = self.multiply_few(flat.to(_KERNEL_DTYPE)).to(rows.dtype)
        else:
            result = self.multiply_many(flat)
        if self.bias is not None:
            result = result + self.bias
        return result.view(*rows.shape[:-1], self.out_features)

    def multiply_few(self, rows: torch.Tensor) -> torch.Tensor:
        """Map shape (n, in) to (n, out) with quantized weights, in the kernels' dtype."""
        raise NotImplementedError

    def multiply_many(self, rows: torch.Tensor) -> torch.Tensor:
        """Map shape (n, in) to (n, out) with dequantized weights."""
        result = rows.new_empty(len(rows), self.out_features)
        size = max(_GROUP, _MAX_DEQUANTIZED // self.in_features // _GROUP * _GROUP)
        # One buffer is reused, because new memory causes page faults.
        weights = rows.new_empty(min(size, self.out_features), self.in_features)
        for start in range(0, self.out_features, size):
            part = slice(start, min(start + size, self.out_features))
            result[:, part] = _product(rows, self.dequantize(part, weights))
        return result

    def dequantize(self, part: slice, weights: torch.Tensor) -> torch.Tensor:
        """Write rows `part`, multiples of 64, to the first rows of `weights`; return those."""
        raise NotImplementedError


class Int8Linear(QuantizedLinear):
    """`nn.Linear` with 8-bit weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear, _FEW_ROWS[8])
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).clamp_(min=1e-12).to(_KERNEL_DTYPE)
        weight.div_(scale[:, None]).round_().clamp_(-127, 127)
        self.weight = _constant(weight.to(torch.int8))
        self.scale = _constant(scale)

    def multiply_few(self, rows: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.ops.aten._weight_int8pack_mm(rows, self.weight, self.scale)
        return result

    def multiply_many(self, rows: torch.Tensor) -> torch.Tensor:
        return super().multiply_many(rows).mul_(self.scale.to(rows.dtype))

    def dequantize(self, part: slice, weights: torch.Tensor) -> torch.Tensor:
        """Write the integers; `multiply_many` applies the scale afterwards."""
        numbers = self.weight[part]
        return weights[: len(numbers)].copy_(numbers)


class Int4Linear(QuantizedLinear):
    """`nn.Linear` with 4-bit weights; both feature sizes must be multiples of 64."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear, _FEW_ROWS[4])
        groups = linear.weight.detach().float().view(self.out_features, -1, _GROUP)
        low, high = groups.aminmax(dim=-1, keepdim=True)
        scale = ((high - low) / 15).clamp_(min=1e-12).to(_KERNEL_DTYPE)
        zero = (low + 8 * scale.float()).to(_KERNEL_DTYPE)
        numbers = ((groups - zero) / scale + 8).round_().clamp_(0, 15).to(torch.int32)
        numbers = numbers.view(self.out_features, self.in_features)
        # Two weights per byte, in the kernel's own order.
        self.weight = _constant(torch.ops.aten._convert_weight_to_int4pack_for_cpu(numbers, 1))
        # Shape (groups, out, 2).
        self.scale_and_zero = _constant(torch.cat([scale, zero], -1).transpose(0, 1).contiguous())

    def multiply_few(self, rows: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows, self.weight, _GROUP, self.scale_and_zero
        )
        return result

    def dequantize(self, part: slice, weights: torch.Tensor) -> torch.Tensor:
        return self.dequantize_blocks(part, weights, _block())

    def dequantize_blocks(self, part: slice, weights: torch.Tensor, block: int) -> torch.Tensor:
        """Dequantize weights that are interleaved in blocks of `block` rows."""
        half, groups = block // 2, self.in_features // _GROUP
        pairs = self.weight.view(-1, self.in_features, half)[
            part.start // block : part.stop // block
        ]
        pairs = pairs.transpose(1, 2).contiguous().view(-1, half, groups, _GROUP)
        weights = weights[: part.stop - part.start]
        # Shape (scale or zero, half of a block, block, row, group, 1).
        factors = self.scale_and_zero[:, part].to(weights.dtype).view(groups, -1, 2, half, 2, 1)
        scale, zero = factors.permute(4, 2, 1, 3, 0, 5).contiguous()
        halves = weights.view(-1, 2, half, groups, _GROUP).unbind(1)
        for i, numbers in enumerate((pairs & 15, pairs >> 4)):
            halves[i].copy_(numbers).sub_(8).mul_(scale[i]).add_(zero[i])
        return weights


def quantize_linear_layers(model: Any, bits: int, dtype: torch.dtype) -> None:
    """Quantize the linear layers of a model for inference, except for its output layer.

    Layers whose feature sizes are not multiples of 64 are not quantized.

    Args:
        model: A model on a CPU, in any dtype.
        bits: 8 or 4.
        dtype: The dtype of all other weights and of the activations.
    """
    kind = {8: Int8Linear, 4: Int4Linear}[bits]
    output = model.get_output_embeddings()

    def suits(module: nn.Module) -> TypeGuard[nn.Linear]:
        return _fits(module) and module is not output

    def quantized(module: nn.Module) -> QuantizedLinear | None:
        if not suits(module):
            return None
        bar.update()
        return kind(module)

    # For 7B this takes a minute or two, after transformers' progress bar for reading the weights.
    total = sum(map(suits, model.modules()))
    with logging.tqdm(total=total, desc="Quantizing weights") as bar:
        replace_modules(model, quantized)
    for module in model.modules():
        if not isinstance(module, QuantizedLinear):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


@functools.cache
def has_kernels(bits: int) -> bool:
    """Whether torch has the kernels, and packs 4-bit weights in a known order."""
    linear = nn.Linear(_GROUP, 2 * _GROUP, bias=False, dtype=_KERNEL_DTYPE)
    try:
        with torch.inference_mode():
            Int8Linear(linear).multiply_few(torch.zeros(1, _GROUP, dtype=_KERNEL_DTYPE))
            return bits == 8 or _block() > 0
    except (AttributeError, RuntimeError):
        return False


def _fits(module: nn.Module) -> TypeGuard[nn.Linear]:
    if type(module) is not nn.Linear:
        return False
    return module.in_features % _GROUP == 0 and module.out_features % _GROUP == 0


@functools.cache
def _block() -> int:
    """Number of interleaved rows of 4-bit weights: 64 with AVX512, else 32; 0 if unknown.

    In each byte of a block, the low bits belong to the first half of its rows.
    """
    linear = nn.Linear(_GROUP, 2 * _GROUP, bias=False, dtype=_KERNEL_DTYPE)
    with torch.inference_mode():
        layer = Int4Linear(linear)
        expected = layer.multiply_few(torch.eye(_GROUP, dtype=_KERNEL_DTYPE)).float()
        for block in (64, 32):
            weights = torch.empty(2 * _GROUP, _GROUP)
            layer.dequantize_blocks(slice(0, 2 * _GROUP), weights, block)
            if torch.allclose(weights.T, expected, atol=0.01):
                return block
    return 0


def _product(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Multiply by weights that are used once; torch's float32 product takes up to 2× as long."""
    if rows.dtype == torch.float32 and is_supported(rows.dtype):
        return product(rows, weights)
    return nn.functional.linear(rows, weights)


def _constant(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)
