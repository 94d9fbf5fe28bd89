"""An answer is scored token by token where a grammar would change its log probabilities."""

import pytest

from langchain_swallow.engines.protocol import Chunk, Finish, Grammar, Request, TokenLogprob
from langchain_swallow.engines.scoring import score
from langchain_swallow.errors import EngineError
from langchain_swallow.prompts import encode_inside
from tests.support.tokenizers import trained_tokenizer

TOKENIZER = trained_tokenizer()
# Not in the vocabulary, so it is three tokens, none of which is text alone.
ANSWER = "薔"
IDS = tuple(encode_inside(ANSWER, TOKENIZER))
REQUEST = Request(
    prompt_ids=(1, 300),
    max_tokens=9,
    logprobs=0,
    grammar=Grammar("lark", f'start: "{ANSWER}"'),
    scored_ids=IDS,
)


def piece(token):
    return TOKENIZER.convert_ids_to_tokens(token)


async def events_of(report):
    """The events of the answer, and the requests for its tokens, answered by `report`."""
    steps = []

    async def generate(request):
        steps.append(request)
        yield Chunk("", report(request.scored_ids[0]))
        prompt = len(request.prompt_ids)
        yield Finish("length", prompt, 1, cached_tokens=prompt - 2)

    return [event async for event in score(REQUEST, TOKENIZER, generate)], steps


async def test_each_token_is_allowed_alone_after_those_before_it():
    def report(token):
        return (TokenLogprob(piece(token), -0.5 * token, ((piece(token), -1.0), ("x", -2.0))),)

    (*chunks, finish), steps = await events_of(report)
    assert len(IDS) == 3
    assert [step.prompt_ids for step in steps] == [(1, 300, *IDS[:i]) for i in range(3)]
    assert [step.scored_ids for step in steps] == [(i,) for i in IDS]
    assert {(step.max_tokens, step.grammar) for step in steps} == {(1, None)}
    assert "".join(chunk.text for chunk in chunks) == ANSWER
    assert [chunk.logprobs for chunk in chunks] == [
        (TokenLogprob(piece(i), -0.5 * i),) for i in IDS
    ]
    assert finish == Finish("stop", 2, 3)


@pytest.mark.parametrize(
    ("token", "logprob", "top", "message"),
    [
        ("x", -1.0, [("x", -1.0), ("y", -2.0)], r"generated \['x'\] where '<0xE8>' was the only"),
        (None, 0.0, [], r"generated \[\] where"),
        (
            "<0xE8>",
            0.0,
            [("<0xE8>", 0.0), ("y", -9999.0)],
            "of the allowed tokens, not the model's",
        ),
        ("<0xE8>", 0.0, [("<0xE8>", 0.0)], "of the allowed tokens"),
        ("<0xE8>", 7.5, [("<0xE8>", 7.5), ("y", 2.0)], "of the allowed tokens"),
    ],
    ids=["another token", "no log probabilities", "masked", "masked and left out", "logits"],
)
async def test_what_is_not_the_models_own_is_an_error(token, logprob, top, message):
    reported = (TokenLogprob(token, logprob, tuple(top)),) if token else ()
    with pytest.raises(EngineError, match=message):
        await events_of(lambda _: reported)
