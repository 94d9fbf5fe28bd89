"""ChatSwallow as LangChain's own models are: copied, configured, cached, traced, interrupted."""

import asyncio
import contextlib
import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextvars import ContextVar

import pytest
import torch
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.tracers.context import collect_runs
from pydantic import SecretStr
from transformers import AutoModelForCausalLM, AutoTokenizer

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.cache_keys import IRRELEVANT_FIELDS
from langchain_swallow.chat_models.requests import AnswerForm
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.fingerprint import Fingerprint, _bytes
from langchain_swallow.errors import (
    ContextOverflowError,
    EngineError,
    PromptOverflowError,
    UnknownModelError,
)
from tests.support.tiny_models import tiny_llama
from tests.support.tokenizers import trained_tokenizer


def fake(*answers, model="x", **fields):
    window = fields.pop("context_window", 4096)
    engine = FakeEngine(answers, trained_tokenizer(), context_window=window)
    return ChatSwallow.from_engine(engine, model=model, **fields), engine


def tuned(seed=1):
    """The checkpoint's model with other weights, as after training in a notebook."""
    model = copy.deepcopy(tiny_llama())
    with torch.no_grad():
        model.lm_head.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


# The engine that was passed stays


CONFIGURED = {
    "configurable_fields": lambda llm: llm.configurable_fields(
        temperature=ConfigurableField(id="t")
    ).with_config(configurable={"t": 0.0}),
    "several fields": lambda llm: llm.configurable_fields(
        temperature=ConfigurableField(id="t"), max_tokens=ConfigurableField(id="m")
    ).with_config(configurable={"t": 0.0, "m": 5}),
    "configurable_alternatives": lambda llm: llm.configurable_alternatives(
        ConfigurableField(id="which"), other=RunnableLambda(lambda _: AIMessage("other"))
    ),
    "fields and alternatives": lambda llm: (
        llm.configurable_fields(temperature=ConfigurableField(id="t"))
        .configurable_alternatives(
            ConfigurableField(id="which"), other=RunnableLambda(lambda _: AIMessage("other"))
        )
        .with_config(configurable={"t": 0.0})
    ),
    "with_config": lambda llm: llm.with_config(tags=["a"]),
    "bind": lambda llm: llm.bind(max_tokens=5),
    "with_retry": lambda llm: llm.with_retry(),
    "with_fallbacks": lambda llm: llm.with_fallbacks([llm]),
    "model_copy": lambda llm: llm.model_copy(),
    "model_copy, deep": lambda llm: llm.model_copy(deep=True),
    "model_copy, updated": lambda llm: llm.model_copy(update={"temperature": 0.0}),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "its fields": lambda llm: ChatSwallow(
        **{name: getattr(llm, name) for name in ChatSwallow.model_fields}
    ),
    "its dump": lambda llm: ChatSwallow(**llm.model_dump()),
    "validated": lambda llm: ChatSwallow.model_validate(llm),
    "validated from its dump": lambda llm: ChatSwallow.model_validate(llm.model_dump()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURED)
def test_a_model_in_memory_answers_whatever_is_made_of_it(checkpoint, name):
    model = tuned()
    model.config.name_or_path = str(checkpoint)
    llm = ChatSwallow.from_model(model, AutoTokenizer.from_pretrained(checkpoint), max_tokens=5)
    on_disk = ChatSwallow(model=str(checkpoint), max_tokens=5, dtype="float32", device="cpu")
    expected = llm.invoke("東京は？").text
    assert expected != on_disk.invoke("東京は？").text
    made = CONFIGURED[name](llm)
    assert made.invoke("東京は？").text == expected
    assert "".join(chunk.text for chunk in made.stream("東京は？")) == expected
    assert asyncio.run(made.ainvoke("東京は？")).text == expected
    assert [answer.text for answer in made.batch(["東京は？"] * 2)] == [expected] * 2


def test_an_engine_of_any_name_can_be_configured():
    llm, _ = fake("一")
    made = llm.configurable_fields(temperature=ConfigurableField(id="t"))
    assert made.invoke("問", {"configurable": {"t": 0.5}}).text == "一"


def test_another_model_is_loaded_and_not_answered_by_the_one_in_memory(checkpoint):
    llm, engine = fake("一")
    disk = ChatSwallow(model=str(checkpoint), max_tokens=5).invoke("東京は？").text
    made = llm.configurable_fields(model=ConfigurableField(id="model"))
    config = {"configurable": {"model": str(checkpoint)}}
    assert made.bind(max_tokens=5).invoke("東京は？", config).text == disk
    copied = llm.model_copy(update={"model": str(checkpoint), "max_tokens": 5})
    assert copied.invoke("東京は？").text == disk
    assert llm.invoke("東京は？", model=str(checkpoint), max_tokens=5).text == disk
    with pytest.raises(UnknownModelError):
        made.invoke("東京は？", {"configurable": {"model": "Swallow-7b-instruct-v0.2"}})
    assert not engine.requests


def test_a_model_in_memory_is_not_pickled_or_serialized_as_another():
    llm, _ = fake("一")
    for made in (llm, llm.bind(max_tokens=3)):
        with pytest.raises(EngineError, match=r"'x' has an engine of this process"):
            pickle.dumps(made)
    text = dumps(llm)
    assert json.loads(text)["type"] == "not_implemented"
    with pytest.raises(NotImplementedError):
        loads(text, allowed_objects="all")


def test_a_model_that_is_loaded_by_name_can_be_pickled(checkpoint):
    llm = ChatSwallow(model=str(checkpoint), max_tokens=5, temperature=0.5, stop=["。"])
    llm.invoke("東京は？")
    back = pickle.loads(pickle.dumps(llm))
    assert back == llm
    assert back.load() is llm.load()
    assert copy.deepcopy(llm).load() is llm.load()


def test_the_hubs_token_stays_the_hubs(monkeypatch):
    """Made again from its fields, all of them are set; a server must not get the token."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    llm = ChatSwallow(model="demo", base_url="http://a.example/v1")
    made = llm.configurable_fields(temperature=ConfigurableField(id="t"))
    again, _ = made._prepare({"configurable": {"t": 0.5}})
    for one in (llm, again, copy.deepcopy(llm), pickle.loads(pickle.dumps(llm))):
        settings = one.load_settings("demo")
        assert (settings.hub["token"], settings.api_key) == ("hf_secret", None)
    loaded = loads(
        dumps(llm),
        valid_namespaces=["langchain_swallow"],
        allowed_objects=[ChatSwallow],
        secrets_map={"HF_TOKEN": "hf_secret"},
    )
    assert loaded.load_settings("demo").api_key is None
    hubs = ChatSwallow(model="demo", base_url="http://a.example/v1", api_key="hf_secret")
    assert hubs.load_settings("demo").api_key == "hf_secret"
    given = ChatSwallow(model="demo", base_url="http://a.example/v1", api_key="key")
    again, _ = given.configurable_fields(temperature=ConfigurableField(id="t"))._prepare(
        {"configurable": {"t": 0.5}}
    )
    assert given.load_settings("demo").api_key == again.load_settings("demo").api_key == "key"


# Caches


def test_engines_never_share_answers():
    cache = InMemoryCache()
    answers = [fake(letter, cache=cache)[0].invoke("問").text for letter in "ABCDEF"]
    assert answers == list("ABCDEF")


def test_the_same_engine_is_not_asked_again():
    llm, engine = fake("一", cache=InMemoryCache())
    made = llm.configurable_fields(temperature=ConfigurableField(id="t"))
    texts = [one.invoke("問").text for one in (llm, llm.model_copy(), made)]
    texts.append(made.invoke("問", {"configurable": {"t": None}}).text)
    texts += [asyncio.run(llm.ainvoke("問")).text, llm.invoke("問", stop=None).text]
    assert texts == ["一"] * 6
    assert len(engine.requests) == 1


OTHERS = {
    "model": "Swallow-7b-instruct-hf", "engine": "server", "device": "cpu", "device_map": "auto",
    "dtype": "float32", "quantization": "8bit", "attn_implementation": "eager", "revision": "a",
    "trust_remote_code": True, "prompt_format": "alpaca", "tensor_parallel_size": 2,
    "pipeline_parallel_size": 2, "max_model_len": 100, "gpu_memory_utilization": 0.5,
    "speculative": None, "engine_options": {"seed": 1}, "base_url": "http://a.example/v1",
    "tokenizer": "a/b", "served_model_name": "a", "prompt_encoding": "text",
    "system_prompt": "英語で。", "max_tokens": 3,
    "reasoning": True, "reasoning_effort": "low", "max_reasoning_tokens": 9,
    "temperature": 0.5, "top_p": 0.5, "top_k": 3, "min_p": 0.1,
    "presence_penalty": 1.0, "repetition_penalty": 1.5, "seed": 1, "n": 2, "logprobs": True,
    "top_logprobs": 2, "on_control_text": "error",
    "on_overflow": "drop_oldest", "stop": ["。"], "streaming": True, "disable_streaming": True,
    "output_version": "v1",
}  # fmt: skip
SAME = {
    "cache": False, "callbacks": [], "custom_get_token_ids": len, "metadata": {"a": 1},
    "name": "a", "profile": {}, "rate_limiter": None, "tags": ["a"], "verbose": True,
    "cache_dir": "a", "local_files_only": True, "max_retries": 9, "timeout": 9.0,
    "token": SecretStr("a"), "loaded": None,
}  # fmt: skip


def test_every_field_is_looked_at():
    assert set(ChatSwallow.model_fields) == set(OTHERS) | set(SAME)
    assert set(SAME) == IRRELEVANT_FIELDS


@pytest.mark.parametrize("name", [*OTHERS, *SAME])
def test_a_field_is_in_the_key_if_it_changes_answers(name):
    values = {"model": "demo", "dtype": "bfloat16", "device": "cuda"}
    llm = ChatSwallow(**{k: v for k, v in values.items() if k != name})
    key = llm._get_llm_string()
    assert llm._get_llm_string() == key
    value = {**OTHERS, **SAME}[name]
    copied = llm.model_copy(update={name: value})
    setattr(llm, name, value)
    assert (llm._get_llm_string() == key) == (name in SAME)
    assert llm._get_llm_string() == copied._get_llm_string()


@pytest.mark.parametrize(
    ("name", "value"), [("system_prompt", "英語で。"), ("max_tokens", 3), ("stop", ["。"])]
)
def test_a_field_that_is_set_later_asks_again(name, value):
    llm, _ = fake("一", "二", cache=InMemoryCache())
    assert llm.invoke("問").text == "一"
    setattr(llm, name, value)
    assert llm.invoke("問").text == "二"
    assert llm._serialized == llm.model_copy()._serialized


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"stop": ["a"]}, {"stop": ["b"]}),
        ({"temperature": 0.1}, {"temperature": 0.2}),
        ({"tools": [{"type": "function", "function": {"name": "a", "description": "d"}}]}, {}),
        ({"response_format": {"type": "json_object"}}, {}),
    ],
)
def test_what_a_call_says_is_in_the_key(one, other):
    llm = ChatSwallow(model="demo")
    assert llm._get_llm_string(**one) == llm._get_llm_string(**dict(one))
    assert llm._get_llm_string(**one) != llm._get_llm_string(**other)


def test_all_that_a_template_may_show_of_a_tool_is_in_the_key():
    parameters = {"type": "object", "properties": {"x": {"type": "integer", "title": "数"}}}
    function = {"name": "f", "description": "足す", "parameters": parameters}
    titled = {**parameters, "properties": {"x": {"type": "integer", "title": "値"}}}
    tools = [
        {"type": "function", "function": function},
        {"type": "function", "function": {**function, "strict": True}},
        {"type": "function", "function": {**function, "parameters": titled}},
    ]
    llm = ChatSwallow(model="demo")
    assert len({llm._get_llm_string(tools=[tool]) for tool in tools}) == len(tools)


def test_tools_that_are_functions_have_one_key():
    """Their text would have an address, which another function may have later."""

    def make(text):
        def f(x: int) -> int:
            pass

        f.__doc__ = text
        return f

    llm = ChatSwallow(model="demo")
    key = llm._get_llm_string(tools=[make("足す")])
    assert key == llm._get_llm_string(tools=[make("足す")])
    assert key != llm._get_llm_string(tools=[make("引く")])


def test_a_folder_of_another_content_has_another_key(tmp_path, monkeypatch):
    keys = set()
    for name in ("a", "b"):
        folder = tmp_path / name / "Swallow-7b-instruct-v0.1"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}", encoding="utf-8")
        monkeypatch.chdir(folder.parent)
        llm = ChatSwallow(model="./" + folder.name)
        # The same name from two folders is two models.
        keys.add(ChatSwallow(model=str(folder))._get_llm_string())
        llm.unload()
        keys.add(llm._get_llm_string())
        (folder / "config.json").write_text('{"changed": 1}', encoding="utf-8")
        llm.unload()
        keys.add(llm._get_llm_string())
    assert len(keys) == 6


@pytest.mark.slow
def test_keys_are_the_same_in_another_process(checkpoint):
    code = f"""
from transformers import AutoModelForCausalLM, AutoTokenizer
from langchain_swallow import ChatSwallow
folder = {str(checkpoint)!r}
model = AutoModelForCausalLM.from_pretrained(folder)
for llm in (ChatSwallow.from_model(model, AutoTokenizer.from_pretrained(folder)),
            ChatSwallow(model=folder, stop=["。"])):
    print("key", llm._get_llm_string(temperature=0.5))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    models = (
        ChatSwallow.from_model(model, AutoTokenizer.from_pretrained(checkpoint)),
        ChatSwallow(model=str(checkpoint), stop=["。"]),
    )
    keys = [f"key {llm._get_llm_string(temperature=0.5)}" for llm in models]
    assert [line for line in done.stdout.splitlines() if line.startswith("key")] == keys


def test_weights_that_are_tuned_in_memory_are_another_model(checkpoint):
    cache, tokenizer = InMemoryCache(), AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    llm = ChatSwallow.from_model(model, tokenizer, max_tokens=5, cache=cache, prepare=False)
    first, key = llm.invoke("東京は？").text, llm._get_llm_string()
    same = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert ChatSwallow.from_model(same, tokenizer, max_tokens=5)._get_llm_string() == key
    with torch.no_grad():
        model.lm_head.weight[7, 3] += 1e-3
    assert llm._get_llm_string() != key
    with torch.no_grad():
        model.lm_head.weight.normal_(generator=torch.Generator().manual_seed(1))
    assert llm.invoke("東京は？").text != first


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6, dtype=torch.bfloat16),
        torch.zeros(3, dtype=torch.bool),
        torch.tensor(1.5),
        torch.zeros(0),
        torch.arange(9)[::3],
        torch.ones(2, 3, requires_grad=True),
    ],
)
def test_every_byte_of_a_tensor_counts(tensor):
    assert len(_bytes(tensor).tobytes()) == tensor.nbytes


