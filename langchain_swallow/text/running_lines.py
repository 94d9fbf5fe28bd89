"""Running headers and footers of a paged document: found by what recurs, taken out of the text.

They stand in the middle of sentences that go on over the page, and make pages alike for a search.
"""

import re
from collections import Counter
from collections.abc import Iterator

# Odd and even pages may have their own, and pages that begin a chapter none.
_SHARE = 0.4
_LEAST_PAGES = 3
_DEPTH = 2
_LONGEST = 100
_NUMBER = (
    r"[-–—―(\[]?\s*(?:[Pp](?:age)?\.?\s*)?(\d{1,5})"
    r"\s*(?:頁|ページ|[/／]\s*\d+\s*(?:頁|ページ)?)?\s*[-–—―)\]]?"
)
_NUMBERED = (re.compile(rf"^{_NUMBER}(?=\s|$)"), re.compile(rf"(?<!\S){_NUMBER}$"))

# A line's words, or the edge at which a page's number stands and how far it is from the index.
_Key = str | tuple[str, int]


def split_running_lines(pages: list[str]) -> tuple[list[str], list[list[str]]]:
    r"""Pages without their running lines, and for each page the words of those that are new.

    A running line recurs on two pages in five, at least on three: as it is, among a page's first
    or last two, or beside the page's number, as its first or last. Column names above a table
    are none.

    Args:
        pages: Their texts, in order.

    >>> pages = ["社外秘\n本文一\n- 1 -", "社外秘\n本文二\n- 2 -", "社外秘\n本文三\n- 3 -"]
    >>> split_running_lines(pages)
    (['本文一', '本文二', '本文三'], [['社外秘'], [], []])
    """
    lines = [[line.strip() for line in page.split("\n") if line.strip()] for page in pages]
    counts = Counter(key for index, page in enumerate(lines) for key in _edge_keys(page, index))
    least = max(_LEAST_PAGES, _SHARE * sum(map(bool, lines)))
    common = {key for key, count in counts.items() if count >= least}
    bodies, running = [], []
    for index, page in enumerate(lines):
        top = _running(page, index, "top", common)
        bottom = _running(page[len(top) :][::-1], index, "bottom", common)
        bodies.append(_inner(pages[index], len(top), len(bottom)))
        running.append(dict.fromkeys([*top, *bottom[::-1]]))
    seen = {"", *(line.strip() for body in bodies for line in body.split("\n"))}
    words = []
    for met in running:
        words.append([line for line in met if line not in seen])
        seen.update(met)
    return bodies, words


def _edge_keys(page: list[str], index: int) -> set[_Key]:
    """What may recur on other pages."""
    if not page:
        return set()
    numbers = (*_number_keys(page[0], index, "top"), *_number_keys(page[-1], index, "bottom"))
    return {*page[:_DEPTH], *page[-_DEPTH:], *numbers}


def _number_keys(line: str, index: int, edge: str) -> Iterator[_Key]:
    if len(line) > _LONGEST:
        return
    for pattern in _NUMBERED:
        if found := pattern.search(line):
            yield edge, int(found[1]) - index


def _running(lines: list[str], index: int, edge: str, common: set[_Key]) -> list[str]:
    """The words of the running lines from an edge inwards; one line has the page's number."""
    words: list[str] = []
    numbered = False
    for count, line in enumerate(lines):
        if line in common and not (edge == "top" and _names_columns(lines[count : count + 2])):
            words.append(line)
        elif not numbered and common.intersection(_number_keys(line, index, edge)):
            words.append(_without_number(line))
            numbered = True
        else:
            break
    return words


def _names_columns(lines: list[str]) -> bool:
    """Whether the first of two lines has the columns of the second, more than one."""
    columns = [len(line.split()) for line in lines]
    return len(columns) == 2 and columns[0] == columns[1] > 1


def _without_number(line: str) -> str:
    for pattern in _NUMBERED:
        line = pattern.sub("", line)
    return line.strip()


def _inner(page: str, above: int, below: int) -> str:
    """A page without its first and last lines, empty ones not counted."""
    lines = page.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    kept = filled[above : len(filled) - below]
    return "\n".join(lines[kept[0] : kept[-1] + 1]) if kept else ""
