"""HybridRetriever: fusion, order and freshness."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_swallow import HybridRetriever, JapaneseTextSplitter, SwallowFAISS
from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.retrieval.fusion import Ranked
from langchain_swallow.text.terms import sudachi_terms
from tests.support.bm25 import BM25
from tests.support.embeddings import CharacterEmbeddings, FixedEmbeddings

TEXTS = [
    "有給休暇は入社半年後に10日付与する。",
    "会議室は本社ビルの3階にある。",
    "出張の日当は3,000円とする。",
    "製品ABC-100の保証期間は2年間。",
    "食堂のカレーは500円。",
]


@pytest.fixture
def store():
    return SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings())


class TestStandard(RetrieversIntegrationTests):
    """LangChain's own tests of a retriever; it needs no server."""

    @property
    def retriever_constructor(self):
        return HybridRetriever

    @property
    def retriever_constructor_params(self):
        return {"store": SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings()), "k": 3}

    @property
    def retriever_query_example(self):
        return "会議室はどこですか。"


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("有給休暇は何日もらえますか。", 0),
        ("会議室はどこですか。", 1),
        ("出張したときの日当は。", 2),
        ("abc-100の保証", 3),
        ("カレーの値段", 4),
    ],
)
@pytest.mark.parametrize("lexical_weight", [0.0, 0.68, 1.0])
def test_the_passage_that_answers_comes_first(store, question, wanted, lexical_weight):
    found = HybridRetriever(store=store, k=2, lexical_weight=lexical_weight).invoke(question)
    assert found[0].page_content == TEXTS[wanted]
    assert len(found) == 2
    scores = [d.metadata["score"] for d in found]
    assert 1 >= scores[0] >= scores[1] >= 0
    assert {"lexical_score", "proximity_score", "dense_score"} <= set(found[0].metadata)


def test_full_width_letters_find_their_half_width_ones(store):
    found = HybridRetriever(store=store, k=1).invoke("ＡＢＣー１００")
    assert found[0].page_content == TEXTS[3]


def test_words_meet_in_their_normalised_form(store):
    store.add_texts(["引っ越しの手当は100,000円とする。"])
    found = HybridRetriever(store=store, k=1, tokenizer="sudachi", lexical_weight=1).invoke("引越")
    assert found[0].page_content.startswith("引っ越し")
    terms = sudachi_terms()
    assert set(terms("引越")) & set(terms("引っ越し")) == {"引っ越し"}
    assert "は" not in terms("手当は")


def test_terms_are_those_of_a_function(store):
    store.add_texts(["番号 X-7 の鍵", "番号 X-8 の鍵"])
    retriever = HybridRetriever(store=store, k=1, tokenizer=str.split, lexical_weight=1)
    found = [retriever.invoke(f"鍵 X-{number}")[0] for number in (7, 8)]
    assert [d.page_content[3:6] for d in found] == ["X-7", "X-8"]
    assert found[0].metadata["lexical_score"] > 0
    # A part of a term is not the term.
    assert retriever.invoke("X")[0].metadata["lexical_score"] == 0
    # A copy with another tokenizer does not keep the old one.
    copied = retriever.model_copy(update={"tokenizer": "ngram"})
    assert copied.invoke("X")[0].metadata["lexical_score"] > 0
    with pytest.raises(ValueError, match="'ngram' or 'sudachi'"):
        HybridRetriever(store=store, tokenizer="mecab")


def test_words_without_sudachi_name_the_extra(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "sudachipy", None)
    sudachi_terms.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install langchain-swallow\[sudachi\]"):
        HybridRetriever(store=store, tokenizer="sudachi").invoke("引越")


def test_documents_added_later_are_found(store):
    retriever = HybridRetriever(store=store, k=1)
    retriever.invoke("駐車場")
    store.add_texts(["駐車場は地下1階。"])
    assert retriever.invoke("駐車場は")[0].page_content == "駐車場は地下1階。"
    store.delete([retriever.invoke("駐車場は")[0].id])
    assert retriever.invoke("駐車場は")[0].page_content != "駐車場は地下1階。"


def test_nothing_is_found_in_nothing(store):
    assert HybridRetriever(store=SwallowFAISS(CharacterEmbeddings())).invoke("問") == []
    assert HybridRetriever(store=store).invoke("  ") == []
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        HybridRetriever(store=store, k=0)


def test_the_store_is_not_changed_by_scores(store):
    HybridRetriever(store=store).invoke("会議室")
    assert all("score" not in d.metadata for d in store.documents)


