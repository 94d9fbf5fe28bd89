"""Find citation marks such as [1] in the text of a model, and parse their numbers."""

import re
import unicodedata

_NUMBERS = r"[0-9０-９]+"
_SEPARATOR = r"\s*[,、，・\-–~〜～]\s*"
_LABEL = r"(?:資料|文書|出典|参考)?\s*"
_INSIDE = rf"\s*{_LABEL}{_NUMBERS}(?:{_SEPARATOR}{_LABEL}{_NUMBERS})*\s*"
MARK_PATTERN = rf"[ \u3000]*(?:[\[［]{_INSIDE}[\]］]|【{_INSIDE}】)"
MARK = re.compile(MARK_PATTERN)
# The prefix of a mark at the end of a streamed text.
OPEN_MARK = re.compile(
    r"[ \u3000]*(?:[\[［【](?:[\s0-9０-９,、，・\-–~〜～]|資料?|文書?|出典?|参考?)*)?$"
)
_RANGE = re.compile(rf"({_NUMBERS})\s*[\-–~〜～]\s*{_LABEL}({_NUMBERS})")
# A longer range is a range of years or amounts, not of citations.
_MAX_RANGE = 20


def mark_numbers(mark: str) -> list[int]:
    """The numbers of a mark in order; a range becomes all numbers in it.

    >>> mark_numbers("[1、３]"), mark_numbers("【資料2-4】")
    ([1, 3], [2, 3, 4])
    """
    return [int(n) for n in re.findall("[0-9]+", _RANGE.sub(_spelled_out, mark).translate(_ASCII))]


def _spelled_out(match: re.Match[str]) -> str:
    first, last = (int(unicodedata.normalize("NFKC", number)) for number in match.groups())
    if not first < last <= first + _MAX_RANGE:
        return match[0]
    return ",".join(map(str, range(first, last + 1)))


_ASCII = {ord("０") + digit: str(digit) for digit in range(10)}
