"""Detects sets of forms, such as pay slips or result sheets, whose pages share their lines.

In a form, lines that recur on every page are content, not running headers or footers.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_MIN_PAGES = 3
_MIN_SHARE = 0.4
# How many lines are compared from the top of a page, and from its bottom.
_DEPTH = 12
_FIGURES = re.compile(r"[0-9０-９]+(?:[,，.．][0-9０-９]+)*")
_SEPARATOR = re.compile(r"[:：\s]+")
_WORD = re.compile(r"[^\W\d_]{2}|[^\W\d_]殿|[^\W\d_]様")
_VALUE = re.compile(r"[:：](?!//)\s*\S")
_SENTENCE = re.compile(r"[。！？][」』）)]*$")


def says_something(line: str) -> bool:
    """Whether a line is a sentence, or a label with its value.

    >>> [says_something(line) for line in ("判定：合格", "担当は検査課である。", "就業規則 第3版")]
    [True, True, False]
    """
    return bool(_VALUE.search(line) or _SENTENCE.search(line))


def are_forms(pages: Sequence[Sequence[str]]) -> bool:
    """Whether pages are a set of forms: lines at the same place differ only in figures or values.

    Args:
        pages: The lines of each page, without those that may be headers or footers.

    >>> are_forms([["1号機", "青"], ["2号機", "赤"], ["3号機", "白"]])
    True
    >>> are_forms([["総則", "目的"], ["休暇", "年休"], ["賃金", "昇給"]])
    False
    """
    counts = Counter(key for page in pages for key in set(_keys(page)))
    min_pages = max(_MIN_PAGES, _MIN_SHARE * sum(map(bool, pages)))
    return any(count >= min_pages for count in counts.values())


def _keys(page: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    for edge, lines in (("top", page[:_DEPTH]), ("bottom", page[: -_DEPTH - 1 : -1])):
        for place, line in enumerate(lines):
            if not _SENTENCE.search(line):
                for key in _skeletons(line):
                    yield edge, place, key


def _skeletons(line: str) -> Iterator[str]:
    """Keys of a line: without figures, the label of a value, and the title after a name (殿)."""
    whole = _FIGURES.sub("#", line)
    first, *rest = _SEPARATOR.split(whole, maxsplit=1)
    last = _SEPARATOR.split(whole)[-1]
    yield from (
        key for key in {whole, f"{first}:" if rest else "", f" {last}"} if _WORD.search(key)
    )
