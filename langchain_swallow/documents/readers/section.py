"""Defines what every reader returns: sections of text, their places, and what was left out."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# Names and values of a section's metadata.
Fields = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Text under one heading or on one page.

    `headings` is the path from the title down. `page` (or slide or sheet) and `line` count from 1;
    only text files have lines. `fields` has the names and values of a record that its text has not,
    and what is known of text that OCR recognized.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int | None = None
    fields: Fields = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a file that is in no section.

    Args:
        reason: What it is and why it is left out, such as "no text layer; the page needs OCR".
        page: The page, slide or sheet, from 1; `None` for the whole file.
        count: How many of these parts the page has.
        is_loss: Whether text may be missing. It is `False` for parts that are left out by design,
            such as running headers.
    """

    reason: str
    page: int | None = None
    count: int = 1
    is_loss: bool = True


def describe_left_out(parts: Iterable[LeftOut]) -> list[str]:
    """Return one line per reason, with its pages and the number of parts.

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
    """The sections of a file; `left_out` has the parts that are in no section."""

    def __init__(self, sections: Iterable[Section] = (), left_out: Iterable[LeftOut] = ()) -> None:
        super().__init__(sections)
        self.left_out = tuple(left_out)


class SectionBuilder:
    """Collects the headings and blocks of a document, in reading order."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._blocks: list[str] = []
        self._asides: list[tuple[str, Fields]] = []

    def heading(self, level: int, title: str) -> None:
        """Add a heading, which ends the section before it and begins the next one.

        Args:
            level: Its level; 1 is the highest, and 0 is for the title of the document.
            title: Its text.
        """
        # A heading without text is kept in the paths of headings below it. If the next heading is
        # not below it, it would be lost.
        above = self._path[-1] if self._path else None
        self._flush(keep_bare=above is not None and above[0] >= level and above[1] != title)
        self._path = [entry for entry in self._path if entry[0] < level]
        self._path.append((level, title))
        self._blocks.append(title)

    def block(self, text: str) -> None:
        """Add a paragraph, a list item or a row of a table; empty text is ignored."""
        if text.strip():
            self._blocks.append(text.strip())

    def aside(self, text: str, fields: Fields) -> None:
        """Add a section of its own, which follows the one that it stands in.

        Args:
            text: Its text.
            fields: Its metadata.
        """
        self._asides.append((text, fields))

    def sections(self) -> list[Section]:
        """Return the sections.

        A heading without text is only in the paths of the headings below it. If there are none, it
        is a section.
        """
        self._flush(keep_bare=True)
        return self._sections

    def _flush(self, *, keep_bare: bool) -> None:
        # The title of a page and its first heading are often the same.
        titles = [title for title, _ in itertools.groupby(title for _, title in self._path)]
        is_bare = not [block for block in self._blocks if block not in titles]
        keep_bare = keep_bare and not self._asides
        if is_bare:
            self._blocks = [block for block in dict.fromkeys(self._blocks) if block and keep_bare]
        if self._blocks:
            self._sections.append(Section("\n\n".join(self._blocks), tuple(titles)))
        self._sections += (Section(text, tuple(titles), fields=f) for text, f in self._asides)
        self._blocks, self._asides = [], []
