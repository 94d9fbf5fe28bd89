"""`langchain-swallow models | demo | index | sync | ask | chat | serve | bench | config | eval`.

Answers go to stdout, everything else to stderr. Exit codes: 0, 1 for an error, 2 for wrong usage.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from langchain_swallow._version import __version__
from langchain_swallow.cli import (
    bench,
    chat,
    config,
    documents,
    evaluate,
    evaluate_rag,
    models,
    serve,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        arguments = _parser().parse_args(argv)
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        from langchain_swallow.errors import SwallowError

        if not isinstance(error, SwallowError | OSError | ValueError):
            raise
        print(f"langchain-swallow: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="langchain-swallow",
        description="Swallow language models and Japanese RAG. / Swallowと日本語RAG。",
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
    of_evaluation = {f"eval-{name}": sub for name, sub in evaluations.choices.items()}
    others = {name: sub for name, sub in commands.choices.items() if name != "eval"}
    config.apply_settings({**others, **of_evaluation})
    return parser
