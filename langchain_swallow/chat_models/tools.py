"""Tools: their description for the model, the grammar of answers, and the rules for parsing.

A checkpoint that was trained on tools gets them through its chat template, and calls them in the
syntax of its training (`tool_forms`). For others, such as Ver0.1, the system block describes them
in Japanese, and a call is the whole answer, one line of JSON:

    {"name": "get_weather", "arguments": {"location": "東京"}}

A grammar constrains the answer. With `tool_choice="auto"` it allows calls or free text, and the
model chooses; if a call is plain JSON, its first token decides. Every other choice allows only
calls. The grammar makes arguments match the tool's schema. `tool_calls` parses the calls.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_swallow.chat_models.json_schemas import (
    closed,
    for_grammar,
    refuse_malformed,
    root_resolved,
    without_titles,
)
from langchain_swallow.chat_models.tool_call_lines import CallRules
from langchain_swallow.chat_models.tool_forms import BLANK, JAPANESE, ToolForm, tool_form
from langchain_swallow.chat_models.tool_schemas import to_openai_tools
from langchain_swallow.engines.grammar import check_grammar
from langchain_swallow.engines.protocol import Grammar
from langchain_swallow.errors import GrammarError
from langchain_swallow.prompts.tokenization import known_control_tokens
from langchain_swallow.prompts.tokenizer import Tokenizer
from langchain_swallow.text.surrogates import replace_surrogates_in

_INTRODUCTION = """次のツールを使えます。使うときは、呼び出しだけを次の形の JSON で書いてください。
{"name": "ツールの名前", "arguments": {"引数の名前": 値}}
ツールの結果は次の発言で渡されます。"""
_FREE = "ツールを使わなくても答えられるときは、ふつうの文で答えてください。"
_SEVERAL = "いくつも呼び出すときは、一行に一つずつ書いてください。"

# A private character that replaces a tool's name while control tokens around it are found.
_NAME = "\ue000"
_BLANKS = f"BLANKS: /{BLANK}+/"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools that one request of the chat model offers.

    Args:
        tools: The tools in OpenAI's format.
        choice: `"auto"`, `"any"`, `"none"` or the name of the tool to call.
        parallel: Whether an answer may contain several calls; `None` is as the model was trained.
        answer: JSON schema of an answer that is not a call; `None` is free text.
        form: The model's tool-call syntax.
        shown: The same syntax as it appears in the text of an answer.
        controls: Ids of the model's control tokens, by their texts.

    Raises:
        GrammarError: `choice` is neither a mode nor the name of a tool.
    """

    tools: tuple[dict[str, Any], ...]
    choice: str = "auto"
    parallel: bool | None = None
    answer: dict[str, Any] | None = None
    form: ToolForm = JAPANESE
    shown: ToolForm = JAPANESE
    controls: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        names = [tool["function"]["name"] for tool in self.tools]
        if self.choice not in ("auto", "any", "none", *names):
            raise GrammarError(
                f"Unknown tool_choice {self.choice!r}. Use auto, any, none or one of "
                f"{', '.join(names)}."
            )

    def for_tokenizer(self, tokenizer: Tokenizer, *, is_templated: bool) -> "ToolUse":
        """Return this object in the syntax of the chat template, if it writes the prompts."""
        form = tool_form(tokenizer) if is_templated else JAPANESE
        controls = {text: token.id for text, token in known_control_tokens(tokenizer).items()}
        return replace(self, form=form, shown=form.as_shown(tokenizer), controls=controls)

    @property
    def template_arguments(self) -> dict[str, Any]:
        """Arguments for the chat template."""
        return {"tools": self._callable} if self.form.is_templated else {}

    @property
    def description(self) -> str | None:
        """Description of the tools for the system block; `None` if the chat template has one."""
        if self.form.is_templated:
            return None
        parts = [_INTRODUCTION]
        parts += [_FREE] if self.choice == "auto" else []
        parts += [_SEVERAL] if self._is_parallel else []
        return "\n".join(parts) + "".join(f"\n\n{_describe(tool)}" for tool in self._callable)

    @property
    def grammar(self) -> Grammar:
        """The grammar that the answer must match."""
        schemas = self.rules.schemas
        calls = [
            f"{self._lark(self.form.before(_NAME), self.form.name(name))} args_{i} "
            f"{self._lark(self.form.after)}"
            for i, name in enumerate(schemas)
        ]
        rules = [*self._start(), f"call: {' | '.join(calls)}"]
        rules += [_json_rule(f"args_{i}", schema) for i, schema in enumerate(schemas.values())]
        return Grammar("lark", "\n".join(rules))

    def _start(self) -> list[str]:
        """Return the grammar's start rule, and all rules except those of calls."""
        calls = "call" + (r' ("\n" call)*' if self._is_parallel else "")
        prefix = self._lark(self.form.answer)
        if self.choice != "auto":
            return [f"start: {calls}"]
        if self.answer is not None:
            return [f"start: {calls} | {prefix} answer", _json_rule("answer", self.answer)]
        if prefix:
            return [f"start: {calls} | {prefix} TEXT", r"TEXT: /(.|\n)*/"]
        opening = self.shown.opening
        # Free text must not contain the opening, because it would be parsed as a call.
        rest = _regex_without(opening) if opening else r"(.|\n)*"
        if opening in self.controls:
            return [f"start: TEXT ({calls})?", f"TEXT: /{rest}/"]
        # Free text must start, after blanks, with a character that no call starts with.
        first = _in_regex((opening or self.shown.head)[0])
        text = rf"/{BLANK}*[^{first}{BLANK[1:]}{rest}/"
        return [f"start: BLANKS? {calls} | TEXT", _BLANKS, f"TEXT: {text}"]

    def _lark(self, text: str, name: str = "") -> str:
        """Return a text in Lark syntax: strings, and control tokens by id; a name is only text."""
        parts = re.split(_texts_pattern(tuple(self.controls)), text) if self.controls else [text]
        return " ".join(
            f"<[{self.controls[part]}]>"
            if part in self.controls
            else self._strings(part.replace(_NAME, name))
            for part in parts
            if part
        )

    def _strings(self, text: str) -> str:
        # If an answer may be JSON, its brace and strings are separate lexemes. They are split here
        # too, because the lexer never backtracks from a longer lexeme.
        parts = re.split(r'("(?:[^"\\]|\\.)*")', text) if self.answer is not None else [text]
        return " ".join(json.dumps(part, ensure_ascii=False) for part in parts if part)

    @property
    def rules(self) -> CallRules:
        """The rules for parsing the calls of an answer."""
        schemas = {t["function"]["name"]: closed(_parameters(t)) for t in self._callable}
        answer = self.answer if self.choice == "auto" else None
        return CallRules(schemas, self._is_parallel, answer, self.shown)

    @property
    def _is_parallel(self) -> bool:
        # Models that were not trained on tools do not know when to stop calling.
        is_requested = self.form.is_templated if self.parallel is None else self.parallel
        return is_requested and self.form.parallel

    @property
    def _callable(self) -> list[dict[str, Any]]:
        """The callable tools: all, or only the one that `choice` names."""
        chosen = [tool for tool in self.tools if tool["function"]["name"] == self.choice]
        return chosen or list(self.tools)


