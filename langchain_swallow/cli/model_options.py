"""Options for how a model runs: on which engine, on which servers, with how many bits."""

import argparse
from typing import Any

from pydantic.fields import FieldInfo

from langchain_swallow._system.language import in_language
from langchain_swallow._system.renamed import renamed_fields
from langchain_swallow.catalog import DEMO
from langchain_swallow.chat_models.generation import GenerationOptions
from langchain_swallow.cli.fields import add_field, option_name, option_value
from langchain_swallow.cli.parsers import Command, say
from langchain_swallow.engines.options import LoadingOptions
from langchain_swallow.engines.registry import ENGINES, own_options

# An option of each command by itself, and one that holds what no command line writes.
_ELSEWHERE = ("model", "engine_options")
# What is true of one model alone, and what answers depend on.
_OF_A_MODEL = ("served_model_name", "tokenizer", "revision", "prompt_format")
_IN_ANSWERS = ("served_model_name", "revision", "dtype", "quantization", "prompt_format")


def add_running(parser: Command) -> None:
    """The loading options of `ChatSwallow` by the same names; what is not given is its default."""
    group = parser.add_further(in_language("モデルの実行", "Engine"))
    for name, field in _fields().items():
        choices = {"choices": ("auto", *ENGINES)} if name == "engine" else {}
        old_names = [r.old for r in renamed_fields(LoadingOptions) if r.field == name]
        add_field(group, name, field, old_names, **choices)


def add_model(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """`--model`; the default is that of the environment or the settings."""
    field = LoadingOptions.model_fields["model"]
    add_field(parser, "model", field, default=default or DefaultModel(field.default))


class DefaultModel(str):
    """The default of `--model`, where neither the command line nor the settings name one."""


def choose_model(arguments: argparse.Namespace) -> str:
    """`--model`; if none is named, the demo model for an index of the demo's embeddings.

    Such an index is made where there is no hub, which has the default model.
    """
    from langchain_swallow.retrieval.index.manifest import read_manifest

    model = str(arguments.model)
    is_default = isinstance(arguments.model, DefaultModel)
    if not is_default or arguments.base_url or arguments.index is None:
        return model
    if read_manifest(arguments.index).embedding.get("model") != DEMO:
        return model
    say(
        in_language(
            "索引と同じく、デモモデルを使います。ほかのモデルは --model で指定します。",
            "Using the demo model, as the index does. Name another one with --model.",
        )
    )
    return DEMO


def add_max_tokens(parser: Any, default: int) -> None:
    """`--max-tokens`, the length of an answer."""
    field = GenerationOptions.model_fields["max_tokens"]
    add_field(parser, "max_tokens", field, default=default)


def model_kwargs(arguments: argparse.Namespace, model: str | None = None) -> dict[str, Any]:
    """Those of the options that were given, for `ChatSwallow`; none for a provider's model.

    Args:
        arguments: With the options.
        model: Which is loaded; another than `--model` does not take over what is of that alone.
    """
    if not is_swallow_model(arguments.model):
        return {}
    without = _OF_A_MODEL if model not in (None, arguments.model) else ()
    given = {}
    for field_name, field in _fields().items():
        name = option_name(field_name, field)
        value = getattr(arguments, name)
        if value is not None and name not in without:
            given[name] = option_value(field, value)
    return given


def model_name(arguments: argparse.Namespace) -> str:
    """What results call the model: they are of these bits, and go on with no others."""
    options = model_kwargs(arguments)
    given = ", ".join(options[name] for name in _IN_ANSWERS if name in options)
    return f"{arguments.model} ({given})" if given else str(arguments.model)


def is_swallow_model(model: str) -> bool:
    """Whether a name has no provider before it; a path may have a colon, as on Windows."""
    provider, colon, _ = model.partition(":")
    return not colon or "/" in provider or "\\" in provider or len(provider) == 1


def _fields() -> dict[str, FieldInfo]:
    """Every option for loading, those that one engine alone has last."""
    fields = {**LoadingOptions.model_fields, **own_options()}
    return {name: field for name, field in fields.items() if name not in _ELSEWHERE}