def test_weights_that_cannot_be_read_have_a_fingerprint_of_their_own():
    class Engine:
        model, tokenizer = copy.deepcopy(tiny_llama()).to("meta"), trained_tokenizer()

    one, other = Fingerprint(Engine()), Fingerprint(Engine())
    assert one() == one() != other()


def test_weights_are_hashed_off_the_event_loop(checkpoint):
    threads = []

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    llm = ChatSwallow.from_model(tiny_llama(), tokenizer, max_tokens=3, cache=InMemoryCache())
    compute = llm.loaded.fingerprint._compute
    llm.loaded.fingerprint._compute = lambda *given: (
        threads.append(threading.current_thread()) or compute(*given)
    )
    asyncio.run(llm.ainvoke("東京は？"))
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


# Contexts and callbacks


class Runs(BaseCallbackHandler):
    def __init__(self):
        self.ids, self.names = [], []

    def on_chat_model_start(self, serialized, messages, *, run_id, **kwargs):
        self.ids.append(run_id)
        self.names.append(kwargs.get("name"))


WHERE = ContextVar("where", default=None)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_generate_keeps_the_callers_context(count):
    llm, _ = fake(*["東"] * 10)
    prompts = [[HumanMessage(str(i))] for i in range(count)]
    tokens = count * llm.get_num_tokens("東")
    with get_usage_metadata_callback() as usage, collect_runs() as runs:
        llm.generate(prompts)
    assert usage.usage_metadata["x"]["output_tokens"] == tokens
    assert len(runs.traced_runs) == count
    with get_usage_metadata_callback() as usage:
        asyncio.run(llm.agenerate(prompts))
    assert usage.usage_metadata["x"]["output_tokens"] == tokens


