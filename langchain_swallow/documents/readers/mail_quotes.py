"""Finds quotations in the text of a mail message."""

import re
from collections.abc import Collection, Iterator

_MARK = re.compile(r"\s*(?:[>＞|｜]\s?)+")
# What programs write above the message that is answered, which they do not mark line by line.
_ORIGINAL = re.compile(
    r"\s*[-_=]{3,}\s*(?:original message|forwarded message|元のメッセージ|転送メッセージ)"
    r"|.*(?:wrote|schrieb|a écrit)\s*[:：]\s*\Z"
    r"|\d{4}\s*[年/-].*[:：]\s*\Z|.*<\S+@\S+>.*[:：]\s*\Z",
    re.IGNORECASE,
)
_MIN_KEY = 6
# A longer line is not one that a program writes above a quotation.
_MAX_LINE = 300
_SENDER = re.compile(r"\s*(?:From|差出人|送信者)\s*[:：]", re.IGNORECASE)
_SENT = re.compile(r"\s*(?:Sent|Date|送信日時|日時|日付)\s*[:：]", re.IGNORECASE)


def is_quoted(line: str) -> bool:
    """Whether a line begins with the mark of a quotation."""
    return bool(_MARK.match(line))


def quotation_key(line: str) -> str:
    """Return a line without marks of quotations and white space, by which quotations compare."""
    return "".join(_MARK.sub("", line, count=1).split())


def with_quoted(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines, each with whether it may be a quotation."""
    lines = text.split("\n")
    is_behind = False
    for number, line in enumerate(lines):
        yield line, is_behind or is_quoted(line)
        is_behind = is_behind or _is_original(lines, number)


def _is_original(lines: list[str], number: int) -> bool:
    """Whether the message that is answered begins behind this line."""
    if len(lines[number]) > _MAX_LINE:
        return False
    if _SENDER.match(lines[number]):
        return any(map(_SENT.match, lines[number + 1 : number + 4]))
    return bool(_ORIGINAL.match(lines[number]))


def without_quotations(text: str, lines: Collection[str], answered: str) -> tuple[str, int]:
    """Remove quoted lines that are in other messages.

    Args:
        text: The text of the message.
        lines: The keys of the own lines of the thread's messages.
        answered: The keys of the own lines of the messages that this one answers, joined.

    Returns:
        The text, and the number of lines that were removed.
    """
    kept: list[str] = []
    removed = 0
    was_removed = False
    for line, quoted in with_quoted(text):
        key = quotation_key(line)
        # An empty or short line goes with the lines before it: others may say the same.
        if len(key) >= _MIN_KEY:
            was_removed = quoted and (key in lines or key in answered)
        else:
            was_removed = quoted and was_removed
        removed += was_removed and bool(key)
        if not was_removed:
            kept.append(line)
    return "\n".join(kept), removed
