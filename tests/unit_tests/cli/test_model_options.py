"""Options for how a model runs: where they come from, and that they reach the model."""

import io
import json
import sys

import pytest

from langchain_swallow import ChatSwallow
from langchain_swallow.cli import _parser, evaluated, main
from langchain_swallow.cli.model_options import model_kwargs, model_name
from langchain_swallow.engines import registry as shared
from langchain_swallow.engines.local.devices import is_quantized

URL, OTHER = "http://a:8000/v1", "http://b:8000/v1"
COMMANDS = {
    "demo": (),
    "ask": ("-i", "索引", "質問"),
    "chat": (),
    "serve": ("-i", "索引"),
    "bench": (),
    "eval rag": ("-i", "索引", "--questions", "q", "--model", "demo", "-o", "結果"),
    "eval sweep": ("文書", "--questions", "q", "--model", "demo", "-o", "結果"),
    "eval mt-bench": ("--questions", "q", "--model", "demo", "--judge", "demo", "-o", "結果"),
}


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    monkeypatch.setenv("SWALLOW_CONFIG", str(path))
    for name in ("MODEL", "BASE_URL", "API_KEY"):
        monkeypatch.delenv(f"SWALLOW_{name}", raising=False)
    return path


def parsed(command, *arguments):
    return _parser().parse_args([*command.split(), *COMMANDS[command], *arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_given_is_chat_swallows_and_nothing_else(command):
    assert model_kwargs(parsed(command)) == {}
    local = {"engine": "vllm", "device": "cuda:1", "dtype": "float16", "quantization": "awq",
             "max_model_len": 2048, "tensor_parallel_size": 4}  # fmt: skip
    options = [part for name, value in local.items()
               for part in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
    given = model_kwargs(parsed(command, *options))
    assert given == local
    settings = ChatSwallow(model="demo", **given).load_settings("demo")
    assert {name: getattr(settings, name) for name in local} == local


def test_servers_and_what_is_theirs():
    arguments = parsed("ask", "--base-url", URL, "--base-url", OTHER, "--api-key", "sk",
                       "--served-model-name", "swallow", "--tokenizer", "フォルダー")  # fmt: skip
    settings = ChatSwallow(**model_kwargs(arguments)).load_settings(arguments.model)
    assert settings.base_urls == (URL, OTHER)
    assert settings.api_key == "sk"
    assert settings.served_model_name == "swallow"
    assert settings.tokenizer == "フォルダー"
    # Another model is served under another name, with another tokenizer.
    assert set(model_kwargs(arguments, "demo")) == {"base_url", "api_key"}
    assert model_kwargs(arguments, arguments.model) == model_kwargs(arguments)


def test_several_servers_are_set_in_the_file_and_the_environment(file, monkeypatch):
    file.write_text(f'base_url = ["{URL}", "{OTHER}"]\n', encoding="utf-8")
    assert parsed("serve").base_url == [URL, OTHER]
    assert parsed("serve", "--base-url", "http://c/v1").base_url == ["http://c/v1"]
    monkeypatch.setenv("SWALLOW_BASE_URL", f"{OTHER} {URL}")
    assert parsed("chat").base_url == [OTHER, URL]
    # Nothing of one command line is left for the next.
    assert parsed("chat", "--base-url", URL, "--base-url", OTHER).base_url == [URL, OTHER]
    assert parsed("chat").base_url == [OTHER, URL]


def test_a_key_is_not_shown(monkeypatch, capsys):
    monkeypatch.setenv("SWALLOW_API_KEY", "sk-ひみつ")
    assert parsed("ask").api_key == "sk-ひみつ"
    assert main(["config", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "api_key" in shown
    assert "ひみつ" not in shown


def test_a_word_that_is_no_choice_is_said(file, capsys):
    file.write_text('engine = "vlm"\n', encoding="utf-8")
    assert main(["models"]) == 1
    assert "engine must be one of auto, transformers, vllm, server" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "四"])
def test_what_is_no_length_is_wrong_usage(number, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["chat", "--max-model-len", number])
    assert ended.value.code == 2
    assert f"--max-model-len: must be a number from 1, not '{number}'" in capsys.readouterr().err


def test_results_are_named_after_what_answers_depend_on():
    assert model_name(parsed("eval rag")) == "demo"
    options = ("--quantization", "4bit", "--dtype", "float32", "--device", "cpu")
    assert model_name(parsed("eval rag", *options)) == "demo (float32, 4bit)"


def test_the_servers_of_ours_are_not_those_of_a_provider(monkeypatch):
    asked = []
    monkeypatch.setattr(evaluated, "chat_model", lambda name, **options: asked.append(options))
    for model in ("demo", "openai:gpt-4o"):
        arguments = parsed("eval rag", "--base-url", URL, "--quantization", "4bit")
        arguments.model = model
        evaluated.asked_model(arguments, max_tokens=9)
    assert asked == [
        {"base_url": [URL], "quantization": "4bit", "max_tokens": 9},
        {"max_tokens": 9},
    ]
    assert model_name(arguments) == "openai:gpt-4o"


# On CPUs that compute in bfloat16, this is bitsandbytes, which only the slow tests install.
@pytest.mark.slow
def test_a_model_of_fewer_bits_chats(checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("こんにちは。\n"))
    model = ("--model", str(checkpoint), "--max-tokens", "5")
    assert main(["chat", *model, "--quantization", "8bit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"]
    (settings,) = [s for s in shared._engines if s.model == str(checkpoint) and s.quantization]
    assert is_quantized(shared._engines[settings].model)
    shared.unload_engine(settings)