@pytest.mark.parametrize("way", ["batch", "batch_as_completed", "abatch"])
def test_batches_keep_the_callers_context(way):
    llm, _ = fake(*["東"] * 3)
    seen = []

    class Seen(BaseCallbackHandler):
        def on_chat_model_start(self, *_, **__):
            seen.append(WHERE.get())

    WHERE.set("here")
    with get_usage_metadata_callback() as usage:
        answers = getattr(llm, way)(["一", "二", "三"], {"callbacks": [Seen()]})
        answers = asyncio.run(answers) if way == "abatch" else list(answers)
    assert len(answers) == 3
    assert usage.usage_metadata["x"]["output_tokens"] == 3 * llm.get_num_tokens("東")
    assert seen == ["here"] * 3


@pytest.mark.parametrize("way", ["generate", "agenerate"])
def test_a_run_id_is_the_first_prompts(way):
    llm, _ = fake(*"abc")
    runs, own = Runs(), uuid.uuid4()
    call = getattr(llm, way)(
        [[HumanMessage(str(i))] for i in range(3)], callbacks=[runs], run_id=own, run_name="名"
    )
    result = asyncio.run(call) if way == "agenerate" else call
    assert result.run[0].run_id == own
    assert len({info.run_id for info in result.run}) == 3
    assert set(runs.ids) == {info.run_id for info in result.run}
    assert runs.names == ["名"] * 3


