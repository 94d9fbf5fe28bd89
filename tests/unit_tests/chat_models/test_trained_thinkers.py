"""Thoughts of models that were trained here to think, on the local engine."""

import asyncio

import pytest
from langchain_core.messages import HumanMessage, message_chunk_to_message

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.streams import Stream
from tests.support.thinkers import answer, question, thinker, thought

pytestmark = pytest.mark.slow

SUMS = [(3, 4), (9, 9), (0, 5), (7, 8), (6, 1)]


# One worker of xdist asks for a model, so none waits while another trains it.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param(form, marks=pytest.mark.xdist_group(f"thinker-{form}"))
        for form in ("qwen3", "harmony")
    ],
)
def llm(request):
    made = ChatSwallow(model=str(thinker(request.param)), temperature=0, max_tokens=40)
    yield made
    made.unload()


def is_right(message, a, b):
    reasoning = message.additional_kwargs["reasoning_content"]
    return (message.text, reasoning) == (answer(a, b), thought(a, b))


def test_every_way_of_asking_gives_thought_and_answer(llm):
    questions = [question(*numbers) for numbers in SUMS]
    messages = [llm.invoke(text) for text in questions]
    assert all(is_right(m, *numbers) for m, numbers in zip(messages, SUMS, strict=True))
    usage = messages[0].usage_metadata
    assert 0 < usage["output_token_details"]["reasoning"] < usage["output_tokens"]

    def without_ids(message):
        return (message.text, message.additional_kwargs, message.content_blocks)

    first = [without_ids(message) for message in messages]
    assert [without_ids(message) for message in llm.batch(questions)] == first
    assert [without_ids(m) for m in asyncio.run(llm.abatch(questions))] == first
    chunks = list(llm.stream(questions[0]))
    joined = message_chunk_to_message(sum(chunks[1:], start=chunks[0]))
    assert without_ids(joined) == first[0]
    assert joined.usage_metadata["output_tokens"] == usage["output_tokens"]


def test_a_history_is_answered_without_its_thoughts(llm):
    said = llm.invoke(question(3, 4))
    history = [HumanMessage(question(3, 4)), said, HumanMessage(question(7, 8))]
    request = llm._requests(history, None, llm.load(), {})[0]
    prompt = llm.load().tokenizer.decode(request.thought.prompt_ids)
    assert answer(3, 4) in prompt
    assert thought(3, 4) not in prompt


@pytest.mark.parametrize("limit", [1, 5, 9])
def test_a_thought_that_reaches_its_limit_is_closed_and_answered(llm, limit):
    whole = llm.invoke(question(7, 8))
    message = llm.invoke(question(7, 8), max_reasoning_tokens=limit)
    reasoning = message.additional_kwargs.get("reasoning_content", "")
    assert whole.additional_kwargs["reasoning_content"].startswith(reasoning)
    assert len(reasoning) < len(thought(7, 8))
    assert message.usage_metadata["output_token_details"]["reasoning"] == limit
    # What it has not thought to its end it has not learned to answer rightly.
    assert message.text


def test_stop_strings_and_a_grammar_hold_the_answer_only(llm):
    assert llm.invoke(question(3, 4), stop=["で"]).text == "7"
    cut = llm.invoke(question(3, 4), stop=["に4"])
    assert is_right(cut, 3, 4)
    # The schema of any object is not told to the model, which has not learned to read it.
    held = llm.invoke(question(3, 4), response_format={"type": "json_object"})
    assert held.additional_kwargs == {"reasoning_content": thought(3, 4)}
    assert held.text.startswith("{")


def test_the_answers_prompt_is_in_the_cache(llm):
    engine = llm.load()
    [request] = llm._requests([HumanMessage(question(6, 1))], None, engine, {})
    *chunks, end = Stream(engine, request.thought)
    follow = request.form.answer_request(request, "".join(chunk.text for chunk in chunks), end)
    *_, answered = Stream(engine, follow)
    # All but the token that closes the thought, which was the last that was chosen.
    known = len(request.thought.prompt_ids) + end.completion_tokens - 1
    assert answered.cached_tokens == known


def test_a_switched_off_thought(request, llm):
    if "harmony" in request.node.callspec.id:
        pytest.skip("gpt-oss models always think")
    message = llm.invoke(question(3, 4), reasoning=False)
    assert message.text == answer(3, 4)
    assert message.additional_kwargs == {}
    assert "output_token_details" not in message.usage_metadata
