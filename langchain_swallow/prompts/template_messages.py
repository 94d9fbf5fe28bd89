"""Converts LangChain messages to OpenAI's format, which chat templates take.

In addition to role and content, they have data that only templates write: tool calls, results with
the name and id of their call, and the reasoning of an answer, which a template keeps or drops.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts.messages import (
    content_text,
    json_value,
    message_turn,
    written_calls,
)

TemplateMessage = dict[str, Any]
# Where a template writes the text of an answer with tool calls.
TextOfCalls = Literal["beside", "apart", "thought"]


def to_template_messages(
    messages: Sequence[BaseMessage],
    system_prompt: str | None,
    *,
    calls: bool = True,
    parallel: bool = True,
    text_of_calls: TextOfCalls = "beside",
) -> list[TemplateMessage]:
    """Return messages for a template; `system_prompt` goes first if there is no system message.

    Args:
        messages: The conversation.
        system_prompt: Text of a system message; `None` adds none.
        calls: Whether the template writes calls and results; otherwise they become text, as in
            `to_turns`. Default: true.
        parallel: Whether it writes several calls of one answer; otherwise each call becomes a
            separate answer, followed by its result. Default: true.
        text_of_calls: Where the text of an answer with calls goes: `"beside"` them, `"apart"` in an
            answer before them, or into the `"thought"`.

    Raises:
        PromptError: There is no message, a message has an unknown type, or content is not text.
    """
    if not messages:
        raise PromptError("No messages. Pass at least one user message.")
    converted: list[TemplateMessage] = []
    names: dict[str | None, str] = {}
    for message in messages:
        is_call = calls and isinstance(message, AIMessage) and bool(message.tool_calls)
        if isinstance(message, AIMessage) and is_call:
            names |= {call["id"]: call["name"] for call in message.tool_calls}
            converted += _with_calls(message, text_of_calls)
        elif calls and isinstance(message, ToolMessage) and message.tool_call_id in names:
            converted.append(_result(message, names[message.tool_call_id]))
        else:
            role, text = message_turn(message)
            converted.append({"role": role, "content": text, **_reasoning(message)})
    if system_prompt and all(message["role"] != "system" for message in converted):
        converted.insert(0, {"role": "system", "content": system_prompt})
    return converted if parallel else _one_call_each(converted)


def _with_calls(message: AIMessage, text_of_calls: TextOfCalls) -> list[TemplateMessage]:
    # Templates have no place for invalid calls, so they become text.
    invalid = written_calls(message.invalid_tool_calls)
    text = "\n".join(filter(None, [content_text(message.content), *invalid]))
    thought = _reasoning(message)
    calls = [
        {
            "type": "function",
            "id": call["id"],
            "function": {"name": call["name"], "arguments": json_value(call["args"])},
        }
        for call in message.tool_calls
    ]
    before: list[TemplateMessage] = []
    if text and text_of_calls == "apart":
        before, text = [{"role": "assistant", "content": text}], ""
    elif text and text_of_calls == "thought":
        thought = {"reasoning_content": "\n\n".join([*thought.values(), text])}
        text = ""
    return [*before, {"role": "assistant", "content": text, **thought, "tool_calls": calls}]


def _result(message: ToolMessage, name: str) -> TemplateMessage:
    text = content_text(message.content)
    if message.status == "error":  # templates have no field for it
        text = f"エラー:\n{text}"
    return {"role": "tool", "content": text, "name": name, "tool_call_id": message.tool_call_id}


def _reasoning(message: BaseMessage) -> dict[str, str]:
    """Return the thought of an answer, from its v1 content blocks or where core keeps it."""
    if not isinstance(message, AIMessage):
        return {}
    blocks = [b for b in message.content if isinstance(b, dict) and b.get("type") == "reasoning"]
    thoughts = [text for b in blocks if isinstance(text := b.get("reasoning"), str) and text]
    written = "\n\n".join(thoughts) or message.additional_kwargs.get("reasoning_content")
    return {"reasoning_content": written} if isinstance(written, str) and written else {}


def _one_call_each(messages: Sequence[TemplateMessage]) -> list[TemplateMessage]:
    """Split answers, so that each call is followed by its results, wherever those are."""
    converted: list[list[TemplateMessage]] = []
    of_call: dict[str | None, list[TemplateMessage]] = {}
    for message in messages:
        if "tool_call_id" in message:
            of_call[message["tool_call_id"]].append(message)
            continue
        calls = message.get("tool_calls", [])
        converted += [] if calls else [[message]]
        for i, call in enumerate(calls):
            first = message if i == 0 else {"role": "assistant", "content": ""}
            converted.append([{**first, "tool_calls": [call]}])
            of_call[call["id"]] = converted[-1]
    return list(chain.from_iterable(converted))
