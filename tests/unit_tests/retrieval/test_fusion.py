"""Rankings of several searches as one."""

import numpy as np
import pytest
from langchain_core.documents import Document

from langchain_swallow.retrieval.fusion import Ranked, reciprocal_rank, weighted

LEXICAL = np.array([0.5, 0.0, 0.25, 0.0], dtype=np.float32)
DENSE = np.array([0.6, 0.8, 0.7, 0.9], dtype=np.float32)


def test_similarities_are_scaled_from_the_worst_to_the_best():
    assert weighted(LEXICAL, DENSE, 0.6) == pytest.approx([0.3, 0.8 / 3, 0.15 + 0.4 / 3, 0.4])
    assert weighted(LEXICAL, DENSE, 1.0) == pytest.approx(LEXICAL)


def test_only_what_may_be_found_is_scaled_over():
    admitted = np.array([True, True, True, False])
    assert weighted(LEXICAL, DENSE, 0.6, admitted)[:3] == pytest.approx([0.3, 0.4, 0.35])
    assert weighted(LEXICAL, DENSE, 0.6, np.zeros(4, dtype=bool)) == pytest.approx(0.6 * LEXICAL)


def test_similarities_that_are_all_equal_decide_nothing():
    assert weighted(LEXICAL, np.full_like(DENSE, 0.7), 0.6) == pytest.approx(0.6 * LEXICAL)


def test_reciprocal_ranks_are_added():
    a, b, c = (Document(text, id=text) for text in "abc")
    assert [d.id for d in reciprocal_rank([[a, b], [b, c], [c, b]])] == ["b", "c", "a"]
    assert reciprocal_rank([]) == []


@pytest.mark.parametrize("admitted", [None, 0.5, 0.001])
@pytest.mark.parametrize("distinct", [1, 7, 100_000])
def test_the_best_are_those_of_all_in_order(distinct, admitted):
    """Of equal scores the earlier, whichever groups they are looked for in."""
    rng = np.random.default_rng(0)
    scores = (rng.integers(distinct, size=20_000) / distinct).astype(np.float32)
    mask = None if admitted is None else rng.random(len(scores)) < admitted
    ranked = Ranked(scores, np.zeros_like(scores), 1.0, mask)
    order = np.argsort(-scores, kind="stable")
    wanted = order if mask is None else order[mask[order]]
    for count in (1, 10, 300, 20_000):
        assert ranked.best(count) == wanted[:count].tolist()
