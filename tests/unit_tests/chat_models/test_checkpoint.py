"""What a model of another name, hub id or folder is prompted and sampled with."""

import copy
import json
import shutil

import pytest
from langchain_core.language_models import ModelProfile
from langchain_core.messages.utils import convert_to_messages

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.errors import BaseModelError, ModelUnavailableError, UnknownModelError
from langchain_swallow.prompts import encode
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer

STRIPS = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
SWITCHES = STRIPS + "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
OPENS = STRIPS + "<think>\n"
HARMONY = (
    "{% for m in messages %}<s>{{ m.role }}<|channel|>{{ m.content }}</s>{% endfor %}<s>assistant"
)
PLAIN = "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}<s>assistant\n"


def templated(chat_template):
    """The trained tokenizer with a chat template."""
    tokenizer = copy.deepcopy(trained_tokenizer())
    tokenizer.chat_template = chat_template
    return tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint of a company's own, with a chat template."""
    made = tmp_path_factory.mktemp("company-model")
    tiny().save_pretrained(made)
    trained_tokenizer().save_pretrained(made)
    (made / "chat_template.jinja").write_text(PLAIN, encoding="utf-8")
    return made


def sampling(llm, engine, **call):
    llm.invoke("東京は？", **call)
    sent = engine.requests[-1]
    return (sent.temperature, sent.top_p, sent.top_k, sent.min_p, sent.presence_penalty)


def asked(model="x", template=PLAIN, **fields):
    # Those that think are asked for the thought first, which this vocabulary has no token to end.
    engine = FakeEngine(["</think><|end|>はい。"] * 18, templated(template))
    return ChatSwallow.from_engine(engine, model=model, **fields), engine


@pytest.mark.parametrize(
    ("model", "template", "expected"),
    [
        ("x", PLAIN, (0.0, 1.0, 0, 0.0, 0.0)),
        ("x", STRIPS, (0.0, 1.0, 0, 0.0, 0.0)),
        ("x", SWITCHES, (0.6, 0.95, 20, 0.0, 0.0)),
        ("x", OPENS, (0.6, 0.95, 20, 0.0, 0.0)),
        ("x", HARMONY, (0.6, 0.95, 0, 0.0, 0.0)),
        ("Qwen/Qwen3-8B", SWITCHES, (0.6, 0.95, 20, 0.0, 0.0)),
        ("Qwen3-Swallow-8B-RL-v0.2", PLAIN, (0.6, 0.95, 20, 0.0, 0.0)),
        ("GPT-OSS-Swallow-20B-RL-v0.1", PLAIN, (0.6, 0.95, 0, 0.0, 0.0)),
        ("Llama-3.1-Swallow-8B-Instruct-v0.5", PLAIN, (0.0, 1.0, 0, 0.0, 0.0)),
    ],
)
def test_models_that_think_are_sampled_and_others_are_greedy(model, template, expected):
    assert sampling(*asked(model, template)) == expected


def test_a_template_that_only_strips_thoughts_has_the_model_think_if_it_is_asked_to():
    llm, engine = asked(template=STRIPS)
    assert sampling(llm, engine) == sampling(llm, engine, reasoning=False) == (0.0, 1.0, 0, 0, 0)
    assert ["<think>" in engine.tokenizer.decode(r.prompt_ids) for r in engine.requests] == [
        False,
        False,
    ]
    assert sampling(llm, engine, reasoning=True) == (0.6, 0.95, 20, 0.0, 0.0)
    assert "<think>" in engine.tokenizer.decode(engine.requests[-1].prompt_ids)


def test_what_is_set_goes_before_the_models_default():
    llm, engine = asked(template=SWITCHES, top_k=5, min_p=0.1, presence_penalty=1.5)
    assert sampling(llm, engine) == (0.6, 0.95, 5, 0.1, 1.5)
    assert sampling(llm, engine, temperature=0, min_p=0.0) == (0.0, 0.95, 5, 0.0, 1.5)
    assert sampling(llm, engine, top_p=0.5) == (0.6, 0.5, 5, 0.1, 1.5)


@pytest.mark.parametrize(
    "wrong", [{"min_p": -0.1}, {"min_p": 1.1}, {"presence_penalty": 3}, {"temperature": 3}]
)
def test_values_out_of_range_are_refused(wrong):
    llm, engine = asked()
    with pytest.raises(ValueError, match=next(iter(wrong))):
        llm.invoke("東京は？", **wrong)
    assert engine.requests == []


def test_a_folder_of_another_name_is_prompted_with_its_own_template(folder):
    llm = ChatSwallow(model=str(folder), max_tokens=4, device="cpu", dtype="float32")
    messages = [("system", "簡潔に。"), ("user", "東京は？")]
    wanted = encode(messages, llm.load().tokenizer, format="tokenizer")
    assert wanted != encode(messages, llm.load().tokenizer, format="ver0.1")
    assert llm.get_num_tokens_from_messages(convert_to_messages(messages)) == len(wanted)
    assert llm.invoke(messages).usage_metadata["input_tokens"] == len(wanted)
    llm.unload()