def test_conditions_are_met_before_the_search():
    metadatas = [{"部署": "総務" if i < 2 else "経理"} for i in range(5)]
    store = SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings(), metadatas)
    accounting = {"部署": "経理"}
    found = HybridRetriever(store=store, k=9, filter=accounting).invoke("会議室はどこですか。")
    assert {d.page_content for d in found} == set(TEXTS[2:])
    retriever = HybridRetriever(store=store, k=1)
    by_call = retriever.invoke("会議室はどこですか。", filter={"部署": {"$ne": "総務"}})
    assert by_call[0].page_content in TEXTS[2:]
    assert retriever.invoke("会議室", filter={"部署": "なし"}) == []
    # The vectors' scores are scaled over what may be found: one there has all of their weight.
    assert found[0].metadata["score"] >= 0.32


def test_what_scores_less_than_wanted_is_left_out(store):
    retriever = HybridRetriever(store=store, k=5, score_threshold=0.35)
    found = retriever.invoke("会議室はどこですか。")
    assert [d.page_content for d in found] == [TEXTS[1]]
    assert len(retriever.invoke("会議室はどこですか。", score_threshold=0.0)) == 5
    with pytest.raises(TypeError, match="unexpected keyword argument 'threshold'"):
        retriever.invoke("会議室はどこですか。", threshold=0.0)


class Longest:
    """A reranker by length, which shows what it was given."""

    def score(self, query, texts):
        self.given = (query, list(texts))
        return [len(text) for text in texts]


def test_a_reranker_orders_the_candidates_anew(store):
    reranker = Longest()
    found = HybridRetriever(store=store, k=2, reranker=reranker, candidates=4).invoke("会議室")
    assert [d.page_content for d in found] == sorted(reranker.given[1], key=len, reverse=True)[:2]
    assert reranker.given[0] == "会議室"
    assert len(reranker.given[1]) == 4
    assert found[0].metadata["rerank_score"] == len(found[0].page_content)


def test_one_result_a_document():
    texts = ["会議室は3階。", "会議室は4階。", "会議室の予約は総務。"]
    metadatas = [{"source": "a"}, {"source": "a"}, {"source": "b"}]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings(), metadatas)
    retriever = HybridRetriever(store=store, k=3, one_per_document=True)
    found = retriever.invoke("会議室は4階ですか。")
    assert [d.page_content for d in found] == [texts[1], texts[2]]


def test_diversity_prefers_what_differs():
    texts = ["有給休暇は10日です。", "有給休暇は10日です！", "有給の申請は上司へ。"]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings())
    found = HybridRetriever(store=store, k=2, diversity=0.8).invoke("有給休暇は10日です。")
    assert [d.page_content for d in found] == [texts[0], texts[2]]


def test_neighbors_join_the_section_and_nothing_else():
    text = "".join(f"第{i}文は{'あ' * 10}です。" for i in range(12))
    whole = Document(text, metadata={"source": "a", "headings": "章"})
    other = Document("まったく別の話。" * 3, metadata={"source": "a", "headings": "別"})
    chunks = JapaneseTextSplitter(40, len).split_documents([whole, other])
    store = SwallowFAISS.from_documents(chunks, CharacterEmbeddings())
    for count in (1, 2, 20):
        retriever = HybridRetriever(store=store, k=1, neighbors=count)
        (found,) = retriever.invoke("第6文は何ですか。")
        start, end = found.metadata["start_index"], found.metadata["end_index"]
        assert found.page_content == text[start:end]
        assert "第6文" in found.page_content
    assert (start, end) == (0, len(text))
    # A neighbor that was deleted is not there, and what lies beyond it does not touch.
    store.delete([d.id for d in store.documents if "第8文" in d.page_content])
    (found,) = HybridRetriever(store=store, k=1, neighbors=20).invoke("第6文は何ですか。")
    assert found.page_content == text[: found.metadata["end_index"]]
    assert found.metadata["end_index"] < len(text)


# The lexical index


def test_few_shared_words_leave_the_choice_to_the_vectors():
    """Scaled by the best, BM25 would give 1 to the passage that shares は and か alone."""
    texts = [
        "出張の日当は3,000円とする。",
        "食堂のカレーは何円か。",
        *(f"第{i}条はない。" for i in range(20)),
    ]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings())
    now = store.snapshot()
    strange, familiar = "昼食はいくらか。", "食堂のカレーは何円か。"
    assert now.lexical_scores(strange).max() < 0.2
    assert now.lexical_scores(familiar).max() > 0.3
    dense = np.zeros(len(texts), dtype=np.float32)
    dense[:2] = 1.0, 0.5
    for question, first in ((strange, 0), (familiar, 1)):
        ranked = Ranked(now.lexical_scores(question), dense, 0.68, None)
        assert ranked.best(1) == [first]


