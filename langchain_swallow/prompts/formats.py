r"""Encodes conversations in a checkpoint's prompt format, as token ids or as readable text.

The input is `(role, text)` pairs with the roles system, user and assistant, or messages as
transformers takes them, with tool calls and results. The output is the ids for an engine. This is
the only module that writes `[INST]` and tokenizes prompts.

Three formats:

* `"ver0.1"`: Swallow-*-instruct-v0.1, `<s>[INST] <<SYS>>\n…\n<</SYS>>\n\n… [/INST] `.
* `"alpaca"`: Swallow-*-instruct-hf and -NVE-instruct-hf, `### 指示:` and `### 応答:`.
* `"tokenizer"`: later models, whose tokenizer carries its own chat template.

The template's text and the messages' texts are kept apart until both are ids. Control tokens (every
added token, special or not) come only from the template, and the text between two of them is
encoded without any. So `</s>` or `<think>` in a user's message, a document, a tool or a file name
is plain text, never a control id. Tokenizers cannot keep markers of ordinary text (`[INST]`) apart;
`on_control_text` says what to do with them.

Conversations that do not fit a format are folded, never cut: see `fold_turns`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from langchain_swallow.catalog import PromptFormat
from langchain_swallow.errors import PromptError
from langchain_swallow.prompts.chat_template import (
    REASONING,
    Message,
    render_hidden,
    select_chat_template,
)
from langchain_swallow.prompts.control_text import OnControlText, guard, marker_pattern
from langchain_swallow.prompts.control_tokens import control_pattern
from langchain_swallow.prompts.hidden_text import HIDDEN, hide
from langchain_swallow.prompts.tokenization import (
    encode_inside,
    encode_text,
    known_control_tokens,
    prefixes_text_after,
)
from langchain_swallow.prompts.tokenizer import Tokenizer

Turn = tuple[str, str]

ROLES = ("system", "user", "assistant")

_PLAIN = {"role", "content"}
_NOTHING: Mapping[str, Any] = {}

_ALPACA_SINGLE = (
    "以下に、あるタスクを説明する指示があります。"
    "リクエストを適切に完了するための回答を記述してください。\n\n"
)
_ALPACA_WITH_INPUT = (
    "以下に、あるタスクを説明する指示があり、それに付随する入力が更なる文脈を提供しています。"
    "リクエストを適切に完了するための回答を記述してください。\n\n"
)
_ALPACA_CHAT = "以下は、タスクを説明する指示です。要求を適切に満たす応答を書きなさい。\n\n"


@dataclass(frozen=True, slots=True)
class Special:
    """A control token that the template writes."""

    text: str


# A part of a prompt before tokenization: a control token, or the text between two, in which
# messages are hidden until `_guarded`.
Part = Special | str


def render(
    messages: Iterable[Turn | Message],
    *,
    format: PromptFormat = "ver0.1",
    on_control_text: OnControlText = "escape",
    tokenizer: Tokenizer | None = None,
    template_arguments: Mapping[str, Any] = _NOTHING,
) -> str:
    r"""Return the prompt as text, for people to read. Engines get `encode`.

    Args:
        messages: See `encode`.
        format: The prompt format of the checkpoint.
        on_control_text: What to do with turn markers within a text; see `encode`. Default:
            `"escape"`.
        tokenizer: Needed for `format="tokenizer"` only.
        template_arguments: See `encode`.

    Raises:
        PromptError: No message, an unknown role, or an unknown format.
        ControlTextError: A text contains a marker and `on_control_text="error"`.

    >>> render([("system", "簡潔に。"), ("user", "東京は？")])
    '<s>[INST] <<SYS>>\n簡潔に。\n<</SYS>>\n\n東京は？ [/INST] '
    """
    parts = _parts(messages, format, on_control_text, tokenizer, template_arguments)
    return "".join(part.text if isinstance(part, Special) else part for part in parts)


def encode(
    messages: Iterable[Turn | Message],
    tokenizer: Tokenizer,
    *,
    format: PromptFormat = "ver0.1",
    on_control_text: OnControlText = "escape",
    template_arguments: Mapping[str, Any] = _NOTHING,
) -> list[int]:
    """Return the token ids of the prompt, as in the published template.

    Args:
        messages: `(role, text)` pairs, or messages as transformers takes them: `role`, `content`
            and, with `format="tokenizer"`, `tool_calls`, `reasoning_content`, `name`,
            `tool_call_id` and the role tool. `fold_turns` says how they are folded.
        tokenizer: The checkpoint's tokenizer.
        format: The prompt format of the checkpoint.
        on_control_text: `"escape"`, the default, replaces brackets of turn markers within a text,
            so that they look the same but get other tokens; `"error"` raises an error, also for the
            text of a control token, but escapes the reasoning of an answer; `"allow"` leaves them.
            Control tokens (all added tokens, such as `</s>`, `<|im_end|>` and `<think>`) within a
            text are always plain text.
        template_arguments: Arguments of the tokenizer's template other than the messages, as for
            transformers' `apply_chat_template`: `tools`, `documents`, `enable_thinking`,
            `reasoning_effort`, `continue_final_message`, ….

    A lone surrogate in a text is encoded as U+FFFD. If a template of `format="tokenizer"` refuses
    or drops the system text, that text and an empty line go before the first user text.

    Raises:
        PromptError: No message, an unknown role, or an unknown format; the tokenizer's template
            does not accept the conversation, or leaves out a text or the name of a tool.
        ControlTextError: A text contains a marker or a control token, and
            `on_control_text="error"`.
    """
    parts = _parts(messages, format, on_control_text, tokenizer, template_arguments)
    return _encode_parts(parts, tokenizer)


def encode_markup(text: str, tokenizer: Tokenizer) -> list[int]:
    """Return the token ids of a format's own markup, including its control tokens."""
    controls = known_control_tokens(tokenizer)
    pattern = control_pattern(t for t in controls.values() if t.text in text)
    ids: list[int] = []
    start = 0
    for match in pattern.finditer(text) if pattern else ():
        ids += encode_inside(text[start : match.start()], tokenizer)
        token = match[0] if match[0] in controls else match[0].strip()
        ids.append(controls[token].id)
        start = match.end()
    return ids + encode_inside(text[start:], tokenizer)


