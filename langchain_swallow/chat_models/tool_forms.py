"""Detects a checkpoint's tool-call syntax: the text around a call's name and arguments.

A chat template that reads `tools` describes them as in training. So calls are generated and parsed
in the syntax in which the template writes calls of the history. To detect it, the template is
rendered with a sample call; the model's name does not matter.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts import render
from langchain_swallow.prompts.control_tokens import control_pattern, control_tokens
from langchain_swallow.prompts.template_messages import TextOfCalls
from langchain_swallow.prompts.tokenizer import Tokenizer

# White space and invisible characters before an answer's first brace or word, as a character class
# for Python and for the regular expressions of a grammar.
BLANK = (
    r"[\t-\r\x1c-\x20\x85\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
)
# Names that no real tool or argument has. The second tool is not called: if a template does not
# write its name, it does not read `tools`, which is a `PromptError`.
_TOOL, _OTHER_TOOL, _ARGUMENT = "probe_of_the_form", "probe_of_tools", "probe_argument"
_TEXT = "probe_of_text"


@dataclass(frozen=True, slots=True)
class ToolForm:
    """The syntax of a tool call.

    Args:
        head: Text before the name of the tool.
        between: Text between name and arguments.
        tail: Text after the arguments, on the same line.
        opening: Line before a call; if there is one, text may precede it.
        closing: Line after a call.
        answer: Text before an answer that is not a call.
        quotes_name: Whether the name is a JSON string.
        is_templated: Whether the chat template describes the tools and writes calls and results.
        parallel: Whether an answer may contain several calls.
        text_of_calls: Where the chat template puts the text of an answer with calls.
    """

    head: str = '{"name": "'
    between: str = '", "arguments": '
    tail: str = "}"
    opening: str = ""
    closing: str = ""
    answer: str = ""
    quotes_name: bool = True
    is_templated: bool = True
    parallel: bool = True
    text_of_calls: TextOfCalls = "beside"

    def name(self, name: str) -> str:
        """Return a tool's name as a call contains it."""
        return json.dumps(name, ensure_ascii=False)[1:-1] if self.quotes_name else name

    def before(self, name: str) -> str:
        """Return the text of a call before its arguments."""
        opening = f"{self.opening}\n" if self.opening else ""
        return f"{opening}{self.head}{self.name(name)}{self.between}"

    @property
    def after(self) -> str:
        """Return the text of a call after its arguments."""
        return f"{self.tail}\n{self.closing}" if self.closing else self.tail

    def as_shown(self, tokenizer: Tokenizer) -> "ToolForm":
        """Return the form as it appears in the text of an answer, without special tokens."""
        special = [t for t in tokenizer.all_special_tokens if t]
        pattern = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))))
        return replace(
            self,
            head=pattern.sub("", self.head),
            between=pattern.sub("", self.between),
            opening=pattern.sub("", self.opening),
            closing=pattern.sub("", self.closing),
            answer=pattern.sub("", self.answer),
        )


JAPANESE = ToolForm(is_templated=False)
HARMONY = ToolForm(
    head="<|channel|>commentary to=functions.",
    between=" <|constrain|>json<|message|>",
    tail="",
    answer="<|channel|>final<|message|>",
    quotes_name=False,
    parallel=False,
    text_of_calls="thought",
)


def tool_form(tokenizer: Tokenizer) -> ToolForm:
    """Return the form of a tokenizer's chat template; `JAPANESE` if it cannot be enforced.

    Two kinds of forms can be enforced: one JSON object per call on its own line, with or without
    lines before and after it, and Harmony's messages.
    """
    template = getattr(tokenizer, "chat_template", None)
    key = json.dumps(template, sort_keys=True)
    known = _forms.get(key)
    if known is None:
        known = _forms.setdefault(key, _detected(tokenizer) if template else JAPANESE)
    return known


_forms: dict[str, ToolForm] = {}


def _detected(tokenizer: Tokenizer) -> ToolForm:
    one = _rendered(tokenizer)
    if one is None:
        return JAPANESE
    if "<|channel|>" in one and f"functions.{_TOOL}" in one:
        return HARMONY
    form = _detect_json_lines(one, tokenizer)
    if form is None:
        return JAPANESE
    several, beside = _rendered(tokenizer, calls=2), _rendered(tokenizer, text=_TEXT)
    return replace(
        form,
        parallel=several is not None and several.count(f'"{_TOOL}"') == 2,
        text_of_calls="beside" if beside is not None and _TEXT in beside else "apart",
    )


def _rendered(tokenizer: Tokenizer, *, calls: int = 1, text: str = "") -> str | None:
    """Render a conversation with calls up to their results.

    Return `None` if the template refuses it or leaves something out.
    """
    parameters = {"type": "object", "properties": {_ARGUMENT: {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": n, "description": "d", "parameters": parameters}}
        for n in (_TOOL, _OTHER_TOOL)
    ]
    call = {"type": "function", "function": {"name": _TOOL, "arguments": {_ARGUMENT: "value"}}}
    ids = [f"probe{i:04}" for i in range(calls)]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "question"},
        {"role": "assistant", "content": text, "tool_calls": [{**call, "id": id} for id in ids]},
        *({"role": "tool", "content": "result", "name": _TOOL, "tool_call_id": id} for id in ids),
    ]
    try:
        prompt = render(
            messages, format="tokenizer", tokenizer=tokenizer, template_arguments={"tools": tools}
        )
    except PromptError:
        return None
    return prompt.partition("question")[2].rpartition("result")[0]


def _detect_json_lines(one: str, tokenizer: Tokenizer) -> ToolForm | None:
    """Return the form of a template that writes each call as a line of JSON."""
    call = re.search(
        rf'{{"name": "{_TOOL}", "(arguments|parameters)": {{"{_ARGUMENT}": "value"}}}}', one
    )
    if call is None:
        return None
    before, after = one[: call.start()].split("\n"), one[call.end() :].split("\n")
    form = ToolForm(between=f'", "{call[1]}": ')
    is_tag = len(before) > 1 and re.fullmatch(r".*?(<[^\s<>/]+>)", before[-2])
    if is_tag and len(after) > 1 and after[1].startswith(is_tag[1].replace("<", "</", 1)):
        form = replace(form, opening=is_tag[1], closing=is_tag[1].replace("<", "</", 1))
        before, after = before[-1:], after[:1]
    # The call must be alone on its line and in its turn.
    controls = control_pattern(control_tokens(tokenizer).values()) or re.compile("$")
    if controls.split(before[-1])[-1].strip() or controls.split(after[0])[0].strip():
        return None
    return form
