"""No text becomes a control token: all added tokens, all formats, all kinds of tokenizers."""

import functools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from transformers import PreTrainedTokenizerFast

from langchain_swallow import ChatSwallow, create_rag_chain
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.server.protocol import Flavor, prompt_text
from langchain_swallow.errors import ControlTextError, InvalidRequestError
from langchain_swallow.prompts import encode, encode_text
from langchain_swallow.prompts.control_tokens import control_tokens
from tests.support.control_tokenizers import (
    CHATML,
    MORE,
    OTHERS,
    SPECIALS,
    client,
    fast,
    folding_folder,
    gemma_folder,
    qwen3_folder,
    sentencepiece_fast,
    sentencepiece_slow,
    slow,
)
from tests.support.family_tokenizers import FAMILIES

PROPERTY = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


TOKENIZERS = [
    pytest.param(functools.partial(fast, qwen3_folder), id="byte-level"),
    pytest.param(functools.partial(client, qwen3_folder), id="byte-level, client"),
    pytest.param(functools.partial(fast, folding_folder), id="NFKC"),
    pytest.param(functools.partial(client, folding_folder), id="NFKC, client"),
    pytest.param(functools.partial(client, gemma_folder), id="tokenizer.model, client"),
    pytest.param(sentencepiece_fast, id="tokenizer.model"),
    pytest.param(sentencepiece_slow, id="tokenizer.model, slow"),
    pytest.param(slow, id="written in Python"),
]
FORMATS = ["ver0.1", "alpaca", "tokenizer"]


def turns_of(system, user, answer, last):
    return [("system", system), ("user", user), ("assistant", answer), ("user", last)]


def control_ids(ids, tokenizer):
    """The control tokens of a prompt, in their order."""
    known = {token.id for token in control_tokens(tokenizer).values()} - {tokenizer.unk_token_id}
    return [i for i in ids if i in known]


def pieces_of_tokens():
    """Control tokens cut anywhere, in full width or capitals, with something invisible inside."""
    texts = st.sampled_from(
        [*SPECIALS, *OTHERS, *MORE, "<s>", "</s>", "<unk>", "<|wide|>", "<pad>"]
    )
    wide = str.maketrans({chr(i): chr(i + 0xFEE0) for i in range(0x21, 0x7F)})
    changes = st.sampled_from(
        [str, str.upper, lambda t: t.translate(wide), lambda t: t[:2] + "\u200b" + t[2:]]
    )
    whole = st.builds(lambda text, change: change(text), texts, changes)
    cut = st.builds(lambda text, at: text[:at], whole, st.integers(1, 12))
    rest = st.builds(lambda text, at: text[at:], whole, st.integers(1, 12))
    plain = st.sampled_from(
        ["", " ", "\n\n", "   ", "▁", "東京", "user\n", "assistant\n", "\ue0000\ue001"]
    )
    return st.lists(st.one_of(whole, cut, rest, plain), max_size=6).map("".join)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@PROPERTY
@given(texts=st.tuples(*[pieces_of_tokens()] * 4))
def test_a_prompt_has_the_control_tokens_of_its_template_alone(tokenizer, format, texts):
    made = tokenizer()
    clean = encode(turns_of("一", "二", "三", "四"), made, format=format)
    for mode in ("escape", "allow"):
        ids = encode(turns_of(*texts), made, format=format, on_control_text=mode)
        assert control_ids(ids, made) == control_ids(clean, made)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_every_added_token_is_plain_text_in_a_message_and_an_error_if_asked_for(tokenizer):
    made = tokenizer()
    for token in control_tokens(made).values():
        for text in (token.text, f"前{token.text}後", f" {token.text} ", token.text * 2):
            ids = encode_text(text, made)
            assert token.id == made.unk_token_id or token.id not in ids, token
            for format in FORMATS:
                with pytest.raises(ControlTextError, match="control text"):
                    encode([("user", text)], made, format=format, on_control_text="error")


@pytest.mark.parametrize("tokenizer", TOKENIZERS[:4])
@pytest.mark.parametrize("text", ["東京は？\n\n大阪", "a   b", "薔🍣 ABC ＡＢＣ", "- 一\n  - 二"])
def test_plain_text_has_the_ids_that_it_always_had(tokenizer, text):
    made = tokenizer()
    kind = {"split_special_tokens": True, "add_special_tokens": False}
    before = fast(qwen3_folder if made.unk_token_id is None else folding_folder).encode(
        text, **kind
    )
    assert encode_text(text, made) == before


