"""SwallowFAISS: search, replacement, saving and damage."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_swallow import SwallowEmbeddings, SwallowFAISS
from langchain_swallow.errors import EmbeddingError, IndexStoreError
from langchain_swallow.index_folder import read_manifest
from langchain_swallow.vectorstores import passage_text
from tests.unit_tests.embeddings import CharacterEmbeddings

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


class Fixed(Embeddings):
    def __init__(self, vectors):
        self.vectors = vectors

    def embed_documents(self, texts):
        return [self.vectors[text] for text in texts]

    def embed_query(self, text):
        return self.vectors[text]


def test_scores_are_cosine_scaled_to_zero_and_one():
    vectors = {"同": [2.0, 0.0], "直角": [0.0, 3.0], "逆": [-1.0, 0.0], "問": [5.0, 0.0]}
    store = SwallowFAISS.from_texts(["逆", "直角", "同"], Fixed(vectors))
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
    assert store.query_scores(query).tolist() == pytest.approx(
        ((1 + rows[:-1] @ rows[-1]) / 2).tolist(), abs=1e-5
    )


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


# Saving


def test_a_saved_index_is_the_same(store, tmp_path):
    store.delete(["b"])
    store.save_local(tmp_path / "索引")
    loaded = SwallowFAISS.load_local(tmp_path / "索引", CharacterEmbeddings())
    assert loaded.documents == store.documents
    assert loaded.similarity_search_with_score("円", 3) == store.similarity_search_with_score(
        "円", 3
    )
    loaded.add_texts(["新"], ids=["b"])
    assert len(loaded) == 4
    assert {path.name for path in (tmp_path / "索引").iterdir()} == {
        "manifest.json",
        "passages.sqlite",
        "vectors.faiss",
    }


def test_an_empty_store_is_saved(tmp_path):
    SwallowFAISS(CharacterEmbeddings()).save_local(tmp_path / "i")
    assert len(SwallowFAISS.load_local(tmp_path / "i", CharacterEmbeddings())) == 0


def test_saving_again_replaces_the_whole(store, tmp_path):
    store.save_local(tmp_path / "i")
    store.delete(["a"])
    store.save_local(tmp_path / "i")
    assert len(SwallowFAISS.load_local(tmp_path / "i", CharacterEmbeddings())) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["i"]


def test_the_old_index_survives_a_failed_save(store, tmp_path, monkeypatch):
    store.save_local(tmp_path / "i")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("langchain_swallow.index_folder._write_passages", fail)
    with pytest.raises(OSError, match="disk full"):
        store.save_local(tmp_path / "i")
    assert len(SwallowFAISS.load_local(tmp_path / "i", CharacterEmbeddings())) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["i"]


def test_a_folder_of_something_else_is_not_overwritten(store, tmp_path):
    (tmp_path / "大事.txt").write_text("x", encoding="utf-8")
    with pytest.raises(IndexStoreError, match="is no index and not empty"):
        store.save_local(tmp_path)


@pytest.mark.parametrize("name", ["vectors.faiss", "passages.sqlite", "manifest.json"])
def test_damage_is_found_before_anything_is_read(store, tmp_path, name):
    store.save_local(tmp_path / "i")
    path = tmp_path / "i" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(IndexStoreError, match="is damaged"):
        SwallowFAISS.load_local(tmp_path / "i", CharacterEmbeddings())


def test_another_version_and_another_embedding_are_refused(store, tmp_path):
    folder = tmp_path / "i"
    store.save_local(folder)
    with pytest.raises(IndexStoreError, match="was made with the embedding"):
        SwallowFAISS.load_local(folder, CharacterEmbeddings("other"))
    manifest = read_manifest(folder)
    manifest["format_version"] = 99
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(IndexStoreError, match="index format 99, this version reads 1"):
        SwallowFAISS.load_local(folder, CharacterEmbeddings())
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match=r"holds no index\. Make one with"):
        SwallowFAISS.load_local(folder, CharacterEmbeddings())


def test_prefixes_are_part_of_the_index(tmp_path):
    made = SwallowFAISS(SwallowEmbeddings("intfloat/multilingual-e5-small"))
    made.save_local(tmp_path / "i")
    assert read_manifest(tmp_path / "i")["embedding"] == {
        "class": "SwallowEmbeddings",
        "model": "intfloat/multilingual-e5-small",
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
    }
    other = SwallowEmbeddings("intfloat/multilingual-e5-small", query_prefix="")
    with pytest.raises(IndexStoreError, match="was made with the embedding"):
        SwallowFAISS.load_local(tmp_path / "i", other)


def test_wrong_input_is_refused(store):
    with pytest.raises(ValueError, match="2 texts, 1 metadatas and 2 ids"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(
        EmbeddingError, match="Vectors of 2 dimensions do not go into an index of 256"
    ):
        SwallowFAISS._put(store, [Document("x", id="x")], np.ones((1, 2), dtype=np.float32))
    with pytest.raises(EmbeddingError, match="non-finite"):
        SwallowFAISS.from_texts(["x"], Fixed({"x": [float("nan"), 1.0]}))
