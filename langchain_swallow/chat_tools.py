"""Tools for a model that knows none: how they are described, called and read back.

Ver0.1 has no place for tools, so they are described in the system block, in Japanese, and a call is
the whole answer, one line of JSON:

    {"name": "get_weather", "arguments": {"location": "東京"}}

The answer is generated under a grammar: with `tool_choice="auto"` it is a call if it begins with a
brace and free text otherwise, so the model chooses with its first token; every other choice leaves
calls only. Arguments match the tool's schema by construction. A result comes back as a user turn
that names the tool (`messages.to_turns`).
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
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

from langchain_swallow.engines.base import Grammar
from langchain_swallow.engines.constraints import check_grammar
from langchain_swallow.json_schemas import closed, for_grammar
from langchain_swallow.text.surrogates import replace_surrogates_in

_INTRODUCTION = """次のツールを使えます。使うときは、呼び出しだけを次の形の JSON で書いてください。
{"name": "ツールの名前", "arguments": {"引数の名前": 値}}
ツールの結果は次の発言で渡されます。"""
_FREE = "ツールを使わなくても答えられるときは、ふつうの文で答えてください。"
_SEVERAL = "いくつも呼び出すときは、一行に一つずつ書いてください。"

# Free text does not begin with a brace. The space is that of a `▁` piece after the prompt's own.
_TEXT = r"TEXT: /( )?[^{ ](.|\n)*/"
_HEAD = re.compile(r'\{"name": "((?:[^"\\]|\\.)*)", "arguments": ')


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools of one call.

    Args:
        tools: In OpenAI's format.
        choice: `"auto"`, `"any"`, `"none"` or the name of the tool to call.
        parallel: Whether an answer may be several calls.
        answer: JSON schema of an answer that is no call; `None` is free text.

    Raises:
        ValueError: No such tool.
    """

    tools: tuple[dict[str, Any], ...]
    choice: str = "auto"
    parallel: bool = False
    answer: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        names = [tool["function"]["name"] for tool in self.tools]
        if self.choice not in ("auto", "any", "none", *names):
            raise ValueError(
                f"Unknown tool_choice {self.choice!r}. Use auto, any, none or one of "
                f"{', '.join(names)}."
            )

    @property
    def description(self) -> str:
        """What the system block says of the tools."""
        parts = [_INTRODUCTION]
        parts += [_FREE] if self.choice == "auto" else []
        parts += [_SEVERAL] if self.parallel else []
        return "\n".join(parts) + "".join(f"\n\n{_describe(tool)}" for tool in self._callable)

    @property
    def grammar(self) -> Grammar:
        """What the answer must match."""
        calls = [
            f'{json.dumps(_head(tool["function"]["name"]), ensure_ascii=False)} args_{i} "}}"'
            for i, tool in enumerate(self._callable)
        ]
        rules = ["start: call" + (r' ("\n" call)*' if self.parallel else "")]
        rules += [f"call: {' | '.join(calls)}"]
        rules += [_json_rule(f"args_{i}", _arguments(t)) for i, t in enumerate(self._callable)]
        if self.choice == "auto":
            rules[0] += " | TEXT" if self.answer is None else " | answer"
            rules += [_TEXT if self.answer is None else _json_rule("answer", self.answer)]
        return Grammar("lark", "\n".join(rules))

    @property
    def names(self) -> frozenset[str]:
        """Of the tools that may be called."""
        return frozenset(tool["function"]["name"] for tool in self._callable)

    @property
    def _callable(self) -> list[dict[str, Any]]:
        """The tools that may be called: all, or the one that must be."""
        chosen = [tool for tool in self.tools if tool["function"]["name"] == self.choice]
        return chosen or list(self.tools)


def tool_use(
    tools: Sequence[dict[str, Any]] | None,
    tool_choice: Any = None,
    parallel: bool | None = None,
    answer: dict[str, Any] | None = None,
) -> ToolUse | None:
    """The tools of a call in LangChain's and OpenAI's words; `None` when none may be called.

    Lone surrogates in names, descriptions and schemas become U+FFFD.

    Raises:
        ValueError: An unknown `tool_choice`.
        GrammarError: A tool has a schema that cannot be enforced.
    """
    if not tools:
        return None
    written = replace_surrogates_in(list(tools))
    choice = _choice(replace_surrogates_in(tool_choice))
    use = ToolUse(tuple(written), choice, bool(parallel), answer)
    if use.choice == "none":
        return None
    check_grammar(use.grammar)
    return use


