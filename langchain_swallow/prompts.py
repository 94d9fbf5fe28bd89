r"""Turns → token ids of a checkpoint's prompt format, and the same as text for people to read.

In: `(role, text)` pairs with the roles system, user and assistant. Out: the ids an engine
receives. This is the only place that writes `[INST]`, and the only place that tokenises a prompt.

Three formats:

* `"ver0.1"`: Swallow-*-instruct-v0.1, `<s>[INST] <<SYS>>\n…\n<</SYS>>\n\n… [/INST] `.
* `"alpaca"`: Swallow-*-instruct-hf and -NVE-instruct-hf, `### 指示:` and `### 応答:`.
* `"tokenizer"`: later models, whose tokenizer carries its own chat template.

What a template writes and what a message contains are kept apart until both are ids: special
tokens come from the template alone, and the text between two of them is encoded with special
tokens switched off. So `</s>` typed by a user is six characters, never id 2. Markers that are
ordinary text (`[INST]`) cannot be kept apart by the tokenizer; `on_control_text` rules them.

Conversations the formats have no place for are folded, never cut: see `fold_turns`.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from langchain_swallow.catalog import PromptFormat
from langchain_swallow.errors import ControlTextError, PromptError

OnControlText = Literal["escape", "error", "allow"]
Turn = tuple[str, str]

ROLES = ("system", "user", "assistant")

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
    """A special token written by the template."""

    text: str


# A prompt before tokenisation: special tokens, and the ordinary text between them.
Part = Special | str


def render(
    messages: Iterable[Turn],
    *,
    format: PromptFormat = "ver0.1",
    on_control_text: OnControlText = "escape",
    tokenizer: Any = None,
) -> str:
    r"""Return the prompt as text, for people to read. Engines get `encode`.

    Args:
        messages: `(role, text)` pairs; folded by `fold_turns` first.
        format: The prompt format of the checkpoint.
        on_control_text: What happens to turn markers inside a text, see `encode`.
        tokenizer: Needed for `format="tokenizer"` only.

    Raises:
        PromptError: No message, an unknown role, or an unknown format.
        ControlTextError: A text contains a marker and `on_control_text="error"`.

    >>> render([("system", "簡潔に。"), ("user", "東京は？")])
    '<s>[INST] <<SYS>>\n簡潔に。\n<</SYS>>\n\n東京は？ [/INST] '
    """
    parts = _parts(messages, format, on_control_text, tokenizer)
    return "".join(part.text if isinstance(part, Special) else part for part in parts)


def encode(
    messages: Iterable[Turn],
    tokenizer: Any,
    *,
    format: PromptFormat = "ver0.1",
    on_control_text: OnControlText = "escape",
) -> list[int]:
    """Return the token ids of the prompt, as the published template gives them.

    Args:
        messages: `(role, text)` pairs; folded by `fold_turns` first.
        tokenizer: A transformers tokenizer with BOS and EOS.
        format: The prompt format of the checkpoint.
        on_control_text: `"escape"` breaks turn markers inside a text so that they read the same
            and no longer tokenise as the template's own; `"error"` raises; `"allow"` leaves them.
            Special tokens inside a text are always plain text, whatever this says.

    Raises:
        PromptError: No message, an unknown role, or an unknown format.
        ControlTextError: A text contains a marker and `on_control_text="error"`.
    """
    return _encode_parts(_parts(messages, format, on_control_text, tokenizer), tokenizer)


def render_instruction(instruction: str, input: str | None = None) -> str:
    """The instruct-hf model cards' single-turn form, with or without an input.

    >>> render_instruction("要約してください。").endswith("### 応答:")
    True
    """
    escaped = [_guard(text, "alpaca", "escape", ()) for text in (instruction, input or "")]
    if input is None:
        return f"{_ALPACA_SINGLE}### 指示:\n{escaped[0]}\n\n### 応答:"
    return f"{_ALPACA_WITH_INPUT}### 指示:\n{escaped[0]}\n\n### 入力:\n{escaped[1]}\n\n### 応答:"


def encode_instruction(instruction: str, input: str | None, tokenizer: Any) -> list[int]:
    """Token ids of `render_instruction`, with one BOS."""
    bos = Special(str(tokenizer.bos_token))
    return _encode_parts([bos, render_instruction(instruction, input)], tokenizer)


def encode_text(text: str, tokenizer: Any) -> list[int]:
    """Token ids of ordinary text; special tokens in it are text, no BOS is added.

    Raises:
        PromptError: The tokenizer keeps returning special tokens for plain text.
    """
    specials = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    # A fast tokenizer keeps `split_special_tokens` as state of its Rust object: another thread
    # that tokenises with the default may switch it back between our setting and our call.
    for _ in range(8):
        with _tokenizer_lock:
            ids: list[int] = tokenizer.encode(
                text, add_special_tokens=False, split_special_tokens=True
            )
        if specials.isdisjoint(ids):
            return ids
    msg = (
        f"Tokenizer {type(tokenizer).__name__} turns plain text into special tokens. "
        "Use a fast tokenizer (tokenizer.json) for this checkpoint."
    )
    raise PromptError(msg)


def encode_inside(text: str, tokenizer: Any) -> list[int]:
    """Token ids of text as it is in the middle of other text: without a space put before it."""
    plain = encode_text(text, tokenizer)
    # A line feed is a byte token in SentencePiece and merges with nothing: what follows it is
    # encoded as in the middle of a text. Other vocabularies put nothing before a text.
    anchor = encode_text("\n", tokenizer)
    if not str(tokenizer.convert_ids_to_tokens(anchor[0])).startswith("▁"):
        return plain
    return encode_text(f"\n{text}", tokenizer)[len(anchor) :]


def fold_turns(messages: Iterable[Turn]) -> list[Turn]:
    r"""Bring any conversation into the shape [system] (user assistant)* [user].

    System texts, wherever they stand, are joined by a newline and go first; neighbours of one role
    are joined by a newline; a conversation that begins with the assistant, or has only a system
    text, gets an empty user turn before it. Nothing is dropped.

    Raises:
        PromptError: No message, or an unknown role.

    >>> fold_turns([("user", "一"), ("system", "簡潔に。"), ("user", "二")])
    [('system', '簡潔に。'), ('user', '一\n二')]
    """
    system: list[str] = []
    turns: list[Turn] = []
    for role, text in messages:
        if role not in ROLES:
            raise PromptError(f"Unknown role {role!r}. Use one of {', '.join(ROLES)}.")
        if role == "system":
            system.append(text)
        elif turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n{text}")
        else:
            turns.append((role, text))
    if not system and not turns:
        raise PromptError("No messages. Pass at least one user message.")
    if not turns or turns[0][0] == "assistant":
        turns.insert(0, ("user", ""))
    return [("system", "\n".join(system)), *turns] if system else turns


def _parts(
    messages: Iterable[Turn], format: PromptFormat, on_control_text: OnControlText, tokenizer: Any
) -> list[Part]:
    if format not in get_args(PromptFormat):
        raise PromptError(f"Unknown prompt format {format!r}. Use one of {get_args(PromptFormat)}.")
    if on_control_text not in get_args(OnControlText):
        raise PromptError(
            f"Unknown on_control_text {on_control_text!r}. Use one of {get_args(OnControlText)}."
        )
    if format == "tokenizer" and not getattr(tokenizer, "chat_template", None):
        raise PromptError(
            'format="tokenizer" needs a tokenizer with a chat template; this one has none.'
        )
    specials = _special_texts(tokenizer) if on_control_text == "error" else ()
    turns = [
        (role, _guard(text, format, on_control_text, specials))
        for role, text in fold_turns(messages)
    ]
    bos = getattr(tokenizer, "bos_token", None) or "<s>"
    eos = getattr(tokenizer, "eos_token", None) or "</s>"
    if format == "ver0.1":
        return _ver01(turns, Special(bos), Special(eos))
    if format == "alpaca":
        return [Special(bos), _alpaca(turns)]
    return _from_template(turns, tokenizer)


def _ver01(turns: Sequence[Turn], bos: Special, eos: Special) -> list[Part]:
    """Ver0.1: one BOS at the very start, EOS and nothing else between two turns."""
    has_system = turns[0][0] == "system"
    # The system block and the first user message are stripped as one string, as the oracle does.
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
    """The model card's single turn, or the published conversation template."""
    if len(turns) == 1:
        return f"{_ALPACA_SINGLE}### 指示:\n{turns[0][1]}\n\n### 応答:"
    headers = {"system": "", "user": "### 指示:\n", "assistant": "### 応答:\n"}
    body = "".join(f"{headers[role]}{text}\n\n" for role, text in turns)
    preamble = "" if turns[0][0] == "system" else _ALPACA_CHAT
    return f"{preamble}{body}### 応答:\n"


