"""Holds the cells of a sheet, whichever format it was read from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of cells: its first row and column, from 0, and those after its last."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(slots=True)
class Sheet:
    """The cells of a sheet.

    `rows` has their texts by row and column, from 0. `looks` has, for cells that are bold or
    filled, their `Style.look`. `merged` has the merged areas by their first cell, and `uncomputed`
    is the number of formulas without a stored value. `hidden_rows` and `hidden_columns` are those
    with texts, which are not in `rows`.

    `left_rules` and `top_rules` have by row the columns with a rule at their left or top, one bit
    each, since most cells of a sheet are ruled and empty.
    """

    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    looks: dict[int, dict[int, int]] = field(default_factory=dict)
    merged: dict[tuple[int, int], Area] = field(default_factory=dict)
    uncomputed: int = 0
    hidden_rows: int = 0
    hidden_columns: set[int] = field(default_factory=set)
    left_rules: dict[int, int] = field(default_factory=dict)
    top_rules: dict[int, int] = field(default_factory=dict)


def hide(sheet: Sheet, rows: Collection[int], columns: Sequence[range]) -> None:
    """Remove the texts of hidden rows and columns, and count these.

    The text of a merged area that is partly hidden moves to its first visible cell, where Excel
    shows it.

    Args:
        sheet: The sheet.
        rows: Its hidden rows.
        columns: Its hidden columns.
    """
    if not rows and not columns:
        return
    for place, area in [*sheet.merged.items()]:
        row = next((r for r in range(area.top, area.bottom) if r not in rows), None)
        column = _first_visible(area, columns)
        if row is None or column is None or (row, column) == place:
            continue
        _move(sheet.rows, place, (row, column))
        _move(sheet.looks, place, (row, column))
        sheet.merged[row, column] = Area(row, column, area.bottom, area.right)
    for row in rows:
        sheet.hidden_rows += bool(sheet.rows.pop(row, None))
    for row, texts in [*sheet.rows.items()]:
        hidden = [c for c in texts if any(c in part for part in columns)] if columns else []
        sheet.hidden_columns.update(hidden)
        for column in hidden:
            del texts[column]
        if not texts:
            del sheet.rows[row]


def _first_visible(area: Area, hidden: Sequence[range]) -> int | None:
    column = area.left
    while part := next((part for part in hidden if column in part), None):
        column = part.stop
    return column if column < area.right else None


_Value = TypeVar("_Value")


def _move(cells: dict[int, dict[int, _Value]], old: tuple[int, int], new: tuple[int, int]) -> None:
    if old[1] in cells.get(old[0], {}):
        cells.setdefault(new[0], {})[new[1]] = cells[old[0]].pop(old[1])
