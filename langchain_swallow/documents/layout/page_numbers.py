"""Finds page numbers in headers and footers: numbers that increase with the pages."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Edge = Literal["top", "bottom"]
EDGES: tuple[Edge, ...] = ("top", "bottom")
# At least 40% of the pages, and at least three, must have a number.
MIN_PAGES = 3
MIN_SHARE = 0.4
# Lines from the edge that may have the number: a company's address may be below it.
_DEPTH = 2
_MAX_LINE_CHARACTERS = 100
_OF_ALL = r"\s*(?:[/／]|of)\s*\d{1,5}"
_BARE = r"(\d{1,5})"
_FORMS = (
    rf"[-–—―(\[]\s*{_BARE}\s*[-–—―)\]]",
    rf"{_BARE}(?:{_OF_ALL}\s*(?:頁|ページ)?|\s*(?:頁|ページ))",
    rf"(?:[Pp](?:age)?\.?|ページ)\s*{_BARE}(?:{_OF_ALL})?",
    _BARE,
)
_PATTERNS = [
    (form is not _BARE, pattern)
    for form in _FORMS
    for pattern in (re.compile(rf"^{form}(?=\s|$)"), re.compile(rf"(?<!\S){form}$"))
]


class PageNumber(NamedTuple):
    """A page number in a line, and the other words of the line.

    `is_marked` is whether it is written as a page number, such as - 3 - or p. 3.
    """

    number: int
    words: str
    is_marked: bool


def page_numbers(line: str) -> Iterator[PageNumber]:
    """Yield the possible page numbers of a line.

    >>> list(page_numbers("就業規則 3 / 12"))[0]
    PageNumber(number=3, words='就業規則', is_marked=True)
    """
    if len(line) > _MAX_LINE_CHARACTERS:
        return
    for is_marked, pattern in _PATTERNS:
        if found := pattern.search(line):
            words = f"{line[: found.start()]} {line[found.end() :]}".strip()
            yield PageNumber(int(found[1]), words, is_marked)


def from_edge(lines: Sequence[str], edge: Edge) -> Sequence[str]:
    """The lines of a page, in order from one of its edges inward."""
    return lines if edge == "top" else lines[::-1]


class Steps:
    """Finds the edge of the pages that has the numbers, and their offset from the page's index.

    Args:
        pages: The non-empty lines of each page.
    """

    def __init__(self, pages: Sequence[Sequence[str]]) -> None:
        counts: Counter[tuple[Edge, int]] = Counter()
        for index, page in enumerate(pages):
            lines = [(edge, line) for edge in EDGES for line in from_edge(page, edge)[:_DEPTH]]
            counts.update({(e, n.number - index) for e, line in lines for n in page_numbers(line)})
        min_pages = max(MIN_PAGES, MIN_SHARE * sum(map(bool, pages)))
        self._steps = {step for step, count in counts.items() if count >= min_pages}

    def number(self, index: int, edge: Edge, line: str) -> PageNumber | None:
        """Return the page number in a line at this edge of the page; `None` if there is none."""
        if not self._steps:
            return None
        found = (n for n in page_numbers(line) if (edge, n.number - index) in self._steps)
        return next(found, None)
