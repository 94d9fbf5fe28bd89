"""Text comes out whole, as soon as it is complete, without stop strings and without U+FFFD."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.prompts import encode_text
from tests.support.tokenizers import TOKENIZERS, byte_level_tokenizer

ALL = [*TOKENIZERS, pytest.param(byte_level_tokenizer, id="byte level")]
texts = st.text(
    st.one_of(st.characters(exclude_categories=("Cs",), exclude_characters="\ufffd▁"),
              st.sampled_from("あ薔鬱𠮷🍣👨‍👩‍👧。 \n")),
    max_size=30,
)  # fmt: skip


def feed(text, tokenizer, stop=(), **options):
    detokenizer = Detokenizer(token_bytes(tokenizer), stop, **options)
    pieces = [detokenizer.push(i) for i in encode_text(text, tokenizer)]
    return [*pieces, detokenizer.finish()], detokenizer.stop_sequence


@pytest.mark.parametrize("tokenizer", ALL)
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_pieces_join_to_the_text(tokenizer, text):
    pieces, _ = feed(text, tokenizer())
    # A space that begins an answer is the one the prompt ended in.
    assert "".join(pieces) in (text, text.removeprefix(" "))
    assert all("\ufffd" not in piece for piece in pieces)


@settings(max_examples=50, deadline=None)
@given(text=texts)
def test_a_space_that_begins_an_answer_stays_where_it_is_part_of_it(text):
    made = byte_level_tokenizer()
    pieces, _ = feed(f" {text}", made, drops_first_space=False)
    assert "".join(pieces) == f" {text}"


@pytest.mark.parametrize("tokenizer", ALL)
def test_a_character_comes_with_the_token_that_completes_it(tokenizer):
    made = tokenizer()
    to_bytes = token_bytes(made)
    detokenizer = Detokenizer(to_bytes)
    seen, shown = b"", ""
    for token in encode_text("薔薇と🍣", made):
        shown += detokenizer.push(token)
        seen += to_bytes(token)
        assert shown == seen.decode("utf-8", "ignore").removeprefix(" ")


@settings(max_examples=200, deadline=None)
@given(
    text=st.text("ab。END終わ", max_size=20),
    stop=st.lists(st.text("ab。END終わ", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings_end_the_text_at_their_first_occurrence(text, stop):
    pieces, found = feed(text, TOKENIZERS[0].values[0](), stop)
    positions = [(text.find(s), -len(s), s) for s in stop if s in text]
    joined = "".join(pieces)
    if not positions:
        assert (joined, found) == (text, None)
    else:
        # The first to be complete ends the text; which is at least as early as any other.
        assert found in stop
        assert joined == text[: text.find(found)]
        assert not any(s in joined for s in stop)


def test_invalid_bytes_and_an_unfinished_character_are_left_out():
    table = {0: b"\xe3\x81", 1: b"a", 2: b"\xff", 3: b"\xf0\x9f"}
    detokenizer = Detokenizer(table.__getitem__)
    assert [detokenizer.push(i) for i in (1, 2, 1, 0)] == ["a", "", "a", ""]
    assert detokenizer.push(1) == "a"
    assert detokenizer.push(3) == ""
    assert detokenizer.finish() == ""


def test_special_tokens_and_rows_beyond_the_vocabulary_are_silent():
    tokenizer = TOKENIZERS[0].values[0]()
    to_bytes = token_bytes(tokenizer)
    assert to_bytes(tokenizer.eos_token_id) == b""
    assert to_bytes(10**6) == b""