def test_batches_are_in_order_and_can_return_exceptions():
    llm, _ = fake("a", EngineError("x"), "c")
    answers = llm.batch(["一", "二", "三"], {"max_concurrency": 1}, return_exceptions=True)
    assert [getattr(a, "text", "error") for a in answers] == ["a", "error", "c"]
    llm, _ = fake("a", EngineError("x"), "c")
    with pytest.raises(EngineError, match="x"):
        llm.batch(["一", "二", "三"], {"max_concurrency": 1})
    llm, _ = fake(*"abc")
    numbers = dict(llm.batch_as_completed(["一", "二", "三"], {"max_concurrency": 1}))
    assert {n: a.text for n, a in numbers.items()} == {0: "a", 1: "b", 2: "c"}
    assert llm.batch([]) == list(llm.batch_as_completed([])) == []


# Ctrl-C


class Endless:
    """An engine that never answers, and counts what it still has to do."""

    name, context_window = "endless", 4096

    def __init__(self):
        self.tokenizer, self.running, self.lock = trained_tokenizer(), 0, threading.Lock()

    def submit(self, request, sink):
        engine, cancelled = self, threading.Event()

        class Ticket:
            def cancel(self):
                with engine.lock:
                    engine.running -= not cancelled.is_set()
                    cancelled.set()

        with self.lock:
            self.running += 1
        return Ticket()

    def release_cpu_threads(self):
        pass

    def close(self):
        pass


