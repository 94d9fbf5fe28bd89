"""Detects which cells of a table are names: those of a header row, or those before their values.

Marks in the file decide (`<th>`, bold or shaded cells). Without marks, the first row is the header,
unless the texts of the cells contradict it:

- If a cell of the first row is an amount or a date, as the cells below it are, there is no header.
- If the first column has labels (会社名, 代表者) and the first row has not, each row has a name
  before its value.
- A table of two columns without either sign is written as "first: second" in every row, including
  the first one. This is correct for the cells of a row, whichever layout was meant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_swallow.documents.readers.table_words import (
    is_label,
    is_period,
    is_value,
    value_kind,
)

# How many rows of a table are looked at.
_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class Layout:
    """The number of header rows, and the columns whose cells name the values after them."""

    head: int = 0
    name_columns: frozenset[int] = frozenset()


_HEAD = Layout(head=1)
_PLAIN = Layout()


def detect_layout(rows: Sequence[Sequence[str]], *, has_header: bool) -> Layout:
    """Detect the layout of a table whose cells are not marked.

    Args:
        rows: Texts of the cells, without empty rows.
        has_header: Whether the format declares the first row as the header, as Markdown does; only
            a clear sign then overrides it.
    """
    width = max(map(len, rows), default=0)
    if len(rows) < 2:
        return _PLAIN
    sample = [[*row, *[""] * (width - len(row))] for row in rows[:_SAMPLE]]
    if width == 2 and any(row[1] for row in sample):
        return _two_column_layout(sample, has_header)
    if all(is_label(text) for row in sample for text in row if text):
        # An empty form.
        return _PLAIN
    if width == 1:
        return _HEAD if has_header or is_label(sample[0][0]) else _PLAIN
    if width % 2 == 0 and _alternates(sample):
        return Layout(name_columns=frozenset(range(0, width, 2)))
    if _asks(sample):
        return Layout(name_columns=frozenset([0]))
    return _PLAIN if _begins_with_values(sample) else _HEAD


def _two_column_layout(rows: Sequence[Sequence[str]], has_header: bool) -> Layout:
    pairs = Layout(name_columns=frozenset([0]))
    (name, value), body = rows[0], rows[1:]
    if is_value(value) and not is_period(value):
        return pairs
    below = [row[1] for row in body if row[1]]
    asks = _most(is_label, [row[0] for row in body])
    if is_label(value) and not asks:
        return _HEAD
    if asks:
        if not is_label(value):
            return pairs
        return _PLAIN if all(map(is_label, below)) else _HEAD
    if has_header or not name:
        return _HEAD
    if _most(is_value, [row[0] for row in body]) and not is_value(name):
        return _HEAD
    values = sum(map(is_value, below))
    is_column_of_values = len(body) > 1 and values == len(below) > 0
    return _HEAD if is_column_of_values and not is_period(value) else pairs


def _most(test: Callable[[str], bool], texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text]
    return bool(filled) and 2 * sum(map(test, filled)) >= len(filled)


def _alternates(rows: Sequence[Sequence[str]]) -> bool:
    """Whether every other column has labels of the next one, as in forms, filled in or not."""
    names = [text for row in rows for text in row[::2] if text]
    values = [text for row in rows for text in row[1::2] if text]
    asking = sum(map(is_label, names))
    return not values or (asking >= 0.8 * len(names) and not _most(is_label, values))


def _asks(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first column has labels, and the rest of the first row has not."""
    first, *body = rows
    if not is_label(first[0]) or any(map(is_label, first[1:])):
        return False
    return all(is_label(row[0]) for row in body if row[0])


def _begins_with_values(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has a value above only values of its kind, so is not a header."""
    first, *body = rows
    if not first[0] or any(map(is_label, first)):
        return False
    columns = [
        (text, [value_kind(row[i]) for row in body if row[i]]) for i, text in enumerate(first)
    ]
    return any(
        is_value(text) and not is_period(text) and set(below) <= {value_kind(text)}
        for text, below in columns
    )
