"""Tools as checkpoints were trained on them: the prompt, the grammar, and what is read back."""

import functools
import json
import re
from typing import Literal

import llguidance.hf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, message_chunk_to_message
from langchain_core.tools import tool

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.tool_calls import ReadAnswer, ToolCallReader, read_answer
from langchain_swallow.chat_models.tool_forms import HARMONY, JAPANESE, ToolForm, tool_form
from langchain_swallow.chat_models.tool_schemas import to_openai_tools
from langchain_swallow.chat_models.tools import _regex_without, tool_use
from langchain_swallow.engines.detokenizer import token_bytes
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.grammar import GrammarCompiler
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.prompts import encode_inside, render
from langchain_swallow.prompts.template_messages import to_template_messages
from tests.support.thinking import QWEN3, qwen3_tokenizer
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer
from tests.support.tool_models import (
    harmony_tools_tokenizer,
    hermes_tokenizer,
    llama31_tokenizer,
)

HERMES = ToolForm(opening="<tool_call>", closing="</tool_call>")
LLAMA31 = ToolForm(between='", "parameters": ', parallel=False, text_of_calls="apart")


@tool
def 天気(都市: str, 単位: Literal["摂氏", "華氏"] = "摂氏") -> str:
    """天気を調べる。"""


@tool
def list_rooms() -> str:
    """空いている会議室の一覧を出す。"""


TOOLS = to_openai_tools([天気, list_rooms])
ARGUMENTS = '{"都市": "東京", "単位": "摂氏"}'
MAKERS = {
    "hermes": hermes_tokenizer,
    "llama3.1": llama31_tokenizer,
    "harmony": harmony_tools_tokenizer,
}
# A call, as a model writes it.
WRITTEN = {
    "hermes": '<tool_call>\n{"name": "天気", "arguments": ' + ARGUMENTS + "}\n</tool_call>",
    "llama3.1": '{"name": "天気", "parameters": ' + ARGUMENTS + "}",
    "harmony": "<|channel|>commentary to=functions.天気 <|constrain|>json<|message|>" + ARGUMENTS,
}
TEXTS = {
    "hermes": "晴れです {。",
    "llama3.1": "晴れです {。",
    "harmony": "<|channel|>final<|message|>晴れです {。",
}
THOUGHTS = {"hermes": "考え</think>", "llama3.1": "", "harmony": "考え<|end|>"}
forms = pytest.mark.parametrize("form", MAKERS)


@functools.cache
def tokenizer_of(form):
    return MAKERS[form]()


def used(form, choice="auto", parallel=None, answer=None):
    use = tool_use(TOOLS, choice, parallel, answer)
    return use.for_tokenizer(tokenizer_of(form), is_templated=True)


def shown(form, text):
    """A text as a detokenizer shows it: special tokens have none."""
    for token in tokenizer_of(form).all_special_tokens:
        text = text.replace(token, "")
    return text


def answered(form, text):
    """A thought, where the model thinks, and an answer."""
    return THOUGHTS[form] + shown(form, text)


# Which form


PREFIXED = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{% if m.tool_calls %}"
    '[TOOL_CALLS] [{"name": "{{ m.tool_calls[0].function.name }}", "arguments": '
    "{{ m.tool_calls[0].function.arguments | tojson }}}]{% else %}{{ m.content }}{% endif %}"
    "{% endfor %}"
)
NOT_DESCRIBED = (
    "{% for m in messages %}{{ m.content }}\n{% if m.tool_calls %}"
    '{"name": "{{ m.tool_calls[0].function.name }}", "arguments": '
    "{{ m.tool_calls[0].function.arguments | tojson }}}\n{% endif %}{% endfor %}"
)


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (hermes_tokenizer, HERMES),
        (llama31_tokenizer, LLAMA31),
        (harmony_tools_tokenizer, HARMONY),
        (lambda: qwen3_tokenizer(hermes_tokenizer().chat_template), HERMES),
        (lambda: qwen3_tokenizer(QWEN3), JAPANESE),
        (lambda: qwen3_tokenizer(PREFIXED), JAPANESE),
        (lambda: qwen3_tokenizer(NOT_DESCRIBED), JAPANESE),
        (lambda: qwen3_tokenizer("{{ raise_exception('x') }}"), JAPANESE),
        (trained_tokenizer, JAPANESE),
    ],
    ids=[
        *("Qwen3", "Llama 3.1", "gpt-oss", "Qwen3 for a client", "no tools", "a list of calls"),
        *("calls and no tools", "refuses", "no template"),
    ],
)
def test_the_form_is_what_the_template_writes(make, form):
    assert tool_form(make()) == form


