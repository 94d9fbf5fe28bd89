"""A thought apart from its answer, in every form and by every way of asking."""

import asyncio
import copy
import functools
import threading

import pytest
from langchain_core.messages import AIMessage, HumanMessage, message_chunk_to_message

from langchain_swallow import ChatSwallow
from langchain_swallow.engines import grammar
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.protocol import Chunk, TokenLogprob
from langchain_swallow.engines.server.client import ServerEngine
from langchain_swallow.engines.server.protocol import Flavor
from langchain_swallow.engines.server.servers import Servers
from langchain_swallow.errors import (
    GenerationTimeoutError,
    GrammarError,
    MissingAnswerError,
    PromptOverflowError,
    ReasoningError,
)
from tests.support.thinking import CLOSING, OPENING, QWEN3, harmony_tokenizer, qwen3_tokenizer
from tests.support.tiny_models import tiny_llama
from tests.support.tokenizers import trained_tokenizer
from tests.support.tool_models import harmony_tools_tokenizer

THINK = "\n東京の話だ。\n</think>"
ANALYSIS = "東京の話だ。<|end|>"
THOUGHT = "東京の話だ。"
FORMS = [
    pytest.param("Qwen/Qwen3-8B", qwen3_tokenizer, THINK, id="qwen3"),
    pytest.param("deepseek-ai/r1", lambda: qwen3_tokenizer(OPENING), THINK, id="opened"),
    pytest.param("openai/gpt-oss-20b", harmony_tokenizer, ANALYSIS, id="harmony"),
]


def thinking(*answers, model="Qwen/Qwen3-8B", tokenizer=None, window=4096, **fields):
    engine = FakeEngine(answers, tokenizer or qwen3_tokenizer(), context_window=window)
    return ChatSwallow.from_engine(engine, model=model, **fields), engine


def prompts(engine):
    return [engine.tokenizer.decode(request.prompt_ids) for request in engine.requests]


async def _astream(llm, question):
    return [chunk async for chunk in llm.astream(question)]


def joined(chunks):
    return message_chunk_to_message(functools.reduce(lambda a, b: a + b, chunks))


ASKED = {
    "invoke": lambda llm: llm.invoke("東京は？"),
    "ainvoke": lambda llm: asyncio.run(llm.ainvoke("東京は？")),
    "stream": lambda llm: joined(llm.stream("東京は？")),
    "astream": lambda llm: joined(asyncio.run(_astream(llm, "東京は？"))),
    "batch": lambda llm: llm.batch(["東京は？"])[0],
    "abatch": lambda llm: asyncio.run(llm.abatch(["東京は？"]))[0],
}


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize(("model", "tokenizer", "thought"), FORMS)
def test_the_thought_is_apart_from_the_answer(model, tokenizer, thought, way):
    llm, engine = thinking(thought + "首都です。", model=model, tokenizer=tokenizer())
    message = ASKED[way](llm)
    assert message.content == message.text == "首都です。"
    assert message.additional_kwargs == {"reasoning_content": THOUGHT}
    assert message.content_blocks == [
        {"type": "reasoning", "reasoning": THOUGHT},
        {"type": "text", "text": "首都です。"},
    ]
    usage = message.usage_metadata
    reasoning = usage["output_token_details"]["reasoning"]
    assert 0 < reasoning < usage["output_tokens"]
    assert usage["input_tokens"] == len(engine.requests[0].prompt_ids)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize("way", ASKED)
def test_content_blocks_in_v1_output(way):
    llm, _ = thinking(THINK + "首都です。", output_version="v1")
    blocks = ASKED[way](llm).content
    kept = [{key: b[key] for key in ("type", "reasoning", "text") if key in b} for b in blocks]
    assert kept == [
        {"type": "reasoning", "reasoning": THOUGHT},
        {"type": "text", "text": "首都です。"},
    ]