INTERRUPTED = {
    "invoke": lambda llm: llm.invoke("問"),
    "stream": lambda llm: list(llm.stream("問")),
    "batch": lambda llm: llm.batch(["問"] * 8),
    "batch, one": lambda llm: llm.batch(["問"]),
    "batch, few at once": lambda llm: llm.batch(["問"] * 8, {"max_concurrency": 2}),
    "batch, exceptions": lambda llm: llm.batch(["問"] * 8, return_exceptions=True),
    "batch of a chain": lambda llm: (RunnableLambda(str) | llm).batch(["問"] * 8),
    "batch, n": lambda llm: llm.bind(n=3).batch(["問"] * 3),
    "batch, streaming": lambda llm: llm.model_copy(update={"streaming": True}).batch(["問"] * 3),
    "batch_as_completed": lambda llm: list(llm.batch_as_completed(["問"] * 8)),
    "generate": lambda llm: llm.generate([[HumanMessage("問")]] * 8),
    "generate, one": lambda llm: llm.generate([[HumanMessage("問")]]),
    "ainvoke": lambda llm: asyncio.run(llm.ainvoke("問")),
    "abatch": lambda llm: asyncio.run(_abatch(llm)),
    "agenerate": lambda llm: asyncio.run(llm.agenerate([[HumanMessage("問")]] * 8)),
}


