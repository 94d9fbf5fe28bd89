"""SwallowFAISS: search, replacement, saving and damage."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_swallow import SwallowFAISS
from langchain_swallow.errors import EmbeddingError
from langchain_swallow.retrieval.index.segment import Passage
from langchain_swallow.text.passages import passage_text
from tests.support.embeddings import CharacterEmbeddings, FixedEmbeddings

TEXTS = [
    "有給休暇は10日です。",
    "会議室は3階です。",
    "出張の日当は3,000円です。",
    "食堂のカレーは500円。",
]


@pytest.fixture
def store():
    metadatas = [{"source": f"{i}.md", "部署": "総務" if i < 2 else "経理"} for i in range(4)]
    return SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings(), metadatas, ids=list("abcd"))


class TestStandard(VectorStoreIntegrationTests):
    """LangChain's own tests of a vector store; it needs no server, so they are unit tests."""

    @pytest.fixture
    def vectorstore(self):
        return SwallowFAISS(self.get_embeddings())


class TestStandardInAFolder(VectorStoreIntegrationTests):
    """The same, with every change on the disk."""

    @pytest.fixture
    def vectorstore(self, tmp_path):
        return SwallowFAISS(self.get_embeddings(), path=tmp_path / "索引")


def test_scores_are_cosine_scaled_to_zero_and_one():
    vectors = {"同": [2.0, 0.0], "直角": [0.0, 3.0], "逆": [-1.0, 0.0], "問": [5.0, 0.0]}
    store = SwallowFAISS.from_texts(["逆", "直角", "同"], FixedEmbeddings(vectors))
    found = [(d.page_content, s) for d, s in store.similarity_search_with_score("問", k=3)]
    assert found == [("同", 1.0), ("直角", 0.5), ("逆", 0.0)]
    relevance = store.similarity_search_with_relevance_scores("問", k=3)
    assert [(d.page_content, s) for d, s in relevance] == found


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text("あいう漢字ab", min_size=1, max_size=8), min_size=1, max_size=12), st.data()
)
def test_search_is_exact(texts, data):
    embedding = CharacterEmbeddings()
    store = SwallowFAISS.from_texts(texts, embedding)
    query = data.draw(st.text("あいう漢字ab", min_size=1, max_size=8))
    rows = np.array([embedding.embed_query(text) for text in [*texts, query]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = np.sort((1 + rows[:-1] @ rows[-1]) / 2)[::-1]
    found = [score for _, score in store.similarity_search_with_score(query, k=len(texts))]
    assert found == pytest.approx(wanted.tolist(), abs=1e-5)
    assert store.snapshot().scores(store.query_vector(query)).tolist() == pytest.approx(
        ((1 + rows[:-1] @ rows[-1]) / 2).tolist(), abs=1e-5
    )


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("filter", [None, {"half": 1}])
def test_the_nearest_of_several_segments_come_first_where_scores_are_equal(metric, filter):
    """The scores of large inner products, and of large distances, are rounded to 1 and to 0."""
    rows = (1000 * np.random.default_rng(0).normal(size=(60, 4))).astype(np.float32)
    names = [str(number) for number in range(60)]
    vectors = dict(zip(names, rows.tolist(), strict=True))
    store = SwallowFAISS(FixedEmbeddings(vectors), metric=metric)
    for added in (names[:51], names[51:]):
        store.add_texts(added, [{"half": int(name) % 2} for name in added])
    assert len(store.snapshot().parts) == 2
    distances = -((rows - rows[7]) ** 2).sum(1) if metric == "l2" else rows @ rows[7]
    if metric == "cosine":
        distances = distances / np.linalg.norm(rows, axis=1)
    nearest = [n for n in np.argsort(-distances).tolist() if filter is None or n % 2 == 1]
    found = store.similarity_search("7", k=10, filter=filter)
    assert [int(document.page_content) for document in found] == nearest[:10]


def test_a_filter_is_applied_before_the_search(store):
    found = store.similarity_search("有給休暇は何日", k=2, filter={"部署": "経理"})
    assert [d.metadata["source"] for d in found] == ["2.md", "3.md"] or [
        d.metadata["source"] for d in found
    ] == ["3.md", "2.md"]
    by_function = store.similarity_search("何", k=4, filter=lambda d: "円" in d.page_content)
    assert {d.id for d in by_function} == {"c", "d"}
    assert store.similarity_search("何", filter={"部署": "なし"}) == []


def test_the_same_id_replaces_a_document(store):
    store.add_texts(["有給休暇は12日です。"], ids=["a"])
    assert len(store) == 4
    assert store.similarity_search("有給休暇", k=1)[0].page_content == "有給休暇は12日です。"
    assert [d.page_content for d in store.get_by_ids(["a", "none"])] == ["有給休暇は12日です。"]
    store.add_texts(["一", "二"], ids=["z", "z"])
    assert store.get_by_ids(["z"])[0].page_content == "二"


def test_deleted_documents_are_not_found(store):
    store.delete(["a", "none"])
    assert len(store) == 3
    assert "a" not in {d.id for d in store.similarity_search("有給休暇", k=4)}
    store.delete()
    assert store.similarity_search("有給休暇") == []
    store.add_texts(["新しい"])
    assert store.similarity_search("新しい")[0].page_content == "新しい"


def test_what_is_found_can_be_changed_without_changing_the_store(store):
    store.similarity_search("有給休暇", k=1)[0].metadata["source"] = "別"
    assert store.similarity_search("有給休暇", k=1)[0].metadata["source"] == "0.md"


def test_marginal_relevance_prefers_what_differs():
    texts = ["有給休暇は10日です。", "有給休暇は10日です！", "有給の申請は上司へ。"]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings())
    found = store.max_marginal_relevance_search("有給休暇は10日です。", k=2, lambda_mult=0.2)
    assert [d.page_content for d in found] == [texts[0], texts[2]]


def test_a_passage_is_embedded_with_its_place():
    embedding = CharacterEmbeddings()
    metadata = {"title": "規程", "headings": "第1章 > 第2条"}
    SwallowFAISS.from_documents([Document("10日とする。", metadata=metadata)], embedding)
    assert embedding.embedded == ["規程 > 第1章 > 第2条\n10日とする。"]
    assert passage_text("第2条\n10日", metadata) == "規程 > 第1章\n第2条\n10日"
    assert passage_text("本文", {}) == "本文"


async def test_async_search_is_the_same(store):
    found = await store.asimilarity_search_with_score("会議室は", k=2)
    assert found == store.similarity_search_with_score("会議室は", k=2)


# Metrics and kinds


@pytest.mark.parametrize("path", [False, True], ids=["in memory", "in a folder"])
def test_scores_of_every_metric_are_of_the_two_vectors_alone(tmp_path, path):
    vectors = {"近": [2.0, 0.0], "遠": [-1.0, 1.0], "問": [1.0, 0.0]}
    wanted = {
        "cosine": [1.0, (1 - 2**-0.5) / 2],
        "ip": [1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(1.0))],
        "l2": [1 / 2, 1 / 6],
    }
    for metric, scores in wanted.items():
        folder = {"path": tmp_path / metric} if path else {}
        SwallowFAISS.from_texts(["遠", "近"], FixedEmbeddings(vectors), metric=metric, **folder)
        store = SwallowFAISS(FixedEmbeddings(vectors), metric=metric, **folder)
        if not path:
            store.add_texts(["遠", "近"])
        found = store.similarity_search_with_score("問")
        assert [d.page_content for d, _ in found] == ["近", "遠"]
        assert [s for _, s in found] == pytest.approx(scores, abs=1e-6)
        threshold = store.as_retriever(
            search_type="similarity_score_threshold",
            search_kwargs={"score_threshold": (scores[0] + scores[1]) / 2},
        )
        assert [d.page_content for d in threshold.invoke("問")] == ["近"]


