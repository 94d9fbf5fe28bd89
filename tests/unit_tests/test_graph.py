"""A graph's nodes lie near their neighbours, and rows keep their numbers."""

import faiss
import numpy as np
import pytest

from langchain_swallow.index.graph import build_graph
from langchain_swallow.index.metric import prepared, similarity
from langchain_swallow.index.vectors import Vectors

INNER_PRODUCT = faiss.METRIC_INNER_PRODUCT


@pytest.fixture(scope="module")
def rows():
    """2,000 unit vectors in 40 clusters, in no order."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(40, 16))[rng.integers(40, size=2000)]
    return prepared(near + 0.3 * rng.normal(size=near.shape), "cosine")


@pytest.fixture(scope="module")
def vectors(rows):
    graph, order = build_graph(rows, INNER_PRODUCT)
    return Vectors(faiss.downcast_index(graph.storage), graph, "hnsw", "cosine", order=order)


def links(graph):
    """Pairs of linked nodes of the lowest level, shape (n, 2)."""
    starts = faiss.vector_to_array(graph.offsets)[:-1].astype(np.int64)
    width = graph.nb_neighbors(0)
    near = faiss.vector_to_array(graph.neighbors)[starts[:, None] + np.arange(width)]
    pairs = np.stack([np.repeat(np.arange(len(starts)), width), near.ravel()], axis=1)
    return pairs[pairs[:, 1] >= 0]


def share_near(pairs):
    """Of links, those between places at most 100 apart."""
    return float((np.abs(pairs[:, 0] - pairs[:, 1]) <= 100).mean())


def test_linked_nodes_lie_nearer_to_each_other_than_they_came_in(rows):
    graph, order = build_graph(rows, INNER_PRODUCT)
    placed = links(graph.hnsw)
    assert share_near(placed) > 1.6 * share_near(order[placed])


def test_every_row_has_one_place_and_its_vector_there(rows):
    graph, order = build_graph(rows, INNER_PRODUCT)
    assert sorted(order) == list(range(len(rows)))
    stored = faiss.downcast_index(graph.storage).reconstruct_n(0, len(rows))
    assert (stored == rows[order]).all()


def test_nodes_that_no_link_leads_to_are_kept():
    same = np.ones((3000, 4), dtype=np.float32)
    _, order = build_graph(same, INNER_PRODUCT)
    assert sorted(order) == list(range(3000))


def test_rows_keep_their_numbers(rows, vectors, tmp_path):
    paths = [tmp_path / name for name in ("exact", "fast", "order")]
    assert vectors.write(*paths) == paths
    admitted = np.arange(len(rows)) % 4 == 1
    for read in (vectors, Vectors.read(*paths, "hnsw", "cosine")):
        assert (read.rows(np.array([7, 3])) == rows[[7, 3]]).all()
        for query in rows[:40]:
            scores = similarity(rows @ query, "cosine")
            assert np.allclose(read.scores(query), scores, atol=1e-6)
            hits = read.search(query, 10)
            assert np.allclose(hits.scores, np.sort(scores)[:-11:-1], atol=1e-6)
            assert np.allclose(scores[hits.rows], hits.scores, atol=1e-6)
            filtered = read.search(query, 10, admitted)
            assert admitted[filtered.rows].all()
            assert np.allclose(filtered.scores, np.sort(scores[admitted])[:-11:-1], atol=1e-6)


def test_a_graph_of_before_has_its_rows_in_order(rows, tmp_path):
    graph = faiss.IndexHNSWFlat(rows.shape[1], 32, INNER_PRODUCT)
    graph.add(rows)
    paths = [tmp_path / name for name in ("exact", "fast", "order")]
    old = Vectors(faiss.downcast_index(graph.storage), graph, "hnsw", "cosine")
    assert old.write(*paths) == paths[:2]
    read = Vectors.read(*paths[:2], None, "hnsw", "cosine")
    assert [int(read.search(rows[i], 1).rows[0]) for i in range(20)] == list(range(20))
