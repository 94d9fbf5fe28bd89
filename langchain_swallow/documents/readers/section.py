"""What every format gives: pieces of text, where in the file they are, and what is not in them."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """Text under one heading or on one page.

    `headings` is the path from the title down; `page`, and `line` of a text file, count from 1.
    `fields` are a record's names and values that are not in its text.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int | None = None
    fields: tuple[tuple[str, str | int | float | bool], ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a file that no section holds.

    Args:
        reason: What it is and why it is left out, such as "no text layer; the page needs OCR".
        page: The page, slide or sheet, counted from 1; `None` for the whole file.
        count: How many of them there are on this page.
        is_loss: Whether text may be missing. `False` for what is left out by design, such as
            running headers that recur on every page.
    """

    reason: str
    page: int | None = None
    count: int = 1
    is_loss: bool = True


def describe_left_out(parts: Iterable[LeftOut]) -> list[str]:
    """One line for each reason, with its pages and how many there are.

    >>> describe_left_out([LeftOut("scanned", page) for page in (2, 3, 4, 9)])
    ['scanned: pages 2-4, 9']
    >>> describe_left_out([LeftOut("comment", 1, 3), LeftOut("picture", count=2)])
    ['comment (3): page 1', 'picture (2)']
    """
    by_reason: dict[str, list[LeftOut]] = {}
    for part in parts:
        by_reason.setdefault(part.reason, []).append(part)
    return [_described(reason, same) for reason, same in by_reason.items()]


def _described(reason: str, parts: list[LeftOut]) -> str:
    pages = sorted({part.page for part in parts if part.page is not None})
    total = sum(part.count for part in parts)
    number = f" ({total})" if total > max(1, len(pages)) else ""
    if not pages:
        return f"{reason}{number}"
    # Consecutive pages have the same distance from their position in the list.
    runs = [list(run) for _, run in itertools.groupby(pages, lambda p: p - pages.index(p))]
    ranges = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
    return f"{reason}{number}: {'pages' if len(pages) > 1 else 'page'} {ranges}"


class Sections(list[Section]):
    """Sections of a file, and in `left_out` what of the file is in none of them."""

    def __init__(self, sections: Iterable[Section] = (), left_out: Iterable[LeftOut] = ()) -> None:
        super().__init__(sections)
        self.left_out = tuple(left_out)


class SectionBuilder:
    """Collects blocks and headings of a document in reading order."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._blocks: list[str] = []

    def heading(self, level: int, title: str) -> None:
        """A heading ends the section before it, and begins one that it travels with."""
        # A heading above others goes on in their paths; one beside them would be lost.
        above = self._path[-1] if self._path else None
        self._flush(keep_bare=above is not None and above[0] >= level and above[1] != title)
        self._path = [entry for entry in self._path if entry[0] < level]
        self._path.append((level, title))
        self._blocks.append(title)

    def block(self, text: str) -> None:
        """A paragraph, a list item or a row of a table."""
        if text.strip():
            self._blocks.append(text.strip())

    def sections(self) -> list[Section]:
        """Everything collected; a heading without text of its own is in the paths of those below.

        Where there are none below, it is a section by itself.
        """
        self._flush(keep_bare=True)
        return self._sections

    def _flush(self, *, keep_bare: bool) -> None:
        # A page's title and its first heading are often the same.
        titles = [title for title, _ in itertools.groupby(title for _, title in self._path)]
        is_bare = not [block for block in self._blocks if block not in titles]
        if is_bare:
            self._blocks = [block for block in dict.fromkeys(self._blocks) if block and keep_bare]
        if self._blocks:
            self._sections.append(Section("\n\n".join(self._blocks), tuple(titles)))
        self._blocks = []
