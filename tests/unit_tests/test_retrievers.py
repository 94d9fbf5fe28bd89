"""HybridRetriever: fusion, order and freshness."""

import sys

import pytest
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_swallow import HybridRetriever, SwallowFAISS
from langchain_swallow.errors import MissingDependencyError
from langchain_swallow.text.lexical import sudachi_terms
from tests.unit_tests.embeddings import CharacterEmbeddings

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
@pytest.mark.parametrize("lexical_weight", [0.0, 0.4, 1.0])
def test_the_passage_that_answers_comes_first(store, question, wanted, lexical_weight):
    found = HybridRetriever(store=store, k=2, lexical_weight=lexical_weight).invoke(question)
    assert found[0].page_content == TEXTS[wanted]
    assert len(found) == 2
    scores = [d.metadata["score"] for d in found]
    assert 1 >= scores[0] >= scores[1] >= 0
    assert {"lexical_score", "dense_score"} <= set(found[0].metadata)


def test_full_width_letters_find_their_half_width_ones(store):
    found = HybridRetriever(store=store, k=1).invoke("ＡＢＣー１００")
    assert found[0].page_content == TEXTS[3]


def test_words_meet_in_their_normalised_form(store):
    store.add_texts(["引っ越しの手当は100,000円とする。"])
    found = HybridRetriever(store=store, k=1, words=True, lexical_weight=1).invoke("引越")
    assert found[0].page_content.startswith("引っ越し")
    terms = sudachi_terms()
    assert set(terms("引越")) & set(terms("引っ越し")) == {"引っ越し"}
    assert "は" not in terms("手当は")


def test_words_without_sudachi_name_the_extra(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "sudachipy", None)
    with pytest.raises(MissingDependencyError, match=r"pip install langchain-swallow\[sudachi\]"):
        HybridRetriever(store=store, words=True).invoke("引越")


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
