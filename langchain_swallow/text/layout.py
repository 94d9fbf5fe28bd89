"""Repairs for text that was laid out for paper: hard line breaks, spaced characters, headings."""

import itertools
import re
import unicodedata
from collections.abc import Iterator

_JAPANESE = (
    "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60々〆、。「」『』（）・ー"
)
_SPACED = re.compile(f"(?<=[{_JAPANESE}])[ \u3000]+(?=[{_JAPANESE}])")
_BEGINS_ITEM = re.compile(
    r"[ \t\u3000]*(?:[・●■◆○◇□▪▼※\-*|]|[(（]?[0-9０-９①-⑳一二三四五六七八九十]+[)）.．、章節条項]"
    r"|第[0-9０-９一二三四五六七八九十百]+|【|Q[.．:：]|A[.．:：]|質問|回答)"
)
_ENDS_LINE = re.compile(r"[。！？!?」』）】:：]$")
_HEADING = re.compile(
    r"[ \t\u3000]*(?P<title>(?P<chapter>第[0-9０-９一二三四五六七八九十百]+章)[^。\n]{0,40}"
    r"|第[0-9０-９一二三四五六七八九十百]+[節条](?:の[0-9０-９二三四五]+)?"
    r"[ \t\u3000]*[(（][^。\n]{1,30}[)）]"
    r"|[■◆●【][^。\n]{1,40})[ \t\u3000]*"
)


def join_wrapped_lines(text: str) -> str:
    """Undo hard line breaks: a line that fills the page goes on in the next one.

    Japanese characters are joined without a space, Latin words with one. Lists, headings and
    lines that end a sentence stay apart.
    """
    lines = text.split("\n")
    full = 0.8 * _wrapped_width(lines)
    joined: list[str] = []
    open_line = False
    for line in lines:
        if open_line and line.strip() and not _BEGINS_ITEM.match(line):
            between = " " if joined[-1][-1].isascii() and line.lstrip()[0].isascii() else ""
            joined[-1] = f"{joined[-1]}{between}{line.strip()}"
        else:
            joined.append(line.rstrip())
        # Below twenty columns nothing is wrapped, it is a list of short lines.
        open_line = (
            full >= 20
            and display_width(line) >= full
            and not _ENDS_LINE.search(line.rstrip())
            and bool(joined[-1])
        )
    return "\n".join(joined)


def _wrapped_width(lines: list[str]) -> int:
    """Columns that lines are wrapped at: all but the longest few, such as addresses, keep to it."""
    widths = sorted(display_width(line) for line in lines if line.strip())
    return widths[len(widths) * 9 // 10] if widths else 0


def remove_spacing(text: str) -> str:
    """Remove spaces between Japanese characters, and give Kangxi radicals their kanji."""
    unified = "".join(
        unicodedata.normalize("NFKC", char) if "\u2e80" <= char <= "\u2fdf" else char
        for char in text
    )
    return _SPACED.sub("", unified)


def display_width(text: str) -> int:
    """Columns on a terminal: wide characters take two."""
    return sum(
        2 if unicodedata.east_asian_width(char) in "WFA" else 1
        for char in text
        if not unicodedata.combining(char)
    )


def split_at_headings(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Plain text as (heading path, text with its heading) pairs.

    Headings are lines of their own like 第2章 休暇, 第5条（年次有給休暇）, ■ 手順 or 【概要】.
    """
    chapter: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    lines: list[str] = []
    for line in text.split("\n"):
        found = _HEADING.fullmatch(line)
        if found:
            # A chapter, or the document's title, travels on with the first section below it.
            if _has_text(path, lines):
                yield path, "\n".join(lines).strip("\n")
                lines = []
            title = found["title"].strip()
            chapter = (title,) if found["chapter"] else chapter
            path = chapter if found["chapter"] else (*chapter, title)
        lines.append(line)
    if "".join(lines).strip():
        yield path, "\n".join(lines).strip("\n")


def _has_text(path: tuple[str, ...], lines: list[str]) -> bool:
    """Whether the last heading, or the beginning of the document, has text of its own."""
    since_heading = itertools.takewhile(lambda line: not _HEADING.fullmatch(line), reversed(lines))
    return sum(bool(line.strip()) for line in since_heading) > (0 if path else 1)