def test_the_answers_prompt_has_the_thought_closed():
    llm, engine = thinking(THINK + "首都です。")
    llm.invoke("東京は？")
    first, second = prompts(engine)
    assert first.endswith("<|im_start|>assistant\n<think>\n")
    assert second == first + THINK + "\n\n"
    llm, engine = thinking(ANALYSIS + "首都です。", model="x", tokenizer=harmony_tokenizer())
    llm.invoke("東京は？")
    first, second = prompts(engine)
    assert first.endswith("<|start|>assistant<|channel|>analysis<|message|>")
    assert second == first + ANALYSIS + "<|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("template", "reasoning", "end"),
    [
        (QWEN3, None, "<think>\n"),
        (QWEN3, True, "<think>\n"),
        (QWEN3, False, "<think>\n\n</think>\n\n"),
        (OPENING, None, "assistant\n<think>\n"),
        (OPENING, False, "<think>\n\n</think>\n\n"),
        (CLOSING, None, "assistant\n</think>"),
        (CLOSING, True, "assistant\n<think>\n"),
        (CLOSING, False, "assistant\n</think>"),
    ],
)
def test_the_switch(template, reasoning, end):
    """In the constructor and per call; with an empty thought, the model is asked once."""
    tokenizer = qwen3_tokenizer(template)
    answer = "はい。" if end.rstrip().endswith("</think>") else f"{THINK}はい。"
    for fields, call in (({"reasoning": reasoning}, {}), ({}, {"reasoning": reasoning})):
        llm, engine = thinking(answer, tokenizer=tokenizer, **fields)
        message = llm.invoke("東京は？", **call)
        assert message.content == "はい。"
        assert prompts(engine)[0].endswith(end)
        assert ("reasoning_content" in message.additional_kwargs) == ("/" not in end)
        assert ("output_token_details" in message.usage_metadata) == ("/" not in end)


@pytest.mark.parametrize(("model", "tokenizer", "thought"), FORMS)
def test_a_conversation_that_ends_with_an_answer_is_given_another(model, tokenizer, thought):
    """The thought is within a turn of the assistant's, not after one."""
    llm, engine = thinking(*[f"{thought}続き。"] * 2, model=model, tokenizer=tokenizer())
    talk = [HumanMessage("東京は？"), AIMessage("途中")]
    assert llm.invoke([*talk, HumanMessage("続けて")]).content == "続き。"
    assert llm.invoke(talk).content == "続き。"
    asked, continued = prompts(engine)[::2]
    assert asked.endswith(turn := asked.rpartition("続けて")[2])
    assert "assistant" in turn
    assert continued.endswith(f"途中{turn}")


def test_the_effort_is_told_to_the_template():
    tokenizer = harmony_tokenizer()
    llm, engine = thinking(*[f"{ANALYSIS}はい。"] * 3, model="x", tokenizer=tokenizer)
    llm.invoke("東京は？")
    llm.invoke("東京は？", reasoning_effort="high")
    llm.model_copy(update={"reasoning_effort": "low"}).invoke("東京は？")
    efforts = [prompt.split("Reasoning: ")[1].split("\n")[0] for prompt in prompts(engine)[::2]]
    assert efforts == ["medium", "high", "low"]


@pytest.mark.parametrize(
    ("tokenizer", "call", "message"),
    [
        (trained_tokenizer, {"reasoning": True}, "reasoning=True, but this model does not think"),
        (trained_tokenizer, {"reasoning_effort": "low"}, "does not support efforts"),
        (qwen3_tokenizer, {"reasoning_effort": "low"}, "Use max_reasoning_tokens="),
        (harmony_tokenizer, {"reasoning": False}, 'Use reasoning_effort="low" for short thoughts'),
        (
            lambda: qwen3_tokenizer("{{ messages[0].content }}{{ messages[1].content }}</think>"),
            {"reasoning": True},
            "closes the thought before it begins",
        ),
    ],
)
def test_what_a_model_cannot_do_is_an_error(tokenizer, call, message):
    llm, _ = thinking(model="x", tokenizer=tokenizer())
    with pytest.raises(ReasoningError, match=message):
        llm.invoke("東京は？", **call)


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize("answer", ["東京の話だ。", f"{THINK}"], ids=["within", "after"])
def test_an_answer_that_never_came_is_an_error_with_the_thought(answer, way):
    llm, _ = thinking(answer)
    with pytest.raises(MissingAnswerError, match="gave no answer") as caught:
        ASKED[way](llm)
    assert caught.value.reasoning == THOUGHT


