"""How a tool call is written in an answer, and how it is read back: whole, or while it comes.

A call is one line of JSON, and an answer that begins with a brace is calls, one a line:

    {"name": "get_weather", "arguments": {"location": "東京"}}

The grammar of an answer (`tools`) is made of the same parts, so that what is read as a call
was generated under its schema. Nothing relies on that: a line is a call only if it is whole, names
a tool that may be called, and has arguments that are valid under its schema. What is not becomes an
`InvalidToolCall`, with the reason.

Of a stream nobody gets a part of a call's arguments: LangChain's `AIMessageChunk` completes JSON
that breaks off, and an agent would then execute what the model did not finish saying.
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

# Before an answer's first brace, or its first word: white space and characters that show nothing.
# As a class of characters, for Python and for the regular expressions of a grammar.
BLANK = (
    r"[\t-\r\x1c-\x20\x85\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
)
NOT_BLANK_NOR_BRACE = f"[^{{{BLANK[1:]}"

_BLANKS = re.compile(f"^{BLANK}+")
# What JSON takes for nothing; a line feed is between two calls.
_JSON_BLANK = " \t\r"
_OPENING = '{"name": "'
_BETWEEN = '", "arguments": '
_NAME = re.compile(r'(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*')
# The reason where the engine did not give one.
_BROKEN_OFF = (
    "The answer ended within the call. Raise max_tokens, or see what else ended it: a stop string, "
    "the server."
)
# What the arguments of a call are until it is whole: no JSON, which completes to nothing.
_PENDING = " "


@dataclass(frozen=True, slots=True)
class CallRules:
    """What an answer may call.

    Args:
        schemas: JSON schema of the arguments of each tool that may be called, by its name.
        parallel: Whether an answer may be several calls.
        answer: JSON schema of an answer that is not a call; `None` is free text.
    """

    schemas: Mapping[str, Any]
    parallel: bool = False
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ReadCall:
    """One call of an answer.

    Args:
        name: Of the tool, if that much was said.
        text: Its arguments as they were written, or the whole line if it is not a call.
        arguments: Their value.
        error: Why it is not valid; `None` if it is.
    """

    name: str | None
    text: str
    arguments: Any = None
    error: str | None = None

    @property
    def message(self) -> ToolCall | InvalidToolCall:
        """The call as LangChain has it."""
        if self.error is None:
            return tool_call(name=self.name or "", args=self.arguments, id=_call_id())
        return invalid_tool_call(name=self.name, args=self.text, id=_call_id(), error=self.error)

    def chunk(self, index: int, *, is_begun: bool) -> ToolCallChunk:
        """The call as a part of a stream, or what is left of it after `begin`.

        LangChain completes JSON, and a chunk has no place for an error: the arguments of a call
        that is not valid are the error, a line feed and what was written, which is not JSON.
        """
        return tool_call_chunk(
            name=None if is_begun else self.name,
            args=self.text if self.error is None else f"{self.error}\n{self.text}",
            id=None if is_begun else _call_id(),
            index=index,
        )


def written_arguments(arguments: str) -> str:
    """What the model wrote of the arguments that a stream gave of a call that is not valid."""
    return arguments.rpartition("\n")[2]


def call_head(name: str) -> str:
    """A call up to its arguments."""
    return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '


def read_calls(text: str, rules: CallRules, cut: str | None = None) -> list[ReadCall] | None:
    """The calls of a whole answer; `None` if it is free text, or an answer of its schema.

    Args:
        text: The answer.
        rules: What it may call.
        cut: Why it may have ended before it was whole, as a sentence; `None` if it was not cut.
    """
    lines = _without_blank(text).split("\n")
    is_cut_head = cut and rules.answer is None and _may_become_call(lines[0])
    if not is_cut_head and not _is_call(lines[0], rules):
        return None
    read: list[ReadCall] = []
    for i, line in enumerate(lines):
        if line.strip(_JSON_BLANK):
            is_last = i == len(lines) - 1
            read.append(_read(line, rules, cut if is_last else None, place=len(read)))
    is_answer = rules.answer is not None and _is_answer(text, rules.answer)
    if is_answer and any(call.error for call in read):
        return None
    return read or None


def _read(line: str, rules: CallRules, cut: str | None, *, place: int) -> ReadCall:
    """One line; `place` is how many calls came before it."""
    head = _head(line)
    if head is None:
        return ReadCall(None, line, error=cut or "This line is not a tool call.")
    written = head.rest.rstrip(_JSON_BLANK)
    # The last brace is the call's, not its arguments'.
    text = written[:-1] if written.endswith("}") else written
    try:
        arguments = parse_json(text)
    except ValueError as error:
        return ReadCall(head.name, written, error=cut or _reason(error, text))
    if text == written:
        return ReadCall(head.name, written, error=cut or _BROKEN_OFF)
    return ReadCall(head.name, text, arguments, _error(head.name, arguments, rules, place))


def _reason(error: ValueError, text: str) -> str:
    is_open = isinstance(error, json.JSONDecodeError) and (
        error.pos >= len(text) or error.msg.startswith("Unterminated")
    )
    return _BROKEN_OFF if is_open else f"The call is not valid JSON: {error}."


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


class ToolCallReader:
    """Reads an answer while it is generated: free text, or calls one after another.

    A call's name is given as soon as it is known, with blank arguments, which are not valid; the
    arguments are given when the call is whole and was checked. So whatever was received of a
    stream, `tool_calls` has whole and valid calls only.

    Args:
        rules: What the answer may call.

    `valid` is how many valid calls were given.
    """

    def __init__(self, rules: CallRules) -> None:
        self.valid = 0
        self._rules = rules
        self._pieces: list[str] = []
        self._is_call: bool | None = None
        self._given = 0
        self._has_head = False
        self._is_begun = False

    def feed(self, text: str) -> tuple[str, list[ToolCallChunk]]:
        """New free text, and new parts of calls."""
        self._pieces.append(text)
        if self._is_call is None:
            self._decide()
        if self._is_call is False:
            return self._release(), []
        # With a schema for other answers, only the whole text tells which of the two it is.
        if self._is_call is None or self._rules.answer is not None:
            return "", []
        # Long arguments are not joined for each piece of them.
        if self._has_head and "\n" not in text:
            return "", []
        return "", [*self._lines(), *self._begin()]

    def end(self, cut: str | None = None) -> tuple[str, list[ToolCallChunk]]:
        """What is left when the answer has ended; `cut` is as for `read_calls`."""
        text = self._release()
        if self._is_call and self._rules.answer is None:
            return "", list(self._line(text, cut))
        calls = None if self._is_call is False else read_calls(text, self._rules, cut)
        if calls is None:
            return text, []
        return "", [self._chunk(call) for call in calls]

    def _decide(self) -> None:
        text = self._release()
        line = _without_blank(text).partition("\n")[0]
        if _is_call(line, self._rules):
            self._is_call, text = True, _without_blank(text)
        elif not _may_become_call(line):
            self._is_call = False
        self._pieces.append(text)

    def _release(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return text

    def _lines(self) -> Iterator[ToolCallChunk]:
        """The calls of the lines that are whole."""
        *lines, rest = self._release().split("\n")
        for line in lines:
            yield from self._line(line, None)
        self._pieces.append(rest)

    def _begin(self) -> Iterator[ToolCallChunk]:
        """The name of the call that has begun, if there is such a tool."""
        head = None if self._has_head else _head("".join(self._pieces))
        self._has_head = self._has_head or head is not None
        if head is not None and head.name in self._rules.schemas:
            self._is_begun = True
            yield tool_call_chunk(name=head.name, args=_PENDING, id=_call_id(), index=self._given)

    def _line(self, line: str, cut: str | None) -> Iterator[ToolCallChunk]:
        if line.strip(_JSON_BLANK):
            yield self._chunk(_read(line, self._rules, cut, place=self._given))

    def _chunk(self, call: ReadCall) -> ToolCallChunk:
        chunk = call.chunk(self._given, is_begun=self._is_begun)
        self.valid += call.error is None
        self._given += 1
        self._has_head = self._is_begun = False
        return chunk


@dataclass(frozen=True, slots=True)
class _Head:
    """The name of a call, and what follows its head."""

    name: str
    rest: str


def _head(line: str) -> _Head | None:
    if not line.startswith(_OPENING):
        return None
    end = _end_of_name(line)
    if not line.startswith(_BETWEEN, end):
        return None
    try:
        name = parse_json(line[len(_OPENING) - 1 : end + 1])
    except ValueError:
        return None
    return _Head(name, line[end + len(_BETWEEN) :])


def _end_of_name(line: str) -> int:
    name = _NAME.match(line, len(_OPENING))
    return name.end() if name else len(_OPENING)


def _is_call(line: str, rules: CallRules) -> bool:
    head = _head(line)
    return head is not None and (rules.answer is None or head.name in rules.schemas)


def _may_become_call(line: str) -> bool:
    """Whether more text may make it a call's head."""
    if len(line) < len(_OPENING):
        return _OPENING.startswith(line)
    rest = line[_end_of_name(line) :]
    is_open = rest == "\\" or (len(rest) < len(_BETWEEN) and _BETWEEN.startswith(rest))
    return line.startswith(_OPENING) and is_open


def _is_answer(text: str, schema: dict[str, Any]) -> bool:
    try:
        return schema_error(parse_json(text), schema) is None
    except ValueError:
        return False


def _without_blank(text: str) -> str:
    return _BLANKS.sub("", text, count=1)


def _call_id() -> str:
    return f"call_{uuid4().hex[:24]}"