def _choice(tool_choice: Any) -> str:
    if isinstance(tool_choice, dict):
        return str(tool_choice.get("function", tool_choice).get("name"))
    if tool_choice is None:
        return "auto"
    if isinstance(tool_choice, bool):
        return "any" if tool_choice else "none"
    return "any" if tool_choice == "required" else str(tool_choice)


def _describe(tool: dict[str, Any]) -> str:
    function = tool["function"]
    schema = function.get("parameters") or {}
    required = set(schema.get("required", ()))
    lines = [f"## {function['name']}", function.get("description", "")]
    for name, value in schema.get("properties", {}).items():
        need = "必須" if name in required else "省略可"
        shown = {key: part for key, part in value.items() if key not in ("title", "description")}
        text = f"- {name}（{need}）{json.dumps(shown, ensure_ascii=False)}"
        lines.append(f"{text} {value.get('description', '')}".rstrip())
    return "\n".join(filter(None, lines))


def _arguments(tool: dict[str, Any]) -> dict[str, Any]:
    schema = tool["function"].get("parameters") or {"type": "object", "properties": {}}
    return dict(closed(schema))


def _json_rule(name: str, schema: dict[str, Any]) -> str:
    return f"{name}: %json {json.dumps(for_grammar(schema), ensure_ascii=False)}"


class ToolCallReader:
    """Reads an answer while it is generated: free text, or calls one after another.

    Args:
        names: Of the tools that may be called.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held = ""
        self._index = -1
        self._in_call = False
        self._is_call: bool | None = None

    def feed(self, text: str, *, last: bool = False) -> tuple[str, list[ToolCallChunk]]:
        """New free text, and new parts of calls; a call's joined parts have its arguments."""
        self._held += text
        if self._is_call is None:
            self._is_call = False if last and not self._begins_call() else self._begins_call()
        if self._is_call is None:
            return "", []
        if not self._is_call:
            held, self._held = self._held, ""
            return held, []
        return "", list(self._parts(last))

    def _begins_call(self) -> bool | None:
        """Whether the answer is a call; `None` while it may become one."""
        held = self._held.lstrip()
        if head := _HEAD.match(held):
            return json.loads(f'"{head[1]}"') in self._names
        heads = (_head(name) for name in self._names)
        return None if any(head.startswith(held) for head in heads) else False

    def _parts(self, last: bool) -> Iterator[ToolCallChunk]:
        """What the held text completes, one part a call; the rest stays held."""
        while True:
            name = None
            if not self._in_call:
                held = self._held.lstrip()
                if not (head := _HEAD.match(held)):
                    return
                self._held, self._in_call = held[head.end() :], True
                self._index += 1
                name = json.loads(f'"{head[1]}"')
            # JSON has no line feed here, so a line is a call; its last brace is not an argument's.
            line, end, rest = self._held.partition("\n")
            if end or last:
                arguments, self._held, self._in_call = line.removesuffix("}"), rest, False
            else:
                arguments = line.rstrip("}")
                self._held = line[len(arguments) :]
            if name or arguments:
                call_id = _call_id() if name else None
                yield tool_call_chunk(name=name, args=arguments, id=call_id, index=self._index)
            if self._in_call:
                return


def read_calls(
    text: str, names: Collection[str]
) -> tuple[list[ToolCall], list[InvalidToolCall]] | None:
    """The calls of a whole answer, and those it ends within; `None` if it is free text."""
    head = _HEAD.match(text.lstrip())
    if head is None or json.loads(f'"{head[1]}"') not in names:
        return None
    calls: list[ToolCall] = []
    broken: list[InvalidToolCall] = []
    for line in text.strip().split("\n"):
        try:
            call = json.loads(line)
            calls.append(tool_call(name=call["name"], args=call["arguments"], id=_call_id()))
        except json.JSONDecodeError:
            head = _HEAD.match(line)
            name = json.loads(f'"{head[1]}"') if head else None
            args = line[head.end() :] if head else line
            reason = "max_tokens was reached within the call."
            broken.append(invalid_tool_call(name=name, args=args, id=_call_id(), error=reason))
    return calls, broken


def _head(name: str) -> str:
    """A call up to its arguments."""
    return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '


def _call_id() -> str:
    return f"call_{uuid4().hex[:24]}"