# The prompt


CALL = {"name": "天気", "args": {"都市": "東京"}, "id": "a1", "type": "tool_call"}
ROOMS = {"name": "list_rooms", "args": {}, "id": "a2", "type": "tool_call"}
HISTORY = [
    HumanMessage("東京は？"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage('晴れ "23度"\n', tool_call_id="a1"),
]
AS_OPENAI = [
    {"role": "system", "content": "誠実に。"},
    {"role": "user", "content": "東京は？"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "a1", "type": "function",
             "function": {"name": "天気", "arguments": {"都市": "東京"}}}
        ],
    },
    {"role": "tool", "content": '晴れ "23度"\n', "name": "天気", "tool_call_id": "a1"},
]  # fmt: skip


def fake(form, *answers, **fields):
    engine = FakeEngine(answers, tokenizer_of(form), context_window=8192)
    fields = {"model": "mine", "prompt_format": "tokenizer", "system_prompt": "誠実に。", **fields}
    return ChatSwallow.from_engine(engine, **fields), engine


@forms
def test_prompts_are_those_of_transformers(form):
    llm, engine = fake(form, answered(form, WRITTEN[form]))
    llm.bind_tools([天気, list_rooms]).invoke(HISTORY)
    wanted = tokenizer_of(form).apply_chat_template(
        AS_OPENAI, tools=TOOLS, add_generation_prompt=True, tokenize=False
    )
    sent = tokenizer_of(form).decode(engine.requests[0].prompt_ids)
    assert sent.startswith(wanted)
    assert "次のツール" not in sent


@forms
def test_counting_counts_the_tools_as_the_template_has_them(form):
    llm, engine = fake(form, answered(form, WRITTEN[form]))
    message = [HumanMessage("東京は？")]
    counted = llm.get_num_tokens_from_messages(message, tools=[天気])
    llm.bind_tools([天気]).invoke(message)
    assert counted == len(engine.requests[0].prompt_ids)


@forms
def test_several_calls_of_one_answer_and_their_results_are_written_all(form):
    llm, engine = fake(form, answered(form, TEXTS[form]))
    results = [
        ToolMessage("A会議室", tool_call_id="a2"),
        ToolMessage("東京は晴れ", tool_call_id="a1"),
    ]
    llm.bind_tools([天気, list_rooms]).invoke(
        [HumanMessage("両方"), AIMessage("調べます。", tool_calls=[CALL, ROOMS]), *results]
    )
    sent = tokenizer_of(form).decode(engine.requests[0].prompt_ids)
    places = [sent.rindex(text) for text in ("A会議室", "東京は晴れ")]
    # Where a turn has one call only, each is followed by its result.
    assert (places == sorted(places)) == (form == "hermes")


@st.composite
def histories(draw):
    """Calls and results in any order, the results numbered."""
    ids = st.sampled_from(["a", "b", "c"])
    history = [HumanMessage("始め")]
    for i in range(draw(st.integers(1, 6))):
        called = [{**CALL, "id": id} for id in draw(st.lists(ids, max_size=2))]
        kinds = [
            HumanMessage("まだ？"),
            AIMessage("はい。", tool_calls=called),
            ToolMessage(f"結果{i}番", tool_call_id=draw(ids)),
        ]
        history.append(draw(st.sampled_from(kinds)))
    return history


@forms
@settings(max_examples=60, deadline=None)
@given(history=histories())
def test_every_result_is_sent_once_wherever_it_is(form, history):
    known = tool_form(tokenizer_of(form))
    made = to_template_messages(
        history, None, parallel=known.parallel, text_of_calls=known.text_of_calls
    )
    sent = render(made, format="tokenizer", tokenizer=tokenizer_of(form))
    for message in history:
        if isinstance(message, ToolMessage):
            assert sent.count(message.content) == 1


def test_where_each_call_is_an_answer_a_late_result_is_behind_its_own():
    history = [
        AIMessage("", tool_calls=[CALL]),
        HumanMessage("まだ？"),
        AIMessage("", tool_calls=[ROOMS]),
        ToolMessage("晴れ", tool_call_id="a1"),
        ToolMessage("A会議室", tool_call_id="a2"),
    ]
    made = to_template_messages(history, None, parallel=False)
    assert [message["content"] for message in made] == ["", "晴れ", "まだ？", "", "A会議室"]


