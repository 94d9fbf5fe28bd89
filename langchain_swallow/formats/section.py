"""What every format gives: a piece of text and where in the file it stands."""

import itertools
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
