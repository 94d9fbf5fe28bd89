"""How much of forms and tables on Excel sheets is read rightly, beside other converters.

    python tests/benchmarks/sheets.py --peers PYTHON… --output docs/runs/sheets.json

Each PYTHON has markitdown, exstruct or docling.

Thirty sheets are drawn at random (tests/support/drawn_sheets.py). For this package, a fact is right
if one line has the value behind its label or the names of its column, and the names of its row.
The other converters keep the grid of the sheet. There, a fact is right if the cells before the
value in its row are its names, or if they are above it in its column and the names of its row are
in its row; a date or number may be as it is stored, and a merged cell may be repeated in all of its
cells. A text is right if it is there once.
"""

import argparse
import datetime
import itertools
import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.support.drawn_sheets import DrawnSheet, Fact, drawn_sheets, right_facts

_PEERS = {
    "markitdown": """
from markitdown import MarkItDown
def rows(path):
    lines = MarkItDown().convert(path).text_content.splitlines()
    cells = [line.split("|")[1:-1] for line in lines if line.startswith("|")]
    return [["" if c.strip() == "NaN" else c.strip() for c in row] for row in cells]
""",
    "docling": """
from docling.document_converter import DocumentConverter
def rows(path):
    grid = []
    for item, _ in DocumentConverter().convert(path).document.iterate_items():
        if hasattr(getattr(item, "data", None), "grid"):
            grid += [[cell.text for cell in row] for row in item.data.grid]
        elif hasattr(item, "text"):
            grid.append([item.text])
    return grid
""",
    "exstruct": """
from exstruct import extract
def rows(path):
    grid = []
    for sheet in extract(path, mode="light").sheets.values():
        for row in sheet.rows:
            cells = {int(column): str(value) for column, value in row.c.items()}
            grid.append([cells.get(i, "") for i in range(1 + max(cells, default=-1))])
    return grid
""",
}
_RUN = """
import json, sys
print("RESULT" + json.dumps([rows(path) for path in sys.argv[1:]]))
"""
Grid = list[list[str]]


def own_lines(sheet: DrawnSheet) -> list[str]:
    return [
        line
        for section in read_xlsx(sheet.data, "a.xlsx")
        for line in [*section.headings[1:], *section.text.split("\n\n")]
    ]


def repeated(lines: Sequence[str]) -> int:
    # The unit is drawn above each of two tables.
    return sum(count - 1 for line, count in Counter(lines).items() if "単位" not in line)


def right_in_grid(sheet: DrawnSheet, grid: Grid) -> list[bool]:
    right = [_is_in_grid(fact, grid) for fact in sheet.facts]
    flat = [
        re.sub(r"\s", "", cell)
        for above, row in zip([[], *grid], grid, strict=False)
        for x, cell in enumerate(row)
        if cell not in (row[x - 1 : x] + above[x : x + 1])
    ]
    return right + [sum(re.sub(r"\s", "", t) in cell for cell in flat) == 1 for t in sheet.texts]


def _is_in_grid(fact: Fact, grid: Grid) -> bool:
    values = _as_stored(fact.value)
    names = fact.names or fact.row
    for y, row in enumerate(grid):
        for x, cell in enumerate(row):
            if cell not in values:
                continue
            before = [one.rstrip("：") for one, _ in itertools.groupby(row[:x]) if one]
            if tuple(before[-len(names) :]) == names:
                return True
            above = [one[x] for one in grid[:y] if x < len(one)]
            if fact.names and {*names} <= {*above} and {*fact.row} <= {*before}:
                return True
    return False


def _as_stored(shown: str) -> set[str]:
    """The value as it is shown and as a program without number formats writes it."""
    forms = {shown}
    if date := re.fullmatch(r"(令和)?(\d+)[年/](\d+)[月/](\d+)日?", shown):
        year = int(date[2]) + (2018 if date[1] else 0)
        day = datetime.date(year, int(date[3]), int(date[4]))
        forms |= {f"{day}", f"{day} 00:00:00", f"{day}T00:00:00"}
    plain = re.sub("[,¥円]", "", shown)
    if shown.endswith("%"):
        plain = f"{float(shown[:-1]) / 100:.3f}".rstrip("0")
    return forms | {plain, f"{plain}.0"}


def peer_grids(python: str, name: str, sheets: Sequence[DrawnSheet]) -> list[Grid]:
    """What a converter reads; nothing if this Python does not have it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{i}.xlsx") for i in range(len(sheets))]
        for path, sheet in zip(paths, sheets, strict=True):
            path.write_bytes(sheet.data)
        command = [python, "-c", _PEERS[name] + _RUN, *map(str, paths)]
        ran = subprocess.run(command, capture_output=True, check=False, text=True)
    if f"No module named '{name}'" in ran.stderr:
        return []
    ran.check_returncode()
    grids: list[Grid] = json.loads(ran.stdout.partition("RESULT")[2])
    return grids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="*", default=[], help="Pythons that have the others")
    parser.add_argument("--output", type=Path, help="file of figures")
    parser.add_argument("--wrong", action="store_true", help="show what is wrong")
    arguments = parser.parse_args()
    sheets = drawn_sheets(seed=arguments.seed)
    lines = [own_lines(sheet) for sheet in sheets]
    right = {"langchain-swallow": list(map(right_facts, sheets, lines))}
    for python, name in itertools.product(arguments.peers, _PEERS):
        if grids := peer_grids(python, name, sheets):
            right[name] = list(map(right_in_grid, sheets, grids))
    if arguments.wrong:
        for sheet, said, facts in zip(sheets, lines, right["langchain-swallow"], strict=True):
            wanted = zip([*sheet.facts, *sheet.texts], facts, strict=True)
            if wrong := [fact for fact, is_right in wanted if not is_right]:
                print(f"--- {sheet.kind}", *said, *wrong, sep="\n")
    figures = {
        name: {kind: _share(sheets, found, kind) for kind in _kinds(sheets)}
        for name, found in right.items()
    }
    counts = [
        sum(map(len, _of_kind(sheets, right["langchain-swallow"], kind))) for kind in _kinds(sheets)
    ]
    rows = [
        [kind or "all", str(count), *(f"{shares[kind]:.3f}" for shares in figures.values())]
        for kind, count in zip(_kinds(sheets), counts, strict=True)
    ]
    table = Table("Facts on Excel sheets", ["sheets", "facts", *figures], rows)
    print(table.markdown())
    print(f"Lines of this package that are repeated: {sum(map(repeated, lines))}")
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": figures})


def _kinds(sheets: Sequence[DrawnSheet]) -> list[str]:
    return [*dict.fromkeys(sheet.kind for sheet in sheets), ""]


def _of_kind(
    sheets: Sequence[DrawnSheet], right: Sequence[list[bool]], kind: str
) -> list[list[bool]]:
    """What is right on the sheets of a kind, or on all."""
    return [one for sheet, one in zip(sheets, right, strict=True) if kind in ("", sheet.kind)]


def _share(sheets: Sequence[DrawnSheet], right: Sequence[list[bool]], kind: str) -> float:
    found = [is_right for one in _of_kind(sheets, right, kind) for is_right in one]
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
