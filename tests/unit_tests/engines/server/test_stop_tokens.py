"""Tokens that end an answer, such as `</think>`: what servers are sent, and what they say."""

import pytest

from langchain_swallow.engines.protocol import Chunk, Request
from langchain_swallow.engines.server.protocol import Answer, Flavor, build_payload
from langchain_swallow.prompts import encode_markup
from tests.support.thinking import qwen3_tokenizer

TOKENIZER = qwen3_tokenizer()
CLOSING = TOKENIZER.convert_tokens_to_ids("</think>")
REQUEST = Request(prompt_ids=(5, 6), max_tokens=8, stop=("。",), stop_tokens=(CLOSING,))


def body(kind):
    return build_payload(REQUEST, TOKENIZER, Flavor("m", kind))


def test_a_server_is_sent_the_tokens_or_their_texts():
    for kind in ("vllm", "sglang"):
        assert body(kind)["stop_token_ids"] == [CLOSING]
        assert body(kind)["stop"] == ["。"]
    for kind in ("somebody", "llamacpp"):
        assert "stop_token_ids" not in body(kind)
        assert body(kind)["stop"] == ["。", "</think>"]
    # Without this llama.cpp writes no text of a special token.
    assert "</think>" in body("llamacpp")["preserved_tokens"]


@pytest.mark.parametrize(("kind", "said"), [("vllm", "stop_reason"), ("sglang", "matched_stop")])
def test_the_token_that_ended_an_answer_is_known_and_not_shown(kind, said):
    answer = Answer(REQUEST, TOKENIZER, Flavor("m", kind))
    ids = encode_markup("考え</think>", TOKENIZER)
    last = {"text": "", "token_ids": ids, "finish_reason": "stop", said: CLOSING}
    *chunks, end = [*answer.read({"choices": [last]}), *answer.end()]
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)) == "考え"
    assert (end.stop_token, end.stop_sequence, end.token_ids) == (CLOSING, None, tuple(ids))


@pytest.mark.parametrize(
    ("choice", "stop_token", "stop_sequence"),
    [
        ({"finish_reason": "stop"}, CLOSING, None),
        ({"finish_reason": "stop", "stop_reason": "</think>"}, CLOSING, None),
        ({"finish_reason": "stop", "stop_reason": "。"}, None, "。"),
        ({"finish_reason": "length"}, None, None),
    ],
)
def test_a_server_of_texts_says_what_ended_an_answer_or_nothing(choice, stop_token, stop_sequence):
    answer = Answer(REQUEST, TOKENIZER, Flavor("m", "somebody"))
    *_, end = [*answer.read({"choices": [{"text": "考え", **choice}]}), *answer.end()]
    assert (end.stop_token, end.stop_sequence) == (stop_token, stop_sequence)
