"""How tool calls are read from an answer: whole, or while it comes.

A call is on a line of its own, as `tool_forms` says; without a form of the checkpoint's own, it is

    {"name": "get_weather", "arguments": {"location": "東京"}}

and an answer that begins with a brace is calls. The grammar of an answer (`tools`)
is made of the same parts, so that what is read as a call was generated under its schema. Nothing
relies on that: a line is a call only if it is whole, names a tool that may be called, and has
arguments that are valid under its schema. What is not becomes an `InvalidToolCall`, with the
reason.

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
from langchain_swallow.chat_models.tool_forms import BLANK, JAPANESE, ToolForm
from langchain_swallow.engines.detokenizer import overlap

_BLANKS = re.compile(f"^{BLANK}+")
# What JSON takes for nothing; a line feed is between two calls.
_JSON_BLANK = " \t\r"
_QUOTED_NAME = re.compile(r'(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*')
_BARE_NAME = re.compile(r"[^\s<{]*")
# The reason where the engine did not give one.
_CUT_OFF = (
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
        form: How calls are written, as the text of an answer shows it.
    """

    schemas: Mapping[str, Any]
    parallel: bool = False
    answer: dict[str, Any] | None = None
    form: ToolForm = JAPANESE


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


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A whole answer.

    Args:
        text: What it says beside calls.
        calls: Its calls.
    """

    text: str
    calls: list[ReadCall]


def read_answer(text: str, rules: CallRules, cut: str | None = None) -> ReadAnswer:
    """The text and the calls of a whole answer.

    Args:
        text: The answer.
        rules: What it may call.
        cut: Why it may have ended before it was whole, as a sentence; `None` if it was not cut.
    """
    calls = read_calls(text, rules, cut)
    if calls is None:
        return ReadAnswer(text.removeprefix(rules.form.answer), [])
    place = _find_opening(text, rules)
    return ReadAnswer(text[:place].rstrip() if place else "", calls)


def read_calls(text: str, rules: CallRules, cut: str | None = None) -> list[ReadCall] | None:
    """The calls of a whole answer; `None` if it is free text, or an answer of its schema."""
    place = _find_opening(text, rules)
    if place is None and rules.form.opening:
        return None
    lines = (_without_blank(text) if place is None else text[place:]).split("\n")
    is_cut_head = cut and rules.answer is None and _may_become_call(lines[0], rules.form)
    if place is None and not is_cut_head and not _is_call(lines[0], rules):
        return None
    reader, read = _LineReader(rules), list[ReadCall]()
    for i, line in enumerate(lines):
        is_last = i == len(lines) - 1
        read += reader.read(line, cut, is_last=is_last)
    is_answer = rules.answer is not None and _is_answer(text, rules.answer)
    if is_answer and any(call.error for call in read):
        return None
    return read or None


def _find_opening(text: str, rules: CallRules) -> int | None:
    """Where calls begin that a line is written before; `None` if there are none."""
    opening = rules.form.opening
    if not opening:
        return None
    if rules.answer is not None:
        return len(text) - len(_without_blank(text)) if _begins(text, opening) else None
    place = text.find(opening)
    return None if place < 0 else place


class _LineReader:
    """Reads the lines of calls, one after another."""

    def __init__(self, rules: CallRules) -> None:
        self._rules = rules
        self._count = 0
        self._is_open = False

    def read(self, line: str, cut: str | None, *, is_last: bool) -> Iterator[ReadCall]:
        """The call of a line; none of a line that is between calls, or blank."""
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
    """One line; `place` is how many calls came before it."""
    head = _head(line, rules.form)
    if head is None:
        return ReadCall(None, line, error=cut or "This line is not a tool call.")
    written = head.rest.rstrip(_JSON_BLANK)
    # The last brace is the call's, not its arguments'.
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
        self._form = rules.form
        self._pieces: list[str] = []
        self._is_call: bool | None = None
        self._lines = _LineReader(rules)
        self._sent_calls = 0
        self._has_head = False
        self._is_begun = False

    def feed(self, text: str) -> tuple[str, list[ToolCallChunk]]:
        """New free text, and new parts of calls."""
        self._pieces.append(text)
        free_text = ""
        if self._is_call is None:
            free_text = self._decide()
        if self._is_call is False:
            return free_text + self._release(), []
        # With a schema for other answers, only the whole text tells which of the two it is.
        if self._is_call is None or self._rules.answer is not None:
            return free_text, []
        # Long arguments are not joined for each piece of them.
        if self._has_head and "\n" not in text:
            return free_text, []
        return free_text, [*self._whole_lines(), *self._begin()]

    def end(self, cut: str | None = None) -> tuple[str, list[ToolCallChunk]]:
        """What is left when the answer has ended; `cut` is as for `read_answer`."""
        text = self._release()
        if self._is_call and self._rules.answer is None:
            return "", self._line(text, cut, is_last=True)
        if self._is_call is False:
            return text, []
        read = read_answer(text, self._rules, cut)
        return read.text, [self._chunk(call) for call in read.calls]

    def _decide(self) -> str:
        """See whether the answer is calls; the text that surely is not."""
        text, form = self._release(), self._form
        if form.opening and self._rules.answer is None:
            return self._before_opening(text)
        stripped = _without_blank(text)
        line = stripped.partition("\n")[0]
        if form.opening:
            may_be, is_call = form.opening.startswith(stripped), stripped.startswith(form.opening)
        else:
            may_be, is_call = _may_become_call(line, form), _is_call(line, self._rules)
        if is_call:
            self._is_call, text = True, stripped
        elif not may_be and not _may_become_answer(text, form):
            self._is_call, text = False, text.removeprefix(form.answer)
        self._pieces.append(text)
        return ""

    def _before_opening(self, text: str) -> str:
        """The text before calls that a line is written before; what may be that line is kept."""
        place = text.find(self._form.opening)
        if place >= 0:
            self._is_call = True
            free_text = text[:place].rstrip()
            self._pieces.append(text[place:])
            return free_text
        end = len(text) - overlap(text, self._form.opening)
        end = len(text[:end].rstrip())
        self._pieces.append(text[end:])
        return text[:end]

    def _release(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return text

    def _whole_lines(self) -> Iterator[ToolCallChunk]:
        """The calls of the lines that are whole."""
        *lines, rest = self._release().split("\n")
        for line in lines:
            yield from self._line(line, None, is_last=False)
        self._pieces.append(rest)

    def _begin(self) -> Iterator[ToolCallChunk]:
        """The name of the call that has begun, if there is such a tool."""
        head = None if self._has_head else _head("".join(self._pieces), self._form)
        self._has_head = self._has_head or head is not None
        if head is not None and head.name in self._rules.schemas:
            self._is_begun = True
            yield tool_call_chunk(
                name=head.name, args=_PENDING, id=_call_id(), index=self._sent_calls
            )

    def _line(self, line: str, cut: str | None, *, is_last: bool) -> list[ToolCallChunk]:
        return [self._chunk(call) for call in self._lines.read(line, cut, is_last=is_last)]

    def _chunk(self, call: ReadCall) -> ToolCallChunk:
        chunk = call.chunk(self._sent_calls, is_begun=self._is_begun)
        self.valid += call.error is None
        self._sent_calls += 1
        self._has_head = self._is_begun = False
        return chunk


@dataclass(frozen=True, slots=True)
class _Head:
    """The name of a call, and what follows its head."""

    name: str
    rest: str


def _head(line: str, form: ToolForm) -> _Head | None:
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
    return _Head(name, line[end + len(form.between) :])


def _find_name_end(line: str, form: ToolForm) -> int:
    pattern = _QUOTED_NAME if form.quotes_name else _BARE_NAME
    name = pattern.match(line, len(form.head))
    return name.end() if name else len(form.head)


def _is_call(line: str, rules: CallRules) -> bool:
    head = _head(line, rules.form)
    return head is not None and (rules.answer is None or head.name in rules.schemas)


def _may_become_call(line: str, form: ToolForm) -> bool:
    """Whether more text may make it a call's head."""
    if len(line) < len(form.head):
        return form.head.startswith(line)
    rest = line[_find_name_end(line, form) :]
    is_open = rest == "\\" or (len(rest) < len(form.between) and form.between.startswith(rest))
    return line.startswith(form.head) and is_open


def _may_become_answer(text: str, form: ToolForm) -> bool:
    """Whether more text may make it what is written before an answer."""
    return len(text) < len(form.answer) and form.answer.startswith(text)


def _begins(text: str, opening: str) -> bool:
    return _without_blank(text).startswith(opening)


def _is_answer(text: str, schema: dict[str, Any]) -> bool:
    try:
        return schema_error(parse_json(text), schema) is None
    except ValueError:
        return False


def _without_blank(text: str) -> str:
    return _BLANKS.sub("", text, count=1)


def _call_id() -> str:
    return f"call_{uuid4().hex[:24]}"