def test_a_folders_profile_has_the_context_window_of_its_config(folder, tmp_path):
    profile = ChatSwallow(model=str(folder)).profile
    assert profile["max_input_tokens"] == profile["max_output_tokens"] == 512
    assert "max_input_tokens" not in ChatSwallow(model=str(tmp_path)).profile
    for config in ("{", "[]", '{"max_position_embeddings": "many"}'):
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
        assert "max_input_tokens" not in ChatSwallow(model=str(tmp_path)).profile
    nested = {"text_config": {"max_position_embeddings": 99}}
    (tmp_path / "config.json").write_text(json.dumps(nested), encoding="utf-8")
    assert ChatSwallow(model=str(tmp_path)).profile["max_input_tokens"] == 99


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (
            "Swallow-7b-instruct-v0.1",
            {"status": "active", "release_date": "2024-04-26", "reasoning_output": False},
        ),
        (
            "Qwen3-Swallow-8B-RL-v0.2",
            {"status": "active", "release_date": "2026-02-20", "reasoning_output": True},
        ),
        (
            "GPT-OSS-Swallow-20B-RL-v0.1",
            {
                "status": "active",
                "release_date": "2026-02-20",
                "reasoning_output": True,
                "reasoning_effort_levels": ["low", "medium", "high"],
                "reasoning_effort_default": "medium",
            },
        ),
        ("demo", {"reasoning_output": False}),
    ],
)
def test_a_profile_has_the_facts_of_the_catalog(model, wanted):
    profile = ChatSwallow(model=model).profile
    names = {"status", "release_date", *(n for n in ModelProfile.__annotations__ if "reason" in n)}
    assert {name: profile[name] for name in names & profile.keys()} == wanted
    for can in ("tool_calling", "tool_choice", "tool_call_streaming", "structured_output"):
        assert profile[can] is True
    assert profile["temperature"] is True
    assert profile["attachment"] is profile["image_tool_message"] is False
    assert profile.keys() <= ModelProfile.__annotations__.keys()


def test_a_profile_leaves_out_what_only_the_files_of_a_model_say(folder):
    unknown = {"reasoning_output", "status", "release_date"}
    assert not unknown & ChatSwallow(model=str(folder)).profile.keys()


def test_a_base_model_outside_of_the_catalog_is_refused_with_what_to_do(folder, tmp_path):
    for path in folder.iterdir():
        if path.suffix != ".jinja":
            (tmp_path / path.name).symlink_to(path)
    settings = {"model": str(tmp_path), "max_tokens": 4, "device": "cpu", "dtype": "float32"}
    with pytest.raises(BaseModelError, match=r'no chat template.*prompt_format="ver0.1"'):
        ChatSwallow(**settings).invoke("東京は？")
    tuned = ChatSwallow(**settings, prompt_format="ver0.1")
    assert tuned.invoke("東京は？").usage_metadata["output_tokens"] == 4
    tuned.unload()


@pytest.mark.parametrize("engine", ["transformers", "server"])
def test_a_hub_id_that_cannot_be_found_is_an_error_with_its_name(engine):
    urls = {"base_url": "http://localhost:1/v1"} if engine == "server" else {}
    llm = ChatSwallow(model="no-such/model", engine=engine, local_files_only=True, **urls)
    with pytest.raises(ModelUnavailableError, match="'no-such/model'"):
        llm.invoke("東京は？")


def test_another_version_that_the_hub_does_not_have_names_those_of_the_catalog():
    llm = ChatSwallow(model="tokyotech-llm/Qwen3-Swallow-8B-RL-v0.9", local_files_only=True)
    with pytest.raises(ModelUnavailableError, match=r"catalog has .*Qwen3-Swallow-8B-RL-v0\.2"):
        llm.invoke("東京は？")


def test_a_misspelled_name_is_refused_when_the_chat_model_is_made():
    with pytest.raises(UnknownModelError, match="Did you mean 'tokyotech-llm/Qwen3-Swallow-8B-RL"):
        ChatSwallow(model="tokyotech-llm/Qwen3-Swalow-8B-RL-v0.2")


@pytest.mark.parametrize("prompt_format", ["ver0.1", "alpaca"])
@pytest.mark.parametrize(
    "name",
    [
        "tokyotech-llm/Swallow-7b-hf",
        "Llama-3.1-Swallow-8B-v0.5",
        "Gemma-2-Llama-Swallow-2b-pt-v0.1",
    ],
)
def test_a_tuned_model_that_is_named_like_its_base_is_prompted_as_it_was_set(name, prompt_format):
    """As of `from_model`, where a fine-tune keeps the `name_or_path` of what it was tuned from."""
    engine = FakeEngine(["はい。", "はい。"], tokenizer=trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model=name, prompt_format=prompt_format)
    assert llm.invoke("東京は？").content == "はい。"
    assert "".join(chunk.content for chunk in llm.stream("東京は？")) == "はい。"


def test_a_folder_that_is_named_like_a_base_model_is_prompted_as_it_was_set(folder, tmp_path):
    named = tmp_path / "Swallow-7b-hf"
    shutil.copytree(folder, named)
    llm = ChatSwallow(
        model=str(named), prompt_format="alpaca", device="cpu", dtype="float32", max_tokens=2
    )
    assert llm.invoke("東京は？").usage_metadata["output_tokens"] == 2
    llm.unload()
