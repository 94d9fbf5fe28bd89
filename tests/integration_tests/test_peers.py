"""What people use today, on the same data: each defect as it is, and what this package does.

langchain-community 0.4.2 is the last of its line. A test here that fails on the peer's half says
that the peer was mended: then the row of the README's comparison goes.
"""

import pickle

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_text_splitters import RecursiveCharacterTextSplitter

from langchain_swallow import HybridRetriever, JapaneseTextSplitter, SwallowFAISS, load_documents
from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.migration import convert_langchain_faiss
from tests.support.embeddings import CharacterEmbeddings

pytestmark = pytest.mark.filterwarnings("ignore")


class Given(Embeddings):
    """Vectors that a test chooses."""

    def __init__(self, vectors):
        self.vectors = {text: list(map(float, vector)) for text, vector in vectors.items()}

    def embed_documents(self, texts):
        return [self.vectors[text] for text in texts]

    def embed_query(self, text):
        return self.vectors[text]


@pytest.fixture(scope="module")
def community():
    return pytest.importorskip("langchain_community", reason="langchain-community is not installed")


@pytest.fixture
def peer_faiss(community):
    from langchain_community.vectorstores import FAISS

    return FAISS


@pytest.fixture
def strategies(community):
    from langchain_community.vectorstores.utils import DistanceStrategy

    return DistanceStrategy


OPPOSITE = Given({"同じ": (1, 0), "逆": (-1, 0), "問": (1, 0)})


def scores_of(store, **options):
    found = store.similarity_search_with_relevance_scores("問", k=2, **options)
    return {document.page_content: score for document, score in found}


def test_inner_product_relevance_is_not_inverted(peer_faiss, strategies):
    peer = peer_faiss.from_texts(
        ["同じ", "逆"], OPPOSITE, distance_strategy=strategies.MAX_INNER_PRODUCT
    )
    theirs = scores_of(peer)
    assert theirs["同じ"] < theirs["逆"]
    ours = scores_of(SwallowFAISS.from_texts(["同じ", "逆"], OPPOSITE, metric="ip"))
    assert 1 >= ours["同じ"] > ours["逆"] >= 0


def test_cosine_is_cosine(peer_faiss, strategies):
    vectors = Given({"近い": (10, 1), "遠い": (1, 1), "問": (1, 0)})
    peer = peer_faiss.from_texts(["近い", "遠い"], vectors, distance_strategy=strategies.COSINE)
    theirs = scores_of(peer)
    assert min(theirs.values()) < 0
    assert theirs["近い"] < theirs["遠い"]
    ours = scores_of(SwallowFAISS.from_texts(["近い", "遠い"], vectors))
    for text, vector in vectors.vectors.items():
        if text != "問":
            cosine = vector[0] / np.linalg.norm(vector)
            assert ours[text] == pytest.approx((1 + cosine) / 2)


def test_a_threshold_means_the_same_after_loading(peer_faiss, strategies, tmp_path):
    texts = {f"文{i}": (np.cos(i / 10), np.sin(i / 10)) for i in range(10)}
    vectors = Given({**texts, "問": (1, 0)})
    peer = peer_faiss.from_texts(
        list(texts), vectors, distance_strategy=strategies.MAX_INNER_PRODUCT
    )
    peer.save_local(str(tmp_path / "peer"))
    loaded = peer_faiss.load_local(
        str(tmp_path / "peer"), vectors, allow_dangerous_deserialization=True
    )
    assert scores_of(loaded) != scores_of(peer)
    ours = SwallowFAISS.from_texts(list(texts), vectors, metric="ip")
    ours.save_local(tmp_path / "ours")
    again = SwallowFAISS.load_local(tmp_path / "ours", vectors)
    for store in (ours, again):
        assert list(scores_of(store, score_threshold=0.5)) == ["文0", "文1"]
    assert scores_of(again) == scores_of(ours)


def test_an_index_is_nothing_that_runs_when_it_is_loaded(peer_faiss, tmp_path):
    peer = peer_faiss.from_texts(["同じ"], OPPOSITE)
    peer.save_local(str(tmp_path / "peer"))
    # A pickle, protocol 2 or later.
    assert (tmp_path / "peer" / "index.pkl").read_bytes()[:1] == b"\x80"
    SwallowFAISS.from_texts(["同じ"], OPPOSITE).save_local(tmp_path / "ours")
    files = [path for path in (tmp_path / "ours").rglob("*") if path.is_file()]
    assert files
    assert not any(path.suffix in (".pkl", ".pickle") for path in files)
    assert not any(path.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05") for path in files)


def test_a_document_that_comes_again_replaces_itself(peer_faiss):
    embeddings = CharacterEmbeddings()
    peer = peer_faiss.from_texts(["一"], embeddings)
    ours = SwallowFAISS(embeddings)
    documents = [
        Document(f"第{i}条の本文。", metadata={"source": "規程", "n": i}) for i in range(3)
    ]

    def found_after_indexing_twice(store):
        records = InMemoryRecordManager(f"{type(store).__name__}")
        records.create_schema()
        for force in (False, True):
            index(documents, records, store, cleanup=None, force_update=force, key_encoder="sha256")
        return store.similarity_search("第1条の本文。", k=10)

    found = found_after_indexing_twice(ours)
    assert len(found) == 3
    assert found[0].page_content == "第1条の本文。"
    with pytest.raises((KeyError, ValueError)):
        found_after_indexing_twice(peer)


def test_a_filter_finds_all_that_it_admits(peer_faiss):
    """Every other of 100 passages matches; the nearest are among the others."""
    texts = [f"{'遠' * 10 if i % 2 else '近'}{i}" for i in range(100)]
    metadatas = [{"far": bool(i % 2)} for i in range(100)]
    embeddings = CharacterEmbeddings()
    peer = peer_faiss.from_texts(texts, embeddings, metadatas)
    assert peer.similarity_search("近", k=4, filter={"far": True}) == []
    ours = SwallowFAISS.from_texts(texts, embeddings, metadatas)
    found = ours.similarity_search("近", k=4, filter={"far": True})
    assert [document.metadata["far"] for document in found] == [True] * 4


def test_deleting_what_is_not_there_is_no_error(peer_faiss):
    peer = peer_faiss.from_texts(["一"], CharacterEmbeddings())
    with pytest.raises(ValueError, match="not exist"):
        peer.delete(["ない"])
    ours = SwallowFAISS.from_texts(["一"], CharacterEmbeddings())
    ours.delete(["ない"])
    assert len(ours) == 1


def test_japanese_is_found_by_its_words(community):
    """Words split at spaces are whole sentences in Japanese."""
    pytest.importorskip("rank_bm25", reason="rank_bm25 is not installed")
    from langchain_community.retrievers import BM25Retriever

    texts = [
        f"第{i}条 従業員の{name}について定める。"
        for i, name in enumerate("服装 休暇 賃金 出張".split())
    ]
    question = "出張の決まりを教えてください。"
    peer = BM25Retriever.from_texts(texts)
    assert not any(peer.vectorizer.get_scores(question.split()))
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings())
    (found,) = HybridRetriever(store=store, k=1, lexical_weight=1).invoke(question)
    assert found.page_content == texts[3]


