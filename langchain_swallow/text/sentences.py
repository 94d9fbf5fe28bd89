"""Split text into sentence spans that cover it without gaps.

A sentence ends at 。！？!?, at ．before a non-digit, and at a blank line. The marks and closing
brackets that follow belong to it. It does not end inside 「」『』（）【】, unless the bracket is
longer than `max_bracket`. In languages with spaces, a sentence ends at . ! ? before a space and the
start of a sentence, but not after abbreviations, initials and list numbers.
"""

import re
from collections import Counter
from collections.abc import Iterator

_OPENING = "「『（【〔［(《〈"
_CLOSING = "」』）】〕］)》〉"
_PAIRS = dict(zip(_CLOSING, _OPENING, strict=True))
# A Latin mark ends a sentence before a space, the end of the text, or a non-Latin character
# (えっ!?と). The lookahead is limited, because each dot of a dot leader would scan to its end. In a
# longer run, the last marks end the sentence as well.
_LATIN_END = r"[!?](?=[!?\"')\]]{0,20}(?:\s|\Z|[^\x00-\x7f]))|\.(?=[.\"'”’»)\]]{0,20}(?:\s|\Z))"
_EVENT = re.compile(
    rf"[。！？．]|{_LATIN_END}|\n[ \t\u3000]*\n\s*|[「『（【〔［(《〈」』）】〕］)》〉]"
)
_TRAILING = re.compile(r"[。！？!?．、，」』）】〕］)》〉\"'”’»]*\s*")


_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘（「]+\Z")
_MAX_WORD = 40
_BEGINS_SENTENCE = frozenset("\"'“‘«‹([¿¡*•-–—#")
# A name or a number follows these. Single letters are initials, or parts of e.g., U.S., a.m.
_ABBREVIATION = re.compile(
    r"(?:Mr|Mrs|Ms|Mx|Dr|Prof|St|Sr|Jr|Rev|Hon|Gen|Col|Capt|Lt|Sgt|Gov|Sen|Rep|Pres|Messrs|Mme|Mlle|"
    r"Hr|Fr|Sra?|Dipl|Ing|vs|cf|ca|al|approx|resp|incl|excl|viz|z\.?B|bzw|usw|Nr|Abs|Art|"
    r"Figs?|Eqs?|Vols?|Chs?|Secs?|Refs?|Tabs?|Apps?|Eds?|pp?|ff?|op|cit|ibid|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mt|Ft|Ave|Blvd|Rd|[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z])",
    re.IGNORECASE,
)


def sentence_spans(text: str, *, max_bracket: int = 300) -> list[tuple[int, int]]:
    """Half-open spans of the sentences, in order; joined, they are the whole text.

    Args:
        text: Any text.
        max_bracket: Text inside a bracket longer than this many characters is split like other
            text; default 300.

    >>> text = "彼は「はい。」と言った。次。"
    >>> [text[start:end] for start, end in sentence_spans(text)]
    ['彼は「はい。」と言った。', '次。']
    """
    spans = []
    start = 0
    for end in _ends(text, max_bracket):
        if end > start:
            spans.append((start, end))
            start = end
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def _ends(text: str, max_bracket: int) -> Iterator[int]:
    closes_at = _matching_brackets(text, max_bracket)
    position = 0
    while match := _EVENT.search(text, position):
        mark, position = match[0], match.end()
        if mark in _OPENING:
            position = closes_at.get(match.start(), position)
        elif mark[0] == "\n":
            yield match.end()
        elif mark not in _CLOSING and not _is_decimal(text, match.start()):
            trailing = _TRAILING.match(text, match.end())
            end = trailing.end() if trailing else match.end()
            if mark != "." or _is_full_stop(text, match.start(), end):
                position = end
                yield position


def _is_decimal(text: str, index: int) -> bool:
    """Whether the ．at `index` is a decimal point."""
    return text[index] == "．" and text[index + 1 : index + 2].isdigit()


def _is_full_stop(text: str, index: int, following: int) -> bool:
    """Whether the . at `index` ends a sentence; the next one would begin at `following`."""
    before = _WORD_BEFORE.search(text, max(0, index - _MAX_WORD), index)
    if before and (_ABBREVIATION.fullmatch(before[0]) or _is_number_of_list(text, before)):
        return False
    if following == len(text):
        return True
    char = text[following]
    return char.isupper() or char in _BEGINS_SENTENCE or char > "\u2e7f"


def _is_number_of_list(text: str, word: re.Match[str]) -> bool:
    """Whether a number or a letter before a . starts its line, as in "1." and "a."."""
    is_short = word[0].isdigit() or len(word[0]) == 1
    start = max(0, word.start() - _MAX_WORD)
    _, line_break, line_start = text[start : word.start()].rpartition("\n")
    return is_short and bool(line_break or start == 0) and not line_start.strip(" \t\u3000#>*+-•・")


def _matching_brackets(text: str, max_bracket: int) -> dict[int, int]:
    """Map the start of each outermost closed bracket of at most `max_bracket` to its end."""
    stack: list[tuple[str, int]] = []
    opened: Counter[str] = Counter()
    closed: dict[int, int] = {}
    for match in re.finditer(f"[{re.escape(_OPENING + _CLOSING)}]|\n[ \t\u3000]*\n", text):
        char, index = match[0], match.start()
        if char[0] == "\n":
            stack.clear()
            opened.clear()
        elif char in _OPENING:
            stack.append((char, index))
            opened[char] += 1
        elif opened[_PAIRS[char]]:
            # An unclosed bracket must not hide the sentence ends after it.
            while True:
                bracket, start = stack.pop()
                opened[bracket] -= 1
                if bracket == _PAIRS[char]:
                    break
            if index + 1 - start <= max_bracket:
                closed[start] = index + 1
    return closed
