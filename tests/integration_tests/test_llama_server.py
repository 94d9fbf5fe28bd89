"""The client of llama.cpp's server, with real ones: the suite of every engine, and its own.

Two servers of the same weights: one whose tokenizer puts a space before a text, as Swallow's does,
and one whose does not, with which this build's grammars work.
"""

import time

import pytest
from langchain_core.decisions import Choice

from langchain_swallow import ChatSwallow, SwallowDecision
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.protocol import Grammar, Request
from langchain_swallow.engines.server.client import ServerEngine
from langchain_swallow.errors import AuthenticationError, GrammarError, PromptOverflowError
from langchain_swallow.prompts.client_tokenizer import load_client_tokenizer
from tests.conformance import (
    LENGTH,
    PROMPTS,
    WINDOW,
    ClosingConformance,
    EngineConformance,
    ask,
    save_checkpoint,
    text_of,
)
from tests.support.llama_server import API_KEY, LlamaServer, write_gguf

pytest.importorskip("xllamacpp", reason="xllamacpp has no wheel for this platform")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("conformance"))


def started(checkpoint, name, **options):
    model = write_gguf(checkpoint, checkpoint / f"{name}.gguf", **options)
    server = LlamaServer(model, checkpoint / f"{name}.log").wait()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def server(checkpoint):
    yield from started(checkpoint, "plain", space_prefix=False)


@pytest.fixture(scope="module")
def swallow_server(checkpoint):
    yield from started(checkpoint, "with space", space_prefix=True)


def connect(checkpoint, server, **options):
    options = {"api_key": API_KEY, "model": str(checkpoint), **options}
    return ServerEngine([server.base_url], load_client_tokenizer(str(checkpoint)), **options)


class TestLlamaServer(EngineConformance):
    presence_is_in = "answer and prompt"

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, checkpoint, server):
        made = connect(checkpoint, server)
        yield made
        made.close()


class TestClosingLlamaServer(ClosingConformance):
    @pytest.fixture
    def new_engine(self, checkpoint, server):
        return lambda: connect(checkpoint, server)


def test_prompts_as_text_give_the_same_answers(checkpoint, swallow_server):
    engine = connect(checkpoint, swallow_server, prompt_encoding="text")
    prompt = (1, *engine.tokenizer.encode("東京工業大学の主なキャンパス"))
    by_text = ask(engine, Request(prompt_ids=prompt, max_tokens=LENGTH))
    engine.close()
    engine = connect(checkpoint, swallow_server)
    by_ids = ask(engine, Request(prompt_ids=prompt, max_tokens=LENGTH))
    engine.close()
    assert by_text[-1].prompt_tokens == by_ids[-1].prompt_tokens == len(prompt)
    assert text_of(by_text) == text_of(by_ids)


def test_grammars_that_would_not_hold_are_refused(checkpoint, swallow_server):
    """llguidance in llama.cpp lets anything pass with such a vocabulary, without a word."""
    engine = connect(checkpoint, swallow_server)
    schema = Request(prompt_ids=PROMPTS[0], max_tokens=50, grammar=Grammar("json_schema", "{}"))
    with pytest.raises(GrammarError, match="LLAMA_LLGUIDANCE"):
        ask(engine, schema)
    engine.close()


def test_known_beginnings_are_reported(checkpoint, server):
    engine = connect(checkpoint, server)
    prompt = (1, *range(300, 460))
    ask(engine, Request(prompt_ids=prompt, max_tokens=2))
    assert ask(engine, Request(prompt_ids=prompt, max_tokens=2))[-1].cached_tokens >= 128
    engine.close()


def test_a_wrong_key_and_an_overflow_are_typed_errors(checkpoint, server):
    with pytest.raises(AuthenticationError, match=r"answered 401: .*Pass api_key="):
        connect(checkpoint, server, api_key="wrong").prepare().result()
    engine = connect(checkpoint, server, context_window=2 * WINDOW)
    with pytest.raises(PromptOverflowError, match="answered 400"):
        ask(engine, Request(prompt_ids=(1,) * (WINDOW + 88), max_tokens=5))
    engine.close()


def test_leaving_a_stream_frees_its_slot(checkpoint, server):
    engine = connect(checkpoint, server)
    with Stream(engine, Request(prompt_ids=PROMPTS[0], max_tokens=1900)) as events:
        next(iter(events))
    deadline = time.monotonic() + 10
    while server.busy_slots() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.busy_slots() == 0
    engine.close()


def test_nothing_of_the_sampling_is_left_to_the_server(checkpoint, server):
    """Its own top-k of 40 and min-p of .05 would keep the rare tokens out of this."""
    engine = connect(checkpoint, server)
    request = Request(prompt_ids=PROMPTS[0], max_tokens=300, temperature=8.0, seed=1, logprobs=0)
    reported = [token.logprob for event in ask(engine, request)[:-1] for token in event.logprobs]
    engine.close()
    assert min(reported) < -9


def test_chat_swallow_over_a_server(checkpoint, server):
    llm = ChatSwallow(model=str(checkpoint), base_url=server.base_url, api_key=API_KEY)
    llm = llm.model_copy(update={"max_tokens": 8})
    message = llm.invoke("東京は？")
    assert message.usage_metadata["output_tokens"] == 8
    assert message.response_metadata["finish_reason"] == "length"
    assert "".join(chunk.text for chunk in llm.stream("東京は？")) == message.text


def test_decisions_have_the_probabilities_of_the_local_engine(server, checkpoint):
    state, numbers = "会議室は3階にあります。", ["1", "2", "3"]
    local = ChatSwallow(model=str(checkpoint), dtype="float32")
    remote = ChatSwallow(model=str(checkpoint), base_url=server.base_url, api_key=API_KEY)
    wanted = local.answer_logprobs(state, numbers)
    assert remote.answer_logprobs(state, numbers) == pytest.approx(wanted, abs=0.05)
    asked = {"q": Choice(instructions="何階？", criteria={"1階": None, "3階": "上"})}
    decisions = [SwallowDecision(llm=llm) for llm in (local, remote)]
    one, other = (
        decide.invoke({"state": state, "questions": asked}).choices["q"] for decide in decisions
    )
    assert one.choice == other.choice
    assert one.confidence == pytest.approx(other.confidence, abs=0.02)
