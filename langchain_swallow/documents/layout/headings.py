"""Finds headings in plain text: chapters, articles of rules, and lines with ■ or 【】."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from langchain_swallow.documents.layout.outline import Paths

_NUMERAL = r"[0-9０-９一二三四五六七八九十百]+"
_ARTICLE = rf"第{_NUMERAL}[節条](?:の[0-9０-９二三四五]+)?"
# May contain one pair of brackets at most.
_CAPTION = r"[(（](?:[^。\n()（）]|[(（][^。\n()（）]*[)）]){1,30}[)）]"
_CHAPTER = re.compile(rf"第{_NUMERAL}章[^。\n]{{0,40}}|[附付]\s*則")
_LINE = re.compile(rf"{_ARTICLE}\s*{_CAPTION}|[■◆●【][^。\n]{{1,40}}")
# 第1条（目的）　この規則は, or without the space; but not 第1条（目的）に定める.
_ARTICLE_WITH_TEXT = re.compile(
    rf"({_ARTICLE}\s*{_CAPTION})(?:\s|(?![にのをはがでとへ、。及又並若第]))."
)
_CAPTION_ALONE = re.compile(_CAPTION)
_ARTICLE_BELOW = re.compile(rf"({_ARTICLE})(?!\s*[(（])")
# An entry of a table of contents: leaders, then the page number.
_OF_CONTENTS = re.compile(r"[.．・…‥]\s{0,3}[.．・…‥]\s{0,3}[0-9０-９]+$")


@dataclass(frozen=True, slots=True)
class _Heading:
    title: str
    is_chapter: bool = False
    has_text: bool = False


def split_at_headings(
    pages: list[str], outline: Paths | None = None
) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Split pages at their headings.

    Headings are lines such as 第2章 休暇, 第5条（年次有給休暇）, ■ 手順 or 【概要】, and the
    beginnings of articles: 第5条（届出）　社員は, or （届出） above 第5条　社員は. A heading also
    applies to the following pages. A heading at the bottom of a page moves to the next page.

    Args:
        pages: Texts of the pages, in order.
        outline: Heading paths by (page's index, line's index), from `outline_paths`; they are above
            all headings found here. Default: no outline.

    Yields:
        The page's index (from 0), the heading path, and the text with its heading.
    """
    outline = outline or {}
    above: tuple[str, ...] = ()
    chapter: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    lines: list[str] = []
    text_lines = 0  # since the last heading, or the beginning
    for index, page in enumerate(pages):
        rows = page.split("\n")
        for number, row in enumerate(rows):
            known = outline.get((index, number))
            heading = None if known else _heading(rows, number)
            # A chapter, or the document's title, stays with the first section below it.
            if (known or heading) and text_lines > (0 if path else 1):
                yield index, path, "\n".join(lines).strip("\n")
                lines = []
            if known:
                above, chapter, path, text_lines = known, (), known, 0
            elif heading:
                chapter = (heading.title,) if heading.is_chapter else chapter
                path = (*above, *chapter, *(() if heading.is_chapter else (heading.title,)))
                text_lines = int(heading.has_text)
            else:
                text_lines += bool(row.strip())
            lines.append(row)
        is_last = index == len(pages) - 1
        if text_lines or (is_last and "".join(lines).strip()):
            yield index, path, "\n".join(lines).strip("\n")
            lines = []
            text_lines = 0


def _heading(rows: list[str], number: int) -> _Heading | None:
    """The heading that a line is or begins with; `None` if there is none."""
    line = rows[number].strip()
    if _OF_CONTENTS.search(line):
        return None
    if _CHAPTER.fullmatch(line):
        return _Heading(line, is_chapter=True)
    if _LINE.fullmatch(line):
        return _Heading(line)
    if found := _ARTICLE_WITH_TEXT.match(line):
        return _Heading(found[1], has_text=True)
    if _CAPTION_ALONE.fullmatch(line):
        below = (rows[i].strip() for i in range(number + 1, len(rows)))
        if found := _ARTICLE_BELOW.match(next(filter(None, below), "")):
            return _Heading(found[1] + line)
    return None
