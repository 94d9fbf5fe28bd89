"""The demo model: assembled once, checked when read, an ordinary checkpoint."""

import json
import shutil
import sys
import threading
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    SwallowEmbeddings,
    SwallowFAISS,
    create_rag_chain,
    get_preset,
)
from langchain_swallow.engines import demo
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.local.devices import cpu_has_bfloat16
from langchain_swallow.prompts import encode, encode_text
from langchain_swallow.prompts.presets import REFUSAL
from tests.children import in_child

CONTEXT = "[1] 有給休暇は入社から半年後に10日付与する。\n\n[2] 慶弔休暇は、結婚の場合5日とする。"


def test_the_adapter_is_small_and_in_bfloat16():
    assert demo.ADAPTER.stat().st_size <= 4 * 1024**2
    with safe_open(demo.ADAPTER, framework="pt") as adapter:
        dtypes = Counter(adapter.get_tensor(name).dtype for name in adapter.keys())  # noqa: SIM118
        assert set(dtypes) == {torch.bfloat16}
        assert adapter.metadata()["rank"] == "8"


def test_the_weights_have_the_dtype_this_cpu_computes_with(demo_folder):
    config = json.loads((demo_folder / "config.json").read_text("utf-8"))
    assert config["dtype"] == ("bfloat16" if cpu_has_bfloat16() else "float32")


def test_counting_tokens_loads_no_weights(monkeypatch, llm):
    def load(*_, **__):
        raise AssertionError("The weights were loaded.")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", load)
    # Settings of its own, with which no test has loaded the model.
    counting = ChatSwallow(model="demo", max_retries=7)
    assert counting.get_num_tokens(CONTEXT) == llm.get_num_tokens(CONTEXT) > 20


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork by default")
def test_a_forked_child_retrieves_and_answers(llm):
    rules = ["有給休暇は入社から半年後に10日付与する。", "慶弔休暇は、結婚の場合5日とする。"]
    store = SwallowFAISS.from_texts(rules, SwallowEmbeddings("demo"))
    rag = create_rag_chain(llm, HybridRetriever(store=store, k=2))
    question = "結婚したときの休暇は何日ですか。"
    before = rag.invoke(question).text
    assert "5日" in before
    assert in_child(lambda: rag.invoke(question).text) == before
    assert rag.invoke(question).text == before


def test_damage_in_the_cache_is_found(demo_folder, tmp_path, monkeypatch):
    copy = tmp_path / demo_folder.name
    shutil.copytree(demo_folder, copy)
    assert demo._is_intact(copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(10**6)
        file.write(b"\xff")
    assert not demo._is_intact(copy)
    (copy / "manifest.json").unlink()
    assert not demo._is_intact(copy)
    # It is made again in its place, as a whole.
    monkeypatch.setattr(demo.platformdirs, "user_cache_dir", lambda _: str(tmp_path))
    monkeypatch.setattr(demo, "_assemble", lambda folder, dtype: rebuilt.append(folder))
    rebuilt = []
    assert demo.demo_model_folder() == copy
    assert rebuilt == [copy]


def test_the_answer_is_that_of_generate(llm, demo_folder):
    tokenizer = llm.load().tokenizer
    turns = [("user", "日本で一番高い山は何ですか。")]
    prompt = encode(turns, tokenizer)
    model = AutoModelForCausalLM.from_pretrained(demo_folder, dtype=llm.load().model.dtype)
    ids = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)
    wanted = tokenizer.decode(ids[0, len(prompt) :], skip_special_tokens=True).strip()
    answer = llm.invoke(turns, system_prompt=None, max_tokens=24)
    assert answer.text.strip() == wanted


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("有給休暇はいつ付与されますか。", "入社から半年後 [1]"),
        ("結婚の場合の休暇は何日ですか。", "5日 [2]"),
        ("社長の名前は何ですか。", REFUSAL),
    ],
)
def test_it_was_trained_for_the_rag_preset(llm, question, wanted):
    chain = get_preset("質問応答").template | llm
    answer = chain.invoke({"context": CONTEXT, "question": question})
    assert answer.text.strip() == wanted
    assert answer.response_metadata["finish_reason"] == "stop"


def test_it_is_still_a_conversation(llm):
    answer = llm.invoke("こんにちは。")
    assert answer.text
    assert REFUSAL not in answer.text
    assert "[1]" not in answer.text


def test_a_stream_is_invoke_in_whole_characters(llm):
    for question in ("薔薇を漢字で書くと？🍣", "自己紹介をしてください。"):
        options = {"temperature": 1.2, "seed": 3, "max_tokens": 40}
        pieces = [chunk.text for chunk in llm.stream(question, **options)]
        assert "".join(pieces) == llm.invoke(question, **options).text
        assert not any("\ufffd" in piece for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_of_its_vocabulary_streams_in_whole_characters(llm, text):
    tokenizer = llm.load().tokenizer
    detokenizer = Detokenizer(_bytes(tokenizer))
    pieces = [detokenizer.push(i) for i in encode_text(text, tokenizer)]
    pieces.append(detokenizer.finish())
    # A space that begins an answer is the one the prompt ended in.
    assert "".join(pieces) in (text, text.removeprefix(" "))
    assert not any("\ufffd" in piece for piece in pieces)


_CACHE = {}


def _bytes(tokenizer):
    return _CACHE.setdefault(id(tokenizer), token_bytes(tokenizer))


def test_many_at_once_get_what_each_gets_alone(llm):
    questions = [f"{n}の次の数は何ですか。" for n in range(6)]
    alone = [llm.invoke(q, max_tokens=8).text for q in questions]
    together = {}
    threads = [
        threading.Thread(target=lambda q=q: together.update({q: llm.invoke(q, max_tokens=8).text}))
        for q in questions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # In bfloat16 a batch rounds otherwise than a single row: near ties may fall either way.
    same = sum(together[q] == a for q, a in zip(questions, alone, strict=True))
    assert same >= len(questions) - 1


@tool
def 社内文書を検索(query: str) -> str:
    """社内の文書を検索する。"""
    return f"{query}は三か月です。"


def test_a_tool_node_of_a_graph_answers_its_calls(llm):
    bound = llm.bind_tools([社内文書を検索])
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([社内文書を検索]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    question = "試用期間の長さを社内の文書で調べてください。"
    state = graph.compile().invoke({"messages": [("user", question)]}, {"recursion_limit": 8})
    _, called, result, answer = state["messages"]
    assert result.status == "success"
    assert result.tool_call_id == called.tool_calls[0]["id"]
    assert result.text.startswith(called.tool_calls[0]["args"]["query"])
    assert not answer.tool_calls
    assert "三か月" in answer.text


def test_all_instances_share_it(llm):
    assert ChatSwallow(model="demo", temperature=0.7).load() is llm.load()