def _from_template(turns: Sequence[Turn], tokenizer: Any) -> list[Part]:
    """The tokenizer's own template, rendered around placeholders so that texts stay apart."""
    # Surrounding whitespace stays outside the placeholder: the template may strip it or not.
    cores = [text.strip() for _, text in turns]
    marks = [f"\ue000{i}\ue001" for i in range(len(turns))]
    dialogue = [
        {"role": role, "content": text.replace(core, mark, 1) if core else f"{text}{mark}"}
        for (role, text), core, mark in zip(turns, cores, marks, strict=True)
    ]
    rendered: str = tokenizer.apply_chat_template(
        dialogue, tokenize=False, add_generation_prompt=turns[-1][0] != "assistant"
    )
    pattern = "|".join(
        re.escape(text) for text in sorted(_special_texts(tokenizer), key=len, reverse=True)
    )
    parts: list[Part] = []
    for i, piece in enumerate(re.split(f"({pattern})", rendered) if pattern else [rendered]):
        if i % 2:
            parts.append(Special(piece))
        elif piece:
            parts.append(re.sub("\ue000(\\d+)\ue001", lambda m: cores[int(m[1])], piece))
    return parts


def _special_texts(tokenizer: Any) -> tuple[str, ...]:
    """Every string the tokenizer would turn into a special token."""
    if tokenizer is None:
        return ("<s>", "</s>", "<unk>")
    added = (
        str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special
    )
    return tuple({*added, *map(str, tokenizer.all_special_tokens)})


