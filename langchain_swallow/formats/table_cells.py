"""Tables whose cells span rows and columns → rows that each make sense alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_swallow.formats.section import table_rows

# A page may claim any width.
_MOST_COLUMNS = 200


@dataclass(slots=True)
class Cell:
    """A cell that stands in so many columns and rows, itself included."""

    text: str
    columns: int = 1
    rows: int = 1


def spanned_rows(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Rows as `table_rows` writes them; a spanning cell stands in each row and column it spans.

    A row of one cell above the others is what the table is called, and stands alone. Where the
    first row has cells over several columns beside others over several rows, the head has as many
    rows, and a column has all its names.

    Args:
        rows: Cells from left to right, without those that a cell from above or the left stands in;
            a row may have none of its own.

    >>> spanned_rows([[Cell("区分", rows=2), Cell("日当", columns=2)], [Cell("国内"), Cell("海外")],
    ...               [Cell("部長"), Cell("3千円"), Cell("6千円")]])
    ['区分: 部長、日当 国内: 3千円、日当 海外: 6千円']
    """
    titles = []
    while len(rows) > 1 and len(rows[0]) == 1 < len(rows[1]):
        titles.append(rows[0][0].text)
        rows = rows[1:]
    head = _head(rows)
    grid = _grid(rows)
    body = [line for line, row in zip(grid[head:], rows[head:], strict=True) if row]
    return list(filter(None, [*titles, *table_rows([*_names(grid[:head]), *body])]))


def _head(rows: Sequence[Sequence[Cell]]) -> int:
    """How many rows the head has."""
    first = rows[0] if rows else ()
    deepest = max((cell.rows for cell in first), default=1)
    is_grouped = any(cell.columns > 1 and cell.rows < deepest for cell in first)
    return deepest if is_grouped and deepest < len(rows) else 1


def _names(head: Sequence[Sequence[str]]) -> list[list[str]]:
    """The names of the columns, as one row."""
    width = max(map(len, head), default=0)
    columns = [[line[i] for line in head if i < len(line) and line[i]] for i in range(width)]
    return [[" ".join(dict.fromkeys(column)) for column in columns]] if head else []


def _grid(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """Texts by row and column."""
    grid: list[list[str]] = []
    # By column: what stands there in the next rows too, and in how many.
    above: dict[int, tuple[str, int]] = {}
    for row in rows:
        line: list[tuple[str, int]] = []
        for cell in [*row, None]:
            while len(line) in above:
                text, left = above[len(line)]
                line.append((text, left - 1))
            if cell is not None:
                # The only cell of a row is said once.
                columns = 1 if len(row) == 1 else min(cell.columns, _MOST_COLUMNS - len(line))
                line += [(cell.text, cell.rows - 1)] * columns
        grid.append([text for text, _ in line])
        above = {i: place for i, place in enumerate(line) if place[1] > 0}
    return grid
