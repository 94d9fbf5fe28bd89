"""How much of forms and tables on Excel sheets is read rightly, beside other converters.

    python tests/benchmarks/sheets.py --output docs/runs/sheets.json

Thirty sheets are drawn at random (tests/support/drawn_sheets.py). A fact is right if a line has the
value behind its label or the names of its column, and the names of its row. `--peer PYTHON` is a
Python that has markitdown. Of its Markdown tables, a value is right if the cell before it is its
label, or the first row of its table has the names of its column and its own row the others.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from langchain_swallow.documents.readers.xlsx import read_xlsx
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.support.drawn_sheets import DrawnSheet, Fact, drawn_sheets, right_facts

_MARKITDOWN = """
import json, sys
from markitdown import MarkItDown
convert = MarkItDown().convert
print(json.dumps([convert(path).text_content for path in sys.argv[1:]]))
"""


def own_lines(sheet: DrawnSheet) -> list[str]:
    sections = read_xlsx(sheet.data, "a.xlsx")
    return [
        line
        for section in sections
        for line in [*section.headings[1:], *section.text.split("\n\n")]
    ]


def duplicates(lines: list[str]) -> int:
    # The unit is drawn above each of two tables.
    return sum(count - 1 for line, count in Counter(lines).items() if "単位" not in line)


def markdown_right(sheet: DrawnSheet, text: str) -> list[bool]:
    rows = [
        [re.sub(r"^(NaN|Unnamed: \d+)$", "", cell.strip()) for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line)
    ]
    flat = re.sub(r"\s", "", text)
    right = [_is_in_table(fact, rows) for fact in sheet.facts]
    return right + [flat.count(re.sub(r"\s", "", text)) == 1 for text in sheet.texts]


def _is_in_table(fact: Fact, rows: list[list[str]]) -> bool:
    # The value as it is stored counts too, since its format is another question.
    plain = re.sub(r"[,¥円]", "", fact.value)
    for row in rows:
        filled = [cell for cell in row if cell]
        for i, cell in enumerate(row):
            if cell not in (fact.value, plain, f"{plain}.0"):
                continue
            before = [one.rstrip("：") for one in row[:i] if one][-len(fact.names or (1,)) :]
            if not all(name in filled for name in fact.row):
                continue
            if tuple(before) == (fact.names or fact.row):
                return True
            head = rows[0][i] if i < len(rows[0]) else ""
            if fact.names and all(name in head for name in fact.names):
                return True
    return False


def peer_texts(python: str, sheets: list[DrawnSheet]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, sheet in enumerate(sheets):
            paths.append(Path(folder, f"{i}.xlsx"))
            paths[-1].write_bytes(sheet.data)
        ran = subprocess.run(
            [python, "-c", _MARKITDOWN, *map(str, paths)], capture_output=True, check=True
        )
    return json.loads(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", help="a Python that has markitdown")
    parser.add_argument("--output", type=Path, help="file of figures")
    parser.add_argument("--wrong", action="store_true", help="show what is wrong")
    arguments = parser.parse_args()
    sheets = drawn_sheets(seed=arguments.seed)
    texts = peer_texts(arguments.peer, sheets) if arguments.peer else None
    right: dict[str, list[bool]] = {}
    peer: dict[str, list[bool]] = {}
    twice = 0
    for i, sheet in enumerate(sheets):
        lines = own_lines(sheet)
        found = right_facts(sheet, lines)
        right.setdefault(sheet.kind, []).extend(found)
        twice += duplicates(lines)
        if texts:
            peer.setdefault(sheet.kind, []).extend(markdown_right(sheet, texts[i]))
        if arguments.wrong and (not all(found) or duplicates(lines)):
            wanted = [*sheet.facts, *sheet.texts]
            print(f"--- {i} {sheet.kind}", *lines, sep="\n")
            for one, is_right in zip(wanted, found, strict=True):
                if not is_right:
                    print("WRONG", one)
    rows = [
        [kind, f"{len(found)}", _share(found), _share(peer.get(kind))]
        for kind, found in right.items()
    ]
    every = [one for found in right.values() for one in found]
    others = [one for found in peer.values() for one in found]
    rows.append(["all", f"{len(every)}", _share(every), _share(others)])
    columns = ["sheets", "facts", "langchain-swallow", "markitdown"]
    table = Table("Facts on Excel sheets", columns, rows)
    print(table.markdown())
    print(f"Lines that are written twice: {twice}")
    if arguments.output:
        figures = {kind: sum(found) / len(found) for kind, found in right.items()}
        write_figures(arguments.output, [table], {"figures": figures})


def _share(found: list[bool] | None) -> str:
    return f"{sum(found) / len(found):.3f}" if found else "–"


if __name__ == "__main__":
    main()