@pytest.mark.parametrize(
    ("tokenizer", "end"),
    [
        (qwen3_tokenizer, "<think>\n\n</think>\n\n"),
        (lambda: qwen3_tokenizer(OPENING), "<think>\n\n</think>\n\n"),
        (
            harmony_tokenizer,
            "analysis<|message|><|end|><|start|>assistant<|channel|>final<|message|>",
        ),
    ],
)
def test_answers_are_scored_behind_an_empty_thought(tokenizer, end):
    llm, engine = thinking(model="x", tokenizer=tokenizer())
    [request] = llm._scoring_requests([("東京は？", ["はい"])], engine, {})
    assert engine.tokenizer.decode(request.prompt_ids).endswith(end)


def test_a_scored_prompt_leaves_no_room_for_a_thought():
    llm, engine = thinking(window=200)
    question = "東京は？" * 8
    fields = {"max_tokens": 8, "max_reasoning_tokens": 150}
    with pytest.raises(PromptOverflowError):
        llm.invoke(question, **fields)
    assert len(list(llm._scoring_requests([(question, ["はい"])], engine, fields))) == 1


def test_stop_strings_and_log_probabilities_are_the_answers():
    llm, engine = thinking(THINK + "首都の話です。")
    message = llm.invoke("東京は？", stop=["の話"], logprobs=True)
    assert message.content == "首都"
    assert message.additional_kwargs == {"reasoning_content": THOUGHT}
    assert message.response_metadata["stop_sequence"] == "の話"
    assert [request.logprobs for request in engine.requests] == [None, 0]


def test_a_stop_string_at_once_is_an_empty_answer():
    llm, _ = thinking(THINK + "首都です。")
    assert llm.invoke("東京は？", stop=["首都"]).content == ""


def test_the_limit_of_a_thought_and_of_its_answer():
    llm, engine = thinking(*[THINK + "はい。"] * 2, max_tokens=20, window=200)
    llm.invoke("東京は？", max_reasoning_tokens=30)
    llm.invoke("東京は？")
    limits = [request.max_tokens for request in engine.requests]
    assert limits[:2] == [30, 20]
    # What the window leaves, up to where both fit.
    longest = len(engine.requests[2].prompt_ids) + limits[2] + 20
    assert 200 - 40 <= longest <= 200


def test_a_prompt_leaves_room_for_the_thought():
    llm, engine = thinking(*[THINK + "はい。"] * 2, max_tokens=20, window=200)
    assert llm.invoke("東京は？", max_reasoning_tokens=70).content == "はい。"
    message = (
        "max_tokens is 20, and 202 tokens are reserved.*lower max_tokens or max_reasoning_tokens"
    )
    with pytest.raises(PromptOverflowError, match=message):
        llm.invoke("東京は？", max_reasoning_tokens=170)
    assert len(engine.requests) == 2
    talk = [HumanMessage("昔々" * 10), AIMessage("ええ。"), HumanMessage("東京は？")]
    llm.invoke(talk, max_reasoning_tokens=80, on_overflow="drop_oldest")
    assert "昔々" not in prompts(engine)[-1]


def test_a_schema_and_tools_hold_the_answer_and_not_the_thought():
    llm, engine = thinking(THINK + '{"首都": true}')
    schema = {"title": "a", "type": "object", "properties": {"首都": {"type": "boolean"}}}
    assert llm.with_structured_output(schema).invoke("東京は？") == {"首都": True}
    assert [request.grammar is None for request in engine.requests] == [True, False]
    llm, engine = thinking(THINK + '{"name": "f", "arguments": {}}')
    tool = {"type": "function", "function": {"name": "f", "description": "f"}}
    called = llm.bind_tools([tool]).invoke("東京は？")
    assert [call["name"] for call in called.tool_calls] == ["f"]
    assert called.additional_kwargs == {"reasoning_content": THOUGHT}
    assert [request.grammar is None for request in engine.requests] == [True, False]


@pytest.mark.parametrize("grammars", ["schema", "none"])
def test_a_server_without_grammars_is_not_asked_for_the_thought(grammars):
    """It would be asked in vain: nothing listens at its address."""

    async def discover(url):
        return Flavor("m", "llamacpp", grammars=grammars)

    urls = ["http://localhost:1/v1"]
    engine = ServerEngine(urls, qwen3_tokenizer(), model="m", context_window=4096)
    engine.servers = Servers(urls, discover, max_retries=0)
    llm = ChatSwallow.from_engine(engine, model="x")
    tool = {"type": "function", "function": {"name": "f", "description": "f"}}
    with pytest.raises(GrammarError):
        llm.invoke("東京は？", tools=[tool])
    llm.unload()


