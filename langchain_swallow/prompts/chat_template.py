"""Renders a tokenizer's chat template with hidden message texts.

The template cannot read the texts: it cannot mistake a text for a turn, shorten it, or drop it
unnoticed. If a template refuses a system turn, or leaves its text out, the system text goes before
the first user text, as llama.cpp does for Gemma 2. Anything else that a template does not accept is
a `PromptError` with its reason.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts.hidden_text import (
    find_headers,
    hide,
    hide_all,
    hide_schema,
    mark,
    read_marks,
    reveal,
)
from langchain_swallow.prompts.jinja import find_variables, render_chat_template
from langchain_swallow.prompts.tokenizer import Tokenizer

Message = dict[str, Any]

_WHAT_TO_DO = (
    'Change the messages, set a chat template that accepts them, or use prompt_format="ver0.1".'
)
# Values that a template may compare, such as `reasoning_effort == "high"`.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
# transformers uses the first name; gpt-oss's template reads the second.
REASONING = ("reasoning_content", "thinking", "reasoning")


def select_chat_template(tokenizer: Tokenizer, *, with_tools: bool = False) -> str | None:
    """Return a tokenizer's template; of several, `tool_use` for tools, or `default`.

    Raises:
        PromptError: The tokenizer has several templates, but neither of these.
    """
    written: Any = getattr(tokenizer, "chat_template", None)
    if not isinstance(written, Mapping):
        return written or None
    name = "tool_use" if with_tools and "tool_use" in written else "default"
    if name not in written:
        raise PromptError(
            f"The tokenizer has the chat templates {', '.join(map(repr, sorted(written)))} and no "
            "'default'. Set tokenizer.chat_template to one of them."
        )
    return str(written[name])


def template_reads(tokenizer: Tokenizer) -> frozenset[str]:
    """Return the arguments that any of a tokenizer's templates reads, such as `tools`.

    Raises:
        PromptError: A template is not valid Jinja.
    """
    written: Any = getattr(tokenizer, "chat_template", None) or {}
    templates = written.values() if isinstance(written, Mapping) else [written]
    try:
        return frozenset().union(*map(find_variables, templates))
    except Exception as error:
        raise PromptError(_refusal(error)) from error


class Rendered(NamedTuple):
    """The result of a template.

    Args:
        prompt: The prompt with hidden texts.
        headers: Texts that end in a colon before the text of a turn, such as `User:`.
    """

    prompt: str
    headers: frozenset[str]


def render_hidden(
    messages: Sequence[Message], tokenizer: Tokenizer, arguments: Mapping[str, Any]
) -> Rendered:
    """Return the prompt that a tokenizer's template writes, with hidden texts.

    Args:
        messages: Messages as transformers takes them, in the order [system] (user assistant tool*)*
            [user].
        tokenizer: A tokenizer with a chat template.
        arguments: Other arguments of the template: `tools`, `documents`, `enable_thinking`, …;
            `add_generation_prompt` is true unless the assistant spoke last, and
            `continue_final_message` ends the prompt within the last message.

    Raises:
        PromptError: The template fails, or does not write every text unchanged.
    """
    if not messages:
        raise PromptError("No messages. Pass at least one user message.")
    try:
        return _Rendering(messages, tokenizer, arguments).rendered
    except PromptError:
        if [message["role"] for message in messages[:2]] != ["system", "user"]:
            raise
        return _Rendering(_without_system(messages), tokenizer, arguments).rendered


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Move the system text before the first user text."""
    system, user, *others = messages
    texts = [system["content"], user["content"]]
    together = "\n\n".join(texts) if texts[1].strip() else texts[0]
    return [{**user, "content": together}, *others]


class _Text(NamedTuple):
    """A text that was passed to a template.

    Args:
        hidden: The hidden text, without white space around it.
        what: What the text is, for errors; empty if a template may leave it out.
    """

    hidden: str
    what: str


