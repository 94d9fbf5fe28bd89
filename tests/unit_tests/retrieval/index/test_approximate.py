"""Approximate indexes hold near vectors near each other in memory, and rows keep their numbers."""

import faiss
import numpy as np
import pytest

from langchain_swallow.retrieval.index.approximate import build_graph, build_lists, list_of_each
from langchain_swallow.retrieval.index.metric import faiss_metric, prepared, similarity
from langchain_swallow.retrieval.index.vectors import Vectors

INNER_PRODUCT = faiss.METRIC_INNER_PRODUCT
BUILDS = {"hnsw": build_graph, "ivfpq": build_lists}


@pytest.fixture(scope="module")
def rows():
    """2,000 unit vectors in 40 clusters, in no order."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(40, 16))[rng.integers(40, size=2000)]
    return prepared(near + 0.3 * rng.normal(size=near.shape), "cosine")


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
    graph, _, order = build_graph(rows, INNER_PRODUCT)
    placed = links(graph.hnsw)
    assert share_near(placed) > 1.6 * share_near(order[placed])


def test_the_vectors_of_a_list_lie_beside_each_other(rows):
    lists, _, order = build_lists(rows, INNER_PRODUCT)
    holding = list_of_each(lists)
    assert (np.diff(holding) >= 0).all()
    assert len(np.unique(holding)) > 40
    _, assigned = lists.quantizer.search(rows[order], 1)
    assert (holding == assigned[:, 0]).all()


@pytest.mark.parametrize("build", BUILDS.values())
def test_every_row_has_one_place_and_its_vector_there(rows, build):
    _, exact, order = build(rows, INNER_PRODUCT)
    assert sorted(order) == list(range(len(rows)))
    assert (exact.reconstruct_n(0, len(rows)) == rows[order]).all()


@pytest.mark.parametrize("build", BUILDS.values())
def test_copies_that_no_link_leads_to_or_that_fill_one_list_are_kept(build):
    _, _, order = build(np.ones((3000, 4), dtype=np.float32), INNER_PRODUCT)
    assert sorted(order) == list(range(3000))


@pytest.mark.parametrize("dimension", [1, 6, 10, 50, 97])
def test_lists_take_vectors_of_any_length(dimension):
    rows = prepared(np.random.default_rng(0).normal(size=(1000, dimension)), "l2")
    fast, exact, order = build_lists(rows, faiss.METRIC_L2)
    hits = Vectors(exact, fast, "ivfpq", "l2", order=order).search(rows[7], 1)
    assert (rows[hits.rows[0]] == rows[7]).all()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("kind", BUILDS)
def test_scores_of_all_rows_come_in_the_order_of_the_rows(rows, kind, metric):
    fast, exact, order = BUILDS[kind](rows, faiss_metric(metric))
    vectors = Vectors(exact, fast, kind, metric, order=order)
    distances = ((rows - rows[7]) ** 2).sum(axis=1) if metric == "l2" else rows @ rows[7]
    assert np.allclose(vectors.scores(rows[7]), similarity(distances, metric), atol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_scores_are_the_same_bits_however_many_cores_there_are(rows, metric, monkeypatch):
    vectors = Vectors.build(rows, metric, "flat")
    found = []
    monkeypatch.setattr("langchain_swallow.retrieval.index.vectors._OF_A_CORE", rows.shape[1] * 100)
    for cores in (1, 2, 7):
        monkeypatch.setattr(faiss, "omp_get_max_threads", lambda cores=cores: cores)
        found.append(vectors.scores(rows[7]).tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("kind", BUILDS)
def test_rows_keep_their_numbers(rows, kind, tmp_path):
    fast, exact, order = BUILDS[kind](rows, INNER_PRODUCT)
    vectors = Vectors(exact, fast, kind, "cosine", order=order)
    paths = [tmp_path / name for name in ("exact", "fast", "order")]
    assert vectors.write(*paths) == paths
    admitted = np.arange(len(rows)) % 4 == 1
    for read in (vectors, Vectors.read(*paths, kind, "cosine")):
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


def test_an_order_is_as_narrow_as_its_rows(rows, tmp_path):
    fast, exact, order = build_graph(rows, INNER_PRODUCT)
    assert order.dtype == np.int64
    paths = [tmp_path / name for name in ("exact", "fast", "order")]
    Vectors(exact, fast, "hnsw", "cosine", order=order).write(*paths)
    assert np.load(paths[2]).dtype == np.int16
    # What was saved before has eight bytes a row.
    with paths[2].open("wb") as file:
        np.save(file, order)
    read = Vectors.read(*paths, "hnsw", "cosine")
    hits = read.search(rows[7], 1)
    assert hits.rows.tolist() == [7]
    assert hits.rows.dtype == np.int64
    read.write(*(tmp_path / name for name in ("exact2", "fast2", "order2")))
    assert np.load(tmp_path / "order2").dtype == np.int16


def test_a_graph_of_before_has_its_rows_in_order(rows, tmp_path):
    graph = faiss.IndexHNSWFlat(rows.shape[1], 32, INNER_PRODUCT)
    graph.add(rows)
    paths = [tmp_path / name for name in ("exact", "fast", "order")]
    old = Vectors(faiss.downcast_index(graph.storage), graph, "hnsw", "cosine")
    assert old.write(*paths) == paths[:2]
    read = Vectors.read(*paths[:2], None, "hnsw", "cosine")
    assert [int(read.search(rows[i], 1).rows[0]) for i in range(20)] == list(range(20))


def test_lists_of_before_have_their_rows_in_order_and_codes_of_eight_bits(rows, tmp_path):
    lists = faiss.index_factory(rows.shape[1], "IVF32,PQ4x8", INNER_PRODUCT)
    lists.do_polysemous_training = False
    lists.train(rows)
    lists.add(rows)
    exact = faiss.IndexFlat(rows.shape[1], INNER_PRODUCT)
    exact.add(rows)
    paths = [tmp_path / name for name in ("exact", "fast", "order")]
    assert Vectors(exact, lists, "ivfpq", "cosine").write(*paths) == paths[:2]
    read = Vectors.read(*paths[:2], None, "ivfpq", "cosine")
    even = np.arange(len(rows)) % 2 == 0
    for number in range(0, 20, 2):
        assert read.search(rows[number], 1).rows[0] == number
        assert read.search(rows[number], 1, even).rows[0] == number