async def _abatch(llm):
    await llm.abatch(["問"] * 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", INTERRUPTED)
def test_ctrl_c_ends_everything_at_once(name):
    engine = Endless()
    llm = ChatSwallow.from_engine(engine, model="x")
    before = threading.active_count()

    def press():
        while not engine.running:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        INTERRUPTED[name](llm)
    assert time.monotonic() - start < 20
    # The threads that waited end too: Python would wait for them when it exits.
    while (threading.active_count() > before or engine.running) and time.monotonic() - start < 20:
        time.sleep(0.01)
    assert engine.running == 0
    assert threading.active_count() <= before


def test_leaving_answers_as_they_come_cancels_the_others():
    class First(Endless):
        """Answers one request and no other."""

        def submit(self, request, sink):
            if not self.running:
                FakeEngine(["a"], self.tokenizer).submit(request, sink)
            return super().submit(request, sink)

    engine = First()
    llm = ChatSwallow.from_engine(engine, model="x")
    for _, answer in llm.batch_as_completed(["問"] * 4):
        assert answer.text == "a"
        break
    end = time.monotonic() + 20
    while engine.running and time.monotonic() < end:
        time.sleep(0.01)
    assert engine.running == 0


def test_after_ctrl_c_the_engine_is_free(checkpoint):
    llm = ChatSwallow(model=str(checkpoint), max_tokens=400, dtype="float32", device="cpu")
    schedule = llm.load().scheduler

    def press():
        while not schedule.running:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with contextlib.suppress(KeyboardInterrupt):
        llm.batch(["東京は？"] * 64)
    end = time.monotonic() + 20
    while (schedule.running or schedule.waiting) and time.monotonic() < end:
        time.sleep(0.01)
    assert not schedule.running
    assert not schedule.waiting


# Counting and trimming


MESSAGES = [
    SystemMessage("簡潔に"),
    HumanMessage("長い質問です。二つ目の文です。"),
    AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}]),
    ToolMessage("結果", tool_call_id="1"),
    AIMessage("回答です。"),
    HumanMessage([{"type": "text", "text": "次の質問"}, {"type": "text", "text": "です。"}]),
]


