"""What tells the weights of a model in memory apart from all others, in any process.

Every weight counts, so that a model that was tuned in memory is another one. Hashing takes about a
second for each GB, once, and only where LangChain has a cache to ask.
"""

import hashlib
import uuid
from typing import Any

import torch


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
            digest = hashlib.sha256()
            for text in (model.config.to_json_string(), vocabulary, template):
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
            for name, tensor in sorted(state.items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
                digest.update(_bytes(tensor))
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return self._unique
        return digest.hexdigest()


def _version(tensor: Any) -> tuple[int, int]:
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def _bytes(tensor: torch.Tensor) -> Any:
    """A tensor's bytes, as what `hashlib` takes: without a copy, if it is on the CPU."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
