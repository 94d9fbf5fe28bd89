"""Removes running headers and footers from a paged document.

Running lines interrupt sentences that continue on the next page, and make pages look alike to a
search. But results, names and amounts recur too. Recurrence alone is therefore not enough, and a
line in doubt stays.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from langchain_swallow.documents.layout.forms import are_forms, says_something
from langchain_swallow.documents.layout.page_numbers import (
    EDGES,
    MIN_PAGES,
    MIN_SHARE,
    Edge,
    PageNumber,
    Steps,
    from_edge,
)

# How many lines from an edge of the page may be running lines.
_DEPTH = 4
# Lines from an edge whose places are needed: running lines, and two lines of the text.
PLACES = _DEPTH + 2
_MAX_LINE_CHARACTERS = 100
# With this share of numbered pages, pages without a number need not have a running line: the first
# page of a chapter often has neither.
_MIN_NUMBERED_SHARE = 0.6
# The gap to the text is at least one line, and this much wider than between lines of the text; or
# the letters are at most this much of the text's size.
_MIN_GAP_RATIO = 1.3
_MAX_SMALL_RATIO = 0.9
# Maximum difference of a header's place between pages, in points.
_PLACE_TOLERANCE = 4.0


class Place(NamedTuple):
    """Where a line is on its page, in points.

    `number_apart` is whether the line begins or ends with a number that is far from its words.
    """

    height: float
    from_top: float
    from_bottom: float
    number_apart: bool = False


# For each page, the places of lines near its edges, by their index among the non-empty lines.
Places = Sequence[dict[int, Place]]


def split_running_lines(
    pages: list[str], places: Places | None = None
) -> tuple[list[str], list[list[str]]]:
    r"""Remove the running lines, and return them where they first occur.

    A running line is among the first or last four lines of a page. It is the same on all pages, or
    on all odd or all even ones; if the pages are numbered, a page without a number need not have
    it. A chapter's head is on consecutive pages, and is also a heading of the text. In addition, a
    running line is set apart from the text, or the pages are numbered.
    Lines with a variant on another page (判定：不合格 among 判定：合格), labels with their values,
    sentences, and column names are not running lines. In a set of forms, only page numbers are.

    Args:
        pages: Texts of the pages, in order.
        places: Where their lines are; `None` if that is not known.

    Returns:
        As many pages without running lines, and for each page the running lines, without page
        numbers, that no earlier page and no page's text has.

    >>> pages = ["社外秘\n本文一\n- 1 -", "社外秘\n本文二\n- 2 -", "社外秘\n本文三\n- 3 -"]
    >>> split_running_lines(pages)
    (['本文一', '本文二', '本文三'], [['社外秘'], [], []])
    """
    lines = [[line.strip() for line in page.split("\n") if line.strip()] for page in pages]
    finder = _Finder(lines, places)
    bodies, running = [], []
    for index, page in enumerate(lines):
        top = finder.running(index, "top", page)
        bottom = finder.running(index, "bottom", page[len(top) :])
        bodies.append(_inner(pages[index], len(top), len(bottom)))
        running.append(dict.fromkeys([*top, *bottom[::-1]]))
    seen = {"", *(line.strip() for body in bodies for line in body.split("\n"))}
    words = []
    for page_words in running:
        words.append([line for line in page_words if line not in seen])
        seen.update(page_words)
    return bodies, words


class _Line(NamedTuple):
    """A line near an edge: its words without the page's number, if it has one."""

    words: str
    number: PageNumber | None = None