@pytest.mark.parametrize("encoding", ["cp932", "iso2022_jp", "utf-8-sig", "euc_jp"])
def test_files_are_read_in_their_encoding(community, tmp_path, encoding):
    from langchain_community.document_loaders import TextLoader

    text = "有給休暇は入社半年後に十日付与する。"
    path = tmp_path / "規程.txt"
    path.write_text(text, encoding=encoding)
    try:
        (theirs,) = TextLoader(str(path), autodetect_encoding=True).load()
        theirs = theirs.page_content
    except Exception as error:
        theirs = error
    (ours,) = load_documents(path)
    assert ours.page_content == text
    if encoding in ("iso2022_jp", "utf-8-sig"):
        # Escape sequences as text; a byte order mark before it.
        assert theirs != text


def test_a_sentence_keeps_its_end():
    """Given 。 as a separator, LangChain's splitter begins the next chunk with it."""
    text = "有給休暇は十日。慶弔休暇は五日。夏季休暇は三日。"
    theirs = RecursiveCharacterTextSplitter(
        separators=["。"], chunk_size=9, chunk_overlap=0
    ).split_text(text)
    assert any(chunk.startswith("。") for chunk in theirs)
    ours = JapaneseTextSplitter(9, len, overlap=0).split_text(text)
    assert ours == ["有給休暇は十日。", "慶弔休暇は五日。", "夏季休暇は三日。"]


# Coming from the peer


@pytest.fixture
def saved(peer_faiss, tmp_path):
    texts = [f"第{i}条は{i * 7}日とする。" for i in range(20)]
    metadatas = [{"source": "規程.txt", "条": i, "語": ["休暇", None, 1.5]} for i in range(20)]
    peer = peer_faiss.from_texts(texts, CharacterEmbeddings(), metadatas)
    peer.save_local(str(tmp_path / "peer"))
    return peer, tmp_path / "peer"


def test_a_folder_is_converted(saved, tmp_path):
    peer, folder = saved
    store = convert_langchain_faiss(
        folder, CharacterEmbeddings(), path=tmp_path / "索引", metric="l2"
    )
    again = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引", metric="l2")
    for question in ("第3条", "第17条は何日", "119日"):
        wanted = [d.page_content for d in peer.similarity_search(question, k=1)]
        for made in (store, again):
            found = made.similarity_search(question, k=1)
            assert [d.page_content for d in found] == wanted
    theirs = {d.id: (d.page_content, d.metadata) for d in peer.docstore._dict.values()}
    assert {d.id: (d.page_content, d.metadata) for d in again.documents} == theirs


def test_a_pickle_that_would_do_something_is_refused(saved, tmp_path):
    _, folder = saved
    trace = tmp_path / "ran"

    class Harm:
        def __reduce__(self):
            return (open, (str(trace), "w"))

    (folder / "index.pkl").write_bytes(pickle.dumps((Harm(), {})))
    with pytest.raises(IndexStoreError, match=r"asks for _?io\.open"):
        convert_langchain_faiss(folder, CharacterEmbeddings())
    assert not trace.exists()


def test_what_cannot_be_converted_says_why(saved, tmp_path):
    _, folder = saved
    with pytest.raises(FileNotFoundError, match="does not exist"):
        convert_langchain_faiss(tmp_path / "ない", CharacterEmbeddings())

    class Other(CharacterEmbeddings):
        def embed_query(self, text):
            return super().embed_query(text[::-1] + "別")[::-1]

    with pytest.raises(IndexStoreError, match="made with another embedding model"):
        convert_langchain_faiss(folder, Other())
    small = Given({"第0条は0日とする。": (1, 0)})
    with pytest.raises(IndexStoreError, match="256 dimensions, but this embedding model returns 2"):
        convert_langchain_faiss(folder, small)
    (folder / "index.faiss").write_bytes((folder / "index.faiss").read_bytes()[:500])
    with pytest.raises(IndexStoreError, match="cannot be read as LangChain's FAISS"):
        convert_langchain_faiss(folder, CharacterEmbeddings())
