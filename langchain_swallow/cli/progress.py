"""The progress of a command: bars on a terminal, one line for each step in a pipe or a log."""

import argparse
import os
import sys
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.parsers import say


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """`--verbose`, of commands that read documents or load a model."""
    parser.add_argument(
        "--verbose",
        action="store_true",
        help=in_language(
            "端末でなくても進捗バーを表示する", "Show progress bars even if this is not a terminal"
        ),
    )


def shows_bars(arguments: argparse.Namespace) -> bool:
    """Whether the command shows progress bars; one without `--verbose` always does."""
    return getattr(arguments, "verbose", True) or sys.stderr.isatty()


def hide_bars_of_libraries(arguments: argparse.Namespace) -> None:
    """Hide bars of transformers and huggingface_hub, which read this variable when imported."""
    if not shows_bars(arguments):
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def load_model(llm: Any) -> None:
    """Load a chat model, and say which."""
    say(in_language(f"モデル {llm.model} を読み込みます。", f"Loading the model {llm.model}."))
    llm.load()
