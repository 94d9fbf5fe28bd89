"""A terminal for `chat`: editing with history, Markdown while it streams; plain text in pipes."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.parsers import say

_REDRAW_S = 0.1


class Terminal(Protocol):
    """Where questions come from and answers go."""

    def read(self) -> str:
        """The next question.

        Raises:
            EOFError: There is none.
            KeyboardInterrupt: The user began another one.
        """

    def show(self, pieces: Iterator[str]) -> None:
        """An answer as it comes."""


class Plain:
    """Lines in and text out, as pipes and scripts want it."""

    def read(self) -> str:
        """One line."""
        return input()

    def show(self, pieces: Iterator[str]) -> None:
        """Write the pieces to stdout."""
        for piece in pieces:
            print(piece, end="", flush=True)
        print()


class Silent(Plain):
    """Lines in, and nothing shown while an answer comes."""

    def show(self, pieces: Iterator[str]) -> None:
        """Wait for the end."""
        for _ in pieces:
            pass


class Rich:
    """For people: Enter sends, Alt-Enter is a new line, the arrow keys bring back questions.

    Args:
        commands: Completed by Tab.

    Raises:
        ImportError: The extra `terminal` is not installed.
    """

    def __init__(self, commands: Sequence[str]) -> None:
        from platformdirs import user_state_path
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
        from rich.console import Console

        self._console = Console()
        keys = KeyBindings()

        @keys.add("enter")
        def send(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def new_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        state = user_state_path("langchain-swallow", ensure_exists=True)
        self._session: PromptSession[str] = PromptSession(
            "> ",
            multiline=True,
            key_bindings=keys,
            history=FileHistory(str(state / "history")),
            completer=WordCompleter(list(commands), sentence=True),
            complete_while_typing=False,
        )

    def read(self) -> str:
        """One question, of one or several lines."""
        return self._session.prompt()

    def show(self, pieces: Iterator[str]) -> None:
        """Markdown, drawn again as it grows; what the screen has no room for is left as it is.

        A terminal cannot redraw what has gone off its top: it would be there again each time.
        """
        from rich.live import Live
        from rich.markdown import Markdown
        from rich.segment import SegmentLines

        text, left, drawn = "", 0, 0.0

        def draw(live: Live) -> None:
            nonlocal left
            lines = self._console.render_lines(Markdown(text), pad=False)
            start = max(left, len(lines) - self._console.height + 2)
            live.update(SegmentLines(lines[start:], new_lines=True))
            if start > left:
                self._console.print(SegmentLines(lines[left:start], new_lines=True), end="")
                left = start
            live.refresh()

        with Live(console=self._console, auto_refresh=False) as live:
            try:
                for piece in pieces:
                    text += piece
                    if time.monotonic() - drawn > _REDRAW_S:
                        draw(live)
                        drawn = time.monotonic()
            finally:
                draw(live)


def terminal(commands: Sequence[str], *, as_json: bool) -> Terminal:
    """The terminal that fits where this program runs."""
    if as_json:
        return Silent()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Plain()
    try:
        return Rich(commands)
    except ImportError as error:
        command = "pip install langchain-swallow[terminal]"
        say(
            in_language(
                f"{error.name} がないため、編集と Markdown なしで動作します。"
                f"{command} でインストールできます。",
                f"{error.name} is not installed, so there is no editing and no Markdown. "
                f"Install it using `{command}`.",
            )
        )
        return Plain()
