"""`langchain-swallow models | demo | index | sync | backup | ask | chat | serve | mcp |
bench | config | completion | eval | token`.

Answers go to stdout, everything else to stderr. Exit codes: 0, 1 for an error, 2 for wrong usage.
"""

import argparse
import sqlite3
import sys
from collections.abc import Callable, Sequence

from langchain_swallow._system.isolated import forget_working_directory
from langchain_swallow._system.language import current_language, in_language
from langchain_swallow._system.version import __version__
from langchain_swallow.cli import (
    ask,
    backup,
    bench,
    chat,
    completion,
    config,
    documents,
    evaluate,
    evaluate_rag,
    mcp,
    models,
    people,
    serve,
)
from langchain_swallow.cli.common import print_all_characters
from langchain_swallow.cli.parsers import Command
from langchain_swallow.cli.progress import hide_bars_of_libraries


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.

    Without `argv` this is the program: from here on it imports nothing from the working directory.
    """
    if argv is None:
        forget_working_directory()
    print_all_characters()
    try:
        current_language()
    except ValueError as error:
        print(f"langchain-swallow: {error}", file=sys.stderr)
        return 2
    try:
        arguments = _parser().parse_args(argv)
        hide_bars_of_libraries(arguments)
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
        from langchain_swallow.cli.error_texts import error_text
        from langchain_swallow.errors import SwallowError

        # SQLite has an error of its own for a full disk.
        if not isinstance(error, SwallowError | OSError | ValueError | sqlite3.Error):
            raise
        print(f"langchain-swallow: {error_text(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = Command(
        prog="langchain-swallow",
        description=in_language(
            "日本語モデル Swallow と日本語文書の RAG。始め方: langchain-swallow demo",
            "Swallow models and RAG over Japanese documents. Start: langchain-swallow demo",
        ),
    )
    version = in_language("バージョンを表示する", "Show the version")
    parser.add_argument("--version", action="version", version=__version__, help=version)
    commands = parser.add_commands(
        in_language(
            "コマンド（説明: langchain-swallow COMMAND --help）",
            "Commands (more: langchain-swallow COMMAND --help)",
        ),
        "COMMAND",
    )
    for module in (models, ask, documents, backup, chat, serve, mcp, bench, config):
        module.add_parsers(commands)
    about = in_language("モデルと RAG の品質を測る", "Evaluate models and chains")
    evaluation: Command = commands.add_parser("eval", help=about, description=about)
    evaluations = evaluation.add_commands(in_language("評価", "Evaluations"), "EVALUATION")
    for module in (evaluate, evaluate_rag):
        module.add_parsers(evaluations)
    about = in_language("人とトークンを管理する", "Manage people and their tokens")
    token: Command = commands.add_parser("token", help=about, description=about)
    tokens = token.add_commands(in_language("操作", "Actions"), "ACTION")
    people.add_parsers(tokens)
    completion.add_parsers(commands, parser)
    nested = {f"eval-{name}": sub for name, sub in evaluations.choices.items()}
    nested |= {f"token-{name}": sub for name, sub in tokens.choices.items()}
    others = {n: sub for n, sub in commands.choices.items() if n not in ("eval", "token")}
    config.apply_settings({**others, **nested})
    return parser
