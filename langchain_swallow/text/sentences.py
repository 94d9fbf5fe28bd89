"""Text → sentence spans that cover it without gap.

A sentence ends at 。！？!? or ．before a non-digit, with the marks and closing brackets after
it, and at blank lines; not inside 「」『』（）【】, unless the bracket exceeds `max_bracket`.
"""

import re
from collections.abc import Iterator

_OPENING = "「『（【〔［(《〈"
_CLOSING = "」』）】〕］)》〉"
_PAIRS = dict(zip(_CLOSING, _OPENING, strict=True))
_EVENT = re.compile(r"[。！？!?．]|\n[ \t\u3000]*\n\s*|[「『（【〔［(《〈」』）】〕］)》〉]")
_TRAILING = re.compile(r"[。！？!?．、，」』）】〕］)》〉\"'”’]*\s*")


def sentence_spans(text: str, *, max_bracket: int = 300) -> list[tuple[int, int]]:
    """Half-open spans in order; joined they are the whole text.

    Args:
        text: Any text.
        max_bracket: A bracket longer than this many characters is cut like other text.

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
            position = trailing.end() if trailing else match.end()
            yield position


def _is_decimal(text: str, index: int) -> bool:
    """Whether the ．at `index` is a decimal point."""
    return text[index] == "．" and text[index + 1 : index + 2].isdigit()


def _matching_brackets(text: str, max_bracket: int) -> dict[int, int]:
    """Start of each outermost closed bracket → its end, for brackets within `max_bracket`."""
    stack: list[tuple[str, int]] = []
    closed: dict[int, int] = {}
    for match in re.finditer(f"[{re.escape(_OPENING + _CLOSING)}]|\n[ \t\u3000]*\n", text):
        char, index = match[0], match.start()
        if char[0] == "\n":
            stack.clear()
        elif char in _OPENING:
            stack.append((char, index))
        else:
            # A bracket left open does not swallow what follows.
            for depth in range(len(stack) - 1, -1, -1):
                if stack[depth][0] == _PAIRS[char]:
                    if index + 1 - stack[depth][1] <= max_bracket:
                        closed[stack[depth][1]] = index + 1
                    del stack[depth:]
                    break
    return closed