def render_instruction(instruction: str, input: str | None = None) -> str:
    """Return the single-turn prompt of the instruct-hf model cards, with or without an input.

    >>> render_instruction("要約してください。").endswith("### 応答:")
    True
    """
    hidden = [hide(instruction), hide(input or "")]
    if input is None:
        prompt = f"{_ALPACA_SINGLE}### 指示:\n{hidden[0]}\n\n### 応答:"
    else:
        prompt = (
            f"{_ALPACA_WITH_INPUT}### 指示:\n{hidden[0]}\n\n### 入力:\n{hidden[1]}\n\n### 応答:"
        )
    return guard(prompt, marker_pattern(), "escape")


def encode_instruction(instruction: str, input: str | None, tokenizer: Tokenizer) -> list[int]:
    """Return the token ids of `render_instruction`, with one BOS."""
    bos = Special(tokenizer.bos_token or "<s>")
    return _encode_parts([bos, render_instruction(instruction, input)], tokenizer)


def fold_turns(messages: Iterable[Turn]) -> list[Turn]:
    r"""Fold any conversation into the order [system] (user assistant)* [user].

    System texts at any position are joined by a newline and go first. Adjacent turns of one role
    are joined by a newline. If a conversation starts with the assistant, or has only a system text,
    an empty user turn is inserted, after any system text. Nothing is dropped.

    Raises:
        PromptError: No message, or an unknown role.

    >>> fold_turns([("user", "一"), ("system", "簡潔に。"), ("user", "二")])
    [('system', '簡潔に。'), ('user', '一\n二')]
    """
    return [(turn["role"], turn["content"]) for turn in _folded(messages, ROLES)]


def _folded(messages: Iterable[Turn | Message], roles: Sequence[str]) -> list[Message]:
    """`fold_turns` for messages; a message with more than a text is not joined."""
    system: list[str] = []
    turns: list[Message] = []
    for message in messages:
        turn = _message(message)
        if turn["role"] not in roles:
            raise PromptError(f"Unknown role {turn['role']!r}. Use one of {', '.join(roles)}.")
        if turn["role"] == "system":
            system.append(turn["content"])
        elif turns and turn["role"] != "tool" and turns[-1].keys() == turn.keys() == _PLAIN:
            if turns[-1]["role"] == turn["role"]:
                turn = {**turn, "content": f"{turns.pop()['content']}\n{turn['content']}"}
            turns.append(turn)
        else:
            turns.append(turn)
    if not system and not turns:
        raise PromptError("No messages. Pass at least one user message.")
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": ""})
    return [{"role": "system", "content": "\n".join(system)}, *turns] if system else turns


def _message(message: Turn | Message) -> Message:
    if isinstance(message, Mapping):
        return {**message, "content": message.get("content") or ""}
    return dict(zip(("role", "content"), message, strict=True))


