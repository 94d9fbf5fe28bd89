"""The drawn documents that train and measure the demo reader say what their questions ask."""

from random import Random

import pytest

from tests.demo_adapter.library import HELD_OUT, Library, draw_library
from tests.support.drawn import COMPOSED, KINDS
from tests.support.drawn.asking import reworded


@pytest.mark.parametrize("kind", COMPOSED)
def test_an_answer_stands_in_its_passage_and_not_to_what_is_absent(kind):
    rng = Random(0)
    for _ in range(5):
        library = Library([COMPOSED[kind](rng)])
        for asked, own in library.asked:
            assert asked.answer in library.texts[own]
            assert asked.answer not in asked.wrong.values()
            assert asked.question != asked.elsewhere
        elsewhere = {asked.elsewhere for asked, _ in library.asked}
        assert elsewhere.isdisjoint(asked.question for asked, _ in library.asked)


@pytest.mark.parametrize("kind", COMPOSED)
def test_the_same_seed_draws_the_same_document(kind):
    draw = COMPOSED[kind]
    assert draw(Random(3)) == draw(Random(3)) != draw(Random(4))


def test_the_passage_with_the_answer_is_shown_or_none_of_its_document_that_has_it():
    rng = Random(1)
    for _ in range(5):
        library = draw_library([KINDS[kind] for kind in HELD_OUT], rng)
        for asked, own in library.asked:
            assert own in (shown := library.shown(asked, own, 4, with_own=True))
            assert len(shown) == 4 == len(set(shown))
            source = library.chunks[own].metadata["source"]
            for i in library.shown(asked, own, 4, with_own=False):
                same = library.chunks[i].metadata["source"] == source
                assert not (same and asked.answer in library.texts[i])


def test_a_reworded_question_keeps_its_words():
    rng = Random(2)
    question = "トルクレンチの貸出期間は何日ですか。"
    forms = {reworded(question, rng) for _ in range(200)}
    assert question in forms
    assert len(forms) > 10
    assert all("トルクレンチ" in form and "貸出期間" in form for form in forms)