# Filters

FILTERED = [
    {"部署": "総務", "page": 1, "年": 2024, "草案": True, "tags": ["甲", "乙"]},
    {"部署": "総務", "page": 2, "年": 2025.5},
    {"部署": "経理", "page": 10, "年": "2026", "草案": False},
    {"page": 3, "年": None},
    {},
]


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"部署": "総務"}, "01"),
        ({"部署": "総務", "page": 2}, "1"),
        ({"部署": {"$ne": "総務"}}, "234"),
        ({"部署": {"$in": ["経理", "人事"]}}, "2"),
        ({"部署": {"$nin": ["経理"]}}, "0134"),
        ({"page": {"$gt": 1, "$lte": 3}}, "13"),
        ({"page": {"$gte": 3}}, "23"),
        ({"年": {"$lt": 2025.6}}, "01"),
        ({"年": {"$gte": "2026"}}, "2"),
        ({"年": 2025.5}, "1"),
        ({"草案": True}, "0"),
        ({"草案": 1}, ""),
        ({"page": True}, ""),
        ({"草案": {"$exists": False}}, "134"),
        ({"年": {"$exists": True}}, "0123"),
        ({"年": None}, "3"),
        ({"tags": {"$contains": "甲"}}, "0"),
        ({"tags": ["甲", "乙"]}, "0"),
        ({"$or": [{"部署": "経理"}, {"page": {"$lt": 2}}]}, "02"),
        ({"$and": [{"部署": "総務"}, {"page": {"$gt": 1}}]}, "1"),
        ({"$not": {"部署": "総務"}}, "234"),
        ({"$not": {"$or": [{"page": 1}, {"page": 2}]}, "部署": "経理"}, "2"),
        ({"$or": []}, ""),
        ({"$and": []}, "01234"),
        ({}, "01234"),
    ],
    ids=str,
)
def test_filters(filter, found):
    store = SwallowFAISS.from_texts(
        list("零一二三四"), CharacterEmbeddings(), FILTERED, ids=list("01234")
    )
    hits = store.similarity_search("零", k=9, filter=filter)
    assert "".join(sorted(d.id for d in hits)) == found


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"page": {"$near": 3}}, r"Unknown operator '\$near'. Use \$eq"),
        ({"$nor": []}, r"Unknown operator '\$nor'"),
        ({"部署": {"$in": "総務"}}, r"\$in takes a list, not '総務'"),
        ({"$or": {"a": 1}}, r"\$or takes a list"),
    ],
)
def test_filters_that_mean_nothing_are_refused(store, filter, message):
    with pytest.raises(ValueError, match=message):
        store.similarity_search("何", filter=filter)


