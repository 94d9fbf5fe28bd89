"""Which messages go into a prompt when a conversation exceeds the context window."""

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
    """Ids of the prompt, with room for the answer.

    Args:
        messages: The conversation.
        encode: Messages → ids.
        max_tokens: Room for the answer.
        thought_tokens: Room for a thought before the answer, with its markup.
        context_window: Most tokens of all of these.
        drop_oldest: Leave out the oldest messages until they fit. System messages stay, what is
            left begins with a user's message, and a tool call goes with its results.

    The time grows with the length of the conversation, not with its square.

    Raises:
        PromptOverflowError: They do not fit.
    """
    room = context_window - max_tokens - thought_tokens
    ids = encode(messages)
    if len(ids) <= room:
        return ids
    starts = _start_indices(messages) if drop_oldest else []
    # From the end, twice as much each time: what is far beyond the window is not encoded again.
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
    # Now all from `low` on fit, and from `tried` on they do not.
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
    """The system messages, and all from `beginning` on."""
    return [
        message
        for i, message in enumerate(messages)
        if i >= beginning or isinstance(message, SystemMessage)
    ]


def _start_indices(messages: Sequence[BaseMessage]) -> list[int]:
    """Where the conversation may begin after its oldest messages are left out, ascending.

    At a user's message, and nowhere between a tool call and its last result.
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
    """Where the last result of each message with tool calls is.

    A result belongs to the last call of its id before it: some models use ids again.
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
