"""Identifies the weights of a model in memory, across processes.

The hash covers every weight, so a model that was tuned in memory gets another fingerprint. Hashing
takes about a second per GB. It happens once, and only if LangChain has a cache.
"""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import torch


class Fingerprint:
    """Computes a text that is equal for equal weights and tokenizers.

    Args:
        engine: A `LocalEngine`. Its model is looked up at each call, so that unloading frees the
            model.

    The fingerprint is computed again only if PyTorch has recorded a change of a weight. Weights
    that cannot be read, such as those offloaded to a disk, get a different text in each process.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._unique = uuid.uuid4().hex
        self._versions: tuple[Any, ...] | None = None
        self._text = ""

    def __call__(self) -> str:
        """Return the fingerprint of the current weights."""
        model = self._engine.model
        if model is None:
            return self._unique
        versions = tuple(_versions(model))
        if versions != self._versions:
            self._text, self._versions = self._compute(model), versions
        return self._text

    def _compute(self, model: Any) -> str:
        try:
            vocabulary = self._engine.tokenizer.backend_tokenizer.to_str()
            template = str(self._engine.tokenizer.chat_template)
            digest = hashlib.sha256()
            for text in (model.config.to_json_string(), vocabulary, template):
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
            for name, tensor in _state(model):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
                digest.update(_bytes(tensor))
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return self._unique
        return digest.hexdigest()


def _versions(model: Any) -> Iterator[tuple[int, int]]:
    for module in model.modules():
        for tensor in (*module.parameters(False), *module.buffers(False)):
            yield tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version
        # The packed weight of a linear layer never changes.
        yield id(getattr(module, "packed", None)), 0


def _state(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what `model.state_dict()` has, module by module: a packed weight is copied for it."""
    for prefix, module in sorted(model.named_modules(), key=lambda named: named[0]):
        own: dict[str, torch.Tensor] = {}
        module._save_to_state_dict(own, f"{prefix}.", False)
        yield from sorted(own.items())


def _bytes(tensor: torch.Tensor) -> Any:
    """Return a tensor's bytes for `hashlib`, without a copy if the tensor is on the CPU."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
