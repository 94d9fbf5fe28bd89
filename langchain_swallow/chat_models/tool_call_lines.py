"""Parses one line of an answer as a tool call, and checks it.

A line is a call only if it is complete, names a tool that may be called, and has arguments that are
valid under the tool's schema.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import (
    ToolCallChunk,
    invalid_tool_call,
    tool_call,
    tool_call_chunk,
)

from langchain_swallow.chat_models.json_values import parse_json, schema_error
from langchain_swallow.chat_models.tool_forms import JAPANESE, ToolForm

# JSON's white space, without the line feed that separates two calls.
_JSON_BLANK = " \t\r"
_QUOTED_NAME = re.compile(r'(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*')
_BARE_NAME = re.compile(r"[^\s<{]*")
# The reason if the engine did not report one.
_CUT_OFF = (
    "The answer ended within the call. Raise max_tokens, or see what else ended it: a stop string, "
    "the server."
)


@dataclass(frozen=True, slots=True)
class CallRules:
    """The tools and the syntax of the calls that an answer may contain.

    Args:
        schemas: JSON schemas of the arguments of callable tools, by tool name.
        parallel: Whether an answer may contain several calls.
        answer: JSON schema of an answer that is not a call; `None` is free text.
        form: The syntax of calls, as it appears in the text of an answer.
    """

    schemas: Mapping[str, Any]
    parallel: bool = False
    answer: dict[str, Any] | None = None
    form: ToolForm = JAPANESE


@dataclass(frozen=True, slots=True)
class ReadCall:
    """One parsed call of an answer.

    Args:
        name: Name of the tool; `None` if the answer does not contain it.
        text: The arguments as the model wrote them, or the whole line if it is not a call.
        arguments: The parsed arguments.
        error: Why the call is not valid; `None` if it is valid.
    """

    name: str | None
    text: str
    arguments: Any = None
    error: str | None = None

    @property
    def message(self) -> ToolCall | InvalidToolCall:
        """Return the call as LangChain's `ToolCall` or `InvalidToolCall`."""
        if self.error is None:
            return tool_call(name=self.name or "", args=self.arguments, id=new_call_id())
        return invalid_tool_call(name=self.name, args=self.text, id=new_call_id(), error=self.error)

    def chunk(self, index: int, *, is_begun: bool) -> ToolCallChunk:
        """Return the call as a chunk, or the rest of it if its name was sent (`is_begun`).

        LangChain completes JSON, and a chunk has no field for an error. So the arguments of an
        invalid call are the error, a line feed and the written text, which together are not JSON.
        """
        return tool_call_chunk(
            name=None if is_begun else self.name,
            args=self.text if self.error is None else f"{self.error}\n{self.text}",
            id=None if is_begun else new_call_id(),
            index=index,
        )


class LineReader:
    """Parses the lines of calls one by one."""

    def __init__(self, rules: CallRules) -> None:
        self._rules = rules
        self._count = 0
        self._is_open = False

    def read(self, line: str, cut: str | None, *, is_last: bool) -> Iterator[ReadCall]:
        """Yield the call of a line; nothing for blank lines and lines between calls."""
        form, stripped = self._rules.form, line.strip(_JSON_BLANK)
        if form.opening and stripped == form.opening:
            self._is_open = True
            stripped = ""
        elif (
            stripped and form.closing.startswith(stripped) and (is_last or stripped == form.closing)
        ):
            stripped = ""
        if is_last and self._is_open and not stripped:
            stripped = form.opening
        if stripped:
            self._is_open = False
            self._count += 1
            text = line if stripped != form.opening else stripped
            yield _read(text, self._rules, cut if is_last else None, place=self._count - 1)


def _read(line: str, rules: CallRules, cut: str | None, *, place: int) -> ReadCall:
    """Parse one line; `place` is the number of calls before it."""
    head = read_head(line, rules.form)
    if head is None:
        return ReadCall(None, line, error=cut or "This line is not a tool call.")
    written = head.rest.rstrip(_JSON_BLANK)
    # The last brace belongs to the call, not to its arguments.
    is_ended = written.endswith(rules.form.tail)
    text = written.removesuffix(rules.form.tail)
    try:
        arguments = parse_json(text)
    except ValueError as error:
        return ReadCall(head.name, written, error=cut or _reason(error, text))
    if not is_ended:
        return ReadCall(head.name, written, error=cut or _CUT_OFF)
    return ReadCall(head.name, text, arguments, _error(head.name, arguments, rules, place))


def _reason(error: ValueError, text: str) -> str:
    is_open = isinstance(error, json.JSONDecodeError) and (
        error.pos >= len(text) or error.msg.startswith("Unterminated")
    )
    return _CUT_OFF if is_open else f"The call is not valid JSON: {error}."


def _error(name: str, arguments: Any, rules: CallRules, place: int) -> str | None:
    if name not in rules.schemas:
        known = ", ".join(rules.schemas)
        return f"There is no tool {name!r} to call. There are: {known}."
    if place and not rules.parallel:
        return "Only one call was allowed. Use parallel_tool_calls=True for several."
    if not isinstance(arguments, dict):
        return "The arguments must be a JSON object."
    reason = schema_error(arguments, rules.schemas[name])
    return reason and f"The arguments do not match the tool's schema: {reason}."


@dataclass(frozen=True, slots=True)
class Head:
    """The name of a call, and the text after it."""

    name: str
    rest: str


def read_head(line: str, form: ToolForm) -> Head | None:
    """Return the name of the call that a line begins; `None` if it begins none, or not yet."""
    if not line.startswith(form.head):
        return None
    end = _find_name_end(line, form)
    if not line.startswith(form.between, end):
        return None
    name = line[len(form.head) : end]
    try:
        name = parse_json(f'"{name}"') if form.quotes_name else name
    except ValueError:
        return None
    return Head(name, line[end + len(form.between) :])


def _find_name_end(line: str, form: ToolForm) -> int:
    pattern = _QUOTED_NAME if form.quotes_name else _BARE_NAME
    name = pattern.match(line, len(form.head))
    return name.end() if name else len(form.head)


def is_call(line: str, rules: CallRules) -> bool:
    """Whether the line begins a call, and not an answer that has a schema too."""
    head = read_head(line, rules.form)
    return head is not None and (rules.answer is None or head.name in rules.schemas)


def may_become_call(line: str, form: ToolForm) -> bool:
    """Whether the line is a proper prefix of the start of a call."""
    if len(line) < len(form.head):
        return form.head.startswith(line)
    rest = line[_find_name_end(line, form) :]
    is_open = rest == "\\" or (len(rest) < len(form.between) and form.between.startswith(rest))
    return line.startswith(form.head) and is_open


def new_call_id() -> str:
    """Return a new id, in the form of OpenAI's."""
    return f"call_{uuid4().hex[:24]}"
