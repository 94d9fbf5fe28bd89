"""Tools for a model that knows none: how they are described, called and read back.

Ver0.1 has no place for tools, so they are described in the system block, in Japanese, and a call is
the whole answer, one line of JSON:

    {"name": "get_weather", "arguments": {"location": "東京"}}

The answer is generated under a grammar: with `tool_choice="auto"` it is a call if it begins with a
brace and free text otherwise, so the model chooses with its first token, white space aside; every
other choice leaves calls only. Arguments match the tool's schema by construction. How a call is
read back is in `tool_calls`; a result comes back as a user turn that names the tool
(`messages.to_turns`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_swallow.chat_models.json_schemas import (
    closed,
    for_grammar,
    refuse_malformed,
    root_resolved,
    without_titles,
)
from langchain_swallow.chat_models.tool_calls import (
    BLANK,
    NOT_BLANK_NOR_BRACE,
    CallRules,
    call_head,
)
from langchain_swallow.chat_models.tool_schemas import to_openai_tools
from langchain_swallow.engines.grammar import check_grammar
from langchain_swallow.engines.protocol import Grammar
from langchain_swallow.errors import GrammarError
from langchain_swallow.text.surrogates import replace_surrogates_in

_INTRODUCTION = """次のツールを使えます。使うときは、呼び出しだけを次の形の JSON で書いてください。
{"name": "ツールの名前", "arguments": {"引数の名前": 値}}
ツールの結果は次の発言で渡されます。"""
_FREE = "ツールを使わなくても答えられるときは、ふつうの文で答えてください。"
_SEVERAL = "いくつも呼び出すときは、一行に一つずつ書いてください。"

# What `tool_calls` reads as text: what begins, behind blanks, with anything but a brace.
_TEXT = rf"TEXT: /{BLANK}*{NOT_BLANK_NOR_BRACE}(.|\n)*/"
_BLANKS = f"BLANKS: /{BLANK}+/"


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
        schemas = self.rules.schemas
        calls = [
            f'{json.dumps(call_head(name), ensure_ascii=False)} args_{i} "}}"'
            for i, name in enumerate(schemas)
        ]
        rules = ["start: call" + (r' ("\n" call)*' if self.parallel else "")]
        rules += [f"call: {' | '.join(calls)}"]
        rules += [_json_rule(f"args_{i}", schema) for i, schema in enumerate(schemas.values())]
        if self.choice == "auto" and self.answer is not None:
            rules[0] += " | answer"
            rules += [_json_rule("answer", self.answer)]
        elif self.choice == "auto":
            rules[0] = rules[0].replace("start: call", "start: BLANKS? call") + " | TEXT"
            rules += [_BLANKS, _TEXT]
        return Grammar("lark", "\n".join(rules))

    @property
    def rules(self) -> CallRules:
        """What an answer may call, as it is read back."""
        schemas = {t["function"]["name"]: closed(_parameters(t)) for t in self._callable}
        answer = self.answer if self.choice == "auto" else None
        return CallRules(schemas, self.parallel, answer)

    @property
    def _callable(self) -> list[dict[str, Any]]:
        """The tools that may be called: all, or the one that must be."""
        chosen = [tool for tool in self.tools if tool["function"]["name"] == self.choice]
        return chosen or list(self.tools)


def tool_use(
    tools: Sequence[Any] | None,
    tool_choice: Any = None,
    parallel: bool | None = None,
    answer: dict[str, Any] | None = None,
) -> ToolUse | None:
    """The tools of a call in LangChain's and OpenAI's words; `None` when none may be called.

    Lone surrogates in names, descriptions and schemas become U+FFFD.

    Raises:
        ValueError: An unknown `tool_choice`.
        GrammarError: One is not a tool, or has a schema that cannot be enforced.
    """
    if not tools:
        return None
    written = replace_surrogates_in(to_openai_tools(tools))
    choice = _choice(replace_surrogates_in(tool_choice))
    use = ToolUse(tuple(written), choice, bool(parallel), answer)
    if use.choice == "none":
        return None
    with refuse_malformed():
        use.description  # noqa: B018
        check_grammar(use.grammar)
    return use


def _choice(tool_choice: Any) -> str:
    if isinstance(tool_choice, dict):
        # OpenAI's form, or Anthropic's: {"type": "any"}, {"type": "tool", "name": …}
        function = tool_choice.get("function")
        named = function if isinstance(function, dict) else tool_choice
        return _choice(named.get("name") or str(tool_choice.get("type")))
    if tool_choice is None:
        return "auto"
    if isinstance(tool_choice, bool):
        return "any" if tool_choice else "none"
    return "any" if tool_choice == "required" else str(tool_choice)


def _describe(tool: dict[str, Any]) -> str:
    function = tool["function"]
    schema = _parameters(tool)
    required = set(schema.get("required", ()))
    lines = [f"## {function['name']}", function.get("description", "")]
    for name, value in schema.get("properties", {}).items():
        if value is False:
            continue
        need = "必須" if name in required else "省略可"
        value = {} if value is True else value
        shown = {key: part for key, part in value.items() if key not in ("title", "description")}
        text = f"- {name}（{need}）{json.dumps(shown, ensure_ascii=False)}"
        lines.append(f"{text} {value.get('description', '')}".rstrip())
    for key in ("$defs", "definitions"):
        if key in schema:
            lines.append(f"{key}: {json.dumps(without_titles(schema)[key], ensure_ascii=False)}")
    return "\n".join(filter(None, lines))


def _parameters(tool: dict[str, Any]) -> dict[str, Any]:
    """The schema of a tool's arguments, which are an object whatever it says besides.

    Raises:
        GrammarError: They cannot be one.
    """
    given = tool["function"].get("parameters")
    if given is True:
        return {"type": "object"}
    schema = root_resolved(given or {"properties": {}})
    kinds = schema.get("type", "object")
    if given is False or "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise GrammarError(
            f"The parameters of the tool {tool['function']['name']!r} are {given!r}. Pass the "
            "schema of an object, whose properties are the arguments."
        )
    return {**schema, "type": "object"}


def _json_rule(name: str, schema: dict[str, Any]) -> str:
    return f"{name}: %json {json.dumps(for_grammar(schema), ensure_ascii=False)}"
