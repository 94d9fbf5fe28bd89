"""Options for how a model runs: on which engine, on which servers, with how many bits."""

import argparse
from typing import Any

from langchain_swallow.cli.common import Repeated
from langchain_swallow.cli.numbers import at_least

_OPTIONS: dict[str, dict[str, Any]] = {
    "engine": {
        "choices": ("auto", "transformers", "vllm", "server"),
        "help": "エンジン（標準は自動） / engine (chosen by what is there)",
    },
    "base_url": {
        "action": Repeated,
        "metavar": "URL",
        "help": "OpenAI 互換サーバー、いくつでも / a server; may be repeated",
    },
    "api_key": {
        "metavar": "KEY",
        "help": "サーバーの鍵（SWALLOW_API_KEY に書ける） / its key; better in SWALLOW_API_KEY",
    },
    "served_model": {
        "metavar": "NAME",
        "help": "サーバーでのモデルの名前 / the model's name there",
    },
    "tokenizer": {
        "metavar": "MODEL",
        "help": "トークナイザー（標準はモデルのもの） / folder or name, if not the model's",
    },
    "device": {
        "help": "cpu、cuda、cuda:1、mps（標準は自動） / where to compute (the best there is)",
    },
    "dtype": {
        "choices": ("auto", "bfloat16", "float16", "float32"),
        "help": "数の型（標準は自動） / data type (auto)",
    },
    "quantization": {
        "metavar": "BITS",
        "help": "重みを 8bit か 4bit に / 8bit or 4bit; with vLLM, what it knows",
    },
    "max_model_len": {
        "type": at_least(1),
        "metavar": "N",
        "help": "プロンプトと答えの最大の長さ / most tokens of prompt and answer",
    },
    "tensor_parallel_size": {
        "type": at_least(1),
        "metavar": "N",
        "help": "層を分け合う GPU の数（vLLM） / GPUs that share each layer (vLLM)",
    },
}
# What is true of one model alone, and what answers depend on.
_OF_A_MODEL = ("served_model", "tokenizer")
_IN_ANSWERS = ("served_model", "dtype", "quantization")


def add_running(parser: argparse.ArgumentParser) -> None:
    """Options of `ChatSwallow` by the same names; what is not given is its default."""
    group = parser.add_argument_group("モデルの動かし方 / how the model runs")
    for name, about in _OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", **about)


def running(arguments: argparse.Namespace, model: str | None = None) -> dict[str, Any]:
    """Those of the options that were given, for `ChatSwallow`; none for a provider's model.

    Args:
        arguments: With the options.
        model: Which is loaded; another than `--model` does not take over what is of that alone.
    """
    if not is_ours(arguments.model):
        return {}
    without = _OF_A_MODEL if model not in (None, arguments.model) else ()
    given = {name: getattr(arguments, name) for name in _OPTIONS if name not in without}
    return {name: value for name, value in given.items() if value is not None}


def model_name(arguments: argparse.Namespace) -> str:
    """What results call the model: they are of these bits, and go on with no others."""
    options = running(arguments)
    given = ", ".join(options[name] for name in _IN_ANSWERS if name in options)
    return f"{arguments.model} ({given})" if given else str(arguments.model)


def is_ours(model: str) -> bool:
    """Whether a name has no provider before it; a path may have a colon, as on Windows."""
    provider, colon, _ = model.partition(":")
    return not colon or "/" in provider or "\\" in provider or len(provider) == 1