def tool_use(
    tools: Sequence[Any] | None,
    tool_choice: Any = None,
    parallel: bool | None = None,
    answer: dict[str, Any] | None = None,
) -> ToolUse | None:
    """Return the tools for a call's parameters; `None` if no tool may be called.

    Parameters may be in LangChain's, OpenAI's or Anthropic's format. Lone surrogates in names,
    descriptions and schemas become U+FFFD.

    Raises:
        ValueError: `tool_choice` is unknown.
        GrammarError: A value is not a tool, or its schema cannot be enforced.
    """
    if not tools:
        return None
    written = replace_surrogates_in(to_openai_tools(tools))
    choice = _choice(replace_surrogates_in(tool_choice))
    use = ToolUse(tuple(written), choice, parallel, answer)
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
    """Return the schema of a tool's arguments, which are always an object.

    Raises:
        GrammarError: The schema does not allow an object.
    """
    parameters = tool["function"].get("parameters")
    if parameters is True:
        return {"type": "object"}
    schema = root_resolved(parameters or {"properties": {}})
    kinds = schema.get("type", "object")
    if parameters is False or "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise GrammarError(
            f"The parameters of the tool {tool['function']['name']!r} are {parameters!r}. Pass the "
            "schema of an object, whose properties are the arguments."
        )
    return {**schema, "type": "object"}


def _json_rule(name: str, schema: dict[str, Any]) -> str:
    return f"{name}: %json {json.dumps(for_grammar(schema), ensure_ascii=False)}"


@functools.lru_cache(maxsize=8)
def _texts_pattern(texts: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})")


def _in_regex(text: str) -> str:
    """Escape a text for a regular expression of a grammar."""
    return re.escape(text).replace("/", r"\/")


def _regex_without(tag: str) -> str:
    """Return a regular expression of texts without `tag`, whose first character occurs only once.

    Written without complement, which vLLM's default backend does not support.
    """
    first, *others = map(_in_regex, tag)
    rest = ""
    for char in reversed(others):
        following = f"|{char}{rest}" if rest else ""
        rest = f"(|[^{char}{first}][^{first}]*{following})"
    return f"[^{first}]*({first}{rest})*"
