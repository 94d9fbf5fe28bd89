"""What a table is called: the paragraph above its first row, for chunks that begin below it."""

import re
from bisect import bisect_right
from collections.abc import Callable

# The names of the columns in a row, as the readers write it: 品名: 机、価格: 900円.
_NAMES = re.compile(r"(?:^|、)([^:、\n]{1,40}): ")
_MAX_LENGTH = 80


def table_captions(text: str) -> Callable[[int], str]:
    r"""A function from a position to the caption of the table whose row is there; empty if none.

    Rows that follow each other are of one table if they share a column: cells may be empty. A
    paragraph of more than 80 characters, or of several lines, is text before a table, not its
    caption.

    >>> text = "表1（単位: 千円）\n\n品名: 机、価格: 9\n\n品名: 棚、価格: 8"
    >>> caption = table_captions(text)
    >>> caption(text.index("品名: 棚")), caption(0)
    ('表1（単位: 千円）', '')
    """
    starts, captions = [0], [""]
    columns: set[str] = set()
    before = caption = ""
    position = 0
    for paragraph in text.split("\n\n"):
        names = set(_NAMES.findall(paragraph))
        if not names & columns:
            is_caption = len(before) <= _MAX_LENGTH and "\n" not in before
            caption = before if len(names) > 1 and is_caption else ""
            columns = names if len(names) > 1 else set()
        columns |= names if columns else set()
        starts.append(position)
        captions.append(caption if columns else "")
        before = "" if columns else paragraph.strip()
        position += len(paragraph) + 2
    return lambda start: captions[bisect_right(starts, start) - 1]
