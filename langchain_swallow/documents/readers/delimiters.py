"""Which character separates the cells of a text table: the one that gives rows of equal width."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator

_DELIMITERS = (",", "\t", ";", "|")
# Excel writes and reads it.
_DECLARED = re.compile(r"\A\s*sep=(.)\s*\n", re.IGNORECASE)
_SAMPLE_CHARACTERS = 200_000
_SAMPLE_ROWS = 200


def without_declaration(text: str) -> tuple[str, str]:
    """A table without a first line `sep=;`, and the delimiter that it declares, or nothing."""
    declared = _DECLARED.match(text)
    return (text[declared.end() :], declared[1]) if declared else (text, "")


def find_delimiter(text: str, *, preferred: str = "") -> str:
    r"""The delimiter of a table.

    Cells are read as the table's reader will, so that what stands between quotation marks counts
    for nothing: 1,234,567 and 1,5 are in rows of different widths, or of one.

    Args:
        text: The table.
        preferred: Taken wherever it separates anything, as the tab in files that say so.

    >>> find_delimiter("品名;単価\n机;1,5\n椅子;2,25\n")
    ';'
    """
    if preferred and preferred in text:
        return preferred
    sample = text[:_SAMPLE_CHARACTERS]
    return max(_DELIMITERS, key=lambda delimiter: _agreement(sample, delimiter))


def _agreement(sample: str, delimiter: str) -> tuple[float, int]:
    """The share of rows that have the most frequent number of cells, and this number."""
    if delimiter not in sample:
        return (0.0, 1)
    counts = Counter(itertools.islice(_widths(sample, delimiter), _SAMPLE_ROWS))
    # Lines before and behind a table have a cell or two.
    width, rows = max(counts.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
    return (rows / counts.total() if width > 1 else 0.0, width)


def _widths(sample: str, delimiter: str) -> Iterator[int]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except (StopIteration, csv.Error):
            return
        if any(row):
            yield len(row)