# Changing


def test_documents_are_deleted_by_source_and_by_filter(store):
    store.delete(source="1.md")
    assert [d.id for d in store.documents] == list("acd")
    store.delete(source=["0.md", "none.md"])
    store.delete(filter={"source": {"$gte": "3"}})
    assert [d.id for d in store.documents] == ["c"]
    store.delete(filter=lambda document: "日当" in document.page_content)
    assert store.documents == []


def test_a_source_is_moved_without_embedding_it_again(store):
    embedded = len(store.embeddings.embedded)
    before = store.similarity_search_with_score("会議室", k=1)
    store.move_source("1.md", "新/1.md")
    ((document, score),) = store.similarity_search_with_score("会議室", k=1)
    assert (document.id, document.metadata) == ("b", {"source": "新/1.md", "部署": "総務"})
    assert score == before[0][1]
    assert len(store.embeddings.embedded) == embedded
    assert store.sources() == {"0.md": None, "2.md": None, "3.md": None, "新/1.md": None}


def test_many_small_additions_make_few_segments():
    store = SwallowFAISS(CharacterEmbeddings())
    for i in range(200):
        store.add_texts([f"{i}番"], ids=[str(i)])
    assert len(store) == 200
    assert len(store.snapshot().parts) <= 5
    assert [d.id for d in store.documents] == [str(i) for i in range(200)]
    store.delete([str(i) for i in range(0, 200, 2)])
    assert store.similarity_search("0番", k=1)[0].id != "0"
    store.optimize()
    (part,) = store.snapshot().parts
    assert (len(part), part.alive) == (100, None)


