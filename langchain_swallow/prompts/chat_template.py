"""A tokenizer's own chat template → the prompt, in which the texts of others are still hidden.

The template never reads a text: it cannot take a text for a turn, shorten it or drop it unnoticed.
A template that refuses a system turn, or leaves its text out, gets the system text before the first
user text, as llama.cpp does it for Gemma 2. Whatever else a template does not accept is a
`PromptError` with its reason.
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
# What a template compares: `reasoning_effort == "high"`.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
# transformers has the first; gpt-oss's template reads the second.
REASONING = ("reasoning_content", "thinking", "reasoning")


def select_chat_template(tokenizer: Tokenizer, *, with_tools: bool = False) -> str | None:
    """A tokenizer's template; of several by name, `tool_use` for tools, or `default`.

    Raises:
        PromptError: There are several, and neither of these.
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
    """Names of the arguments that any of a tokenizer's templates reads, such as `tools`.

    Raises:
        PromptError: A template is not Jinja.
    """
    written: Any = getattr(tokenizer, "chat_template", None) or {}
    templates = written.values() if isinstance(written, Mapping) else [written]
    try:
        return frozenset().union(*map(find_variables, templates))
    except Exception as error:
        raise PromptError(_refusal(error)) from error


class Rendered(NamedTuple):
    """What a template wrote.

    Args:
        prompt: It, with the texts hidden.
        headers: What it writes before the text of a turn, if that ends in a colon: `User:`.
    """

    prompt: str
    headers: frozenset[str]


def render_hidden(
    messages: Sequence[Message], tokenizer: Tokenizer, arguments: Mapping[str, Any]
) -> Rendered:
    """The prompt that a tokenizer's template writes, with the texts hidden.

    Args:
        messages: As transformers takes them, of the shape [system] (user assistant tool*)* [user].
        tokenizer: With a chat template.
        arguments: Further ones of the template: `tools`, `documents`, `enable_thinking`, …;
            `add_generation_prompt` is true unless the assistant spoke last, and
            `continue_final_message` ends the prompt within the last message.

    Raises:
        PromptError: The template fails, or does not write every text as it is.
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
    """The system text before the first user text."""
    system, user, *others = messages
    texts = [system["content"], user["content"]]
    together = "\n\n".join(texts) if texts[1].strip() else texts[0]
    return [{**user, "content": together}, *others]


class _Text(NamedTuple):
    """A text that was given to a template.

    Args:
        hidden: It, without white space around it.
        what: What it is; empty if a template may leave it out.
    """

    hidden: str
    what: str


class _Rendering:
    """One try of a template, and whether it wrote everything."""

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
        except PromptError:  # of several templates, none is the default
            raise
        # A template is a program of its own, and any error may come out of it.
        except Exception as error:
            raise PromptError(_refusal(error)) from error
        prompt = self._checked(rendered)
        if continues:
            prompt = _up_to(hide(messages[-1]["content"]), prompt)
        self.rendered = Rendered(prompt, find_headers(rendered))

    def _numbered(self, hidden: str, what: str) -> str:
        """A hidden text with a mark, by which it is known whether the template wrote it."""
        self._texts.append(_Text(hidden.strip(), what))
        return mark(hidden, len(self._texts) - 1)

    def _message(self, message: Message) -> Message:
        """A message as the template gets it."""
        calls = message.get("tool_calls") or ()
        # Beside a call, Llama 3.1's template leaves out what was said.
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
        """A tool call, in OpenAI's form: all but its words is hidden."""
        function = {key: hide_all(value) for key, value in call["function"].items()}
        function["name"] = self._numbered(function["name"], "the tool call")
        id = {"id": hide(call["id"])} if call.get("id") else {}
        return {**id, "type": "function", "function": function}

    def _checked(self, rendered: str) -> str:
        """The prompt without marks."""
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
    """A prompt up to the end of its last text, for the model to continue."""
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
    """Special tokens by their roles, as a template reads them."""
    roles = ("bos_token", "eos_token", "unk_token")
    named = {role: getattr(tokenizer, role, None) for role in roles}
    known: Mapping[str, str] = getattr(tokenizer, "special_tokens_map", {})
    return {role: str(text) for role, text in (named | dict(known)).items() if text is not None}


def _is_same(written: str, text: str) -> bool:
    """Whether a template wrote a text, with whatever white space, as it is or as JSON."""
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
