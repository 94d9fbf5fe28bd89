"""Finds the lines of a paged document that its outline, such as PDF bookmarks, has as headings."""

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from langchain_swallow.text.normalize import normalize

# A number or mark before a title, which only the heading or only its bookmark may have.
_NUMBER = re.compile(
    r"[■◆●○□◇▼▶★・]|(?:chapter|section|appendix|part|table|figure|付録|附属書|別紙|別表|表|図)?"
    r"[第(]?(?:[0-9]{1,4}|[a-z]|[ivx]{2,5}|[一二三四五六七八九十百]{1,4})(?:[.\-][0-9a-z]{1,3}){0,5}"
    r"[章節項条部編回話)]?(?:の[0-9一二三四五])?[.:、]?"
)
# Without a space before the title.
_NUMBER_BEFORE = re.compile(rf"(?:{_NUMBER.pattern})(?![0-9a-z.])")
# Words that a number takes, such as "Table 1.5:" or "第 1 章".
_MAX_NUMBER_WORDS = 3
_QUOTES = str.maketrans("“”‘’", "\"\"''")
# Lines that a wrapped title may take.
_MAX_HEADING_LINES = 3

Paths = dict[tuple[int, int], tuple[str, ...]]


class Bookmark(NamedTuple):
    """An entry of an outline.

    `level` and `page` count from 0. `top` is the share of the page's characters above it, in
    [0, 1], without white space: separating headings adds lines, but no characters.
    """

    level: int
    title: str
    page: int
    top: float = 0.0


def set_apart(pages: Sequence[str], bookmarks: Sequence[Bookmark]) -> list[str]:
    r"""Put each heading of the outline on one line, with empty lines around it.

    Args:
        pages: Texts of the pages, in order.
        bookmarks: The outline, in its order.

    Returns:
        As many pages.

    >>> bookmarks = [Bookmark(0, "休暇", 0), Bookmark(1, "年休", 0)]
    >>> set_apart(["1 休暇\n本文。\n1.1 年\n休\n本文。"], bookmarks)
    ['\n1 休暇\n\n本文。\n\n1.1 年休\n\n本文。']
    """
    rows = [page.split("\n") for page in pages]
    # From the end, so that the lines before keep their index.
    for (_, _, page, _), line, count in reversed(list(_headings(rows, bookmarks))):
        if count:
            rows[page][line : line + count] = ["", _joined(rows[page][line : line + count]), ""]
    return ["\n".join(lines) for lines in rows]


def outline_paths(pages: Sequence[str], bookmarks: Sequence[Bookmark]) -> Paths:
    r"""Return the heading paths of the outline by (page's index, line's index).

    A bookmark whose page does not have its heading has no entry. Its title is still in the paths of
    the bookmarks below it.

    Args:
        pages: Texts of the pages, from `set_apart`.
        bookmarks: The outline, in its order.

    >>> bookmarks = [Bookmark(0, "休暇", 0), Bookmark(1, "年休", 0)]
    >>> outline_paths(["1 休暇\n\n本文。\n\n1.1 年休"], bookmarks)
    {(0, 0): ('1 休暇',), (0, 4): ('1 休暇', '1.1 年休')}
    """
    rows = [page.split("\n") for page in pages]
    above: list[tuple[int, str]] = []
    paths: Paths = {}
    for (level, title, page, _), line, count in _headings(rows, bookmarks):
        above = [entry for entry in above if entry[0] < level]
        above.append((level, _joined(rows[page][line : line + count]) if count else _clean(title)))
        if count:
            paths[page, line] = tuple(name for _, name in above if name)
    return paths


def without_number(title: str) -> str:
    """Join the words of a normalized title, without the number at its beginning."""
    words = title.split()
    for count in range(min(_MAX_NUMBER_WORDS, len(words) - 1), 0, -1):
        if _NUMBER.fullmatch("".join(words[:count])):
            return "".join(words[count:])
    joined = "".join(words)
    return joined[found.end() :] if (found := _NUMBER_BEFORE.match(joined)) else joined


def _headings(
    rows: Sequence[list[str]], bookmarks: Sequence[Bookmark]
) -> Iterator[tuple[Bookmark, int, int]]:
    """Each bookmark with the first line of its heading, and the number of its lines (0: none).

    A heading is the title, with or without its number, below the headings before it. Of several
    candidates, the one nearest to the bookmark's place is the heading: a chapter may begin with a
    list of its sections.
    """
    begins = [0] * len(rows)
    above = [list(itertools.accumulate(map(_length, lines), initial=0)) for lines in rows]
    for bookmark in bookmarks:
        _, title, page, top = bookmark
        line, count = 0, 0
        if 0 <= page < len(rows):
            before = above[page]
            place = top * before[-1]
            found = _find(rows[page], begins[page], _key(title))
            line, count = min(found, key=lambda at: abs(before[at[0]] - place), default=(0, 0))
            begins[page] = max(begins[page], line + count)
        yield bookmark, line, count


def _find(rows: list[str], begin: int, title: str) -> Iterator[tuple[int, int]]:
    """The first line of each occurrence of a title, and the number of its lines."""
    line = begin
    while line < len(rows):
        keys = enumerate(_growing(rows[line : line + _MAX_HEADING_LINES]), 1)
        count = next((count for count, key in keys if _same(key, title)), 0)
        if count:
            yield line, count
        line += count or 1


def _growing(rows: list[str]) -> Iterator[str]:
    """Keys of the first line, the first two lines, and so on up to the next empty line."""
    key = ""
    for row in rows:
        row_key = _key(row)
        if not row_key:
            return
        key += row_key
        yield key


def _same(line: str, title: str) -> bool:
    longer, shorter = (line, title) if len(line) > len(title) else (title, line)
    if not shorter or not longer.endswith(shorter):
        return False
    return not (extra := longer.removesuffix(shorter)) or bool(_NUMBER.fullmatch(extra))


def _joined(rows: list[str]) -> str:
    joined = ""
    for row in map(_clean, rows):
        latin = joined[-1:].isascii() and row[:1].isascii()
        apart = joined and (latin or _NUMBER.fullmatch(_key(joined)))
        joined += f" {row}" if apart else row
    return joined


def _length(text: str) -> int:
    return sum(map(len, text.split()))


def _clean(text: str) -> str:
    return " ".join(text.split())


# Cached, since a page's lines are searched for each of its bookmarks.
@functools.lru_cache(maxsize=1000)
def _key(text: str) -> str:
    """Normalize a title for comparison; typesetters replace straight quotation marks."""
    return "".join(normalize(text).translate(_QUOTES).split())
