"""Converts LangChain messages to `(role, text)` turns.

Content without a place in the prompt formats is written as text: a tool call of an earlier answer,
valid or not, as a line of JSON; a tool's result as a user text that names the tool. Images, audio
and files raise an error and are not left out silently.
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
# Content blocks of LangChain, Anthropic, Amazon and OpenAI, because a history may contain their
# models' answers.
_CALLS = ("tool_use", "tool_call", "invalid_tool_call", "function_call")
_TEXTS = ("text", "input_text", "output_text")
_REASONING = ("reasoning", "thinking", "redacted_thinking", "reasoning_content")


def to_turns(messages: Sequence[BaseMessage], system_prompt: str | None) -> list[tuple[str, str]]:
    """Return the turns of a conversation; `system_prompt` goes first if it has no system message.

    Raises:
        PromptError: There is no message, a message has an unknown type, or content is not text.
    """
    if not messages:
        # Checked before the system prompt is added, which alone would form a conversation.
        raise PromptError("No messages. Pass at least one user message.")
    turns = [message_turn(message) for message in messages]
    if system_prompt and all(role != "system" for role, _ in turns):
        turns.insert(0, ("system", system_prompt))
    return turns


def message_text(output: Any) -> str:
    """Return the text of a model's output, which is a string or a message."""
    return output if isinstance(output, str) else str(output.text)


def message_reasoning(output: Any) -> str:
    """Return the thought of a model's output; empty if it has none, or is a string."""
    blocks = getattr(output, "content_blocks", ())
    return "".join(b.get("reasoning", "") for b in blocks if b["type"] == "reasoning")


def message_turn(message: BaseMessage) -> tuple[str, str]:
    """Return role and text of one message; calls and the name of a result's tool become text.

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
    """Yield the tool calls of an answer, one line each; invalid ones as the model wrote them."""
    calls: Sequence[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    if not calls and not isinstance(message.content, str):
        # In a provider's own format, only the content has the calls.
        blocks = [block for block in message.content if isinstance(block, dict)]
        calls = [block for block in blocks if block.get("type") in _CALLS]
    return written_calls(calls)


def written_calls(calls: Sequence[Any]) -> Iterator[str]:
    """Yield tool calls as lines of JSON; invalid ones as the model wrote them."""
    for call in calls:
        arguments = call.get("args", call.get("input", call.get("arguments")))
        # The arguments of an invalid call are text, as the model wrote it.
        if not isinstance(arguments, str):
            arguments = _json({} if arguments is None else arguments)
        head = f'{{"name": {_json(call["name"])}, "arguments": ' if call.get("name") else ""
        is_valid = call.get("type") != "invalid_tool_call"
        yield f"{head}{arguments}" + ("}" if head and is_valid else "")


def json_value(value: Any) -> Any:
    """Return the arguments of a call as a JSON value.

    Raises:
        PromptError: See `_json`.
    """
    return json.loads(_json(value))


def _json(value: Any) -> str:
    """Serialize a value as JSON; types that JSON lacks, such as dates, as pydantic does.

    Raises:
        PromptError: The value contains itself, or a number with too many digits.
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
    """Convert types that pydantic does not support: numpy, pydantic v1, any object."""
    for method in ("tolist", "dict"):
        if callable(to_plain := getattr(value, method, None)):
            return to_plain()
    return str(value)


def content_text(content: str | list[Any]) -> str:
    """Return the text of a message's content.

    Raises:
        PromptError: The content is not only text.
    """
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_block, content)))


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    # LangChain's type for a file with text; files with a URL or base64 data are not supported.
    if kind in _TEXTS or (kind == "text-plain" and block.get("text") is not None):
        if not isinstance(block.get("text"), str):
            raise PromptError(f"A message has a text block without text: {block!r}. Remove it.")
        return str(block["text"])
    # Calls are read from `tool_calls`, and reasoning is not sent back to the model.
    if kind in (*_CALLS, *_REASONING, "tool_call_chunk"):
        return ""
    if kind == "refusal" and isinstance(block.get("refusal"), str):
        return str(block["refusal"])
    if kind == "tool_result":
        return content_text(block.get("content") or "")
    raise PromptError(f"Swallow models read text only; a message has a {kind!r} block. Remove it.")