def _parts(
    messages: Iterable[Turn | Message],
    format: PromptFormat,
    on_control_text: OnControlText,
    tokenizer: Tokenizer | None,
    arguments: Mapping[str, Any],
) -> list[Part]:
    if format not in get_args(PromptFormat):
        raise PromptError(
            f"Unknown prompt format {format!r}. Use one of {', '.join(get_args(PromptFormat))}."
        )
    if on_control_text not in get_args(OnControlText):
        raise PromptError(
            f"Unknown on_control_text {on_control_text!r}. Use one of "
            f"{', '.join(get_args(OnControlText))}."
        )
    if format == "tokenizer":
        if tokenizer is None or not select_chat_template(tokenizer):
            raise PromptError(
                'format="tokenizer" needs a tokenizer with a chat template; this one has none.'
            )
        folded = _folded(messages, (*ROLES, "tool"))
        unthought = [_without_thought(message) for message in folded]
        if on_control_text == "error" and unthought != folded:
            # A thought may contain the model's own control tokens, so thoughts are escaped.
            _templated(unthought, "error", tokenizer, arguments)
            on_control_text = "escape"
        return _templated(folded, on_control_text, tokenizer, arguments)
    folded = _folded(messages, ROLES)
    more = {name for message in folded for name in message} - _PLAIN | arguments.keys()
    if more:
        raise PromptError(
            f"The prompt format {format!r} has no place for {', '.join(sorted(more))}. Write it as "
            'text, or use prompt_format="tokenizer" with a chat template.'
        )
    turns = [(message["role"], hide(message["content"])) for message in folded]
    bos = Special(getattr(tokenizer, "bos_token", None) or "<s>")
    eos = Special(getattr(tokenizer, "eos_token", None) or "</s>")
    parts: list[Part] = _ver01(turns, bos, eos) if format == "ver0.1" else [bos, _alpaca(turns)]
    return _guarded(parts, marker_pattern(), on_control_text, tokenizer)


def _templated(
    folded: Sequence[Message],
    on_control_text: OnControlText,
    tokenizer: Tokenizer,
    arguments: Mapping[str, Any],
) -> list[Part]:
    """Return the parts that a tokenizer's template writes for folded messages."""
    rendered = render_hidden(folded, tokenizer, arguments)
    parts, own_text = _split(rendered.prompt, tokenizer)
    pattern = marker_pattern(own_text, rendered.headers)
    return _guarded(parts, pattern, on_control_text, tokenizer)


def _without_thought(message: Message) -> Message:
    """Return a message with its thought replaced by a harmless one."""
    return message | {key: "-" for key in REASONING if message.get(key)}


def _guarded(
    parts: Iterable[Part],
    pattern: re.Pattern[str],
    on_control_text: OnControlText,
    tokenizer: Tokenizer | None,
) -> list[Part]:
    """Return the parts with texts revealed and `on_control_text` applied."""
    control_texts = _control_texts(tokenizer) if on_control_text == "error" else ()
    return [
        part if isinstance(part, Special) else guard(part, pattern, on_control_text, control_texts)
        for part in parts
    ]


def _control_texts(tokenizer: Tokenizer | None) -> tuple[str, ...]:
    return ("<s>", "</s>", "<unk>") if tokenizer is None else tuple(known_control_tokens(tokenizer))


def _ver01(turns: Sequence[Turn], bos: Special, eos: Special) -> list[Part]:
    """Ver0.1: one BOS at the start, and only EOS between two turns."""
    has_system = turns[0][0] == "system"
    # The system block and the first user message are stripped as one string, as in the reference
    # implementation.
    system = f"<<SYS>>\n{turns[0][1]}\n<</SYS>>\n\n" if has_system else ""
    parts: list[Part] = [bos]
    for role, text in turns[1:] if has_system else turns:
        if role == "user":
            parts.append(f"[INST] {(system + text).strip()} [/INST] ")
            system = ""
        else:
            parts[-1] = f"{parts[-1]}{text.strip()}"
            parts.append(eos)
    return parts


def _alpaca(turns: Sequence[Turn]) -> str:
    """Return the model card's single-turn prompt, or the published conversation template."""
    if len(turns) == 1:
        return f"{_ALPACA_SINGLE}### 指示:\n{turns[0][1]}\n\n### 応答:"
    headers = {"system": "", "user": "### 指示:\n", "assistant": "### 応答:\n"}
    body = "".join(f"{headers[role]}{text}\n\n" for role, text in turns)
    preamble = "" if turns[0][0] == "system" else _ALPACA_CHAT
    return f"{preamble}{body}### 応答:\n"


def _split(rendered: str, tokenizer: Tokenizer) -> tuple[list[Part], str]:
    """Split a rendered template at control tokens; also return the template's own text."""
    controls = known_control_tokens(tokenizer)
    pattern = control_pattern(t for t in controls.values() if t.text in rendered)
    parts: list[Part] = []
    start = 0
    for match in pattern.finditer(rendered) if pattern else ():
        parts.append(rendered[start : match.start()])
        parts.append(Special(match[0] if match[0] in controls else match[0].strip()))
        start = match.end()
    parts.append(rendered[start:])
    own_text = "\n".join(HIDDEN.sub("\n", part) for part in parts if isinstance(part, str))
    return [part for part in parts if part], own_text


def _encode_parts(parts: Iterable[Part], tokenizer: Tokenizer) -> list[int]:
    controls = known_control_tokens(tokenizer)
    ids: list[int] = []
    before: str | None = None
    for part in parts:
        if isinstance(part, Special):
            before = part.text
            if before not in controls:
                raise PromptError(
                    f"The prompt format writes {before!r}, and the tokenizer has no such control "
                    'token. Use prompt_format="tokenizer" with a chat template.'
                )
            ids.append(controls[before].id)
        elif before is None or prefixes_text_after(before, tokenizer):
            ids += encode_text(part, tokenizer)
        else:
            ids += encode_inside(part, tokenizer)
    return ids