@pytest.mark.parametrize("form", ["hermes", "harmony"])
@pytest.mark.parametrize("version", ["v0", "v1", "both"])
def test_the_thought_of_a_tool_loop_is_sent_back_and_an_earlier_one_is_not(form, version):
    kwargs, content = {"reasoning_content": "今の考え"}, "調べます。"
    if version != "v0":
        # langchain-core keeps the keyword beside the block that it makes of it.
        kwargs = kwargs if version == "both" else {}
        content = [
            {"type": "reasoning", "reasoning": "今の考え"},
            {"type": "text", "text": "調べます。"},
        ]
    llm, engine = fake(form, answered(form, TEXTS[form]))
    llm.bind_tools([天気]).invoke(
        [
            HumanMessage("前"),
            AIMessage("はい。", additional_kwargs={"reasoning_content": "昔の考え"}),
            HumanMessage("東京は？"),
            AIMessage(content, tool_calls=[CALL], additional_kwargs=kwargs),
            ToolMessage("晴れ", tool_call_id="a1"),
        ]
    )
    sent = tokenizer_of(form).decode(engine.requests[0].prompt_ids)
    assert (sent.count("今の考え"), sent.count("調べます。"), sent.count("昔の考え")) == (1, 1, 0)


@pytest.mark.parametrize("form", ["hermes", "harmony"])
def test_the_thought_of_an_agent_with_v1_output_is_sent_back_once(form):
    llm, _ = fake(form, answered(form, WRITTEN[form]), output_version="v1")
    called = llm.bind_tools([天気, list_rooms]).invoke("東京は？")
    result = ToolMessage("晴れ", tool_call_id=called.tool_calls[0]["id"])
    llm, engine = fake(form, answered(form, TEXTS[form]))
    llm.bind_tools([天気, list_rooms]).invoke([HumanMessage("東京は？"), called, result])
    assert tokenizer_of(form).decode(engine.requests[0].prompt_ids).count("考え") == 1


@forms
def test_a_result_that_is_an_error_says_so(form):
    llm, engine = fake(form, answered(form, TEXTS[form]))
    failed = ToolMessage("接続できません。", tool_call_id="a1", status="error")
    llm.bind_tools([天気]).invoke([*HISTORY[:2], failed])
    # Some templates write it as JSON.
    sent = tokenizer_of(form).decode(engine.requests[0].prompt_ids).replace(r"\n", "\n")
    assert "エラー:\n接続できません。" in sent


@forms
def test_a_result_without_its_call_is_a_users_text(form):
    llm, engine = fake(form, answered(form, TEXTS[form]))
    llm.bind_tools([天気]).invoke([ToolMessage("晴れ", tool_call_id="a1", name="天気")])
    sent = tokenizer_of(form).decode(engine.requests[0].prompt_ids)
    assert "ツール「天気」の結果:\n晴れ" in sent


# The grammar


def compiler_of(form):
    tokenizer = tokenizer_of(form)
    return GrammarCompiler(
        tokenizer,
        token_bytes(tokenizer),
        frozenset({tokenizer.eos_token_id}),
        lambda part: encode_inside(part, tokenizer),
    )


def admits(form, grammar, text):
    """Whether a grammar admits the tokens of a text as a whole answer."""
    tokenizer = tokenizer_of(form)
    ids = tokenizer.encode(text, add_special_tokens=False)
    theirs = llguidance.hf.from_tokenizer(tokenizer)
    source = llguidance.LLMatcher.grammar_from_lark(grammar.text)
    outcomes = []
    for matcher in (compiler_of(form).mask(grammar)._matcher, llguidance.LLMatcher(theirs, source)):
        assert not matcher.is_error(), matcher.get_error()
        outcomes.append(matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting())
    # vLLM's view of the vocabulary is another one.
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@forms
def test_the_grammar_admits_calls_that_are_valid_and_no_others(form):
    good = WRITTEN[form]
    bad = [
        good.replace("東京", '東京", "x": "'),
        good.replace("摂氏", "絶対"),
        good.replace("天気", "地図"),
        good.replace('"都市": "東京", ', ""),
        f"{good}。",
    ]
    for choice in ("auto", "any", "天気"):
        grammar = used(form, choice).grammar
        assert admits(form, grammar, good), choice
        assert admits(form, grammar, TEXTS[form]) == (choice == "auto")
        assert not any(admits(form, grammar, text) for text in bad), choice
    assert not admits(form, used(form, "list_rooms").grammar, good)


