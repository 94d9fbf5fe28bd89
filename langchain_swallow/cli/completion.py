"""`langchain-swallow completion`: a script that completes commands and options in a shell."""

import argparse
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.parsers import add_command


def add_parsers(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add the command to the subparsers of a parser."""
    completion = add_command(
        commands,
        "completion",
        in_language("シェルの補完（bash、zsh、tcsh）", "Completion for bash, zsh or tcsh"),
        examples=["source <(langchain-swallow completion bash)"],
    )
    completion.add_argument(
        "shell", choices=("bash", "zsh", "tcsh"), help=in_language("シェル", "Your shell")
    )
    completion.set_defaults(command=_completion, completed=parser)


def _completion(arguments: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError as error:
        from langchain_swallow.errors import MissingDependencyError

        raise MissingDependencyError(
            "Completion needs shtab, which is not installed. "
            "Install it using `pip install langchain-swallow[terminal]`."
        ) from error
    print(shtab.complete(arguments.completed, shell=arguments.shell))
    return 0
