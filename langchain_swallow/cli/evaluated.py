"""What the commands of `eval` share: the model that is evaluated, and the files of results."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_output
from langchain_swallow.cli.model_options import is_swallow_model, model_kwargs
from langchain_swallow.cli.parsers import say

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def add_evaluated_model(parser: argparse.ArgumentParser) -> None:
    """`--model` of the commands of `eval`, which take models of other providers too."""
    parser.add_argument("--model", required=True, metavar="MODEL", help=_models_help())


def _models_help() -> str:
    return in_language(
        "モデルの名前、フォルダー、demo、LangChain の provider:model",
        "Checkpoint, folder, demo, or provider:model of LangChain",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """`--output` of the commands of `eval`."""
    add_output(parser, "DIR", in_language("結果のフォルダー", "Folder for the results"))


def resuming() -> str:
    """What the commands of `eval` say of a run that was stopped."""
    return in_language(
        "回答は DIR/run.jsonl に書き足す。同じコマンドで続きから再開する。",
        "Appends answers to DIR/run.jsonl; the same command resumes where it was stopped.",
    )


def asked_model(arguments: argparse.Namespace, **parameters: Any) -> "BaseChatModel":
    """The model that is evaluated; one of ours runs as the options say."""
    return chat_model(arguments.model, **parameters, **model_kwargs(arguments))


def chat_model(name: str, **parameters: Any) -> "BaseChatModel":
    """A model by name: one of ours, or `provider:model` of a LangChain integration.

    Args:
        name: A checkpoint, a folder, `demo`, or `provider:model`.
        **parameters: Of the model, such as `max_tokens`.

    Raises:
        MissingDependencyError: LangChain, or the provider's integration, is not installed.
    """
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.errors import MissingDependencyError

    if is_swallow_model(name):
        return ChatSwallow(model=name, **parameters)
    try:
        from langchain.chat_models import init_chat_model

        return init_chat_model(name, **parameters)
    except ImportError as error:
        provider = name.partition(":")[0].replace("_", "-")
        raise MissingDependencyError(
            f"{name} needs LangChain and the provider's integration: "
            f"pip install langchain langchain-{provider}. ({error})"
        ) from error


def say_failed(count: int, first: str) -> None:
    """Say how many calls failed, why, and what to do."""
    say(
        in_language(
            f"{count} 件の呼び出しが失敗しました。最初のエラー: {first}\n"
            "同じコマンドで、失敗した分だけをやり直せます。",
            f"{count} calls failed. The first error: {first}\n"
            "Run the same command to try them again.",
        )
    )


def say_what_was_written(files: Sequence[Path]) -> None:
    """Name the files of a report, and what is missing for its figures."""
    from langchain_swallow.evaluation.plots import why_not_drawn

    names = ", ".join(map(str, files))
    say(in_language(f"書き出したファイル: {names}", f"wrote {names}"))
    if missing := why_not_drawn():
        say(in_language(f"図は描いていません。\n{missing}", f"Figures were left out. {missing}"))
