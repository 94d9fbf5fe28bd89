"""What tells the weights of a model in memory apart from all others, in any process.

Every weight counts, so that a model that was tuned in memory is another one. Each block of a tensor
is mixed, multiplied with fixed odd numbers and added up modulo 2⁶⁴ where the tensor lies: no copy
to the CPU, and no single weight can change without the sum.
"""

import hashlib
import uuid
from typing import Any

import torch

_BLOCK_BYTES = 8 * 1024**2
# 2⁶⁴ over the golden ratio, as a signed number.
_FACTOR = -7046029254386353131


class Fingerprint:
    """A text that is the same for the same model and tokenizer.

    Args:
        engine: A `LocalEngine`. It is asked for its model each time: unloading it frees the model.

    It is computed again only if PyTorch has seen a weight change. Weights that cannot be read,
    such as those that are offloaded to a disk, get a text of their own in each process.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._unique = uuid.uuid4().hex
        self._versions: tuple[Any, ...] | None = None
        self._text = ""

    def __call__(self) -> str:
        """The text for the model as it is now."""
        model = self._engine.model
        if model is None:
            return self._unique
        state = model.state_dict()
        versions = tuple(map(_version, state.values()))
        if versions != self._versions:
            self._text, self._versions = self._compute(model, state), versions
        return self._text

    def _compute(self, model: Any, state: dict[str, Any]) -> str:
        try:
            vocabulary = self._engine.tokenizer.backend_tokenizer.to_str()
            template = str(self._engine.tokenizer.chat_template)
            digest = hashlib.blake2b(digest_size=16)
            for text in (model.config.to_json_string(), vocabulary, template):
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
            for name, tensor in sorted(state.items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
                digest.update(_sums(tensor))
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return self._unique
        return digest.hexdigest()


def _version(tensor: Any) -> tuple[int, int]:
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _sums(tensor: torch.Tensor) -> bytes:
    """The weighted sum of each block of a tensor's bytes."""
    plain = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    if padding := -len(plain) % 8:
        plain = torch.nn.functional.pad(plain, (0, padding))
    numbers = plain.view(torch.int64)
    size = min(_BLOCK_BYTES // 8, len(numbers))
    # Multiples of an odd constant with many bits set, made odd (Knuth's multiplicative hashing).
    factors = torch.arange(1, size + 1, device=numbers.device) * _FACTOR | 1
    sums = [(_mixed(block) * factors[: len(block)]).sum() for block in numbers.split(max(1, size))]
    return torch.stack(sums).cpu().numpy().tobytes() if sums else b""


def _mixed(numbers: torch.Tensor) -> torch.Tensor:
    """One-to-one, so that high bits, which a product only moves out, reach the low ones."""
    numbers = numbers * _FACTOR
    # The shift copies the sign, which the mask takes away.
    return numbers ^ (numbers >> 32 & 0xFFFFFFFF)