class _Rendering:
    """One rendering of a template, with a check that it wrote every text."""

    def __init__(
        self, messages: Sequence[Message], tokenizer: Tokenizer, arguments: Mapping[str, Any]
    ) -> None:
        self._texts: list[_Text] = []
        hidden = [self._message(message) for message in messages]
        options = {name: _argument(name, value) for name, value in arguments.items()}
        for tool in options.get("tools") or ():
            function = tool.get("function", tool)
            function["name"] = self._numbered(function.get("name", ""), "the tool")
        continues = options.pop("continue_final_message", False)
        options.setdefault(
            "add_generation_prompt", messages[-1]["role"] != "assistant" and not continues
        )
        try:
            rendered = render_chat_template(
                select_chat_template(tokenizer, with_tools=bool(options.get("tools"))) or "",
                **{**_special_tokens(tokenizer), **options, "messages": hidden},
            )
        except PromptError:  # no template is the default
            raise
        # A template is a program and may raise any error.
        except Exception as error:
            raise PromptError(_refusal(error)) from error
        prompt = self._checked(rendered)
        if continues:
            prompt = _up_to(hide(messages[-1]["content"]), prompt)
        self.rendered = Rendered(prompt, find_headers(rendered))

    def _numbered(self, hidden: str, what: str) -> str:
        """Return a hidden text with a mark that shows whether the template wrote it."""
        self._texts.append(_Text(hidden.strip(), what))
        return mark(hidden, len(self._texts) - 1)

    def _message(self, message: Message) -> Message:
        """Return a message for the template, with hidden texts."""
        calls = message.get("tool_calls") or ()
        # Llama 3.1's template leaves out the text of a message with a call.
        content = self._numbered(hide(message["content"]), "" if calls else "the text")
        hidden = {
            key: value if key == "role" else hide_all(value)
            for key, value in message.items()
            if value is not None and key != "tool_calls"
        }
        if calls:
            hidden["tool_calls"] = [self._call(call) for call in calls]
        reasoning = next((hidden[key] for key in REASONING if hidden.get(key)), None)
        if reasoning is not None:
            hidden = {"thinking": reasoning, **hidden, "reasoning_content": reasoning}
        return hidden | {"content": content}

    def _call(self, call: Mapping[str, Any]) -> Message:
        """Return a tool call in OpenAI's format, with everything hidden except for its keywords."""
        function = {key: hide_all(value) for key, value in call["function"].items()}
        function["name"] = self._numbered(function["name"], "the tool call")
        id = {"id": hide(call["id"])} if call.get("id") else {}
        return {**id, "type": "function", "function": function}

    def _checked(self, rendered: str) -> str:
        """Check that every text was written, and return the prompt without marks."""
        try:
            prompt, marked = read_marks(rendered)
        except ValueError:
            raise PromptError(_left_out(self._texts[0])) from None
        for number, text in enumerate(self._texts):
            written = marked.get(number, [""] if text.what and text.hidden else [])
            if not all(_is_same(part, text.hidden) for part in written):
                raise PromptError(_left_out(text))
        return prompt


def _up_to(text: str, prompt: str) -> str:
    """Return a prompt up to the end of its last text, for the model to continue."""
    core = text.strip()
    if not core or core not in prompt:
        raise PromptError(
            "continue_final_message=True continues the text of the last message, and it has none. "
            "Give it a text, or leave the argument out."
        )
    end = prompt.rindex(core) + len(core)
    blank = text[len(text.rstrip()) :]
    return prompt[: end + len(blank) * prompt.startswith(blank, end)]


def _argument(name: str, value: Any) -> Any:
    if name in ("tools", "documents") and value:
        return hide_schema(value)
    return value if isinstance(value, str) and _WORD.fullmatch(value) else hide_all(value)


def _special_tokens(tokenizer: Tokenizer) -> dict[str, str]:
    """Return special tokens by their roles, as a template reads them."""
    roles = ("bos_token", "eos_token", "unk_token")
    named = {role: getattr(tokenizer, role, None) for role in roles}
    known: Mapping[str, str] = getattr(tokenizer, "special_tokens_map", {})
    return {role: str(text) for role, text in (named | dict(known)).items() if text is not None}


def _is_same(written: str, text: str) -> bool:
    """Whether a template wrote a text, as it is or as JSON; white space may differ."""
    if written.split() == text.split():
        return True
    try:
        return bool(json.loads(f'"{reveal(written)}"') == reveal(text))
    except ValueError:
        return False


def _left_out(text: _Text) -> str:
    return (
        f"The tokenizer's chat template leaves out or changes {text.what or 'the text'} "
        f"{reveal(text.hidden)[:40]!r}. {_WHAT_TO_DO}"
    )


def _refusal(error: Exception) -> str:
    reason = reveal(str(error)).strip() or type(error).__name__
    line = getattr(error, "lineno", None)
    where = f" (line {line} of the template)" if line else ""
    return (
        f"The tokenizer's chat template does not accept this conversation. "
        f"{type(error).__name__}: {reason[:300]}{where}. {_WHAT_TO_DO}"
    )
