"""Rerankers: question and passage read together, which ranks better and costs more.

Any object with `score(query, texts)` is one.
"""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from langchain_swallow.text.surrogates import replace_surrogates

DEFAULT_MODEL = "hotchpotch/japanese-reranker-xsmall-v2"


class Reranker(Protocol):
    """Scores of passages for a question; larger is better."""

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float] | NDArray[np.float32]:
        """One score for each text."""


class SwallowReranker:
    """A CrossEncoder of sentence-transformers.

    Args:
        model: Hub id or folder, such as `hotchpotch/japanese-reranker-xsmall-v2` or
            `cl-nagoya/ruri-v3-reranker-310m`.
        batch_size: Pairs at a time.
        device: As in torch; `None` takes the best there is.

    Nothing is loaded before the first question.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, batch_size: int = 16, device: str | None = None
    ) -> None:
        self.model = model
        self._batch_size = batch_size
        self._device = device

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Scores of texts for a question, shape (n,)."""
        if not texts:
            return np.zeros(0, dtype=np.float32)
        scores = self._encoder.predict(
            [(replace_surrogates(query), replace_surrogates(text)) for text in texts],
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