@pytest.mark.parametrize("control", ["</tool_call>", "<tool_call>", "<|im_end|>"])
@pytest.mark.parametrize("answer", [None, {"type": "object", "properties": {}}])
def test_a_control_text_in_the_name_of_a_tool_is_text(answer, control):
    name = f"a{control}b"
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]
    tokenizer = tokenizer_of("hermes")
    use = tool_use(tools, "auto", None, answer).for_tokenizer(tokenizer, is_templated=True)
    opening, closing = tokenizer.convert_tokens_to_ids(["<tool_call>", "</tool_call>"])
    inside = f'\n{{"name": "{name}", "arguments": {{}}}}\n'
    ids = [opening, *encode_inside(inside, tokenizer), closing]
    matcher = compiler_of("hermes").mask(use.grammar)._matcher
    assert matcher.try_consume_tokens(ids) == len(ids)
    assert matcher.is_accepting()
    read = read_answer(f"<tool_call>{inside}</tool_call>", use.rules)
    assert [(call.name, call.error) for call in read.calls] == [(name, None)]


@given(
    st.lists(st.sampled_from(["<", "tool_call>", "<tool_call", "<tool_call>", "x\n"]), max_size=6)
)
def test_text_without_an_opening_is_all_other_text(parts):
    text = "".join(parts)
    assert bool(re.fullmatch(_regex_without("<tool_call>"), text)) == ("<tool_call>" not in text)


@forms
def test_several_calls_only_where_a_turn_can_have_them(form):
    two = f"{WRITTEN[form]}\n{WRITTEN[form]}"
    assert admits(form, used(form).grammar, two) == (form == "hermes")
    assert admits(form, used(form, parallel=True).grammar, two) == (form == "hermes")
    assert not admits(form, used(form, parallel=False).grammar, two)


def test_text_may_come_before_a_call_that_has_an_opening():
    for text in ("調べます。\n", "", "波 { 括弧\n\n"):
        assert admits("hermes", used("hermes").grammar, text + WRITTEN["hermes"])
        assert not admits("hermes", used("hermes", "any").grammar, f"x{text}{WRITTEN['hermes']}")


@forms
def test_an_answer_of_a_schema_or_a_call(form):
    schema = {"type": "object", "properties": {"件名": {"type": "string"}}, "required": ["件名"]}
    grammar = used(form, answer=schema).grammar
    prefix = "<|channel|>final<|message|>" if form == "harmony" else ""
    assert admits(form, grammar, prefix + '{"件名": "会議"}')
    assert admits(form, grammar, WRITTEN[form])
    assert not admits(form, grammar, TEXTS[form])
    rules = used(form, answer=schema).rules
    assert read_answer(shown(form, prefix) + '{"件名": "会議"}', rules).text == '{"件名": "会議"}'
    assert len(read_answer(shown(form, WRITTEN[form]), rules).calls) == 1


# What is read


def streamed(text, rules, size, cut=None):
    reader = ToolCallReader(rules)
    pieces = [reader.feed(text[start : start + size]) for start in range(0, len(text), size)]
    pieces.append(reader.end(cut))
    calls = {}
    for _, chunks in pieces:
        for chunk in chunks:
            begun = calls.setdefault(chunk["index"], {"name": chunk["name"], "args": ""})
            begun["args"] += chunk["args"]
    return "".join(said for said, _ in pieces), list(calls.values())


@pytest.mark.parametrize(
    ("form", "before"),
    [*((form, blank) for form in MAKERS for blank in ("", "\n")), ("hermes", "調べます。 \n")],
)
@pytest.mark.parametrize("size", [1, 2, 5, 400])
def test_a_call_is_read_whole_and_streamed_alike(form, size, before):
    text = before + shown(form, WRITTEN[form])
    rules = used(form).rules
    whole = read_answer(text, rules)
    said, calls = streamed(text, rules, size)
    assert whole.text == said == before.strip()
    assert [(call.name, call.arguments, call.error) for call in whole.calls] == [
        ("天気", json.loads(ARGUMENTS), None)
    ]
    assert [(call["name"], json.loads(call["args"])) for call in calls] == [
        ("天気", json.loads(ARGUMENTS))
    ]


@forms
@pytest.mark.parametrize("size", [1, 3, 400])
def test_free_text_is_read_whole_and_streamed_alike(form, size):
    for text in ("晴れです {。", "", "<tool", "final", "<b>{", " \n"):
        written = shown(form, TEXTS[form]).replace("晴れです {。", text)
        rules = used(form).rules
        assert read_answer(written, rules).text == text
        assert streamed(written, rules, size) == (text, [])


