"""How far two texts have the same lines in the same order."""

import re
import unicodedata
from bisect import bisect_left

# Shorter lines are often names of columns, which are repeated in each row.
_MIN_CHARACTERS = 12


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text))


def shared_lines(own: str, other: str) -> list[tuple[int, str]]:
    """The lines of another text that are once in each text, with their places in the own text.

    Lines are compared by their letters and digits, so that marks of Markdown and line breaks within
    a paragraph do not count.
    """
    whole, other_whole = _letters(own), _letters(other)
    lines = (line for line in map(_letters, other.splitlines()) if len(line) >= _MIN_CHARACTERS)
    return [
        (whole.find(line), line)
        for line in lines
        if _is_once(line, whole) and _is_once(line, other_whole)
    ]


def _is_once(line: str, text: str) -> bool:
    place = text.find(line)
    return place >= 0 and text.find(line, place + 1) < 0


def in_order(places: list[int]) -> set[int]:
    """The places of the longest rising part of a list.

    >>> sorted(in_order([1, 9, 2, 3]))
    [1, 2, 3]
    """
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for place in places:
        length = bisect_left(ends, place)
        before[place] = ends[length - 1] if length else None
        ends[length : length + 1] = [place]
    chain: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        chain.add(last)
        last = before[last]
    return chain
