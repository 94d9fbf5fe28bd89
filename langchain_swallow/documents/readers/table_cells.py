"""Writes tables whose cells span rows and columns as rows that can be read alone."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from langchain_swallow.documents.readers.table_layout import Layout, detect_layout
from langchain_swallow.documents.readers.table_rows import columnar_rows, pairs
from langchain_swallow.documents.readers.table_words import is_value

# An HTML page may declare any width for a cell.
_MAX_COLUMNS = 200


@dataclass(slots=True)
class Cell:
    """A cell that spans this many columns and rows, at least one of each.

    `is_name` is whether the file marks it as a header, such as by `<th>` or bold letters.
    """

    text: str
    columns: int = 1
    rows: int = 1
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """A header, which may be empty, and the rows below it."""

    head: list[list[Cell]]
    rows: list[list[Cell]] = field(default_factory=list)


def spanned_rows(rows: Sequence[Sequence[Cell]], *, has_header: bool = False) -> list[str]:
    """Write rows as `table_rows` does; a spanning cell is repeated in each row and column.

    Rows of one cell above the table are its titles, and are written alone. If cells of the first
    row span columns, next to cells that span rows, the header has as many rows as these. Each
    column then has all its names.

    Args:
        rows: The cells of each row from left to right, without the positions that a spanning cell
            covers; a row may be empty.
        has_header: Whether the format declares the first row as the header.

    Returns:
        The titles and one text per row.

    >>> spanned_rows([[Cell("区分", rows=2), Cell("日当", columns=2)], [Cell("国内"), Cell("海外")],
    ...               [Cell("部長"), Cell("3千円"), Cell("6千円")]])
    ['区分: 部長、日当 国内: 3千円、日当 海外: 6千円']
    >>> spanned_rows([[Cell("会社名", is_name=True), Cell("青空製作所")],
    ...               [Cell("代表者", is_name=True), Cell("山田太郎")]])
    ['会社名: 青空製作所', '代表者: 山田太郎']
    """
    titles = []
    while len(rows) > 1 and len(rows[0]) == 1 < len(rows[1]):
        titles.append(rows[0][0].text)
        rows = rows[1:]
    spanning = _head(rows)
    grid = [
        line
        for i, (line, row) in enumerate(zip(_grid(rows), rows, strict=True))
        if i < spanning - 1 or any(cell.text for cell in row)
    ]
    return list(filter(None, [*titles, *_lines(grid, spanning, has_header)]))


def header_rows(rows: Sequence[Sequence[Cell]]) -> Sequence[Sequence[Cell]]:
    """The rows that `spanned_rows` takes for the header, without titles; empty if there is none."""
    while len(rows) > 1 and len(rows[0]) == 1 < len(rows[1]):
        rows = rows[1:]
    spanning = _head(rows)
    return rows[: spanning if spanning > 1 else _layout(_grid(rows), has_header=False).head]


def _lines(grid: list[list[Cell]], spanning: int, has_header: bool) -> Iterator[str]:
    spanned = spanning if spanning > 1 else 0
    if any(cell.is_name for line in grid for cell in line) and not all(map(_is_marked, grid)):
        head = max(spanned, _marked_rows(grid))
        if head or _begin_with_names(grid):
            for run in _runs(grid, head):
                yield from _run_lines(run)
            return
    layout = Layout(head=spanned) if spanned else _layout(grid, has_header)
    if layout.head:
        yield from _columnar(grid[: layout.head], grid[layout.head :])
        return
    for line in grid:
        yield _pairs(line, [i in layout.name_columns for i in range(len(line))])


def _layout(grid: Sequence[Sequence[Cell]], has_header: bool) -> Layout:
    return detect_layout([_texts(line) for line in grid], has_header=has_header)


def _marked_rows(grid: Sequence[Sequence[Cell]]) -> int:
    """How many of the first rows are the header by their marks; 0 if all rows would be."""
    count = 0
    for line in grid:
        if not _is_marked(line) or (count and not _may_go_on(line)):
            break
        count += 1
    return count if count < len(grid) else 0


def _may_go_on(line: Sequence[Cell]) -> bool:
    """Whether a marked row can be another row of the header, not a group's name or a total."""
    names = {id(cell): cell.text for cell in line if cell.text}
    return len(names) > 1 and not any(map(is_value, names.values()))


def _is_marked(line: Sequence[Cell]) -> bool:
    """Whether all cells of a row are names; in a form, each has an empty cell after it."""
    names = [cell for cell in line if cell.text]
    to_fill_in = sum(not cell.text and not cell.is_name for cell in line[1:])
    return to_fill_in < len(names) and all(cell.is_name for cell in names)


