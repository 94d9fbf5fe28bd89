"""Rerankers score a question and a chunk together, which ranks better and costs more.

Any object with a method `score(query, texts)` is a reranker.
"""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.text.surrogates import replace_surrogates

DEFAULT_MODEL = "hotchpotch/japanese-reranker-xsmall-v2"


class Reranker(Protocol):
    """Protocol of a reranker."""

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float] | NDArray[np.float32]:
        """Score each text for the question, shape (n,); larger is better."""


class SwallowReranker:
    """A reranker with a CrossEncoder of sentence-transformers.

    Args:
        model: Hub id or folder, such as `cl-nagoya/ruri-v3-reranker-310m`; default
            `hotchpotch/japanese-reranker-xsmall-v2`.
        batch_size: Pairs of question and text in one forward pass; default 16.
        device: Device name as in torch; `None`, the default, takes the best available device.

    The model is loaded at the first question.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, batch_size: int = 16, device: str | None = None
    ) -> None:
        self.model = model
        self._batch_size = batch_size
        self._device = device

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score each text for the question, float32, shape (n,); larger is better."""
        return self.score_pairs([(query, text) for text in texts])

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Score each pair of a question and a text, float32, shape (n,); larger is better."""
        if not pairs:
            return np.zeros(0, dtype=np.float32)
        scores = self._encoder.predict(
            [(replace_surrogates(query), replace_surrogates(text)) for query, text in pairs],
            batch_size=self._batch_size,
            show_progress_bar=False,
        )
        return np.asarray(scores, dtype=np.float32)

    @functools.cached_property
    def _encoder(self) -> Any:
        from sentence_transformers import CrossEncoder

        from langchain_swallow.engines.local.devices import keep_to_allowed_cores

        keep_to_allowed_cores()
        return CrossEncoder(self.model, device=self._device)
