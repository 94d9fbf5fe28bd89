"""Finds and escapes turn markers that are ordinary text (`[INST]`, `### 指示:`) in messages.

Control tokens need no escaping, because `tokenization` encodes their texts as plain text. A
tokenizer cannot keep markers of plain text apart, so their brackets are replaced by lookalikes.

The search uses a folded copy (NFKC, lower case, without white space and invisible characters), so
that it also finds ［ＩＮＳＴ］, [In​ST], [ INST ] and [▁INST▁].
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Collection
from typing import Literal

from langchain_swallow.errors import ControlTextError
from langchain_swallow.prompts.hidden_text import reveal_with_origin

OnControlText = Literal["escape", "error", "allow"]

# The folded markers of all prompt formats, because a model may have learned several.
_MARKERS = r"\[/?inst\]|<</?sys>>|##(?:指示|入力|応答):|<\|[^<>|]{1,40}\|>"
_LIKE_A_MARKER = re.compile(
    r"<[^<>\s]{1,40}>|\[[^\[\]\s]{1,40}\]|^#{2,} ?[^\s#:：]{1,20}[:：]", re.MULTILINE
)
# Characters that look the same, that NFKC does not change, and that no tokenizer maps to the
# originals.
_LOOKALIKES = str.maketrans(
    {"[": "〔", "]": "〕", "<": "‹", ">": "›", "#": "♯", "|": "¦", ":": "꞉"}
)
_BRACKETS = set("[]<>#|")
# All characters that NFKC converts to one that every marker contains.
_MAY_BE_MARKER = re.compile("[\\[［﹇\\]］﹈<＜﹤>＞﹥#＃﹟:：﹕︓]")


def marker_pattern(template_text: str = "", headers: Collection[str] = ()) -> re.Pattern[str]:
    """Return a pattern that finds markers in a folded text.

    Args:
        template_text: The text that the tokenizer's template writes around the messages. Anything
            in it that looks like a marker is one, in addition to those of all formats.
        headers: Texts that it writes before a turn's text, such as `User:`. They are markers only
            at the start of a word.
    """
    template_markers = {_folded(marker) for marker in _LIKE_A_MARKER.findall(template_text)}
    words = "|".join(map(re.escape, sorted(map(_folded, headers))))
    return re.compile(
        "|".join(
            [
                _MARKERS,
                *map(re.escape, sorted(template_markers)),
                *[f"(?P<word>{words})"] * bool(words),
            ]
        )
    )


def guard(
    part: str,
    pattern: re.Pattern[str],
    on_control_text: OnControlText,
    control_texts: Collection[str] = (),
) -> str:
    """Reveal a part of a prompt, and apply `on_control_text` to its texts.

    This also finds a marker that consists of a text and the template's text, or of two texts.

    Args:
        part: The part between two control tokens, with hidden texts.
        pattern: See `marker_pattern`.
        on_control_text: `"escape"` replaces brackets of markers, `"error"` raises an error,
            `"allow"` does nothing.
        control_texts: Texts of control tokens, which also raise an error under `"error"`.

    Raises:
        ControlTextError: A text contains a marker or control token, and `on_control_text` is
            `"error"`.
    """
    text, is_hidden = reveal_with_origin(part)
    if on_control_text == "error":
        _refuse(text, is_hidden, pattern, control_texts)
    if on_control_text != "escape" or not _MAY_BE_MARKER.search(text):
        return text
    chars = list(text)
    for start, end in _spans(text, is_hidden, pattern):
        plain = [unicodedata.normalize("NFKC", char) for char in text[start:end]]
        brackets = _BRACKETS & set(plain) or {":"}
        for i, char in enumerate(plain, start):
            if is_hidden[i] and char in brackets:
                chars[i] = char.translate(_LOOKALIKES)
    return "".join(chars)


def _refuse(
    text: str, is_hidden: bytes, pattern: re.Pattern[str], control_texts: Collection[str]
) -> None:
    matches = [text[start:end] for start, end in _spans(text, is_hidden, pattern)]
    if not matches:
        folded = _folded(text)
        # This skips almost all of Gemma's 6,322 tokens, which start like nothing in the text.
        begins = {*folded, *map("".join, itertools.pairwise(folded))}
        tokens = {_folded_token(text): text for text in control_texts}
        likely = [token for token in tokens if token[:2] in begins and token in folded]
        written = re.compile("|".join(map(re.escape, likely)) or "(?!)")
        spans = _spans(text, is_hidden, written)
        matches = [tokens[_folded(text[start:end])] for start, end in spans]
    if matches:
        raise ControlTextError(
            f"A message contains the control text {matches[0]!r}. "
            'Remove it, or use on_control_text="escape".'
        )


def _spans(text: str, is_hidden: bytes, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    """Return half-open spans of markers that are not entirely from the template, in order."""
    folded: list[str] = []
    origin: list[int] = []
    for i, char in enumerate(text):
        plain = _fold(char)
        folded.append(plain)
        origin += [i] * len(plain)
    spans = [
        (origin[match.start()], origin[match.end() - 1] + 1)
        for match in pattern.finditer("".join(folded))
        if match[0] and (match.lastgroup is None or _begins(origin[match.start()], text, is_hidden))
    ]
    return [(start, end) for start, end in spans if any(is_hidden[start:end])]


def _begins(at: int, text: str, is_hidden: bytes) -> bool:
    """Whether a word starts here: at the start of a text, or after white space."""
    return at == 0 or not is_hidden[at - 1] or _is_invisible(text[at - 1])


@functools.lru_cache(maxsize=1 << 14)
def _folded_token(text: str) -> str:
    return _folded(text)


def _folded(text: str) -> str:
    return "".join(map(_fold, text))


@functools.lru_cache(maxsize=1 << 14)
def _fold(char: str) -> str:
    """Fold a character for the comparison; empty for invisible characters and spaces."""
    if _is_invisible(char):
        return ""
    folded = unicodedata.normalize("NFKC", char).casefold()
    return "".join(c for c in folded if not _is_invisible(c))


def _is_invisible(char: str) -> bool:
    """Whether a character is invisible: format controls, variation selectors, fillers, spaces.

    U+2581 is a space to every SentencePiece tokenizer.
    """
    return (
        char.isspace()
        or unicodedata.category(char) in ("Cf", "Cc")
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0000" <= char <= "\U000e0fff"
        or char in "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2581\u2800\u3164\uffa0"
    )