def _begin_with_names(grid: Sequence[Sequence[Cell]]) -> bool:
    """Whether most rows begin with a name; marks elsewhere may be bold totals."""
    firsts = [next((cell for cell in line if cell.text), None) for line in grid]
    return 2 * sum(cell is not None and cell.is_name for cell in firsts) >= len(firsts)


def _runs(grid: list[list[Cell]], head: int) -> list[_Run]:
    """Divide rows at headers, since a table may have another header further down."""
    runs = [_Run(grid[:head])]
    for line, below in zip(grid[head:], [*grid[head + 1 :], None], strict=True):
        is_head = (
            below is not None
            and _is_marked(line)
            and not _is_marked(below)
            and len({id(cell) for cell in line if cell.text}) > 1
            and not any(is_value(cell.text) for cell in line)
        )
        if is_head:
            runs.append(_Run([line]))
        else:
            runs[-1].rows.append(line)
    return runs


def _run_lines(run: _Run) -> Iterator[str]:
    """Write the rows below a header; rows with names of their own are written without it."""
    alone = [not run.head or _has_own_names(line) for line in run.rows]
    below = [line for line, is_alone in zip(run.rows, alone, strict=True) if not is_alone]
    columnar = iter(_columnar(run.head, below) if run.head else [])
    if not below:
        yield from columnar
    for line, is_alone in zip(run.rows, alone, strict=True):
        yield _pairs(line, [cell.is_name for cell in line]) if is_alone else next(columnar)
    yield from columnar


def _has_own_names(line: Sequence[Cell]) -> bool:
    """Whether a name follows a cell that is not one, or one name spans the whole row."""
    marks = [cell.is_name for cell in line if cell.text]
    if len({id(cell) for cell in line}) == 1 and all(marks):
        return True
    return any(not before and after for before, after in itertools.pairwise(marks))


def _columnar(head: Sequence[Sequence[Cell]], rows: Sequence[Sequence[Cell]]) -> list[str]:
    names = _names(head)
    return columnar_rows(names, (_once(line, names) for line in rows))


def _once(line: Sequence[Cell], names: Sequence[str]) -> list[str]:
    """Texts of a row; a cell that spans columns of the same name is written once."""
    texts = _texts(line)
    for i in range(1, len(line)):
        if line[i] is line[i - 1] and names[i : i + 1] == names[i - 1 : i]:
            texts[i] = ""
    return texts


def _pairs(line: Sequence[Cell], are_names: Sequence[bool]) -> str:
    columns = [i for i in range(len(line)) if not i or line[i] is not line[i - 1]]
    return pairs([line[i].text for i in columns], [are_names[i] for i in columns])


def _texts(line: Sequence[Cell]) -> list[str]:
    return [cell.text for cell in line]


def _head(rows: Sequence[Sequence[Cell]]) -> int:
    """The number of header rows, by the spanning cells of the first row."""
    first = rows[0] if rows else ()
    deepest = max((cell.rows for cell in first), default=1)
    is_grouped = any(cell.columns > 1 and cell.rows < deepest for cell in first)
    return deepest if is_grouped and deepest < len(rows) else 1


def _names(head: Sequence[Sequence[Cell]]) -> list[str]:
    """The names of the columns, from all rows of the header."""
    width = max(map(len, head), default=0)
    columns = [[line[i].text for line in head if i < len(line)] for i in range(width)]
    return [" ".join(dict.fromkeys(filter(None, column))) for column in columns]


def _grid(rows: Sequence[Sequence[Cell]]) -> list[list[Cell]]:
    """The cells by row and column, with spanning cells repeated."""
    grid: list[list[Cell]] = []
    # By column: the cell that continues in the next rows, and in how many of them.
    above: dict[int, tuple[Cell, int]] = {}
    for row in rows:
        line: list[tuple[Cell, int]] = []
        for cell in [*row, None]:
            while len(line) in above:
                spanning, rows_left = above[len(line)]
                line.append((spanning, rows_left - 1))
            if cell is not None:
                # The only cell of a row is written once.
                columns = 1 if len(row) == 1 else min(cell.columns, _MAX_COLUMNS - len(line))
                line += [(cell, cell.rows - 1)] * max(1, columns)
        grid.append([cell for cell, _ in line])
        above = {i: place for i, place in enumerate(line) if place[1] > 0}
    return grid