@pytest.mark.parametrize("answer", [None, {"type": "object"}], ids=["free", "schema"])
@pytest.mark.parametrize("cut", [None, "max_tokens was reached."], ids=["whole", "cut"])
@pytest.mark.parametrize("size", [1, 3, 400])
@pytest.mark.parametrize("name", ["天気", "地図"])
def test_a_call_without_its_opening_is_text(answer, cut, size, name):
    rules = used("hermes", answer=answer).rules
    call = '{"name": "' + name + '", "arguments": ' + ARGUMENTS + "}"
    for text in (call, f"\n{call}", call[:-5], f"{call}\n</tool_call>"):
        assert read_answer(text, rules, cut) == ReadAnswer(text, [])
        assert streamed(text, rules, size, cut) == (text, [])


def test_several_calls_with_openings_are_read():
    text = f"両方。\n{WRITTEN['hermes']}\n" + WRITTEN["hermes"].replace("東京", "<tool_call>")
    rules = used("hermes").rules
    assert [call.error for call in read_answer(text, rules).calls] == [None, None]
    said, calls = streamed(text, rules, 3)
    assert said == "両方。"
    assert [json.loads(call["args"])["都市"] for call in calls] == ["東京", "<tool_call>"]


@forms
def test_of_a_call_that_is_cut_nobody_gets_a_valid_one(form):
    text = shown(form, WRITTEN[form])
    # From here on the call has all that makes it whole.
    end = text.index(ARGUMENTS) + len(ARGUMENTS) + (form != "harmony")
    rules = used(form).rules
    for cut in (None, "max_tokens was reached within the call."):
        for size in range(len(text)):
            whole = read_answer(text[:size], rules, cut)
            valid = [call for call in whole.calls if call.error is None]
            assert len(valid) == (size >= end), text[:size]
            said, calls = streamed(text[:size], rules, 2, cut)
            assert said == whole.text
            assert [call["name"] for call in calls] == [call.name for call in whole.calls]
            for call, read in zip(calls, whole.calls, strict=True):
                assert call["args"].strip().endswith(read.text.strip())
                assert read.error is None or read.error in call["args"]


# Together


@forms
def test_a_call_comes_out_of_a_chat_model(form):
    llm, _ = fake(form, *[answered(form, WRITTEN[form])] * 2)
    bound = llm.bind_tools([天気, list_rooms])
    message = bound.invoke("東京は？")
    chunks = message_chunk_to_message(
        functools.reduce(lambda a, b: a + b, bound.stream("東京は？"))
    )
    for got in (message, chunks):
        assert got.content == ""
        assert [(c["name"], c["args"]) for c in got.tool_calls] == [("天気", json.loads(ARGUMENTS))]
        assert got.response_metadata["finish_reason"] == "tool_calls"
        thought = {"reasoning_content": "考え"} if THOUGHTS[form] else {}
        assert got.additional_kwargs == thought


def test_a_thought_a_text_and_calls_are_blocks_of_their_own_in_a_stream():
    text = f"考え</think>両方です。\n{WRITTEN['hermes']}\n{WRITTEN['hermes']}"
    for version in ("v0", "v1"):
        llm, _ = fake("hermes", text, output_version=version)
        chunks = llm.bind_tools([天気, list_rooms]).stream("東京は？")
        message = functools.reduce(lambda a, b: a + b, chunks)
        kinds = [block["type"] for block in message.content_blocks]
        assert kinds == ["reasoning", "text", "tool_call", "tool_call"]
        assert [call["args"] for call in message.tool_calls] == [json.loads(ARGUMENTS)] * 2


@pytest.mark.slow
@forms
@pytest.mark.parametrize("choice", ["any", "auto"])
def test_random_weights_call_tools_validly(form, choice):
    tokenizer = tokenizer_of(form)
    model = tiny(vocab_size=len(tokenizer), max_position_embeddings=4096)
    engine = LocalEngine(model, tokenizer, context_window=4096)
    llm = ChatSwallow.from_engine(
        engine, model="mine", prompt_format="tokenizer", max_tokens=200, temperature=1.0
    )

    @tool
    def 予約(部屋: Literal["A", "B"], 人数: Literal[1, 2, 3]) -> str:
        """会議室を予約する。"""

    extra = {} if form == "llama3.1" else {"max_reasoning_tokens": 8}
    bound = llm.bind_tools([予約, list_rooms], tool_choice=choice)
    try:
        for seed in range(4):
            message = bound.invoke("東京は？", seed=seed, **extra)
            assert message.invalid_tool_calls == []
            assert message.tool_calls or choice == "auto"
            for call in message.tool_calls:
                assert call["args"] == {} or call["args"]["部屋"] in ("A", "B")
    finally:
        engine.close()