def test_the_vocabulary_of_grammars_is_built_by_the_caller(monkeypatch):
    """Other answers go on in the engine's thread meanwhile."""
    builders = []

    class Vocabulary(grammar._Vocabulary):
        def __init__(self, *arguments):
            builders.append(threading.current_thread())
            super().__init__(*arguments)

    monkeypatch.setattr(grammar, "_Vocabulary", Vocabulary)
    llm = ChatSwallow.from_model(tiny_llama(), tokenizer_of_text_tags(), max_tokens=4)
    llm.invoke("東京は？", response_format={"type": "json_object"}, max_reasoning_tokens=1)
    llm.unload()
    assert builders == [threading.main_thread()]


def test_a_thought_takes_its_time_off_the_answers():
    llm, engine = thinking(THINK + "はい。")
    llm.invoke("東京は？", timeout=9)
    first, second = (request.timeout_s for request in engine.requests)
    assert first == 9
    assert 8 < second < 9
    llm, _ = thinking(THINK + "はい。")
    with pytest.raises(GenerationTimeoutError, match="the thought alone has"):
        llm.invoke("東京は？", timeout=1e-9)


def test_an_answer_out_of_time_says_the_limit_that_was_set():
    late = GenerationTimeoutError("No complete answer within timeout=8.7 s.")
    llm, engine = thinking(THINK, late, tokenizer=tokenizer_of_text_tags())
    with pytest.raises(GenerationTimeoutError, match=r"timeout=9\.0 s: the thought alone has"):
        llm.invoke("東京は？", timeout=9.0)
    assert len(engine.requests) == 2


def test_log_probabilities_alone_and_a_bare_channel_are_no_answer():
    class Engine(FakeEngine):
        def submit(self, request, sink):
            if request.logprobs is not None:
                sink(Chunk("", (TokenLogprob("<|channel|>", -0.1),)))
            return super().submit(request, sink)

    tool = {"type": "function", "function": {"name": "f", "description": "f"}}
    for answer, call in (("", {}), ("<|channel|>final<|message|>", {"tools": [tool]})):
        engine = Engine([ANALYSIS + answer], harmony_tools_tokenizer())
        with pytest.raises(MissingAnswerError, match="after its thought"):
            ChatSwallow.from_engine(engine, model="x").invoke("東京は？", logprobs=True, **call)


def test_thoughts_of_the_history_are_not_sent_back():
    llm, engine = thinking(*[THINK + "はい。"] * 2)
    said = llm.invoke("東京は？")
    llm.invoke([HumanMessage("東京は？"), said, HumanMessage("大阪は？")])
    assert THOUGHT not in prompts(engine)[2]
    assert "はい。" in prompts(engine)[2]


def test_several_answers_have_a_thought_each():
    llm, engine = thinking(f"一{THINK}一", f"二{THINK}二", n=2, seed=1)
    result = llm.generate([[HumanMessage("東京は？")]])
    messages = [generation.message for generation in result.generations[0]]
    assert [m.content for m in messages] == ["一", "二"]
    assert [m.additional_kwargs["reasoning_content"][0] for m in messages] == ["一", "二"]
    assert [request.seed for request in engine.requests] == [1, 1, 2, 2]


def tokenizer_of_text_tags():
    tokenizer = copy.deepcopy(trained_tokenizer())
    tokenizer.chat_template = OPENING.replace("<|im_start|>", "<s>").replace("<|im_end|>", "</s>")
    return tokenizer


def test_tags_that_are_text_to_the_vocabulary():
    llm, engine = thinking(THINK, "首都です。", tokenizer=tokenizer_of_text_tags())
    message = llm.invoke("東京は？")
    assert (message.content, message.additional_kwargs["reasoning_content"]) == (
        "首都です。",
        THOUGHT,
    )
    assert prompts(engine)[1].endswith("<think>\n\n東京の話だ。\n</think>\n\n")
