"""`HybridRetriever`: what shares characters with the question, and what shares its meaning."""

from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, PrivateAttr

from langchain_swallow.text.lexical import BM25, character_ngrams, sudachi_terms
from langchain_swallow.vectorstores import SwallowFAISS, passage_text


class HybridRetriever(BaseRetriever):
    """Weighted fusion of BM25 over character 1+2-grams and of the store's vectors.

    Both scores are scaled to [0, 1] over all passages of a query, then added with their weights.
    The defaults, .4 and .6, were chosen on 30 articles of JSQuAD and are best on the other 29.

    Args:
        store: The passages.
        k: How many to return; also per call, `invoke(question, k=8)`.
        lexical_weight: Weight of BM25 in [0, 1]; the vectors have the rest.
        words: Count words beside 2-grams, by Sudachi (extra `sudachi`), instead of 1+2-grams.

    Documents carry their scores in the metadata: `score`, `lexical_score`, `dense_score`.
    """

    store: SwallowFAISS
    k: int = Field(default=4, ge=1)
    lexical_weight: float = Field(default=0.4, ge=0, le=1)
    words: bool = False

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    _bm25: BM25 | None = PrivateAttr(default=None)
    _bm25_version: int = PrivateAttr(default=-1)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        **_: Any,
    ) -> list[Document]:
        documents = self.store.documents
        if not documents or not query.strip():
            return []
        lexical = self._lexical(documents).scores(query)
        dense = self.store.query_scores(query)
        weight = self.lexical_weight
        fused = (weight * _scaled(lexical) + (1 - weight) * _scaled(dense)).clip(0, 1)
        # A stable sort: of equal scores the earlier document wins, every time.
        best = np.argsort(-fused, kind="stable")[: self.k if k is None else k]
        return [
            documents[i].model_copy(
                update={
                    "metadata": {
                        **documents[i].metadata,
                        "score": float(fused[i]),
                        "lexical_score": float(lexical[i]),
                        "dense_score": float(dense[i]),
                    }
                }
            )
            for i in best
        ]

    def _lexical(self, documents: list[Document]) -> BM25:
        version = self.store.version
        if self._bm25 is None or self._bm25_version != version:
            texts = [passage_text(d.page_content, d.metadata) for d in documents]
            self._bm25 = BM25(texts, sudachi_terms() if self.words else character_ngrams)
            self._bm25_version = version
        return self._bm25


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Min-max over all passages; zeros where all are equal."""
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)
