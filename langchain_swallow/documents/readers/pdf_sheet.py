"""Reads a page of a PDF: corrects pdfium's text by the places of the characters."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from langchain_swallow.documents.layout.layout import JAPANESE
from langchain_swallow.documents.layout.placing import anchor
from langchain_swallow.documents.layout.running_lines import PLACES, Place
from langchain_swallow.documents.layout.vertical import (
    Box,
    Printed,
    is_vertical,
    vertical_lines,
)
from langchain_swallow.documents.readers.pdf_characters import Characters
from langchain_swallow.documents.readers.pdf_continued import ContinuedTables
from langchain_swallow.documents.readers.pdf_notes import Note
from langchain_swallow.documents.readers.pdf_rules import NO_RULES, Rules
from langchain_swallow.documents.readers.pdf_tables import (
    PageTable,
    page_tables,
    without_characters,
)
from langchain_swallow.documents.readers.pdf_two_columns import MIN_ROWS, in_two_columns

# A line, and a function that finds its place.
_Row = tuple[str, Callable[[], Place]]

# Gaps in ems. Word processors put 0.25 between Latin and Japanese letters, and over 1 between
# columns. The wide gap separates columns of widely spaced words, and a page number from its line.
_MIN_SPACE_GAP = 0.3
_MIN_COLUMN_GAP = 0.45
_MIN_WIDE_GAP = 2.0
# Maximum vertical offset of two characters in a row, in heights of a character; also the minimum
# ratio of their heights.
_MAX_LEVEL_OFFSET = 0.4
_SPACE = re.compile(rf"(?<=[{JAPANESE}]) (?=\S)|(?<=\S) (?=[{JAPANESE}])")
_BREAK = "\r\n"
_SPACE_OR_BREAK = re.compile(rf"{_BREAK}|{_SPACE.pattern}")
_APART = re.compile(rf"(?<=[{JAPANESE}]) (?=[{JAPANESE}])")
_TOGETHER = re.compile(rf"(?<=[{JAPANESE}])(?=[{JAPANESE}])")
_NUMBER = re.compile(r"^\d{1,5}( +)(?=\S)|(?<=\S)( +)\d{1,5}$")
_HYPHEN = "\ufffe"

# How many characters of a page are sampled for its writing direction.
_SAMPLES = 20
_FIRST_KANA = "\u3005"


def _is_set_wide(line: str) -> bool:
    """Whether a line is widely spaced, such as 就 業 規 則."""
    apart, together = len(_APART.findall(line)), len(_TOGETHER.findall(line))
    return apart > together


def _gap(one: Box, other: Box) -> float:
    """The gap between two characters in ems, along the line or across it."""
    across = max(other.left - one.right, one.left - other.right)
    gap = max(across, other.bottom - one.top, one.bottom - other.top)
    return gap / (max(one.size, other.size) or 1.0)


def _line_below(place: Place, rows: Sequence[_Row]) -> int:
    """The index of the first line that is below a place."""
    below = (
        at
        for at, (text, get_place) in enumerate(rows)
        if text and get_place().from_top > place.from_top
    )
    return next(below, len(rows))


class Sheet:
    """A page: `text` in reading order, and the places of lines near its edges.

    `places` is by the index of a line among the non-empty lines. `ruby` counts the ruby readings in
    vertical writing, which are not in the text.

    Args:
        page: A pypdfium2 page.
        textpage: Its text page.
        notes: Field values and texts written on the page, from `page_notes`.
        rules: Its ruling lines, from `page_rules`.
        continued: Writes the tables of the document, of which this is the next page.
    """

    def __init__(
        self,
        page: Any,
        textpage: Any,
        notes: Sequence[Note] = (),
        rules: Rules = NO_RULES,
        continued: ContinuedTables | None = None,
    ) -> None:
        self._textpage = textpage
        self._continued = continued or ContinuedTables()
        self._characters = Characters(page, textpage)
        self._raw = self._characters.raw
        self._lines = list(self._visible_lines())
        self._breaks: dict[int, str] = {}
        self.ruby = 0
        self._inserted: dict[int, str] = {}
        remaining = [self._turned(note) for note in notes if not self._is_printed(note)]
        if is_vertical(self._some_pairs()):
            lines, self.ruby = vertical_lines(list(self._visible()))
            self._continued.write([], [], self._raw, self._line)
            rows: list[_Row] = [(line, partial(self._box_place, box)) for line, box in lines]
        else:
            self._lines = [part for line in self._lines for part in self._levels(*line)]
            self._lines = self._rows()
            self._spaces = self._judged_spaces()
            tables = self._tables(rules)
            remaining = [note for note in remaining if not any(t.take_value(note) for t in tables)]
            remaining = self._insert(remaining) if remaining else []
            rows = self._written(tables)
        for note in remaining:
            named = f"{note.name}: {note.text}" if note.name else note.text
            place = partial(self._box_place, note.box)
            rows.insert(_line_below(place(), rows), (named, place))
        self.text = "\n".join(text for text, _ in rows)
        places = [place for text, place in rows if text.strip()]
        near = {*range(len(places))[:PLACES], *range(len(places))[-PLACES:]}
        self.places = {number: places[number]() for number in sorted(near)}

    def _tables(self, rules: Rules) -> list[PageTable]:
        tables = page_tables(rules, self._lines, self._characters)
        if all(table.is_ruled or table.has_head(self._raw) for table in tables):
            return tables
        lines = self._outside(self._parts(tables))
        return self._continued.without_loose(tables, lines, self._raw)

    def _written(self, tables: Sequence[PageTable]) -> list[_Row]:
        """The lines, with each table in the place of its first one."""
        parts = self._parts(tables)
        lines = self._outside(parts) if tables else []
        written = self._continued.write(tables, lines, self._raw, self._line)
        texts = dict(zip(tables, written, strict=True))
        rows: list[_Row] = []
        for part in parts:
            if isinstance(part, PageTable):
                place = partial(self._box_place, part.box)
                # Empty lines keep rows apart, whatever their width.
                apart = itertools.chain.from_iterable(("", row) for row in texts[part])
                rows += [(text, place) for text in (*apart, "")]
            else:
                rows.append((self._line(*part), partial(self._place, *part)))
        return rows

    def _parts(self, tables: Sequence[PageTable]) -> list[tuple[int, int] | PageTable]:
        """The tables and the lines outside of them, in reading order."""
        taken = set().union(*(table.characters for table in tables))
        parts: list[tuple[int, int] | PageTable] = []
        remaining = list(tables)
        for start, end in self._in_reading_order():
            begun = [t for t in remaining if not t.characters.isdisjoint(range(start, end))]
            for table in begun:
                remaining.remove(table)
                parts.append(table)
            parts += without_characters([(start, end)], taken, self._characters.is_space)
        return parts

    def _outside(self, parts: Sequence[tuple[int, int] | PageTable]) -> list[tuple[str, Box]]:
        """The lines outside of tables, each with the box of its first character."""
        spans = [part for part in parts if not isinstance(part, PageTable)]
        return [(self._line(*span), self._first_box(*span)) for span in spans if span[0] < span[1]]

    def _in_reading_order(self) -> Iterable[tuple[int, int]]:
        gaps = [*self._spaces.values(), *self._breaks.values()].count("\t")
        if gaps < MIN_ROWS:
            return self._lines
        return in_two_columns(self._lines, self._characters)

    def _is_printed(self, note: Note) -> bool:
        """Whether the page's text already has the value of a field."""
        there = "".join(self._textpage.get_text_bounded(*note.box).split())
        return bool(there) and "".join(note.text.split()) in there

    def _turned(self, note: Note) -> Note:
        return note._replace(box=self._characters.on_page(*note.box))

    def _insert(self, notes: Iterable[Note]) -> list[Note]:
        """Insert values after their labels; return the notes that have no label."""
        loose = []
        characters = [
            (start + at, self._characters.printed(start + at))
            for start, end in self._lines
            for at, char in enumerate(self._raw[start:end])
            if not char.isspace()
        ]
        for note in sorted(notes, key=lambda note: (-note.box.top, note.box.left)):
            found = None if note.is_text else anchor(note.box, characters, note.is_mark)
            if found is None:
                loose.append(note)
            elif found.is_before:
                value = note.text if note.is_mark else f"{note.text}\t"
                self._inserted[found.at] = self._inserted.get(found.at, "") + value
            else:
                before = self._inserted.get(found.at + 1, "")
                self._inserted[found.at + 1] = f"{before}\t{note.text}\t"
        return loose

    def _line(self, start: int, end: int) -> str:
        cuts = sorted(at for at in self._inserted if start <= at <= end)
        if not cuts:
            return self._spaced(start, end)
        pieces = [self._spaced(start, cuts[0])]
        for at, following in itertools.pairwise([*cuts, end]):
            pieces += [self._inserted[at], self._spaced(at, following)]
        return re.sub(r" *\t[\t ]*", "\t", "".join(pieces)).strip("\t")

    def _some_pairs(self) -> Iterator[tuple[Printed, Printed]]:
        """Upright characters sampled from the whole page, each with the next character."""
        for at in range(0, len(self._raw) - 1, len(self._raw) // _SAMPLES + 1):
            if self._raw[at] < _FIRST_KANA:
                continue
            rest = (at + ahead for ahead in range(1, 4))
            following = next((i for i in rest if not self._raw[i : i + 1].isspace()), at)
            if following < len(self._raw) and self._characters.is_upright(at):
                yield self._characters.printed(at), self._characters.printed(following)

    def _visible(self) -> Iterator[Printed]:
        """The characters of the page but those that pdfium put in gaps."""
        for start, end in self._lines:
            for at in range(start, end):
                if not (self._raw[at].isspace() and self._characters.is_generated(at)):
                    yield self._characters.printed(at)

    def _visible_lines(self) -> Iterator[tuple[int, int]]:
        """Lines that begin or end on the page, which may be cropped from a larger one."""
        bounded = self._textpage.get_text_bounded().replace("\x02", _HYPHEN)
        start = 0
        for line in self._raw.split(_BREAK):
            end = start + len(line)
            if bounded == self._raw or not line.strip() or self._is_on_page(start, end):
                yield start, end
            start = end + len(_BREAK)

    def _levels(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Split a line that goes on below itself: pdfium takes a list of one letter each for one.

        It does so where a page has nothing else; pages in vertical writing never come here.
        """
        line = self._raw[start:end]
        first, last = end - len(line.lstrip()), start + len(line.rstrip()) - 1
        if first < last and self._is_below(first, last) and self._characters.is_upright(first):
            seen = (at for at in range(start, end) if not self._characters.is_space(at))
            for above, below in itertools.pairwise(seen):
                if self._is_below(above, below):
                    yield start, below
                    start = below
        yield start, end

    def _is_below(self, above: int, below: int) -> bool:
        one, other = self._characters.box(above), self._characters.box(below)
        return one.y - other.y > max(one.size, other.size)

    def _rows(self) -> list[tuple[int, int]]:
        """Join lines that pdfium breaks within a row, such as before a narrow cell."""
        rows: list[tuple[int, int]] = []
        for start, end in self._lines:
            gap = self._gap_in_row(*rows[-1], start, end) if rows else None
            if gap is None:
                rows.append((start, end))
                continue
            self._breaks[rows[-1][1]] = (
                "\t" if gap >= _MIN_COLUMN_GAP else " " if gap >= _MIN_SPACE_GAP else ""
            )
            rows[-1] = rows[-1][0], end
        return rows

    def _gap_in_row(self, start: int, end: int, next_start: int, next_end: int) -> float | None:
        """The gap, in ems, to a line that continues the row; `None` if it does not."""
        if next_start != end + len(_BREAK) or start == end or next_start == next_end:
            return None
        one, other = self._characters.box(end - 1), self._characters.box(next_start)
        low, high = sorted((one.top - one.bottom, other.top - other.bottom))
        is_level = (
            abs(one.y - other.y) <= _MAX_LEVEL_OFFSET * low and high <= low / _MAX_LEVEL_OFFSET
        )
        if not is_level or other.x <= one.x:
            return None
        is_upright = self._characters.is_upright(end - 1) and self._characters.is_upright(
            next_start
        )
        return _gap(one, other) if is_upright else None

    def _is_on_page(self, start: int, end: int) -> bool:
        width, height = self._characters.width, self._characters.height
        return any(
            0 <= box.x <= width and 0 <= box.y <= height
            for box in (self._characters.box(start), self._characters.box(end - 1))
        )

    def _spaced(self, start: int, end: int) -> str:
        line = self._raw[start:end]

        def judged(found: re.Match[str]) -> str:
            known = self._breaks if found[0] == _BREAK else self._spaces
            return known.get(start + found.start(), " ")

        return _SPACE_OR_BREAK.sub(judged, line)

    def _judged_spaces(self) -> dict[int, str]:
        """Replace the spaces that pdfium generates next to Japanese: a tab, a space or nothing."""
        gaps: dict[int, tuple[float, int, float]] = {}
        for start, end in self._lines:
            line = self._raw[start:end]
            found = [start + space.start() for space in _SPACE.finditer(line)]
            min_gap = _MIN_WIDE_GAP if found and _is_set_wide(line) else _MIN_COLUMN_GAP
            for at in filter(self._characters.is_generated, found):
                after = self._characters.box(at + 1)
                # Cells of a column begin at the same place, to 0.2 points.
                gaps[at] = _gap(self._characters.box(at - 1), after), round(5 * after.left), min_gap
        columns = {left for gap, left, min_gap in gaps.values() if gap >= min_gap}
        spaces = {}
        for at, (gap, left, min_gap) in gaps.items():
            # Narrow cells have hardly any gap, but are aligned in a column.
            is_column = gap >= min_gap or left in columns
            spaces[at] = "\t" if is_column else "" if gap < _MIN_SPACE_GAP else " "
        return spaces

    def _first_box(self, start: int, end: int) -> Box:
        line = self._raw[start:end].replace(_BREAK, " " * len(_BREAK))
        return self._characters.box(start + len(line) - len(line.lstrip()))

    def _place(self, start: int, end: int) -> Place:
        line = self._raw[start:end].replace(_BREAK, " " * len(_BREAK))
        place = self._box_place(self._first_box(start, end))
        if not (number := _NUMBER.search(line)):
            return place
        before, after = number.span(number.lastindex or 0)
        one, other = self._characters.box(start + before - 1), self._characters.box(start + after)
        return place._replace(number_apart=_gap(one, other) >= _MIN_WIDE_GAP)

    def _box_place(self, box: Box) -> Place:
        return Place(box.top - box.bottom, self._characters.height - box.top, box.bottom)