class _Finder:
    """Finds the running lines of these pages."""

    def __init__(self, pages: Sequence[Sequence[str]], places: Places | None) -> None:
        self._pages = pages
        self._sets = [frozenset(page) for page in pages]
        self._places = places
        steps = Steps(pages)
        self._lines = {
            (index, edge): [
                self._line(steps, index, edge, depth, line)
                for depth, line in enumerate(from_edge(page, edge)[:_DEPTH])
            ]
            for index, page in enumerate(pages)
            for edge in EDGES
        }
        self._counts = Counter(
            (edge, words)
            for (_, edge), lines in self._lines.items()
            for words in {line.words for line in lines}
        )
        depths = {at: self._depth(*at) for at in self._lines}
        # For each line: the pages on which all lines outside it recur, and its depth there.
        self._on: dict[tuple[Edge, str], dict[int, int]] = defaultdict(dict)
        for (index, edge), lines in self._lines.items():
            for depth, line in enumerate(lines[: depths[index, edge]]):
                self._on[edge, line.words].setdefault(index, depth)
        filled = [index for index, page in enumerate(pages) if page]
        numbered = {i for (i, _), lines in self._lines.items() if any(n for _, n in lines)}
        self._are_numbered = len(numbered) >= max(MIN_PAGES, MIN_SHARE * len(filled))
        # Pages that must have every running line of the document.
        are_mostly = len(numbered) >= _MIN_NUMBERED_SHARE * len(filled)
        self._regular = [i for i in filled if i in numbered or not are_mostly]
        self._apart = {at for at, depth in depths.items() if depth and self._is_apart(*at, depth)}
        self._are_forms = are_forms(
            [
                page[depths[i, "top"] : max(0, len(page) - depths[i, "bottom"])]
                for i, page in enumerate(pages)
            ]
        )
        self._common = {at for at in self._on if not self._are_forms and self._is_common(*at)}

    def running(self, index: int, edge: Edge, lines: Sequence[str]) -> list[str]:
        """Words of the running lines, from an edge inward; one line may be only a page number."""
        found: list[str] = []
        has_number = False
        for depth, (words, number) in enumerate(self._lines[index, edge][: len(lines)]):
            if number and not words:
                is_running = not has_number and self._is_page_number(index, edge, number)
            else:
                names = edge == "top" and _names_columns(lines[depth : depth + 2])
                is_running = (edge, words) in self._common and not names
            if not is_running:
                break
            found.append(words)
            has_number = has_number or bool(number)
        return found

    def _line(self, steps: Steps, index: int, edge: Edge, depth: int, line: str) -> _Line:
        number = steps.number(index, edge, line)
        if number is None:
            return _Line(line)
        place = self._place(index, edge, depth)
        is_apart = number.is_marked or not number.words or (place and place.number_apart)
        return _Line(number.words, number) if is_apart else _Line(line)

    def _depth(self, index: int, edge: Edge) -> int:
        """How many consecutive lines from an edge recur, or have the page number."""
        lines = self._lines[index, edge]
        recur = [n or self._counts[edge, words] >= MIN_PAGES for words, n in lines]
        return next((depth for depth, does in enumerate(recur) if not does), len(recur))

    def _is_page_number(self, index: int, edge: Edge, number: PageNumber) -> bool:
        """Whether a number alone on its line is a page number, and not a figure of a form."""
        return number.is_marked or not self._are_forms or (index, edge) in self._apart

    def _is_common(self, edge: Edge, words: str) -> bool:
        """Whether words at an edge are a running line."""
        on = self._on[edge, words]
        if (
            len(on) < MIN_PAGES
            or len(words) > _MAX_LINE_CHARACTERS
            or not words
            or says_something(words)
        ):
            return False
        is_apart = self._is_set_apart(edge, on)
        is_heading = self._is_heading(edge, words)
        if edge == "bottom" and self._places is not None and not is_apart:
            return False
        if not (self._are_numbered or is_apart or is_heading):
            return False
        lacking = {i for i in self._regular if i not in on and words not in self._sets[i]}
        parities = {index % 2 for index in on}
        if len(parities) == 1 and not self._has_variant(edge, words):
            lacking = {index for index in lacking if index % 2 in parities}
        # A chapter's head is only on the pages of the chapter.
        is_head = edge == "top" and is_heading and self._are_numbered
        return not any(min(on) < index < max(on) if is_head else True for index in lacking)

    def _is_heading(self, edge: Edge, words: str) -> bool:
        """Whether words are also a heading: on a page where they do not run, or on their first."""
        on = self._on[edge, words]
        if any(words in lines for index, lines in enumerate(self._sets) if index not in on):
            return True
        first, second = list(on)[:2]
        if self._pages[first].count(words) > 1:
            return True
        heading, head = (self._place(index, edge, on[index]) for index in (first, second))
        return not _is_same_place(heading, head, edge) if heading and head else False

    def _has_variant(self, edge: Edge, words: str) -> bool:
        """Whether other pages have a line that contains it or is part of it, as 不合格 and 合格."""
        return any(
            at == edge and len(on) > 1 and words != other and (words in other or other in words)
            for (at, other), on in self._on.items()
            if other
        )

    def _is_set_apart(self, edge: Edge, on: dict[int, int]) -> bool:
        """Whether a line is at the same place on its pages, and set apart from their text."""
        # The first one may be the heading itself.
        _, *rest = on.items()
        places = [self._place(index, edge, depth) for index, depth in rest]
        return all((index, edge) in self._apart for index, _ in rest) and all(
            place and places[0] and _is_same_place(places[0], place, edge) for place in places
        )

    def _is_apart(self, index: int, edge: Edge, depth: int) -> bool:
        """Whether this many lines are set apart from the text by a gap or by smaller letters."""
        last, text, below = (self._place(index, edge, at) for at in range(depth - 1, depth + 2))
        if last is None or text is None:
            return False
        gap = _gap(last, text, edge)
        usual = _gap(text, below, edge) if below else 0
        is_far = gap >= text.height and gap >= _MIN_GAP_RATIO * usual
        return is_far or last.height <= _MAX_SMALL_RATIO * text.height

    def _place(self, index: int, edge: Edge, depth: int) -> Place | None:
        if self._places is None:
            return None
        line = depth if edge == "top" else len(self._pages[index]) - 1 - depth
        return self._places[index].get(line)


def _from_edge(place: Place, edge: Edge) -> float:
    return place.from_top if edge == "top" else place.from_bottom


def _is_same_place(one: Place, other: Place, edge: Edge) -> bool:
    distance = abs(_from_edge(one, edge) - _from_edge(other, edge))
    return distance <= _PLACE_TOLERANCE and min(one.height, other.height) > _MAX_SMALL_RATIO * max(
        one.height, other.height
    )


def _gap(outer: Place, inner: Place, edge: Edge) -> float:
    return _from_edge(inner, edge) - _from_edge(outer, edge) - outer.height


def _names_columns(lines: Sequence[str]) -> bool:
    """Whether two lines have the same number of columns, more than one: a table and its head."""
    columns = [len(line.split()) for line in lines]
    return len(columns) == 2 and columns[0] == columns[1] > 1


def _inner(page: str, above: int, below: int) -> str:
    """A page without this many of its first and last non-empty lines."""
    lines = page.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    kept = filled[above : len(filled) - below]
    return "\n".join(lines[kept[0] : kept[-1] + 1]) if kept else ""
