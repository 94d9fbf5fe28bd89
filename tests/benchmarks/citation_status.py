"""How many citations of right and of wrong answers are marked as supported.

    python tests/benchmarks/citation_status.py --output docs/runs/citation-status.json

The documents and answers are drawn at random (`tests/support/drawn`). Most kinds of documents were
in view while the rules were written; the others were only measured.
"""

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from langchain_swallow.evaluation.tables import Table, write_figures
from tests.support.drawn.pairs import HELD_OUT, IN_VIEW, Pair, draw_pairs

COUNT = 400
STATUSES = ("supported", "quoted", "not_found")


def count(pairs: Iterable[Pair], *, right: bool) -> dict[str, float]:
    """The share of each status among the right or the wrong answers."""
    statuses = Counter(pair.status() for pair in pairs if right != bool(pair.why))
    return {status: statuses[status] / statuses.total() for status in STATUSES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=32)
    parser.add_argument("--show", action="store_true", help="print the wrongly marked pairs")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    figures = {}
    for label, kinds in (("kinds in view", IN_VIEW), ("other kinds", HELD_OUT)):
        pairs = list(draw_pairs(kinds, COUNT, arguments.seed))
        for is_right, name in ((True, "right"), (False, "wrong")):
            figures[f"{label}, {name} answers"] = count(pairs, right=is_right)
        for pair in pairs if arguments.show else ():
            if (pair.status() == "supported") == bool(pair.why):
                print(f"{pair.kind}: {pair.question} → {pair.answer} ({pair.why or 'right'})")
    rows = [[name, *(f"{found[s]:.3f}" for s in STATUSES)] for name, found in figures.items()]
    table = Table("Status of citations", ["", *STATUSES], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": figures})


if __name__ == "__main__":
    main()
