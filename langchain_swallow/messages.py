"""LangChain messages → `(role, text)` turns.

What the prompt formats have no place for is written out as text, in one way: a tool call of an
earlier answer as a line of JSON, a tool's result as a user text that names the tool. Images,
audio and files are an error, not a gap.
"""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_swallow.errors import PromptError

_CHAT_ROLES = {"human": "user", "ai": "assistant"}


def to_turns(messages: Sequence[BaseMessage], system_prompt: str | None) -> list[tuple[str, str]]:
    """Turns of a conversation; `system_prompt` goes first when the conversation has none.

    Raises:
        PromptError: No message, a message of unknown kind, or content that is not text.
    """
    if not messages:
        # Before the system prompt, which alone would be answered.
        raise PromptError("No messages. Pass at least one user message.")
    turns = [_turn(message) for message in messages]
    if system_prompt and all(role != "system" for role, _ in turns):
        turns.insert(0, ("system", system_prompt))
    return turns


def said(output: Any) -> str:
    """Text of what any model returned, a string or a message."""
    return output if isinstance(output, str) else str(output.text)


def _turn(message: BaseMessage) -> tuple[str, str]:
    text = _text(message.content)
    if isinstance(message, SystemMessage):
        return "system", text
    if isinstance(message, ToolMessage):
        name = message.name or message.tool_call_id
        outcome = "エラー" if message.status == "error" else "結果"
        return "user", f"ツール「{name}」の{outcome}:\n{text}"
    if isinstance(message, AIMessage):
        return "assistant", "\n".join(filter(None, [text, *map(_call, message.tool_calls)]))
    if isinstance(message, HumanMessage):
        return "user", text
    if isinstance(message, ChatMessage):
        return _CHAT_ROLES.get(message.role, message.role), text
    raise PromptError(f"Cannot send a {type(message).__name__}. Use system, human, ai or tool.")


def _call(call: Any) -> str:
    """A tool call as one line of JSON."""
    return json.dumps({"name": call["name"], "arguments": call["args"]}, ensure_ascii=False)


def _text(content: str | list[Any]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_block, content)))


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind == "text":
        return str(block["text"])
    # Calls are read from `tool_calls`; a model's reasoning is not sent back to it.
    if kind in ("tool_use", "tool_call", "reasoning", "thinking"):
        return ""
    if kind == "tool_result":
        return _text(block.get("content", ""))
    raise PromptError(f"Swallow models read text only; a message has a {kind!r} block. Remove it.")