@pytest.mark.parametrize("size", [1.0, 1000.0, 1e18])
def test_inner_products_of_any_size_rank_as_the_vector_store_does(size):
    """Their scores, for thresholds, are 1 for all large ones."""
    rows = (size * np.random.default_rng(0).normal(size=(60, 4))).astype(np.float32)
    names = [str(number) for number in range(60)]
    vectors = dict(zip(names, rows.tolist(), strict=True))
    store = SwallowFAISS(FixedEmbeddings(vectors), metric="ip")
    for added in (names[:51], names[51:]):
        store.add_texts(added)
    assert len(store.snapshot().parts) == 2
    found = HybridRetriever(store=store, lexical_weight=0.0, k=60).invoke("7")
    wanted = np.argsort(-(rows @ rows[7])).tolist()
    assert [int(document.page_content) for document in found] == wanted
    assert all(0 <= document.metadata["dense_score"] <= 1 for document in found)


def test_a_question_without_evidence_finds_nothing(store):
    retriever = HybridRetriever(store=store, min_lexical_score=0.1, min_dense_score=0.95)
    assert retriever.invoke("会議室はどこですか。")[0].page_content == TEXTS[1]
    # Every word of it in the passage: enough without the vectors, and the other way round.
    by_words = retriever.model_copy(update={"min_dense_score": 1.0})
    assert by_words.invoke("会議室はどこですか。")
    by_vectors = retriever.model_copy(update={"min_lexical_score": 1.0})
    assert by_vectors.invoke(TEXTS[1])
    assert retriever.invoke("野球部の監督は誰ですか。") == []
    assert retriever.invoke("会議室はどこですか。", filter={"部署": "なし"}) == []


def lexical(store, query, terms=None):
    return store.snapshot().lexical_scores(query, terms).tolist()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("あいう漢字ＡB1 。-①", max_size=12), min_size=1, max_size=8),
    st.text("あいう漢字ＡB1 。-①", max_size=8),
    st.data(),
)
def test_scores_are_those_of_bm25_over_what_is_left(texts, query, data):
    """Whatever was added one by one, replaced or deleted: the plain implementation agrees."""
    store = SwallowFAISS(CharacterEmbeddings())
    for i, text in enumerate(texts):
        store.add_texts([text], ids=[str(i)])
    gone = data.draw(st.sets(st.sampled_from(range(len(texts)))))
    store.delete([str(i) for i in gone])
    left = [d.page_content for d in store.documents]
    assert lexical(store, query) == pytest.approx(BM25(left).scores(query).tolist(), abs=1e-4)
    terms = str.split
    wanted = BM25(left, terms).scores(query).tolist()
    assert lexical(store, query, terms) == pytest.approx(wanted, abs=1e-4)


def test_the_lexical_index_is_saved(store, tmp_path):
    store.save_local(tmp_path)
    loaded = SwallowFAISS.load_local(tmp_path, CharacterEmbeddings())
    question = "会議室はどこですか。"
    assert lexical(loaded, question) == lexical(store, question)
    found = [d.page_content for d in HybridRetriever(store=loaded).invoke(question)]
    assert found == [d.page_content for d in HybridRetriever(store=store).invoke(question)]


RULE = (
    "年次有給休暇は、入社の日から六か月のあいだ継続して勤務し、"
    "全労働日の八割以上を出勤した社員に十日を与える。"
)


def copies(texts, **metadata):
    return [
        Document(text, metadata={"title": f"版{i}", "source": f"版{i}.txt", **metadata})
        for i, text in enumerate(texts)
    ]


def test_copies_take_one_place(store):
    store.add_documents(copies([RULE, RULE.replace("、", "、\n"), f" {RULE}"] * 30))
    first, second, third = HybridRetriever(store=store, k=3).invoke(
        "全労働日の八割以上を出勤した社員は。"
    )
    assert "".join(first.page_content.split()) == RULE
    assert sorted([first.metadata["source"], *first.metadata["also_in"]]) == sorted(
        f"版{i}.txt" for i in range(90)
    )
    assert {second.page_content, third.page_content} < set(TEXTS)
    assert "also_in" not in second.metadata


def test_copies_without_a_source_are_copies(store):
    store.add_texts([RULE, RULE])
    found = HybridRetriever(store=store, k=2).invoke("全労働日の八割以上を出勤した社員は。")
    assert [d.page_content == RULE for d in found] == [True, False]
    assert "also_in" not in found[0].metadata


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param(copies(["有給休暇は該当なし。"] * 3), id="few words in several documents"),
        pytest.param(
            [copies([RULE], headings=name)[0] for name in ("社員", "嘱託", "顧問")], id="headings"
        ),
        pytest.param(copies([RULE, RULE.replace("十日", "二日"), RULE + "別に"]), id="words"),
    ],
)
def test_what_differs_is_no_copy(store, documents):
    store.add_documents(documents)
    found = HybridRetriever(store=store, k=len(TEXTS) + 3).invoke("有給休暇は何日もらえますか。")
    assert {d.page_content for d in found} == {*TEXTS, *(d.page_content for d in documents)}
    assert len(found) == len(TEXTS) + 3