@pytest.mark.parametrize("strategy", ["first", "last"])
@pytest.mark.parametrize("allow_partial", [False, True])
@pytest.mark.parametrize("include_system", [False, True])
@pytest.mark.parametrize("start_on", [None, "human"])
@pytest.mark.parametrize("end_on", [None, ("human", "tool")])
@pytest.mark.parametrize("budget", [0, 30, 60, 10_000])
def test_trim_messages_counts_with_the_model(
    strategy, allow_partial, include_system, start_on, end_on, budget
):
    if strategy == "first" and (start_on or include_system):
        pytest.skip("not for this strategy")
    llm, _ = fake(system_prompt=None)
    kept = trim_messages(
        MESSAGES, max_tokens=budget, token_counter=llm, strategy=strategy,
        allow_partial=allow_partial, include_system=include_system, start_on=start_on,
        end_on=end_on, text_splitter=lambda text: [part for part in text.split("。") if part],
    )  # fmt: skip
    # LangChain keeps the system message whatever it takes, and counts from the end backwards.
    if start_on == "human" and not include_system:
        assert llm.get_num_tokens_from_messages(kept) <= budget
    if budget == 10_000 and end_on is None and start_on is None:
        assert kept == MESSAGES


def test_no_messages_have_no_tokens():
    llm, _ = fake()
    assert llm.get_num_tokens_from_messages([]) == 0
    tool = {"type": "function", "function": {"name": "a", "description": "d"}}
    assert llm.get_num_tokens_from_messages([], tools=[tool]) == 0
    for message in MESSAGES:
        assert llm.get_num_tokens_from_messages([message]) > 0


# Conversations that exceed the window


def _history(turns, length=80):
    pairs = [(HumanMessage("あ" * length + str(i)), AIMessage("い" * length)) for i in range(turns)]
    return [message for pair in pairs for message in pair] + [HumanMessage("最後")]


def test_dropping_the_oldest_is_linear_and_off_the_loop(monkeypatch):
    llm, engine = fake(*["a"] * 9, on_overflow="drop_oldest", max_tokens=500)
    encoded = []
    form = AnswerForm()
    thought = llm._thought(engine.tokenizer, llm, llm.model, form)
    encode = llm._encoder(thought, form, llm, llm.model)

    def counted(messages):
        assert threading.current_thread() is not loop_thread
        ids = encode(messages)
        encoded.append(len(ids))
        return ids

    monkeypatch.setattr(ChatSwallow, "_encoder", lambda *_: counted)
    loop_thread = None
    totals = {}
    for turns in (100, 200, 400):
        encoded.clear()
        llm.invoke(_history(turns))
        # All once, and a few windows beside.
        totals[turns] = sum(encoded[1:])
        assert len(encoded) < 20
    assert totals[400] < 12 * 4096

    async def call():
        nonlocal loop_thread
        loop_thread = threading.current_thread()
        await llm.ainvoke(_history(100))
        return [chunk async for chunk in llm.astream(_history(100))]

    asyncio.run(call())
    kept = engine.requests[0]
    assert len(kept.prompt_ids) + 500 <= 4096 < len(kept.prompt_ids) + 500 + 2 * 100 * 2


def _with_tools():
    """Every kind of place for tools in a conversation."""
    call = {"name": "f", "args": {}, "id": "1"}
    return [
        SystemMessage("簡潔に" * 3),
        HumanMessage("一" * 30),
        AIMessage("", tool_calls=[call, {**call, "id": "2"}]),
        ToolMessage("結果一" * 5, tool_call_id="1"),
        ToolMessage("結果二" * 5, tool_call_id="2"),
        AIMessage("回答" * 9),
        HumanMessage("二" * 30),
        AIMessage("", tool_calls=[{**call, "id": "3"}]),
        HumanMessage("割り込み" * 5),
        ToolMessage("結果三" * 5, tool_call_id="3"),
        AIMessage("回答" * 9),
        SystemMessage("途中の指示"),
        ChatMessage("三" * 30, role="user"),
        AIMessage("回答" * 9),
        HumanMessage("四" * 30),
        AIMessage("", tool_calls=[{**call, "id": "4"}]),
        ToolMessage("結果四" * 5, tool_call_id="4"),
    ]


