"""What every format gives: pieces of text, where in the file they are, and what is not in them."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """Text under one heading or on one page.

    `headings` is the path from the title down; `page`, and `line` of a text file, count from 1.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int | None = None


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
        self._flush()
        self._path = [entry for entry in self._path if entry[0] < level]
        self._path.append((level, title))
        self._blocks.append(title)

    def block(self, text: str) -> None:
        """A paragraph, a list item or a row of a table."""
        if text.strip():
            self._blocks.append(text.strip())

    def sections(self) -> list[Section]:
        """Everything collected; headings without text of their own are left to the paths."""
        self._flush()
        return self._sections

    def _flush(self) -> None:
        # A page's title and its first heading are often the same.
        titles = [title for title, _ in itertools.groupby(title for _, title in self._path)]
        if [block for block in self._blocks if block not in titles]:
            self._sections.append(Section("\n\n".join(self._blocks), tuple(titles)))
        self._blocks = []


def table_rows(rows: list[list[str]]) -> list[str]:
    """Rows as 見出し: 値、見出し: 値, so that each makes sense alone.

    >>> table_rows([["品名", "価格"], ["机", "900円"]])
    ['品名: 机、価格: 900円']
    """
    if len(rows) < 2:
        return ["、".join(filter(None, row)) for row in rows]
    header = rows[0]
    return [
        "、".join(
            f"{name}: {value}" if name else value
            for name, value in zip([*header, *[""] * len(row)], row, strict=False)
            if value
        )
        for row in rows[1:]
        if any(row)
    ]
