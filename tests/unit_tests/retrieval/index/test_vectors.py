"""Vectors of a segment: scores, and files that are read as they were written."""

import faiss
import numpy as np
import pytest

from langchain_swallow.retrieval.index import vectors as module
from langchain_swallow.retrieval.index.metric import prepare_vectors, similarity
from langchain_swallow.retrieval.index.vectors import Vectors


@pytest.fixture(scope="module")
def rows():
    """2,000 unit vectors in 40 clusters, in no order."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(40, 16))[rng.integers(40, size=2000)]
    return prepare_vectors(near + 0.3 * rng.normal(size=near.shape), "cosine")


@pytest.fixture(params=["flat", "hnsw"])
def kind(request, monkeypatch):
    monkeypatch.setattr(module, "_APPROXIMATE_FROM", 1000)
    return request.param


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_scores_of_all_rows_come_in_the_order_of_the_rows(rows, kind, metric):
    vectors = Vectors.build(rows, metric, kind)
    assert vectors.kind == kind
    distances = ((rows - rows[7]) ** 2).sum(axis=1) if metric == "l2" else rows @ rows[7]
    scores = similarity(vectors.distances(rows[7]), metric)
    assert np.allclose(scores, similarity(distances, metric), atol=1e-5)


def test_what_is_written_is_read(rows, kind, tmp_path):
    vectors = Vectors.build(rows, "cosine", kind)
    exact, fast = tmp_path / "exact", tmp_path / "fast"
    written = vectors.write(exact, fast)
    assert written == ([exact] if kind == "flat" else [exact, fast])
    admitted = np.arange(len(rows)) % 4 == 1
    read = Vectors.read(exact, fast if kind == "hnsw" else None, "cosine")
    assert (read.kind, read.is_outdated) == (kind, False)
    for found in (vectors, read):
        assert (found.rows(np.array([7, 3])) == rows[[7, 3]]).all()
        for query in rows[:40]:
            scores = similarity(rows @ query, "cosine")
            computed = similarity(found.distances(query), "cosine")
            assert np.allclose(computed, scores, atol=1e-6)
            hits = found.search(query, 10)
            assert np.allclose(hits.scores, np.sort(scores)[:-11:-1], atol=1e-6)
            assert np.allclose(scores[hits.rows], hits.scores, atol=1e-6)
            filtered = found.search(query, 10, admitted)
            assert admitted[filtered.rows].all()
            assert np.allclose(filtered.scores, np.sort(scores[admitted])[:-11:-1], atol=1e-6)


def test_lists_of_before_version_0_1_have_their_rows_in_order(rows, tmp_path):
    lists = faiss.index_factory(rows.shape[1], "IVF32,PQ4x8", faiss.METRIC_INNER_PRODUCT)
    lists.do_polysemous_training = False
    lists.train(rows)
    lists.add(rows)
    exact, fast = tmp_path / "exact", tmp_path / "fast"
    Vectors.build(rows, "cosine", "flat").write(exact, fast)
    faiss.write_index(lists, str(fast))
    read = Vectors.read(exact, fast, "cosine")
    assert (read.kind, read.is_outdated) == ("flat", True)
    even = np.arange(len(rows)) % 2 == 0
    for number in range(0, 20, 2):
        assert read.search(rows[number], 1).rows[0] == number
        assert read.search(rows[number], 1, even).rows[0] == number


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_the_nearest_are_found_also_where_all_scores_are_rounded_to_the_same(metric):
    """The score of a large inner product, and of a large distance, is the same for all rows."""
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    if metric != "cosine":
        rows *= 1000
    else:
        rows /= np.linalg.norm(rows, axis=1)[:, None]
    vectors = Vectors.build(rows, metric, "flat")
    query = rows[7]
    if metric == "l2":
        nearest = np.argsort(((rows - query) ** 2).sum(1))[:10]
    else:
        nearest = np.argsort(-(rows @ query))[:10]
    assert list(vectors.search(query, 10).rows) == list(nearest)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_of_equal_rows_the_first_are_returned(metric):
    rows = np.ones((30, 4), dtype=np.float32)
    vectors = Vectors.build(rows, metric, "flat")
    assert list(vectors.search(rows[0], 5).rows) == [0, 1, 2, 3, 4]