def test_what_is_left_is_whole(monkeypatch):
    from langchain_swallow.chat_models.overflow import fit_prompt

    messages, seen = _with_tools(), set()

    def encode(kept):
        return list(range(sum(len(str(m.content)) + 5 for m in kept)))

    def fitted(window):
        kept = []

        def keep(tried):
            ids = encode(tried)
            kept.append((tuple(tried), ids))
            return ids

        ids = fit_prompt(messages, keep, max_tokens=10, context_window=window, drop_oldest=True)
        assert len(ids) + 10 <= window
        return next(tried for tried, found in kept if found is ids)

    for window in range(60, 800, 7):
        try:
            kept = fitted(window)
        except PromptOverflowError:
            continue
        seen.add(len(kept))
        assert [m for m in kept if isinstance(m, SystemMessage)] == [messages[0], messages[11]]
        dialogue = [m for m in kept if not isinstance(m, SystemMessage)]
        assert isinstance(dialogue[0], HumanMessage | ChatMessage)
        calls = {c["id"] for m in kept if isinstance(m, AIMessage) for c in m.tool_calls}
        assert calls == {m.tool_call_id for m in kept if isinstance(m, ToolMessage)}
        places = [next(i for i, m in enumerate(messages) if m is k) for k in kept]
        assert places == sorted(places)
    assert seen == {5, 7, 12, 17}


def test_ids_of_calls_may_be_used_again():
    llm, engine = fake("a", context_window=1000, max_tokens=100, on_overflow="drop_oldest")
    call = {"name": "f", "args": {}, "id": "call_0"}
    turn = [
        HumanMessage("質問" * 9),
        AIMessage("", tool_calls=[call]),
        ToolMessage("結果", tool_call_id="call_0"),
        AIMessage("回答" * 9),
    ]
    llm.invoke([*turn * 30, HumanMessage("最後")])
    # As many whole turns as fit, and not none because all hang together.
    one_less = llm.get_num_tokens_from_messages([*turn, HumanMessage("最後")])
    assert one_less < len(engine.requests[0].prompt_ids) <= 900


def test_the_most_that_fits_is_kept():
    llm, engine = fake("a", context_window=700, max_tokens=100, on_overflow="drop_oldest")
    history = _history(40, 12)
    llm.invoke(history)
    used = len(engine.requests[0].prompt_ids)
    fits = [llm.get_num_tokens_from_messages(history[i:]) for i in range(0, len(history), 2)]
    assert used == max(n for n in fits if n + 100 <= 700)


def test_when_even_the_last_message_is_too_long_it_is_said():
    llm, engine = fake(context_window=300, max_tokens=100, on_overflow="drop_oldest")
    with pytest.raises(ContextOverflowError, match="max_tokens is 100"):
        llm.invoke([*_history(5), HumanMessage("長い" * 300)])
    with pytest.raises(ContextOverflowError):
        llm.invoke([AIMessage("長い" * 300)])
    assert not engine.requests


@pytest.mark.slow
def test_sqlite_keeps_one_row_for_one_model(checkpoint, tmp_path):
    from langchain_community.cache import SQLiteCache

    cache = SQLiteCache(str(tmp_path / "cache.db"))
    for _ in range(3):
        llm = ChatSwallow(model=str(checkpoint), max_tokens=5, cache=cache)
        llm.invoke("東京は？")
    with cache.engine.connect() as connection:
        rows = connection.exec_driver_sql("select count(*) from full_llm_cache").scalar()
    cache.engine.dispose()
    assert rows == 1
