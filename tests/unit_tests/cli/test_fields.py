"""Options are declared once: from a field to the command line, and on to the chat model."""

import io
import json
import re
import sys

import pytest
from pydantic import BaseModel

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.cli import _parser, main
from langchain_swallow.cli.model_options import model_kwargs
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.engines.options import LoadingOptions, option
from langchain_swallow.engines.registry import ENGINES, EngineKind, unload_engine
from langchain_swallow.engines.tokenizers import tokenizer_from_files

# All that a new engine is: its options, the function that starts it, a line of the registry.


class EchoOptions(BaseModel):
    """What only this engine can be given."""

    ending: str = option("。", "What each answer ends with", "回答の終わりに付ける文字")
    repeats: int | None = option(None, "How often it is said", "繰り返す回数", ge=1)


def load_echo(settings):
    own = EchoOptions(**settings.engine_options)
    answer = "はい" * (own.repeats or 1) + own.ending
    return FakeEngine([answer] * 9, tokenizer_from_files(settings))


@pytest.fixture
def echo(monkeypatch, checkpoint):
    monkeypatch.setitem(ENGINES, "echo", EngineKind(load_echo, EchoOptions))
    yield str(checkpoint)
    for options in ({}, {"ending": "！"}, {"ending": "！", "repeats": 2}):
        llm = ChatSwallow(model=str(checkpoint), engine="echo", **options)
        unload_engine(llm.load_settings(llm.model))


@pytest.mark.parametrize("command", ["demo", "ask", "chat", "serve", "bench", "eval rag"])
def test_the_options_of_a_new_engine_are_in_the_help(echo, command, capsys):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help-all"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--engine {auto,transformers,vllm,server,echo}" in shown
    assert "--ending ENDING What each answer ends with (default: 。)" in shown
    assert "--repeats N" in shown


def test_the_options_of_a_new_engine_reach_it_from_the_chat_model(echo):
    assert ChatSwallow(model=echo, engine="echo").invoke("問").content == "はい。"
    llm = ChatSwallow(model=echo, engine="echo", ending="！", repeats=2)
    assert llm.engine_options == {"ending": "！", "repeats": 2}
    assert llm.invoke("問").content == "はいはい！"
    assert llm.invoke("問").response_metadata["engine"] == "fake"


def test_the_options_of_a_new_engine_reach_it_from_the_command_line(echo, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("問\n"))
    monkeypatch.setenv("SWALLOW_REPEATS", "2")
    assert main(["chat", "--model", echo, "--engine", "echo", "--ending", "！", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "はいはい！"
    with pytest.raises(SystemExit):
        main(["chat", "--engine", "echo", "--repeats", "0"])
    assert "--repeats: must be a number from 1, not '0'" in capsys.readouterr().err


def test_an_engine_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"Unknown engine 'vlm'\. Use one of auto, tr"):
        ChatSwallow(model="demo", engine="vlm")
    # Options of an engine that is not registered are no options.
    with pytest.raises(ValueError, match="ending"):
        ChatSwallow(model="demo", ending="！")


@pytest.mark.parametrize("options", [LoadingOptions, GenerationOptions])
def test_every_option_is_described_in_both_languages(options):
    for name, field in options.model_fields.items():
        assert re.match(r"[\w0-9]", field.description), name
        assert re.search(r"[ぁ-んァ-ヶ一-龠]", field.json_schema_extra["ja"]), name


def test_every_loading_option_can_be_given_on_the_command_line():
    words = {
        "engine": "vllm", "base_url": "http://a/v1", "api_key": "k", "served_model_name": "s",
        "tokenizer": "t", "device": "cpu", "device_map": "auto", "dtype": "float32",
        "quantization": "4bit", "max_model_len": 9, "tensor_parallel_size": 2,
        "pipeline_parallel_size": 3, "gpu_memory_utilization": 0.5, "speculative": "none",
        "attn_implementation": "eager", "revision": "main", "cache_dir": "c",
        "local_files_only": True, "trust_remote_code": True, "prompt_format": "alpaca",
        "prompt_encoding": "ids", "max_retries": 0,
    }  # fmt: skip
    names = {field.alias or name for name, field in LoadingOptions.model_fields.items()}
    assert set(words) == names - {"model", "engine_options"}
    line = []
    for name, value in words.items():
        line += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    given = model_kwargs(_parser().parse_args(["chat", *line]))
    assert given == {**words, "base_url": ["http://a/v1"], "speculative": None}
    llm = ChatSwallow(model="demo", **given)
    assert (llm.speculative, llm.gpu_memory_utilization, llm.max_retries) == (None, 0.5, 0)
    with pytest.raises(SystemExit):
        _parser().parse_args(["chat", "--gpu-memory-utilization", "1.5"])
