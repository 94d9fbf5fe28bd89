"""Selects the messages of a prompt when a conversation exceeds the context window."""

from collections.abc import Callable, Sequence

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_swallow.errors import PromptOverflowError


def fit_prompt(
    messages: Sequence[BaseMessage],
    encode: Callable[[Sequence[BaseMessage]], list[int]],
    *,
    max_tokens: int,
    thought_tokens: int = 0,
    context_window: int,
    drop_oldest: bool,
) -> list[int]:
    """Return the ids of a prompt that leaves room for the answer.

    Args:
        messages: The conversation.
        encode: Encodes messages to ids.
        max_tokens: Tokens to reserve for the answer.
        thought_tokens: Tokens to reserve for a thought before the answer, with its markup.
        context_window: Maximum number of tokens of prompt, thought and answer together.
        drop_oldest: Whether to leave out the oldest messages until the prompt fits. System messages
            are kept, the rest starts with a user's message, and a tool call is dropped together
            with its results.

    The time is linear in the length of the conversation.

    Raises:
        PromptOverflowError: The messages do not fit.
    """
    room = context_window - max_tokens - thought_tokens
    ids = encode(messages)
    if len(ids) <= room:
        return ids
    starts = _start_indices(messages) if drop_oldest else []
    # Search from the end with doubling steps, so that messages far beyond the window are not
    # encoded repeatedly.
    low, step = len(starts), 1
    best: list[int] | None = None
    while low > 0:
        tried = max(0, low - step)
        ids = encode(_from(messages, starts[tried]))
        if len(ids) > room:
            break
        best, low, step = ids, tried, step * 2
    else:
        tried = -1
    # Binary search: the messages from `low` on fit, those from `tried` on do not.
    while best is not None and low - tried > 1:
        middle = (low + tried) // 2
        candidate = encode(_from(messages, starts[middle]))
        if len(candidate) <= room:
            best, low = candidate, middle
        else:
            tried = middle
    if best is None:
        counts, to_lower = f"tokens and max_tokens is {max_tokens}", "max_tokens"
        if thought_tokens:
            counts = (
                f"tokens, max_tokens is {max_tokens}, and {thought_tokens} tokens are reserved for "
                "a thought and its markup (max_reasoning_tokens)"
            )
            to_lower = "max_tokens or max_reasoning_tokens"
        raise PromptOverflowError(
            f"The prompt has {len(ids)} {counts}: together "
            f"{len(ids) + max_tokens + thought_tokens}, the context window is {context_window}. "
            f'Shorten the messages, lower {to_lower}, or use on_overflow="drop_oldest".'
        )
    return best


def _from(messages: Sequence[BaseMessage], beginning: int) -> list[BaseMessage]:
    """Return the system messages, and all messages from `beginning` on."""
    return [
        message
        for i, message in enumerate(messages)
        if i >= beginning or isinstance(message, SystemMessage)
    ]


def _start_indices(messages: Sequence[BaseMessage]) -> list[int]:
    """Return the indices where a shortened conversation may start, ascending.

    These are users' messages, but not between a tool call and its last result.
    """
    last_results = _last_results(messages)
    starts: list[int] = []
    open_until = 0
    for i, message in enumerate(messages):
        if i > open_until and _is_users(message):
            starts.append(i)
        open_until = max(open_until, last_results.get(i, 0))
    return starts


def _last_results(messages: Sequence[BaseMessage]) -> dict[int, int]:
    """Return the index of the last result for each message with tool calls.

    A result belongs to the last call with its id before it, because some models reuse ids.
    """
    callers: dict[str | None, int] = {}
    last: dict[int, int] = {}
    for i, message in enumerate(messages):
        if isinstance(message, AIMessage):
            calls = [*message.tool_calls, *message.invalid_tool_calls]
            callers |= {call["id"]: i for call in calls}
        elif isinstance(message, ToolMessage) and message.tool_call_id in callers:
            last[callers[message.tool_call_id]] = i
    return last


def _is_users(message: BaseMessage) -> bool:
    is_named_so = isinstance(message, ChatMessage) and message.role in ("user", "human")
    return isinstance(message, HumanMessage) or is_named_so
