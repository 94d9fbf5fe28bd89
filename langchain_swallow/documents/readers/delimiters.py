"""Detects the delimiter of a text table: the character that gives rows of equal width."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator

_DELIMITERS = (",", "\t", ";", "|")
# A line that Excel reads and writes.
_DECLARED = re.compile(r"\A\s*sep=(.)\s*\n", re.IGNORECASE)
_SAMPLE_CHARACTERS = 200_000
_SAMPLE_ROWS = 200


def without_declaration(text: str) -> tuple[str, str]:
    """Remove a first line `sep=;`; return the table and this delimiter, "" without such a line."""
    declared = _DECLARED.match(text)
    return (text[declared.end() :], declared[1]) if declared else (text, "")


def find_delimiter(text: str, *, preferred: str = "") -> str:
    r"""Detect the delimiter of a table: comma, tab, semicolon or vertical bar.

    Cells are parsed as CSV, so that quoted delimiters do not count. A decimal comma (1,5) or a
    thousands separator (1,234,567) gives rows of different widths, and is not taken as a delimiter.

    Args:
        text: The table.
        preferred: A delimiter to return if the text has it, such as the tab in a TSV file.

    >>> find_delimiter("品名;単価\n机;1,5\n椅子;2,25\n")
    ';'
    """
    if preferred and preferred in text:
        return preferred
    sample = text[:_SAMPLE_CHARACTERS]
    return max(_DELIMITERS, key=lambda delimiter: _agreement(sample, delimiter))


def _agreement(sample: str, delimiter: str) -> tuple[float, int]:
    """The share of rows with the most frequent number of cells, in [0, 1], and this number."""
    if delimiter not in sample:
        return (0.0, 1)
    counts = Counter(itertools.islice(_widths(sample, delimiter), _SAMPLE_ROWS))
    # Lines before and after a table have one or two cells.
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
