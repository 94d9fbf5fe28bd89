"""Options that were renamed: the old name still works, and a message names the new one."""

import argparse
from collections.abc import Sequence
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.parsers import say


class OldName(argparse.Action):
    """The old name of an option: it says so, and sets the option.

    Args:
        current: The option.
        **options: Of `argparse.Action`, where they differ from the option's.
    """

    def __init__(
        self, option_strings: Sequence[str], dest: str, *, current: argparse.Action, **options: Any
    ) -> None:
        names = ("nargs", "const", "type", "choices", "metavar")
        same = {name: getattr(current, name) for name in names}
        hidden = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
        super().__init__(option_strings, current.dest, **{**same, **hidden, **options})
        self.old, self.current = dest, current

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, value: Any, option_string: Any = None
    ) -> None:
        """Set the option."""
        say(renamed_note(self.option_strings[0], self.current.option_strings[0]))
        value = self.const if self.nargs == 0 else value
        self.current(parser, namespace, value, option_string)


def add_renamed(
    parser: Any, name: str, old_names: Sequence[str], instead: Any = None, **options: Any
) -> None:
    """Add an option that also has old names; one that is given twice is wrong usage.

    Args:
        parser: A parser, or a group of one.
        name: The option, such as `--neighbors`.
        old_names: Its old names, such as `--neighbours`.
        instead: What of `options` is otherwise for the old names; `None` is nothing.
        **options: Arguments of `add_argument`.
    """
    if not old_names:
        parser.add_argument(name, **options)
        return
    group = parser.add_mutually_exclusive_group()
    current = group.add_argument(name, **options)
    for old in old_names:
        group.add_argument(old, action=OldName, current=current, **(instead or {}))


def renamed_note(old: str, name: str) -> str:
    """What is said of an old name."""
    return in_language(
        f"{old} は {name} に変わりました。{old} は 0.3 で使えなくなります。",
        f"{old} is deprecated and will be removed in 0.3. Use {name}.",
    )