_tokenizer_lock = threading.Lock()


def _encode_parts(parts: Iterable[Part], tokenizer: Any) -> list[int]:
    bare = not prefixes_every_segment(tokenizer)
    ids: list[int] = []
    for part in parts:
        if isinstance(part, Special):
            ids.append(tokenizer.convert_tokens_to_ids(part.text))
        elif bare and ids:
            ids += encode_inside(part, tokenizer)
        else:
            ids += encode_text(part, tokenizer)
    return ids


def prefixes_every_segment(tokenizer: Any) -> bool:
    """Whether text after a special token is encoded as it is at the very start.

    Legacy SentencePiece tokenizers (Llama 2, Swallow) put `▁` before each segment; others only
    before the first, so that a segment encoded alone would have one `▁` too many.
    """
    with _tokenizer_lock:
        after_bos: list[int] = tokenizer.encode(
            f"{tokenizer.bos_token}a", add_special_tokens=False, split_special_tokens=False
        )
    return after_bos[1:] == encode_text("a", tokenizer)


# Markers are searched in a folded copy: NFKC, lower case, without whitespace and invisible
# characters, so that ［ＩＮＳＴ］, [In​ST] and [ INST ] are found as well.
_MARKERS: dict[str, re.Pattern[str]] = {
    "ver0.1": re.compile(r"\[/?inst\]|<</?sys>>"),
    "alpaca": re.compile(r"#{2,}(?:指示|入力|応答):"),
    "tokenizer": re.compile(r"\[/?inst\]|<</?sys>>|<\|[^<>|]{1,40}\|>"),
}
# NFKC leaves these alone, no tokenizer maps them to the template's own, and they read the same.
_LOOKALIKES = str.maketrans({"[": "〔", "]": "〕", "<": "‹", ">": "›", "#": "♯", "|": "¦"})


def _guard(
    text: str, format: PromptFormat, on_control_text: OnControlText, specials: Sequence[str]
) -> str:
    """Apply `on_control_text` to one text."""
    if on_control_text == "allow":
        return text
    spans = _marker_spans(text, _MARKERS[format])
    if on_control_text == "error":
        found = [text[start:end] for start, end in spans] + [s for s in specials if s in text]
        if found:
            raise ControlTextError(
                f"A message contains the control text {found[0]!r}. "
                'Remove it, or use on_control_text="escape".'
            )
        return text
    for start, end in reversed(spans):
        text = text[:start] + _break_marker(text[start:end]) + text[end:]
    return text


def _break_marker(marker: str) -> str:
    folded = (unicodedata.normalize("NFKC", char) for char in marker)
    return "".join(
        fold.translate(_LOOKALIKES) if fold in "[]<>#|" else char
        for char, fold in zip(marker, folded, strict=True)
    )


def _marker_spans(text: str, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    """Half-open spans of markers in the original text, in order."""
    folded: list[str] = []
    origin: list[int] = []
    for i, char in enumerate(text):
        if _is_invisible(char):
            continue
        for plain in unicodedata.normalize("NFKC", char).casefold():
            if not plain.isspace():
                folded.append(plain)
                origin.append(i)
    return [
        (origin[match.start()], origin[match.end() - 1] + 1)
        for match in pattern.finditer("".join(folded))
    ]


def _is_invisible(char: str) -> bool:
    """Whether a character shows nothing: format controls, variation selectors, fillers, spaces."""
    return (
        char.isspace()
        or unicodedata.category(char) in ("Cf", "Cc")
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0000" <= char <= "\U000e0fff"
        or char in "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    )
