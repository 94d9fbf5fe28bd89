"""Converts messages of OpenAI's API to LangChain's, and chunks of an answer to OpenAI's deltas."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call

from langchain_swallow.chat_models.tool_calls import written_arguments
from langchain_swallow.prompts.messages import message_reasoning, message_text
from langchain_swallow.serving.openai_models import ChatMessage, ToolCall


def to_langchain(messages: Sequence[ChatMessage]) -> list[BaseMessage]:
    """Convert the messages of a request; tools' results get the names of their calls."""
    names: dict[str, str] = {}
    converted: list[BaseMessage] = []
    for message in messages:
        names |= {call.id: call.function.name for call in message.tool_calls or ()}
        converted.append(_convert(message, names))
    return converted


def _convert(message: ChatMessage, names: dict[str, str]) -> BaseMessage:
    # Refusals are parts of their own; for a model they are text.
    content: Any = message.content or ""
    if message.role in ("system", "developer"):
        return SystemMessage(content)
    if message.role == "user":
        return HumanMessage(content, name=message.name)
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        return ToolMessage(content, tool_call_id=call_id, name=names.get(call_id, message.name))
    calls = [_read_call(call) for call in message.tool_calls or ()]
    return AIMessage(
        content,
        name=message.name,
        tool_calls=[call for call in calls if call["type"] == "tool_call"],
        invalid_tool_calls=[call for call in calls if call["type"] == "invalid_tool_call"],
    )


def _read_call(call: ToolCall) -> Any:
    """Return an earlier call; one that was cut off keeps the text of its arguments."""
    name, text = call.function.name, call.function.arguments
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return invalid_tool_call(name=name, args=text, id=call.id, error="not a JSON object")
    return tool_call(name=name, args=arguments, id=call.id)


@dataclass(slots=True)
class DeltaWriter:
    """Converts the chunks of one answer to deltas.

    Args:
        is_swallow: Whether the chunks are of `ChatSwallow`, which sends the arguments of a call as
            a whole, after a blank. Those of an invalid call begin with the reason.
    """

    is_swallow: bool
    # The position of each call by its index in LangChain's chunks, which count text blocks too.
    _places: dict[int | str | None, int] = field(default_factory=dict)

    def write(self, chunk: AIMessageChunk) -> dict[str, Any]:
        """Return the delta of a chunk; empty if it has only metadata."""
        calls = list(self._calls(chunk))
        text = message_text(chunk) + "".join(
            call["function"]["arguments"] for call in calls if call["index"] is None
        )
        delta = {
            "content": text,
            "reasoning_content": message_reasoning(chunk),
            "tool_calls": [call for call in calls if call["index"] is not None],
        }
        return {name: value for name, value in delta.items() if value}

    def _calls(self, chunk: AIMessageChunk) -> Iterator[dict[str, Any]]:
        """Yield the calls of a chunk; one without a name, which is text, has the index `None`."""
        for part in chunk.tool_call_chunks:
            place = part.get("index")
            is_new = place not in self._places
            arguments = self._arguments(part["args"] or "")
            if is_new and not part["name"]:
                yield {"index": None, "function": {"arguments": arguments}}
                continue
            head: dict[str, Any] = {"index": self._places.setdefault(place, len(self._places))}
            function: dict[str, str | None] = {"arguments": arguments}
            if is_new:
                head |= {"id": part["id"], "type": "function"}
                function = {"name": part["name"], **function}
            yield {**head, "function": function}

    def _arguments(self, sent: str) -> str:
        """Return arguments as the model wrote them."""
        if not self.is_swallow:
            return sent
        try:
            json.loads(sent.strip() or "{}")
        except (ValueError, RecursionError):
            return written_arguments(sent)
        return sent.strip()
