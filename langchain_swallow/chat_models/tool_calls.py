"""Parses tool calls from a complete answer or from a stream.

Each call is one line in the syntax that `tool_forms` detects. The default syntax is

    {"name": "get_weather", "arguments": {"location": "東京"}}

and an answer that starts with a brace consists of calls. The grammar of an answer (`tools`) is made
of the same parts, so calls that are parsed were generated under their schemas. The parser does not
rely on that: a line is a call only if it is complete, names a tool that may be called, and has
arguments that are valid under the tool's schema. Any other line becomes an `InvalidToolCall` with
the reason.

A stream never contains part of a call's arguments: LangChain's `AIMessageChunk` completes cut-off
JSON, and an agent would then execute a call that the model did not finish.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from langchain_swallow.chat_models.json_values import parse_json, schema_error
from langchain_swallow.chat_models.tool_call_lines import (
    CallRules,
    LineReader,
    ReadCall,
    is_call,
    may_become_call,
    new_call_id,
    read_head,
)
from langchain_swallow.chat_models.tool_forms import BLANK, ToolForm
from langchain_swallow.engines.stop_strings import overlap

_BLANKS = re.compile(f"^{BLANK}+")
# Arguments of an incomplete call: not JSON, so LangChain cannot complete them.
_PENDING = " "


def written_arguments(arguments: str) -> str:
    """Return the text that the model wrote, from the streamed arguments of an invalid call."""
    return arguments.rpartition("\n")[2]


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A complete answer.

    Args:
        text: The text outside of calls.
        calls: The calls.
    """

    text: str
    calls: list[ReadCall]


def read_answer(text: str, rules: CallRules, cut: str | None = None) -> ReadAnswer:
    """Parse a complete answer into text and calls.

    Args:
        text: The answer.
        rules: The calls that it may contain.
        cut: Why it may have been cut off, as a sentence; `None` if it was not.
    """
    calls = read_calls(text, rules, cut)
    if calls is None:
        return ReadAnswer(text.removeprefix(rules.form.answer), [])
    place = _find_opening(text, rules)
    return ReadAnswer(text[:place].rstrip() if place else "", calls)


def read_calls(text: str, rules: CallRules, cut: str | None = None) -> list[ReadCall] | None:
    """Return the calls of a complete answer; `None` for free text or JSON of `rules.answer`."""
    place = _find_opening(text, rules)
    if place is None and rules.form.opening:
        return None
    lines = (_without_blank(text) if place is None else text[place:]).split("\n")
    is_cut_head = cut and rules.answer is None and may_become_call(lines[0], rules.form)
    if place is None and not is_cut_head and not is_call(lines[0], rules):
        return None
    reader, read = LineReader(rules), list[ReadCall]()
    for i, line in enumerate(lines):
        is_last = i == len(lines) - 1
        read += reader.read(line, cut, is_last=is_last)
    is_answer = rules.answer is not None and _is_answer(text, rules.answer)
    if is_answer and any(call.error for call in read):
        return None
    return read or None


def _find_opening(text: str, rules: CallRules) -> int | None:
    """Return where calls start that have an opening line; `None` if there are none."""
    opening = rules.form.opening
    if not opening:
        return None
    if rules.answer is not None:
        return len(text) - len(_without_blank(text)) if _begins(text, opening) else None
    place = text.find(opening)
    return None if place < 0 else place


class ToolCallReader:
    """Parses an answer while it is generated: free text, or one call after another.

    A call's name is returned as soon as it is known, with blank arguments, which are not valid. The
    arguments are returned when the call is complete and checked. So at any point of a stream,
    `tool_calls` contains only complete and valid calls.

    Args:
        rules: The calls that the answer may contain.

    `valid` is the number of valid calls so far.
    """

    def __init__(self, rules: CallRules) -> None:
        self.valid = 0
        self._rules = rules
        self._form = rules.form
        self._pieces: list[str] = []
        self._is_call: bool | None = None
        self._lines = LineReader(rules)
        self._sent_calls = 0
        self._has_head = False
        self._is_begun = False

    def feed(self, text: str) -> tuple[str, list[ToolCallChunk]]:
        """Add text of the answer; return new free text and new parts of calls."""
        self._pieces.append(text)
        free_text = ""
        if self._is_call is None:
            free_text = self._decide()
        if self._is_call is False:
            return free_text + self._release(), []
        # If answers have a schema too, only the complete text shows which of the two it is.
        if self._is_call is None or self._rules.answer is not None:
            return free_text, []
        # Avoids joining long arguments again for each piece.
        if self._has_head and "\n" not in text:
            return free_text, []
        return free_text, [*self._whole_lines(), *self._begin()]

    def end(self, cut: str | None = None) -> tuple[str, list[ToolCallChunk]]:
        """End the answer; return the rest of it. For `cut`, see `read_answer`."""
        text = self._release()
        if self._is_call and self._rules.answer is None:
            return "", self._line(text, cut, is_last=True)
        if self._is_call is False:
            return text, []
        read = read_answer(text, self._rules, cut)
        return read.text, [self._chunk(call) for call in read.calls]

    def _decide(self) -> str:
        """Decide whether the answer consists of calls; return text that is certainly free text."""
        text, form = self._release(), self._form
        if form.opening and self._rules.answer is None:
            return self._before_opening(text)
        stripped = _without_blank(text)
        line = stripped.partition("\n")[0]
        if form.opening:
            may_be, begins = form.opening.startswith(stripped), stripped.startswith(form.opening)
        else:
            may_be, begins = may_become_call(line, form), is_call(line, self._rules)
        if begins:
            self._is_call, text = True, stripped
        elif not may_be and not _may_become_answer(text, form):
            self._is_call, text = False, text.removeprefix(form.answer)
        self._pieces.append(text)
        return ""

    def _before_opening(self, text: str) -> str:
        """Return the text before an opening line; text that may become that line is held back."""
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
        """Yield the calls of complete lines."""
        *lines, rest = self._release().split("\n")
        for line in lines:
            yield from self._line(line, None, is_last=False)
        self._pieces.append(rest)

    def _begin(self) -> Iterator[ToolCallChunk]:
        """Yield the name of a started call if the tool exists."""
        head = None if self._has_head else read_head("".join(self._pieces), self._form)
        self._has_head = self._has_head or head is not None
        if head is not None and head.name in self._rules.schemas:
            self._is_begun = True
            yield tool_call_chunk(
                name=head.name, args=_PENDING, id=new_call_id(), index=self._sent_calls
            )

    def _line(self, line: str, cut: str | None, *, is_last: bool) -> list[ToolCallChunk]:
        return [self._chunk(call) for call in self._lines.read(line, cut, is_last=is_last)]

    def _chunk(self, call: ReadCall) -> ToolCallChunk:
        chunk = call.chunk(self._sent_calls, is_begun=self._is_begun)
        self.valid += call.error is None
        self._sent_calls += 1
        self._has_head = self._is_begun = False
        return chunk


def _may_become_answer(text: str, form: ToolForm) -> bool:
    """Whether the text is a proper prefix of the form's text before an answer."""
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
