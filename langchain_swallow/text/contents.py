"""Tables of contents of a paged document, taken out where what they announce is there.

They have a chapter's words without its text, so that a question about it finds them first.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.outline import without_number

_LEADERS = ".・·-─_"
# Front matter is numbered in roman numerals.
_PAGE = re.compile(rf"(?<=[\s{_LEADERS}])(?:([0-9]{{1,4}})|[ivxlc]{{1,6}})$")
_PAGE_ALONE = re.compile(r"[0-9]{1,4}|[ivxlc]{1,6}")
_LEAST_LEADERS = 2
_LEAST_ENTRIES = 3
_NAMES = frozenset(
    "目次 もくじ 図目次 表目次 図表目次 contents tableofcontents listoftables listoffigures".split()
)
# A heading may take so many lines, and is known by so many characters.
_MOST_LINES = 3
_LONGEST = 200
# A line may begin with the word ねじ, and be no heading.
_MORE_THAN_A_WORD = 8


@dataclass(frozen=True, slots=True)
class _Line:
    page: int
    line: int
    key: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry: its title, the page that it names, and the line before it where that is none."""

    at: _Line
    title: str
    number: int
    has_leaders: bool
    above: _Line | None


def without_contents(pages: Sequence[str]) -> list[str]:
    r"""Pages without the entries of tables of contents whose titles are headings elsewhere.

    A table has at least three entries with leaders (第2章 休暇 …… 5), one after another, and pages
    that the document has, in order. A heading is a line or some lines, or what a line begins with.

    Args:
        pages: Their texts, in order.

    >>> contents = "目次\n1 総則 ...... 1\n2 休暇 ...... 2\n3 附則 ...... 3"
    >>> without_contents([contents, "1 総則\n本文。", "2 休暇\n本文。", "3 附則\n本文。"])
    ['', '1 総則\n本文。', '2 休暇\n本文。', '3 附則\n本文。']
    """
    rows = [page.split("\n") for page in pages]
    lines = [
        _Line(page, number, key)
        for page, texts in enumerate(rows)
        for number, text in enumerate(texts)
        if (key := normalize(text).strip())
    ]
    entries = list(itertools.chain.from_iterable(_tables(lines, len(pages))))
    if not entries:
        return list(pages)
    # What may go is no evidence.
    of_entries = {line for entry in entries for line in (entry.at, entry.above)}
    headings = _Headings([line for line in lines if line not in of_entries])
    gone = {line for entry in entries for line in _found(entry, headings)}
    gone |= {above for above, line in itertools.pairwise(lines) if line in gone and _is_name(above)}
    gone |= _numbers_left(lines, gone)
    places = {(line.page, line.line) for line in gone}
    return [
        "\n".join(text for number, text in enumerate(texts) if (page, number) not in places)
        for page, texts in enumerate(rows)
    ]


def _tables(lines: Sequence[_Line], pages: int) -> Iterator[list[_Entry]]:
    """Entries one after another whose pages do not go back; some take two lines."""
    table: list[_Entry] = []
    above: _Line | None = None
    for line in lines:
        entry = _entry(line, above)
        goes_back = entry and table and entry.number < table[-1].number
        if goes_back or (entry is None and above is not None):
            yield from _whole(table, pages)
            table = []
        if entry is not None:
            table.append(entry)
        above = line if entry is None else None
    yield from _whole(table, pages)


def _entry(line: _Line, above: _Line | None) -> _Entry | None:
    page = _PAGE.search(line.key)
    if page is None:
        return None
    before = line.key[: page.start()]
    title = before.rstrip(f"{_LEADERS} ")
    leaders = before[len(title) :].replace(" ", "")
    return _Entry(line, title, int(page[1] or 0), len(leaders) >= _LEAST_LEADERS, above)


def _whole(table: list[_Entry], pages: int) -> Iterator[list[_Entry]]:
    with_leaders = [number for number, entry in enumerate(table) if entry.has_leaders]
    if len(with_leaders) >= _LEAST_ENTRIES and table[with_leaders[-1]].number <= pages:
        # Chapters may have no leaders, above their sections that have.
        yield table[: with_leaders[-1] + 1]


class _Headings:
    """What lines begin with, or lines together are, with their numbers and without."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        begins: set[str] = set()
        self._whole: set[str] = set()
        for start in range(len(lines)):
            for end in range(start + 1, start + 1 + _MOST_LINES):
                keys = _keys(" ".join(line.key for line in lines[start:end]))
                self._whole.update(keys)
            begins.update(keys)
        self._begins = sorted(begins)

    def has(self, title: str) -> bool:
        """Whether lines are this title, or begin with it if it is not only a word."""
        whole, bare = _keys(title)
        if not bare:
            return False
        if not self._whole.isdisjoint((whole, bare)):
            return True
        is_numbered = whole != bare
        return (is_numbered and self._begin(whole)) or (
            len(bare) >= _MORE_THAN_A_WORD and self._begin(bare)
        )

    def _begin(self, key: str) -> bool:
        place = bisect.bisect_left(self._begins, key)
        return place < len(self._begins) and self._begins[place].startswith(key)


def _keys(title: str) -> tuple[str, str]:
    """With its number and without."""
    title = title[:_LONGEST]
    return "".join(title.split()), without_number(title)


def _found(entry: _Entry, headings: _Headings) -> list[_Line]:
    """The lines of an entry whose title is among the headings."""
    if entry.above and headings.has(f"{entry.above.key} {entry.title}"):
        return [entry.above, entry.at]
    return [entry.at] if headings.has(entry.title) else []


def _is_name(line: _Line) -> bool:
    return "".join(line.key.split()) in _NAMES


def _numbers_left(lines: Sequence[_Line], gone: set[_Line]) -> set[_Line]:
    """Page numbers on pages of which nothing else is left."""
    pages = {line.page for line in gone}
    left = {line for line in lines if line.page in pages and line not in gone}
    told = {line.page for line in left if not _PAGE_ALONE.fullmatch(line.key)}
    return {line for line in left if line.page not in told}
