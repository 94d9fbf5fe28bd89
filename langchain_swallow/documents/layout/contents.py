"""Removes tables of contents from a paged document if the document has their headings.

A table of contents has the words of a chapter without its text. Left in, it would rank above the
chapter itself for a question about it.
"""

import bisect
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_swallow.documents.layout.outline import without_number
from langchain_swallow.text.normalize import normalize

_LEADERS = ".・·-─_"
# Front matter has roman page numbers.
_PAGE = re.compile(rf"(?<=[\s{_LEADERS}])(?:([0-9]{{1,4}})|[ivxlc]{{1,6}})$")
_PAGE_ALONE = re.compile(r"[0-9]{1,4}|[ivxlc]{1,6}")
_MIN_LEADERS = 2
_MIN_ENTRIES = 3
_NAMES = frozenset(
    "目次 もくじ 図目次 表目次 図表目次 contents tableofcontents listoftables listoffigures".split()
)
# Lines that a heading may take, and characters by which it is identified.
_MAX_HEADING_LINES = 3
_MAX_TITLE_CHARACTERS = 200
# A shorter title must be a whole line: a line that begins with the word ねじ may be text.
_MIN_PREFIX_CHARACTERS = 8
_FIGURE = re.compile(r"[0-9一二三四五六七八九十百]|[a-z][.:)]|[ivx]{2}|付録|appendix")
# Lines above a table in which its name (目次), or the name of its amounts (価格), is looked for.
_LINES_ABOVE = 5
_AMOUNTS = re.compile(
    "価格|料金|単価|定価|金額|費用|運賃|数量|個数|在庫|点数|配点|件数|人数|回答|円|price|quantity|amount"
)
# Share of a table's entries with headings whose page numbers must lead to these headings.
_MIN_MATCHING_SHARE = 0.6
# With this many agreeing entries, a table may have a page offset of its own.
_MIN_OWN_VOTES = 5
# A heading may have moved to the next page, and a table may continue there.
_PAGE_TOLERANCE = 1
_MAX_PAGES_APART = 1


@dataclass(frozen=True, slots=True)
class _Line:
    page: int
    line: int
    key: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line that may be an entry of a table of contents.

    `number` is the page number, 0 if it is roman; `above` is the line before it if that one is not
    an entry.
    """

    at: _Line
    title: str
    number: int
    has_leaders: bool
    above: _Line | None


@dataclass(frozen=True, slots=True)
class _Table:
    """Consecutive entries, and the lines above them on their page."""

    entries: list[_Entry]
    above: tuple[_Line, ...]


def without_contents(pages: Sequence[str]) -> list[str]:
    r"""Remove the entries of tables of contents whose titles are headings of the document.

    A table has at least three consecutive entries with leaders (第2章 休暇 …… 5). Their page
    numbers do not decrease, and the document has these pages. The headings are on these pages, all
    at the same offset from the page numbers, and none is before the table. The table has a name
    (目次), or its entries or headings are numbered, since prices and answers may look like page
    numbers by chance. A heading is one line, several lines, or the beginning of a line.

    Args:
        pages: Texts of the pages, in order.

    Returns:
        As many pages, without these entries, the tables' names, and page numbers that remain alone.

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
    tables = list(_tables(lines, len(pages)))
    if not tables:
        return list(pages)
    # Lines that may be removed cannot confirm each other as headings.
    entry_lines = {
        line for table in tables for entry in table.entries for line in (entry.at, entry.above)
    }
    headings = _Headings([line for line in lines if line not in entry_lines])
    removed = set(_matched_lines(tables, headings))
    removed |= {
        above for above, line in itertools.pairwise(lines) if line in removed and _is_name(above)
    }
    removed |= _orphan_page_numbers(lines, removed)
    places = {(line.page, line.line) for line in removed}
    return [
        "\n".join(text for number, text in enumerate(texts) if (page, number) not in places)
        for page, texts in enumerate(rows)
    ]


def _tables(lines: Sequence[_Line], pages: int) -> Iterator[_Table]:
    """Consecutive entries whose page numbers do not decrease; an entry may take two lines."""
    table: list[_Entry] = []
    above: _Line | None = None
    before: tuple[_Line, ...] = ()
    for index, line in enumerate(lines):
        entry = _entry(line, above)
        goes_back = entry and table and entry.number < table[-1].number
        if goes_back or (entry is None and above is not None):
            yield from _whole(table, before, pages)
            table = []
        if entry is not None:
            if not table:
                nearby = lines[max(0, index - _LINES_ABOVE) : index]
                before = tuple(other for other in nearby if other.page == line.page)
            table.append(entry)
        above = line if entry is None else None
    yield from _whole(table, before, pages)


def _entry(line: _Line, above: _Line | None) -> _Entry | None:
    page = _PAGE.search(line.key)
    if page is None:
        return None
    before = line.key[: page.start()]
    title = before.rstrip(f"{_LEADERS} ")
    leaders = before[len(title) :].replace(" ", "")
    return _Entry(line, title, int(page[1] or 0), len(leaders) >= _MIN_LEADERS, above)


def _whole(table: list[_Entry], above: tuple[_Line, ...], pages: int) -> Iterator[_Table]:
    with_leaders = [number for number, entry in enumerate(table) if entry.has_leaders]
    if len(with_leaders) >= _MIN_ENTRIES and table[with_leaders[-1]].number <= pages:
        # Chapters above the first section with leaders may have none.
        yield _Table(table[: with_leaders[-1] + 1], above)


