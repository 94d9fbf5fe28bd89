"""Turn markers that are ordinary text (`[INST]`, `### 指示:`): found in messages, and broken.

Control tokens need no breaking: `tokenization` encodes their texts as plain text. Markers of plain
text cannot be kept apart by a tokenizer, so here they get brackets that only look the same.

Markers are searched in a folded copy: NFKC, lower case, without white space and invisible
characters, so that ［ＩＮＳＴ］, [In​ST], [ INST ] and [▁INST▁] are found as well.
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

# Of every prompt format, as they are folded: a model may have learned more than one.
_MARKERS = r"\[/?inst\]|<</?sys>>|##(?:指示|入力|応答):|<\|[^<>|]{1,40}\|>"
_LIKE_A_MARKER = re.compile(
    r"<[^<>\s]{1,40}>|\[[^\[\]\s]{1,40}\]|^#{2,} ?[^\s#:：]{1,20}[:：]", re.MULTILINE
)
# NFKC leaves these alone, no tokenizer maps them to the template's own, and they read the same.
_LOOKALIKES = str.maketrans(
    {"[": "〔", "]": "〕", "<": "‹", ">": "›", "#": "♯", "|": "¦", ":": "꞉"}
)
_BRACKETS = set("[]<>#|")
# Every character that NFKC makes one that is in every marker.
_MAY_BE_MARKER = re.compile("[\\[［﹇\\]］﹈<＜﹤>＞﹥#＃﹟:：﹕︓]")


def marker_pattern(template_text: str = "", headers: Collection[str] = ()) -> re.Pattern[str]:
    """What finds markers in a folded text.

    Args:
        template_text: What the tokenizer's template writes around the messages; what looks like a
            marker in it is one, beside those of every format.
        headers: What it writes before the text of a turn, such as `User:`: a marker where a word
            begins.
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
    """Reveal a part of a prompt, and apply `on_control_text` to the texts in it.

    A marker of which the template wrote one half and a text the other, or two texts, is found too.

    Args:
        part: What stands between two control tokens; the texts in it are hidden.
        pattern: See `marker_pattern`.
        on_control_text: `"escape"` breaks markers, `"error"` raises, `"allow"` does nothing.
        control_texts: Texts of control tokens, which are an error under `"error"`.

    Raises:
        ControlTextError: A text contains a marker or control token, and they are an error.
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
        # Of Gemma's 6,322 tokens hardly one begins as anything in the text does.
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
    """Half-open spans of markers that the template did not write alone, in order."""
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
    """Whether a word begins here: at the beginning of a text, or after white space."""
    return at == 0 or not is_hidden[at - 1] or _is_invisible(text[at - 1])


@functools.lru_cache(maxsize=1 << 14)
def _folded_token(text: str) -> str:
    return _folded(text)


def _folded(text: str) -> str:
    return "".join(map(_fold, text))


@functools.lru_cache(maxsize=1 << 14)
def _fold(char: str) -> str:
    """A character as markers are compared; empty for one that shows nothing or is a space."""
    if _is_invisible(char):
        return ""
    folded = unicodedata.normalize("NFKC", char).casefold()
    return "".join(c for c in folded if not _is_invisible(c))


def _is_invisible(char: str) -> bool:
    """Whether a character shows nothing: format controls, variation selectors, fillers, spaces.

    U+2581 is a space to every SentencePiece tokenizer.
    """
    return (
        char.isspace()
        or unicodedata.category(char) in ("Cf", "Cc")
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0000" <= char <= "\U000e0fff"
        or char in "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2581\u2800\u3164\uffa0"
    )