@pytest.mark.parametrize("make", [qwen3_folder, folding_folder], ids=["byte-level", "NFKC"])
@PROPERTY
@given(texts=st.tuples(*[st.text("ab 東京、", max_size=12)] * 4))
def test_harmless_prompts_are_those_of_the_rendered_template(make, texts):
    turns = turns_of(*texts)
    # White space is taken by tokens that say so.
    template = CHATML.replace("<|im_end|>\n", " <|wide|>\n<|im_end|>\n")
    for made in (fast(make), client(make)):
        made.chat_template = template
        try:
            ids = encode(turns, made, format="tokenizer")
        finally:
            made.chat_template = CHATML
        messages = [{"role": role, "content": text} for role, text in turns]
        rendered = fast(make).apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True
        )
        assert ids == fast(make).encode(rendered, add_special_tokens=False)


@pytest.mark.parametrize("make", [qwen3_folder, folding_folder], ids=["byte-level", "NFKC"])
@PROPERTY
@given(texts=st.tuples(*[pieces_of_tokens()] * 4))
def test_both_tokenizers_give_the_same_ids(make, texts):
    for format in FORMATS:
        ids = encode(turns_of(*texts), fast(make), format=format)
        assert ids == encode(turns_of(*texts), client(make), format=format)


def test_a_server_of_texts_is_sent_no_text_that_it_takes_for_a_control_token():
    tokenizer = client(qwen3_folder)
    harmless = encode([("user", "東京は？")], tokenizer, format="tokenizer")
    text = prompt_text(tuple(harmless), tokenizer, Flavor("m", "x"))
    assert text == (
        "<|im_start|>user\n東京は？<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    ids = encode([("user", "a</think>b")], tokenizer, format="tokenizer")
    with pytest.raises(InvalidRequestError, match="contains '</think>'"):
        prompt_text(tuple(ids), tokenizer, Flavor("m", "x"))


def tool_of(text):
    value = {"type": "string", "description": text, "enum": [text, "b"]}
    parameters = {"type": "object", "properties": {text: value}}
    return {
        "type": "function",
        "function": {"name": f"f{text}", "description": text, "parameters": parameters},
    }


def request_with(text, on_control_text="escape", tokenizer=None, answers=("はい [1]",) * 2):
    """A prompt with tools, their calls and results, and documents, all of which contain a text."""
    engine = FakeEngine(answers, tokenizer or client(qwen3_folder))
    llm = ChatSwallow.from_engine(
        engine, model="x", prompt_format="tokenizer", on_control_text=on_control_text
    )
    call = {"name": text, "args": {text: [text]}, "id": text}
    history = [
        SystemMessage(text),
        HumanMessage([text, {"type": "text", "text": text}]),
        AIMessage(text, tool_calls=[call], additional_kwargs={"reasoning_content": text}),
        ToolMessage(text, name=text, tool_call_id=text, status="error"),
    ]
    llm.bind_tools([tool_of(text)]).invoke(history, stop=[text])
    metadata = {"title": text, "headings": text, "source": f"{text}.md", "page": 1}
    documents = [Document(text, metadata=metadata), Document(f"{text}後", metadata=metadata)]
    create_rag_chain(llm, lambda question: documents).invoke(f"{text}とは")
    return [control_ids(request.prompt_ids, engine.tokenizer) for request in engine.requests]


@pytest.mark.parametrize(
    "text", [*SPECIALS, *OTHERS, *MORE, "<|wide|>", "<|word|>", "</thi", "nk>"]
)
def test_nothing_that_a_request_contains_becomes_a_control_token(text):
    assert request_with(text) == request_with("語")
    if len(text) > 5:
        with pytest.raises(ControlTextError, match="control text"):
            request_with(text, "error")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_no_request_in_a_trained_form_has_a_control_token_of_its_texts(family):
    made = FAMILIES[family]().client
    thought = {"qwen3": "考え</think>", "gpt_oss": "考え<|end|>"}.get(family, "")
    given = {"tokenizer": made, "answers": [f"{thought}はい [1]"] * 2}
    harmless = request_with("語", **given)
    for text in control_tokens(made):
        assert request_with(text, **given) == harmless
        with pytest.raises(ControlTextError, match="control text"):
            request_with(text, "error", **given)


def test_a_character_that_a_checkpoint_pads_with_is_still_text():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(qwen3_folder() / "tokenizer.json"))
    before = encode_text("Fire! <think>", tokenizer)
    tokenizer.pad_token = "!"
    tokenizer.add_tokens(["<|any|>"])
    assert encode_text("Fire! <think>", tokenizer) == before
    assert tokenizer.decode(before) == "Fire! <think>"


def test_a_token_that_is_added_after_the_first_text_is_known():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(qwen3_folder() / "tokenizer.json"))
    assert encode_text("<|late|>", tokenizer)
    tokenizer.add_tokens(["<|late|>"])
    assert tokenizer.convert_tokens_to_ids("<|late|>") not in encode_text("<|late|>", tokenizer)
