"""LangChain messages → `(role, text)` turns.

What the prompt formats have no place for is written out as text, in one way: a tool call of an
earlier answer as a line of JSON, valid or not, a tool's result as a user text that names the tool.
Images, audio and files are an error, not a gap.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic_core import to_jsonable_python

from langchain_swallow.errors import PromptError
from langchain_swallow.text.surrogates import replace_surrogates_in

_CHAT_ROLES = {"human": "user", "ai": "assistant"}
# Content blocks of LangChain, Anthropic, Amazon and OpenAI: a history may begin with their models.
_CALLS = ("tool_use", "tool_call", "invalid_tool_call", "function_call")
_TEXTS = ("text", "input_text", "output_text")
_REASONING = ("reasoning", "thinking", "redacted_thinking", "reasoning_content")


def to_turns(messages: Sequence[BaseMessage], system_prompt: str | None) -> list[tuple[str, str]]:
    """Turns of a conversation; `system_prompt` goes first when the conversation has none.

    Raises:
        PromptError: No message, a message of unknown kind, or content that is not text.
    """
    if not messages:
        # Before the system prompt, which alone would be answered.
        raise PromptError("No messages. Pass at least one user message.")
    turns = [message_turn(message) for message in messages]
    if system_prompt and all(role != "system" for role, _ in turns):
        turns.insert(0, ("system", system_prompt))
    return turns


def message_text(output: Any) -> str:
    """Text of what any model returned, a string or a message."""
    return output if isinstance(output, str) else str(output.text)


def message_reasoning(output: Any) -> str:
    """The thought of what any model returned; empty where it has none, or is a string."""
    blocks = getattr(output, "content_blocks", ())
    return "".join(b.get("reasoning", "") for b in blocks if b["type"] == "reasoning")


def message_turn(message: BaseMessage) -> tuple[str, str]:
    """Role and text of one message, its calls and the name of a result's tool as text.

    Raises:
        PromptError: A message of unknown kind, or content that is not text.
    """
    text = content_text(message.content)
    if isinstance(message, SystemMessage):
        return "system", text
    if isinstance(message, ToolMessage):
        name = message.name or message.tool_call_id
        outcome = "エラー" if message.status == "error" else "結果"
        return "user", f"ツール「{name}」の{outcome}:\n{text}"
    if isinstance(message, AIMessage):
        return "assistant", "\n".join(filter(None, [text, *_calls(message)]))
    if isinstance(message, HumanMessage):
        return "user", text
    if isinstance(message, ChatMessage):
        return _CHAT_ROLES.get(message.role, message.role), text
    raise PromptError(f"Cannot send a {type(message).__name__}. Use system, human, ai or tool.")


def _calls(message: AIMessage) -> Iterator[str]:
    """The tool calls of an answer, one line each; what was said of those that are not valid."""
    calls: Sequence[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    if not calls and not isinstance(message.content, str):
        # A history in a provider's own form has them in its content only.
        blocks = [block for block in message.content if isinstance(block, dict)]
        calls = [block for block in blocks if block.get("type") in _CALLS]
    return written_calls(calls)


def written_calls(calls: Sequence[Any]) -> Iterator[str]:
    """Tool calls as lines of JSON, those that are not valid as the model wrote them."""
    for call in calls:
        arguments = call.get("args", call.get("input", call.get("arguments")))
        # The arguments of a call that is not valid are text as the model wrote it.
        if not isinstance(arguments, str):
            arguments = _json({} if arguments is None else arguments)
        head = f'{{"name": {_json(call["name"])}, "arguments": ' if call.get("name") else ""
        is_valid = call.get("type") != "invalid_tool_call"
        yield f"{head}{arguments}" + ("}" if head and is_valid else "")


def json_value(value: Any) -> Any:
    """The arguments of a call as JSON has them.

    Raises:
        PromptError: See `_json`.
    """
    return json.loads(_json(value))


def _json(value: Any) -> str:
    """A value as JSON; what JSON does not have, such as a date, is written as pydantic writes it.

    Raises:
        PromptError: The value contains itself, or a number too long to write.
    """
    try:
        return json.dumps(_jsonable(value), ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise PromptError(
            f"The arguments of a tool call cannot be written as JSON: {error}. Change them."
        ) from error


def _jsonable(value: Any) -> Any:
    try:
        return to_jsonable_python(value, fallback=_plain)
    except UnicodeEncodeError:  # a lone surrogate
        return to_jsonable_python(replace_surrogates_in(value), fallback=_plain)
    except UnicodeDecodeError:  # bytes that are not UTF-8
        return to_jsonable_python(value, fallback=_plain, bytes_mode="base64")


def _plain(value: Any) -> Any:
    """What pydantic does not know: numpy's values, models of pydantic v1, any other object."""
    for method in ("tolist", "dict"):
        if callable(to_plain := getattr(value, method, None)):
            return to_plain()
    return str(value)


def content_text(content: str | list[Any]) -> str:
    """Text of a message's content.

    Raises:
        PromptError: It has what is not text.
    """
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_block, content)))


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    # LangChain's name for a file that is text; other such files have a URL or base64.
    if kind in _TEXTS or (kind == "text-plain" and block.get("text") is not None):
        if not isinstance(block.get("text"), str):
            raise PromptError(f"A message has a text block without text: {block!r}. Remove it.")
        return str(block["text"])
    # Calls are read from `tool_calls`; a model's reasoning is not sent back to it.
    if kind in (*_CALLS, *_REASONING, "tool_call_chunk"):
        return ""
    if kind == "refusal" and isinstance(block.get("refusal"), str):
        return str(block["refusal"])
    if kind == "tool_result":
        return content_text(block.get("content") or "")
    raise PromptError(f"Swallow models read text only; a message has a {kind!r} block. Remove it.")