@dataclass(frozen=True, slots=True)
class _Match:
    """An entry's lines, its headings' pages, and whether the entry or a heading is numbered."""

    entry: _Entry
    lines: tuple[_Line, ...]
    pages: frozenset[int]
    has_number: bool

    def offsets(self) -> set[int]:
        """Possible differences from its page number to its headings' pages; none if it is roman."""
        return {page - self.entry.number for page in self.pages} if self.entry.number else set()

    def leads(self, offset: int) -> bool:
        """Whether there is a heading at this offset, and not before the entry."""
        page = self.entry.number + offset
        return any(
            heading >= self.entry.at.page
            and (not self.entry.number or abs(heading - page) <= _PAGE_TOLERANCE)
            for heading in self.pages
        )


class _Headings:
    """An index of lines that may be headings, by their text with and without its number."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        begins: set[tuple[str, int, bool]] = set()
        # Text of one or more lines → its pages, and whether it is numbered there.
        self._whole: dict[str, set[tuple[int, bool]]] = defaultdict(set)
        for start, line in enumerate(lines):
            for end in range(start + 1, start + 1 + _MAX_HEADING_LINES):
                whole, bare = _keys(" ".join(line.key for line in lines[start:end]))
                place = line.page, _has_number(whole, bare)
                self._whole[whole].add(place)
                self._whole[bare].add(place)
            begins.update({(whole, *place), (bare, *place)})
        self._begins = sorted(begins)

    def find(self, title: str) -> set[tuple[int, bool]]:
        """Find the lines that equal a title, or begin with it if it is longer than a word.

        Returns:
            Their pages (from 0), each with whether the title or the heading there is numbered.
        """
        whole, bare = _keys(title)
        if not bare:
            return set()
        is_numbered = _has_number(whole, bare)
        found = {*self._whole.get(whole, ()), *self._whole.get(bare, ())}
        if whole != bare:
            found.update(self._begin(whole))
        if len(bare) >= _MIN_PREFIX_CHARACTERS:
            found.update(self._begin(bare))
        return {(page, has_number or is_numbered) for page, has_number in found}

    def _begin(self, key: str) -> Iterator[tuple[int, bool]]:
        place = bisect.bisect_left(self._begins, (key,))
        for begin, page, has_number in itertools.islice(self._begins, place, None):
            if not begin.startswith(key):
                return
            yield page, has_number


def _keys(title: str) -> tuple[str, str]:
    """A title's text without spaces, with its number and without it."""
    title = title[:_MAX_TITLE_CHARACTERS]
    return "".join(title.split()), without_number(title)


def _has_number(whole: str, bare: str) -> bool:
    """Whether the prefix removed from a title is certainly a number; the n of não is not."""
    return bool(_FIGURE.search(whole.removesuffix(bare)))


def _matched_lines(tables: Sequence[_Table], headings: _Headings) -> Iterator[_Line]:
    """The lines of entries that lead to headings, in tables where most entries do."""
    found = [[_match_entry(entry, headings) for entry in table.entries] for table in tables]
    votes = Counter(offset for entries in found for entry in entries for offset in entry.offsets())
    last = -_MAX_PAGES_APART - 1
    for table, entries in zip(tables, found, strict=True):
        table_offsets = Counter(offset for entry in entries for offset in entry.offsets())
        has_own_offset = (
            table_offsets.most_common(1)[0][1] >= _MIN_OWN_VOTES if table_offsets else False
        )
        [(offset, _)] = (table_offsets if has_own_offset else votes).most_common(1) or [(0, 0)]
        matched = [entry for entry in entries if entry.pages]
        agreeing = [
            entry for entry in matched if not entry.entry.number or offset in entry.offsets()
        ]
        page = table.entries[0].at.page
        is_named = any(map(_is_name, table.above)) or page - last <= _MAX_PAGES_APART
        is_numbered = sum(entry.has_number for entry in matched) * 2 >= len(matched)
        is_table = is_named or (is_numbered and not _names_amounts(table.above))
        if matched and is_table and len(agreeing) >= _MIN_MATCHING_SHARE * len(matched):
            last = table.entries[-1].at.page
            for entry in matched:
                if entry.leads(offset):
                    yield from entry.lines


def _match_entry(entry: _Entry, headings: _Headings) -> _Match:
    """Find the headings of an entry, whose title may begin in the line above it."""
    lines: tuple[_Line, ...] = (entry.at,)
    places: set[tuple[int, bool]] = set()
    if entry.above and (places := headings.find(f"{entry.above.key} {entry.title}")):
        lines = (entry.above, entry.at)
    places = places or headings.find(entry.title)
    pages = frozenset(page for page, _ in places)
    return _Match(entry, lines, pages, any(has_number for _, has_number in places))


def _names_amounts(lines: Sequence[_Line]) -> bool:
    return any(_AMOUNTS.search(line.key) for line in lines)


def names_contents(line: str) -> bool:
    """Whether a normalized line is only the name of a table of contents, such as 目次."""
    return "".join(line.split()) in _NAMES


def _is_name(line: _Line) -> bool:
    return names_contents(line.key)


def _orphan_page_numbers(lines: Sequence[_Line], removed: set[_Line]) -> set[_Line]:
    """Page numbers that would be the only lines left on their pages."""
    pages = {line.page for line in removed}
    remaining = {line for line in lines if line.page in pages and line not in removed}
    with_text = {line.page for line in remaining if not _PAGE_ALONE.fullmatch(line.key)}
    return {line for line in remaining if line.page not in with_text}
