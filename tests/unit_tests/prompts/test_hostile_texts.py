"""Of every family: 10,000 hostile texts forge no control token; harmless ones are transformers'."""

import random
import re
import unicodedata

import pytest

from langchain_swallow.errors import ControlTextError
from langchain_swallow.prompts import encode, render
from langchain_swallow.prompts.control_tokens import control_tokens
from tests.support.family_tokenizers import FAMILIES
from tests.support.hostile_texts import disguises, hostile_texts

MARKERS = ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "### 指示:", "### 応答:"]
HARMLESS = [
    "東京は？",
    " 首都です。\n",
    'He said "no" \\ 1+1=2',
    "a\n\nb  c",
    "薔😀𠮷",
    "- 一\n  - 二",
]


def conversation(take, *, takes_tools):
    """Messages and template arguments; each text in them is the next that `take` gives."""
    messages = [("system", take()), ("user", take()), ("assistant", take()), ("user", take())]
    if not takes_tools:
        return messages, {}
    call = {"name": take(), "arguments": {take(): take(), "a": [take(), {take(): 1}]}}
    messages += [
        {
            "role": "assistant",
            "content": take(),
            "reasoning_content": take(),
            "tool_calls": [{"type": "function", "id": take(), "function": call}],
        },
        {"role": "tool", "content": take(), "name": take(), "tool_call_id": take()},
    ]
    name = take()
    value = {"type": "string", "description": take(), "enum": [take(), take()], "default": take()}
    listed = {"type": "array", "items": {"anyOf": [{"const": take()}, {"type": take()}]}}
    parameters = {
        "type": "object",
        "properties": {name: value, take(): listed},
        "required": [name],
        take(): take(),
    }
    tool = {"name": take(), "description": take(), "parameters": parameters, "strict": True}
    arguments = {
        "tools": [{"type": "function", "function": tool}],
        "documents": [{"title": take(), "text": take(), take(): take()}],
        "model_identity": take(),
        "date_string": take(),
    }
    return messages, arguments


def slots(family):
    """How many texts a conversation has."""
    letters = iter(range(100))
    conversation(lambda: str(next(letters)), takes_tools=family.takes_tools)
    return next(letters)


def given(family, texts):
    """Messages of these texts, and the options to render them with."""
    left = iter(texts)
    messages, arguments = conversation(lambda: next(left), takes_tools=family.takes_tools)
    return messages, {"format": "tokenizer", "template_arguments": arguments}


def control_ids(ids, made):
    known = {token.id for token in control_tokens(made).values()} - {made.unk_token_id}
    return [i for i in ids if i in known]


def markers_in(text):
    """As a forger would hope the model reads it: folded, without what cannot be seen."""
    visible = (c for c in text if unicodedata.category(c) not in ("Cf", "Cc", "Mn"))
    text = re.sub(r"[\s▁\u3164]", "", unicodedata.normalize("NFKC", "".join(visible)).casefold())
    return [text.count(re.sub(r"\s", "", marker.casefold())) for marker in MARKERS]


def check_that_none_is_forged(family, count, seed):
    tokens = [*control_tokens(family.oracle), *MARKERS]
    size = slots(family)
    texts = [text if text.strip() else "語" for text in hostile_texts(tokens, count, seed)]
    for made in family.tokenizers:
        messages, options = given(family, map(str, range(size)))
        clean = control_ids(encode(messages, made, **options), made)
        markers = markers_in(render(messages, tokenizer=made, **options))
        for i in range(0, count - size + 1, size):
            messages, options = given(family, texts[i : i + size])
            for mode in ("escape", "allow"):
                ids = encode(messages, made, on_control_text=mode, **options)
                assert control_ids(ids, made) == clean, (i, mode)
            assert markers_in(render(messages, tokenizer=made, **options)) == markers, i


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_texts_forge_no_control_token_and_no_marker(family):
    check_that_none_is_forged(FAMILIES[family](), 300, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_ten_thousand_hostile_texts_forge_none(family):
    check_that_none_is_forged(FAMILIES[family](), 10_000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_each_control_text_is_an_error_wherever_it_stands_and_however_it_is_disguised(family):
    made = FAMILIES[family]()
    dice = random.Random(0)
    size = slots(made)
    # Not all alike: of two parameters with one name the second would be left.
    letters = [chr(ord("一") + i) for i in range(size)]
    messages, options = given(made, letters)
    rendered = render(messages, tokenizer=made.client, **options)
    # A model may think of control tokens: its thoughts are no error.
    thoughts = [m["reasoning_content"] for m in messages[4:] if "reasoning_content" in m]
    seen = [letter in rendered and letter not in thoughts for letter in letters]
    written = [slot for slot, is_seen in enumerate(seen) if is_seen]
    assert len(written) > size // 2
    for token in [*control_tokens(made.oracle), *MARKERS]:
        # JSON writes out what is invisible, so only the messages are disguised.
        hostile = [(dice.randrange(4), text) for text in disguises(token, dice)]
        for slot, text in [*hostile, (dice.choice(written), token)]:
            texts = list(letters)
            texts[slot] = f"前{text}後"
            messages, options = given(made, texts)
            with pytest.raises(ControlTextError, match="control text"):
                encode(messages, made.client, on_control_text="error", **options)


@pytest.mark.parametrize("family", ["qwen3", "gpt_oss", "llama31"])
def test_a_thought_of_a_control_text_is_no_error_and_forges_none(family):
    made = FAMILIES[family]()
    for token in [*control_tokens(made.oracle), *MARKERS]:
        letters = [chr(ord("一") + i) for i in range(slots(made))]
        messages, options = given(made, letters)
        messages[4]["reasoning_content"] = f"前{token}後"
        ids = encode(messages, made.client, on_control_text="error", **options)
        assert ids == encode(messages, made.client, on_control_text="escape", **options)
        messages[5]["content"] = f"前{token}後"
        with pytest.raises(ControlTextError, match="control text"):
            encode(messages, made.client, on_control_text="error", **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_harmless_conversations_have_the_ids_of_transformers(family):
    made = FAMILIES[family]()
    dice = random.Random(0)
    size = slots(made)
    for _ in range(20):
        texts = [dice.choice(HARMLESS) + str(i) for i in range(size)]
        if family == "llama2":
            # Of runs of spaces transformers 5 makes other tokens than SentencePiece.
            texts = [text.replace("  ", " ") for text in texts]
        messages, options = given(made, texts)
        oracle = [
            dict(zip(("role", "content"), m, strict=True)) if isinstance(m, tuple) else m
            for m in messages
        ]
        if family == "gemma2":
            (_, system), (_, user) = messages[:2]
            oracle = [{"role": "user", "content": f"{system}\n\n{user}"}, *oracle[2:]]
        expected = made.oracle.apply_chat_template(
            oracle, add_generation_prompt=True, return_dict=False, **options["template_arguments"]
        )
        for tokenizer in made.tokenizers:
            assert encode(messages, tokenizer, **options) == expected
