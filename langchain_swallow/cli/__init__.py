"""`langchain-swallow models | demo | index | sync | ask | chat | serve | bench | config |
completion | eval`.

Answers go to stdout, everything else to stderr. Exit codes: 0, 1 for an error, 2 for wrong usage.
"""

import argparse
import sqlite3
import sys
from collections.abc import Callable, Sequence

from langchain_swallow._system.isolated import forget_working_directory
from langchain_swallow._system.version import __version__
from langchain_swallow.cli import (
    bench,
    chat,
    completion,
    config,
    documents,
    evaluate,
    evaluate_rag,
    models,
    serve,
)
from langchain_swallow.cli.common import error_text, print_all_characters

_EXAMPLES = """\
はじめに / to begin:
  langchain-swallow demo                              例の文書に五つ質問する / five questions
  langchain-swallow index 社内規程/ -o 索引           索引を作る / index a folder
  langchain-swallow ask -i 索引 有給休暇は何日ですか  質問する / ask
  langchain-swallow serve -i 索引                     チャットページ / a chat page

COMMAND --help でそれぞれの説明と例 / COMMAND --help explains each, with examples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.

    Without `argv` this is the program: from here on it imports nothing from the working directory.
    """
    if argv is None:
        forget_working_directory()
    print_all_characters()
    try:
        arguments = _parser().parse_args(argv)
        command: Callable[[argparse.Namespace], int] = arguments.command
        code = command(arguments)
        # CPython remembers a Ctrl-C that came within `exec` of a text, as when a module with a
        # dataclass is imported, and ends the process by SIGINT even if the command handled it. The
        # next `exec` of a text forgets it.
        exec("")
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        from langchain_swallow.errors import SwallowError

        # SQLite has an error of its own for a full disk.
        if not isinstance(error, SwallowError | OSError | ValueError | sqlite3.Error):
            raise
        print(f"langchain-swallow: {error_text(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="langchain-swallow",
        description="Swallow language models and Japanese RAG. / Swallowと日本語RAG。",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (models, documents, chat, serve, bench, config):
        module.add_parsers(commands)
    about = "quality of models and chains / 品質を測る"
    evaluation = commands.add_parser("eval", help=about, description=about)
    evaluations = evaluation.add_subparsers(required=True, metavar="EVALUATION")
    for module in (evaluate, evaluate_rag):
        module.add_parsers(evaluations)
    completion.add_parsers(commands, parser)
    of_evaluation = {f"eval-{name}": sub for name, sub in evaluations.choices.items()}
    others = {name: sub for name, sub in commands.choices.items() if name != "eval"}
    config.apply_settings({**others, **of_evaluation})
    return parser
