"""A tokenizer's own chat template → the prompt with placeholders where the texts belong.

The template never sees a text: it cannot take a text for a turn, shorten it or drop it unnoticed.
A template that refuses a system turn, or leaves its text out, gets the system text before the first
user text, as llama.cpp does it for Gemma 2. Whatever else a template does not accept is a
`PromptError` with its reason.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts.tokenizer import Tokenizer

_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACEHOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_WHAT_TO_DO = (
    'Change the messages, set a chat template that accepts them, or use prompt_format="ver0.1".'
)


class TemplatedPrompt:
    """A rendered template.

    Args:
        turns: `(role, text)` pairs of the shape [system] (user assistant)* [user].
        tokenizer: With a chat template.

    Raises:
        PromptError: The template fails, or does not write every text as it is.
    """

    def __init__(self, turns: Sequence[tuple[str, str]], tokenizer: Tokenizer) -> None:
        self._texts: list[str] = []
        messages = [(role, self._hide(text)) for role, text in turns]
        try:
            self.rendered = self._render(messages, tokenizer)
        except PromptError:
            if messages[0][0] != "system" or len(messages) == 1:
                raise
            self.rendered = self._render(_without_system(messages), tokenizer)

    @property
    def own_text(self) -> str:
        """What the template itself writes."""
        return _PLACEHOLDER.sub("\n", self.rendered)

    def change_texts(self, change: Callable[[str], str]) -> None:
        """Apply a function to every text."""
        self._texts = list(map(change, self._texts))

    def restore(self, part: str) -> str:
        """A part of the rendered prompt with the texts in place of their placeholders."""
        return _PLACEHOLDER.sub(lambda match: self._texts[int(match[1])], part)

    def _hide(self, text: str) -> str:
        """A placeholder for a text; white space stays around it, for the template to strip."""
        core = text.strip()
        if not core:
            return text
        self._texts.append(core)
        return text.replace(core, f"{_OPEN}{len(self._texts) - 1}{_CLOSE}", 1)

    def _render(self, messages: list[tuple[str, str]], tokenizer: Tokenizer) -> str:
        try:
            rendered = tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in messages],
                tokenize=False,
                add_generation_prompt=messages[-1][0] != "assistant",
            )
        # A template is a program of its own, and any error may come out of it.
        except Exception as error:
            raise PromptError(self._refusal(error)) from error
        self._check(rendered)
        return str(rendered)

    def _refusal(self, error: Exception) -> str:
        reason = self.restore(str(error)).strip() or type(error).__name__
        line = getattr(error, "lineno", None)
        where = f" (line {line} of the template)" if line else ""
        return (
            f"The tokenizer's chat template does not accept this conversation. "
            f"{type(error).__name__}: {reason[:300]}{where}. {_WHAT_TO_DO}"
        )

    def _check(self, rendered: Any) -> None:
        if not isinstance(rendered, str):
            raise PromptError(
                f"The tokenizer's chat template made {type(rendered).__name__} instead of text. "
                f"{_WHAT_TO_DO}"
            )
        written = {int(match[1]) for match in _PLACEHOLDER.finditer(rendered)}
        missing = set(range(len(self._texts))) - written
        rest = _PLACEHOLDER.sub("", rendered)
        if missing or _OPEN in rest or _CLOSE in rest:
            text = self._texts[min(missing)] if missing else self._texts[0]
            raise PromptError(
                "The tokenizer's chat template leaves out or changes the text of a message, which "
                f"begins with {text[:40]!r}. {_WHAT_TO_DO}"
            )


def _without_system(messages: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The system text before the first user text."""
    (_, system), (_, user), *others = messages
    return [("user", f"{system}\n\n{user}" if user.strip() else system), *others]