def test_a_transaction_is_one_change_or_none(tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path)
    seen = []

    def look():
        seen.append(len(SwallowFAISS(CharacterEmbeddings(), path=tmp_path)))

    with store.transaction():
        store.add_texts(["一", "二"])
        store.delete(filter=lambda document: document.page_content == "二")
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert len(store) == 0
    assert seen == [0]
    assert [d.page_content for d in store.documents] == ["一"]

    def fail():
        with store.transaction():
            store.add_texts(["三"])
            raise RuntimeError("半ばで失敗")

    with pytest.raises(RuntimeError, match="半ば"):
        fail()
    assert len(store) == len(SwallowFAISS(CharacterEmbeddings(), path=tmp_path)) == 1


def test_readers_see_whole_states_while_one_writes():
    store = SwallowFAISS.from_texts(["0"] * 10, CharacterEmbeddings())
    ended, wrong = threading.Event(), []

    def read():
        while not ended.is_set():
            found = [d.page_content for d in store.similarity_search("0", k=20)]
            if len(found) != 10 or len(set(found)) != 1:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(1, 40):
        with store.transaction():
            store.delete()
            store.add_texts([str(i)] * 10)
    ended.set()
    for reader in readers:
        reader.join()
    assert wrong == []


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_changes_leave_what_a_dict_would_have(data):
    store, wanted = SwallowFAISS(CharacterEmbeddings()), {}
    names = st.sampled_from("abcdefgh")
    for _ in range(data.draw(st.integers(1, 12))):
        if data.draw(st.booleans()):
            added = data.draw(st.lists(names, min_size=1, max_size=5))
            texts = [f"{name}{data.draw(st.integers(0, 9))}" for name in added]
            store.add_texts(texts, ids=added)
            wanted.update(zip(added, texts, strict=True))
        else:
            gone = data.draw(st.lists(names, max_size=3))
            store.delete(gone)
            for name in gone:
                wanted.pop(name, None)
        assert {d.id: d.page_content for d in store.documents} == wanted
        assert len(store) == len(wanted)
        found = store.similarity_search("a1", k=20)
        assert {d.id: d.page_content for d in found} == wanted
        scores = store.snapshot().scores(store.query_vector("a1")).tolist()
        by_id = {d.id: s for d, s in store.similarity_search_with_score("a1", k=20)}
        assert [by_id[d.id] for d in store.documents] == pytest.approx(scores, abs=1e-6)


async def test_langchains_indexing_works_with_it(store):
    """`langchain_core.indexing.index`, as with any vector store."""
    records = InMemoryRecordManager("test")
    records.create_schema()
    documents = [Document(text, metadata={"source": f"{i}.md"}) for i, text in enumerate(TEXTS)]
    fresh = SwallowFAISS(CharacterEmbeddings())
    options = {"cleanup": "full", "source_id_key": "source", "key_encoder": "sha256"}
    assert index(documents, records, fresh, **options)["num_added"] == 4
    assert index(documents, records, fresh, **options)["num_skipped"] == 4
    forced = index(documents, records, fresh, force_update=True, **options)
    assert forced["num_updated"] == 4
    assert len(fresh) == 4
    again = index(documents[:2], records, fresh, **options)
    assert again["num_deleted"] == 2
    assert {d.page_content for d in fresh.documents} == set(TEXTS[:2])


def test_wrong_input_is_refused(store):
    with pytest.raises(ValueError, match="2 texts, 1 metadatas and 2 ids"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(EmbeddingError, match="Vectors of 2 dimensions do not fit into an index of"):
        store.snapshot().adding([Passage("x", "x", {})], np.ones((1, 2), dtype=np.float32))
    with pytest.raises(EmbeddingError, match="non-finite"):
        SwallowFAISS.from_texts(["x"], FixedEmbeddings({"x": [float("nan"), 1.0]}))
    with pytest.raises(EmbeddingError, match="did not return vectors of one length"):
        SwallowFAISS.from_texts(["x", "y"], FixedEmbeddings({"x": [1.0], "y": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="metric must be cosine, ip or l2, not 'dot'"):
        SwallowFAISS(CharacterEmbeddings(), metric="dot")
    with pytest.raises(ValueError, match="index must be flat, hnsw or auto, not 'tree'"):
        SwallowFAISS(CharacterEmbeddings(), index="tree")
