"""Repairs text that was laid out for paper: hard line breaks and spaced characters."""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator

from langchain_swallow.text.sentences import sentence_spans

# For character classes of regular expressions.
JAPANESE = (
    "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60々〆、。「」『』（）・ー"
)
_SPACED = re.compile(f"(?<=[{JAPANESE}]) +(?=[{JAPANESE}])")
_ADJACENT = re.compile(f"(?<=[{JAPANESE}]) *(?=[{JAPANESE}])")
_RADICAL = re.compile("[\u2e80-\u2fdf]")
_PUNCTUATION = re.compile("[、。，．]")
# Ideographic spaces are kept, as in 第5条　社員は, except in widely spaced words, 就　業　規　則.
_WIDE = re.compile(f"(?<![{JAPANESE}])(?:[{JAPANESE}]\u3000+){{2,40}}[{JAPANESE}](?![{JAPANESE}])")
_BEGINS_ITEM = re.compile(
    r"[ \t\u3000]*(?:[・•●■◆○◇□▪▼※\-*|]|[(（]?[0-9０-９①-⑳一二三四五六七八九十]+[)）.．、章節条項]"
    r"|第[0-9０-９一二三四五六七八九十百]+|【|Q[.．:：]|A[.．:：]|質問|回答)"
)
# The last cell of a row follows a leader: ボルト ........ 120円.
_ENDS_LINE = re.compile(r"[。．！？!?」』）】:：]$|[.．…‥・･_]{3} {0,3}[^.．…‥・･_]{1,12}$")
# Longer text, or text without such an end, is a table, code or Latin text; it is cut at the end of
# the page.
_MAX_SENTENCE_CHARACTERS = 400
_ENDS_SENTENCE = re.compile(r"[。．！？!?][」』）】〕］)》〉\"'”’]*\s*$")


def join_wrapped_lines(text: str) -> str:
    """Remove hard line breaks: a line as wide as the page is joined with the next one.

    Japanese characters are joined without a space, Latin words with one. List items, headings and
    lines that end a sentence stay separate.
    """
    return join_wrapped_pages([text])[0]


def join_wrapped_pages(pages: list[str]) -> list[str]:
    """Remove hard line breaks within and between pages.

    A sentence that continues on the next page is moved to the page on which it begins. The width
    at which lines wrap is estimated for each page.

    Args:
        pages: Texts of the pages, in order.

    Returns:
        As many pages.
    """
    joined: list[list[str]] = [[] for _ in pages]
    for lines in _wrapped_lines(pages):
        for page, text in _by_page(lines):
            joined[page].append(text)
    return ["\n".join(page) for page in joined]


def _wrapped_lines(pages: list[str]) -> Iterator[list[tuple[int, str]]]:
    """Groups of lines that were one line before wrapping, each with its page's index."""
    wrapped: list[tuple[int, str]] = []
    open_line = False
    for number, page in enumerate(pages):
        lines = page.split("\n")
        full = 0.8 * _wrapped_width(lines)
        for line in lines:
            goes_on = open_line and bool(line.strip()) and not _BEGINS_ITEM.match(line)
            if wrapped and not goes_on:
                yield wrapped
                wrapped = []
            wrapped.append((number, line.strip() if goes_on else line.rstrip()))
            # Lines below 20 columns are a list of short lines, not wrapped text.
            open_line = (
                full >= 20
                and display_width(line) >= full
                and not _ENDS_LINE.search(line.rstrip())
                and bool(line.strip())
            )
    yield wrapped


def joined_lines(lines: Iterable[str]) -> str:
    """Join the lines of one paragraph or cell: Latin words with a space, Japanese without.

    >>> joined_lines(["出張", "旅費", "Travel", "expenses"])
    '出張旅費Travel expenses'
    """
    text = ""
    for line in filter(None, lines):
        text += f" {line}" if text and text[-1].isascii() and line[0].isascii() else line
    return text


def _by_page(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Join lines, and divide the result into sentences by the page on which each begins."""
    parts: list[str] = []
    length = 0
    begins: dict[int, int] = {}
    for page, line in lines:
        if parts and parts[-1][-1].isascii() and line[0].isascii():
            parts.append(" ")
            length += 1
        begins.setdefault(page, length)
        parts.append(line)
        length += len(line)
    text = "".join(parts)
    if len(begins) == 1:
        return [(lines[0][0], text)]
    pieces = dict.fromkeys(begins, "")
    for start, end in sentence_spans(text):
        whole = end - start <= _MAX_SENTENCE_CHARACTERS and _ENDS_SENTENCE.search(text, start, end)
        cuts = [] if whole else [at for at in begins.values() if start < at < end]
        for piece_start, piece_end in itertools.pairwise([start, *cuts, end]):
            page = max(page for page, at in begins.items() if at <= piece_start)
            pieces[page] += text[piece_start:piece_end]
    return [(page, piece.rstrip()) for page, piece in pieces.items() if piece]


def _wrapped_width(lines: list[str]) -> int:
    """The column at which lines wrap: the 90th percentile, since a few, such as URLs, exceed it."""
    widths = sorted(display_width(line) for line in lines if line.strip())
    return widths[len(widths) * 9 // 10] if widths else 0


def remove_spacing(text: str) -> str:
    """Remove spaces between Japanese characters, and replace Kangxi radicals by their kanji.

    Spaces stay in a line of words, such as the columns of a table: a line without punctuation in
    which most neighboring characters have no space between them.
    """
    unified = _RADICAL.sub(lambda radical: unicodedata.normalize("NFKC", radical[0]), text)
    narrow = _WIDE.sub(lambda wide: wide[0].replace("\u3000", ""), unified)
    return "\n".join(map(_unspaced, narrow.split("\n")))


def _unspaced(line: str) -> str:
    spaces = len(_SPACED.findall(line))
    is_set_wide = 2 * spaces > len(_ADJACENT.findall(line))
    return _SPACED.sub("", line) if is_set_wide or _PUNCTUATION.search(line) else line


def display_width(text: str) -> int:
    """The number of terminal columns; wide characters take two, combining ones none."""
    return sum(map(_width, text))


@functools.lru_cache(maxsize=10_000)
def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WFA" else 1
