"""Parsers of commands: help that fits one screen, in the user's language.

`--help` shows a command's arguments and its main options; options under further headings are
shown by `--help-all`.
"""

import argparse
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from langchain_swallow._system.language import in_language

# Never in a help text or a file that is shown or shared.
SECRET = frozenset({"token", "metrics_token", "api_key", "embeddings_api_key", "conversations"})
# A word, or one wide character; no line begins with 。 or ends with （.
_PIECE = re.compile(
    r"\s+|[（「『]*(?:[!-~]+|[^\s!-~])[、。，．）」』ーぁぃぅぇぉっゃゅょァィゥェォッャュョ…]*"
)


class CommandError(ValueError):
    """What is given to a command cannot be used; the message is in the user's language."""


class Command(argparse.ArgumentParser):
    """The parser of a command.

    Args:
        description: What the command does, in one or two lines.
        examples: Command lines, shown below the options.
        **options: Of `argparse.ArgumentParser`.
    """

    def __init__(self, *, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(**{**options, "add_help": False, "formatter_class": _Formatter})
        self._examples = examples
        self._further: list[Any] = []
        self._positionals.title = in_language("引数", "Arguments")
        self._optionals.title = in_language("オプション", "Options")
        about = in_language("この説明を表示する", "Show this help")
        self.add_argument("-h", "--help", action=_ShowHelp, help=about)

    def add_further(self, title: str) -> Any:
        """A group of options that only `--help-all` shows."""
        if not self._further:
            # The last line of the help text says what it does.
            hidden = argparse.SUPPRESS
            self.add_argument("--help-all", action=_ShowHelp, everything=True, help=hidden)
        group = self.add_argument_group(title)
        self._further.append(group)
        return group

    def add_commands(self, title: str, name: str) -> Any:
        """Subparsers, of which one must be given.

        Args:
            title: The heading of their list.
            name: What the usage calls one of them.
        """
        self._positionals.title = title
        return self.add_subparsers(required=True, metavar=name)

    def format_usage(self) -> str:
        """One line: what must be given."""
        formatter = self._get_formatter()
        formatter.add_usage(self._usage(), [], [], in_language("使い方: ", "usage: "))
        return formatter.format_help()

    def format_help(self, *, everything: bool = False) -> str:
        """The help text.

        Args:
            everything: Also the options under further headings.
        """
        formatter = self._get_formatter()
        formatter.add_usage(self._usage(), [], [], in_language("使い方: ", "usage: "))
        formatter.add_text(self.description)
        for group in self._action_groups:
            if everything or group not in self._further:
                formatter.start_section(group.title)
                formatter.add_arguments(group._group_actions)
                formatter.end_section()
        formatter.add_text("\n".join(self._ending(everything=everything)))
        return formatter.format_help()

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong with it to stderr; exit with 2."""
        self.print_usage(sys.stderr)
        kind = in_language("エラー", "error")
        self.exit(2, f"{self.prog}: {kind}: {in_language(_japanese(message), message)}\n")

    def _usage(self) -> str:
        actions = [a for a in self._actions if a.help is not argparse.SUPPRESS]
        required = [a for a in actions if a.option_strings and a.required]
        words = [f"{a.option_strings[0]} {_value_name(a)}" for a in required]
        words.append(in_language("[オプション]", "[OPTIONS]"))
        for action in actions:
            if not action.option_strings:
                name = _value_name(action)
                words.append(f"{name} ..." if action.nargs in ("+", argparse.PARSER) else name)
        return " ".join([self.prog.replace("%", "%%"), *words])

    def _ending(self, *, everything: bool) -> Iterator[str]:
        if self._examples:
            yield in_language("例:", "Examples:")
            yield from (f"  {line}" for line in self._examples)
        if self._further and not everything:
            yield f"{in_language('すべてのオプション', 'All options')}: {self.prog} --help-all"


def add_command(
    commands: Any, name: str, summary: str, more: str = "", examples: Sequence[str] = ()
) -> Command:
    """Add a command to subparsers.

    Args:
        commands: Of `add_subparsers`.
        name: Its name.
        summary: What it does, for the list of commands and its own help text.
        more: What its own help text says beside this.
        examples: Command lines.
    """
    about = f"{summary}\n{more}" if more else summary
    parser: Command = commands.add_parser(name, help=summary, description=about, examples=examples)
    return parser


class _ShowHelp(argparse.Action):
    """Prints a command's help text and ends the program."""

    def __init__(self, *, everything: bool = False, **options: Any) -> None:
        hidden = {"dest": "help", "default": argparse.SUPPRESS, "nargs": 0}
        super().__init__(**{**options, **hidden})
        self._everything = everything

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        assert isinstance(parser, Command)
        print(parser.format_help(everything=self._everything), end="")
        parser.exit()


class _Formatter(argparse.HelpFormatter):
    """Wraps by columns of a terminal, where a Japanese character takes two; adds defaults."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{**options, "max_help_position": 28})

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(wrap(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for line in text.splitlines():
            # Examples are to be copied: as they are.
            lines += [line] if line.startswith(" ") else wrap(line, width)
        return "\n".join(indent + line for line in lines)

    def _get_help_string(self, action: argparse.Action) -> str:
        text, value = action.help or "", action.default
        is_none = value is None or value is False or value == [] or value == argparse.SUPPRESS
        if is_none or not action.option_strings or action.dest in SECRET:
            return text
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        return text + default_note(shown).replace("%", "%%")

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        # The commands, without a line for their common name.
        return "".join(map(super()._format_action, action._get_subactions()))


def default_note(value: Any) -> str:
    """What a help text says of an option's default."""
    return in_language(f"（デフォルト: {value}）", f" (default: {value})")


def wrap(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` columns.

    >>> list(wrap("索引は index で作ります。", 12))
    ['索引は index', 'で作ります。']
    """
    line, used = "", 0
    for piece in _PIECE.findall(text):
        size = columns(piece)
        if line and used + size > width:
            yield line.rstrip()
            line, used = "", 0
        if line or not piece.isspace():
            line, used = line + piece, used + size
    if line.strip():
        yield line.rstrip()


def columns(text: str) -> int:
    """How many columns of a terminal a text takes.

    >>> columns("索引 a")
    6
    """
    return sum(2 if unicodedata.east_asian_width(c) in "WFA" else 1 for c in text)


def _value_name(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


# What argparse says of wrong usage; it has no Japanese.
_JAPANESE = [
    (r"the following arguments are required: (.+)", r"\1 を指定してください。"),
    (r"unrecognized arguments: (.+)", r"\1 という引数はありません。--help で一覧を表示します。"),
    (r"ambiguous option: (\S+) could match (.+)", r"\1 は一つに決まりません。候補: \2"),
    (r"argument (\S+): expected one argument", r"\1 には値が一つ必要です。"),
    (r"argument (\S+): expected (\d+) arguments", r"\1 には値が \2 個必要です。"),
    (r"argument (\S+): expected at least one argument", r"\1 には値が一つ以上必要です。"),
    (r"one of the arguments (.+) is required", r"次のどれか一つを指定してください: \1"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 と \2 は一緒に使えません。"),
    (r"argument (\S+): ignored explicit argument (.+)", r"\1 には値を付けられません: \2"),
    (
        r"argument (\S+): invalid choice: (.+?) \((?:choose|maybe you meant).*? (?:from )?(.+)\)",
        r"\1 に \2 は指定できません。指定できる値: \3",
    ),
    (r"argument (\S+): invalid \S+ value: (.+)", r"\1 に \2 は指定できません。"),
    (r"argument (\S+): not allowed with argument (\S+)", r"\1 は \2 と一緒に指定できません。"),
    (r"argument (\S+): (.+)", r"\1: \2"),
]


def _japanese(message: str) -> str:
    for pattern, text in _JAPANESE:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return found.expand(text)
    return message


def say(text: str) -> None:
    """Print to stderr."""
    print(text, file=sys.stderr)
