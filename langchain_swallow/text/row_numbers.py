"""Which rows of a table file a part of its text is from.

The text of such a file has a blank line between rows. Its metadata `row_offsets` has the places
where the numbers of rows do not simply count on, each as [offset in the text, number of the row].
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

ROW_OFFSETS = "row_offsets"
_BETWEEN = "\n\n"


def row_offsets(rows: Iterable[tuple[int, str]]) -> list[list[int]]:
    r"""Return the `row_offsets` of rows that are joined by blank lines.

    Args:
        rows: Number and text of each row. A text may have blank lines of its own.

    >>> row_offsets([(2, "品名: 机"), (3, "品名: 椅子"), (7, "品名: 棚")])
    [[0, 2], [15, 7]]
    """
    found: list[list[int]] = []
    offset, expected = 0, 0
    for number, text in rows:
        for part in text.split(_BETWEEN):
            if number != expected:
                found.append([offset, number])
            expected = number + 1
            offset += len(part) + len(_BETWEEN)
    return found


def row_finder(
    text: str, metadata: Mapping[str, Any]
) -> Callable[[int, int], dict[str, int]] | None:
    """Return a function from a span of a text to its first and last row; `None` without rows.

    Args:
        text: The text of a table file.
        metadata: Its metadata, with `row_offsets`.

    Returns:
        The function returns the metadata `row` and `last_row` of the span, which count from 1.
    """
    offsets: Sequence[Sequence[int]] = metadata.get(ROW_OFFSETS) or ()
    if not offsets:
        return None
    # Not a list: a file of 50 MB may have 500,000 rows.
    begins = array("q", (found.end() for found in re.finditer(_BETWEEN, text)))
    starts = [offset for offset, _ in offsets]

    def number(place: int) -> int:
        offset, first = offsets[max(0, bisect_right(starts, place) - 1)]
        return first + bisect_right(begins, place) - bisect_right(begins, offset)

    def rows(start: int, end: int) -> dict[str, int]:
        last = start + len(text[start:end].rstrip())
        return {"row": number(start), "last_row": number(max(start, last - 1))}

    return rows
