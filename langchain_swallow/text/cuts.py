"""Choose where to cut a sentence that is over the token budget.

The kinds of places, best first: after a comma, after a particle or between scripts, between words,
and anywhere outside a combining sequence. The cut is the allowed place nearest to the middle. The
search starts at the middle and widens, because a text of a megabyte may be one sentence.
"""

import functools
import re
import unicodedata

_NOT_AT_START = (
    "。、，．」』）】〕］)》〉！？!?ゝゞ々ーぁぃぅぇぉっゃゅょァィゥェォッャュョ\u3099\u309a"
)
# Zero-width joiner, variation selectors, skin tones, tags of flags.
_CONTINUING = "\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
# Letters, digits and the punctuation inside words, numbers and URLs.
_WORD = r"0-9A-Za-z\u00c0-\u024f\u0370-\u052f_'’.\-/:@%&=?#+~$,"
_CUTS = (
    # Do not cut after the comma in 1,234.
    r"(?<=[、，；\n])|(?<=[,;]\s)(?=\S)|(?<=[,;])(?=[^\s0-9])",
    r"(?<=[はがをにでとのもへ])(?=[\u4e00-\u9fff\u30a0-\u30ff0-9０-９A-Za-z])",
    r"(?<=\s)(?=\S)",
    rf"(?<![{_WORD}])|(?![{_WORD}])",
    "",
)
_SEARCH_RADIUS = 128


def best_cut(text: str, start: int, end: int) -> int | None:
    """Offset of the best cut strictly between `start` and `end`.

    Of the best kind that occurs, it is the place nearest to the middle. `None` if the span is one
    character long.
    """
    for pattern in _patterns():
        cut = _nearest(pattern, text, start, end)
        if cut is not None:
            return cut
    return None


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Patterns for the kinds of cuts, best first."""
    # Every script with combining marks is in Unicode's first two planes.
    marks = "".join(chr(c) for c in range(0x300, 0x1F000) if unicodedata.combining(chr(c)))
    inside = rf"(?<!\u200d)(?![{re.escape(marks)}{_CONTINUING}])"
    allowed = rf"{inside}(?![{re.escape(_NOT_AT_START)}])"
    kinds = [f"(?:{cut}){allowed}" for cut in _CUTS]
    return tuple(re.compile(kind) for kind in [*kinds, inside, ""])


def _nearest(pattern: re.Pattern[str], text: str, start: int, end: int) -> int | None:
    """Offset of the match nearest to the middle; on a tie, the first.

    Both sides of the cut are non-empty.
    """
    middle = (start + end) / 2
    reach = _SEARCH_RADIUS
    while True:
        first, last = max(start + 1, int(middle - reach)), min(end - 1, int(middle + reach) + 1)
        # The lookaheads of a pattern need one more character.
        places = (m.start() for m in pattern.finditer(text, first, min(last + 1, end)))
        near = [i for i in places if first <= i <= last]
        if near:
            return min(near, key=lambda i: abs(i - middle))
        if first == start + 1 and last == end - 1:
            return None
        reach *= 8
