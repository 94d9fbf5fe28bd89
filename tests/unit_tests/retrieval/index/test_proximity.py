"""How much of a question stands close together: against the plain way, and what it is for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_swallow import HybridRetriever, SwallowFAISS
from langchain_swallow.retrieval import fusion
from langchain_swallow.retrieval.index.bm25 import ngram_weights, ngrams
from langchain_swallow.retrieval.index.proximity import _WINDOW, proximities
from langchain_swallow.text.normalize import normalize
from tests.support.embeddings import CharacterEmbeddings

LETTERS = "あいう漢字ＡB1 。-①\n"


def plain(idfs, text):
    """Every window, one after another."""
    terms, places = ngrams(normalize(text))
    stand = list(zip(terms.tolist(), places.tolist(), strict=True))
    windows = [
        {term for term, place in stand if first <= place < first + _WINDOW and term in idfs}
        for _, first in stand
    ]
    return max((sum(idfs[term] for term in w) for w in windows), default=0) / sum(idfs.values())


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.text(LETTERS, max_size=90), max_size=5),
    st.dictionaries(st.sampled_from("あいう漢字ab1"), st.floats(0.01, 9), min_size=1),
)
def test_the_best_window_counts(texts, weights):
    idfs = {ord(letter): weight for letter, weight in weights.items()}
    assert proximities(idfs, texts) == pytest.approx([plain(idfs, t) for t in texts], abs=1e-6)


def test_a_question_of_no_words_is_near_nothing():
    assert proximities({}, ["本文。"]).tolist() == [0.0]
    store = SwallowFAISS.from_texts(["本文。"], CharacterEmbeddings())
    assert store.snapshot().proximities("。？", ["本文。", ""]).tolist() == [0.0, 0.0]


def test_all_of_a_question_in_one_sentence_is_one():
    store = SwallowFAISS.from_texts(["本社は東京に移った。"], CharacterEmbeddings())
    texts = ["前文。" * 30 + "本社は東京に移った。", "本社"]
    near = store.snapshot().proximities("本社は東京", texts)
    assert near[0] == pytest.approx(1)
    assert 0 < near[1] < 0.5
    assert set(ngram_weights("本社")) <= set(ngram_weights("本社は東京"))


def test_the_sentence_that_answers_goes_before_words_that_are_scattered(monkeypatch):
    filling = "案内は受付にある。" * 6
    scattered = f"旧館の食堂。{filling}定休日の表。{filling}旧館の図。"
    answers = f"{filling}{filling}{filling}受付は二階。旧館の食堂の定休日は月曜。"
    store = SwallowFAISS.from_texts([scattered, answers, "庭園は無料。"], CharacterEmbeddings())
    retriever = HybridRetriever(store=store, k=2, lexical_weight=1)
    found = retriever.invoke("旧館の食堂の定休日")
    assert [d.page_content for d in found] == [answers, scattered]
    near = [d.metadata["proximity_score"] for d in found]
    assert near[0] == pytest.approx(1)
    assert near[1] < 0.8
    monkeypatch.setattr(fusion, "_PROXIMITY_SHARE", 0)
    assert retriever.invoke("旧館の食堂の定休日")[0].page_content == scattered


def test_scores_stay_within_their_range_and_order():
    texts = ["東京。" * n for n in range(1, 40)]
    store = SwallowFAISS.from_texts(texts, CharacterEmbeddings())
    for k in (1, 5, 30):
        found = HybridRetriever(store=store, k=k).invoke("東京")
        scores = [d.metadata["score"] for d in found]
        assert len(scores) == k
        assert scores == sorted(scores, reverse=True)
        assert 0 <= scores[-1] <= scores[0] <= 1
