"""Reads the cells of Word tables, and marks those that are formatted as names."""

from typing import Any

from langchain_swallow.documents.readers.docx_styles import W, parse_int, property_value
from langchain_swallow.documents.readers.docx_text import Texts
from langchain_swallow.documents.readers.table_cells import Cell

_NO_FILL = ("", "auto", "ffffff")
_OFF = ("0", "false", "off")


def table_cells(table: Any, texts: Texts) -> list[list[Cell]]:
    """Return the cells of a table by row; vertically merged cells are one cell of several rows.

    Names are the cells of rows that Word repeats on every page. Without such rows, they are the
    cells that are bold or shaded in the same way as the first cell.
    """
    rows: list[list[Cell]] = []
    looks: dict[int, tuple[bool, str]] = {}
    above: dict[int, Cell] = {}
    for row in _direct_children(table, "tr"):
        properties = row.find(f"{W}trPr")
        if properties is not None and properties.find(f"{W}del") is not None:
            continue
        cells: list[Cell] = []
        column = parse_int(property_value(properties, "gridBefore"), 0)
        if column:
            cells.append(Cell("", column))
        for element in _direct_children(row, "tc"):
            columns = parse_int(property_value(element.find(f"{W}tcPr"), "gridSpan"), 1)
            merge = element.find(f"{W}tcPr/{W}vMerge")
            goes_on = merge is not None and merge.get(f"{W}val") != "restart"
            if goes_on and column in above:
                above[column].rows += 1
            else:
                is_head = properties is not None and _is_on(properties.find(f"{W}tblHeader"))
                cell = Cell(texts.text(element).strip(), columns, is_name=is_head)
                looks[id(cell)] = _look(element)
                above[column] = cell
                cells.append(cell)
            column += columns
        rows.append(cells)
    _mark(rows, looks)
    return rows


def _mark(rows: list[list[Cell]], looks: dict[int, tuple[bool, str]]) -> None:
    cells = [cell for row in rows for cell in row if cell.text]
    first = looks.get(id(cells[0]), _PLAIN) if cells else _PLAIN
    if first == _PLAIN or any(cell.is_name for cell in cells):
        return
    for cell in cells:
        cell.is_name = looks.get(id(cell)) == first


_PLAIN = (False, "")


def _look(cell: Any) -> tuple[bool, str]:
    """Whether all text of a cell is bold, and its fill color; empty for none or white."""
    shade = cell.find(f"{W}tcPr/{W}shd")
    fill = "" if shade is None else shade.get(f"{W}fill", "").lower()
    runs = [run for run in cell.iter(f"{W}r") if run.find(f"{W}t") is not None]
    is_bold = bool(runs) and all(_is_on(run.find(f"{W}rPr/{W}b")) for run in runs)
    return is_bold, "" if fill in _NO_FILL else fill


def _is_on(element: Any) -> bool:
    return element is not None and element.get(f"{W}val", "1") not in _OFF


def _direct_children(parent: Any, tag: str) -> list[Any]:
    """Rows of a table, or cells of a row, without those of nested tables."""
    within = parent.tag
    return [e for e in parent.iter(f"{W}{tag}") if next(e.iterancestors(within)) is parent]
