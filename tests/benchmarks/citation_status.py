"""How many citations of right and of wrong answers are marked as supported.

    python tests/benchmarks/citation_status.py --check demo --output docs/runs/citation-status.json

The documents and answers are drawn at random (`tests/support/drawn`). Most kinds of documents were
in view while the rules were written; the others were only measured. With `--check`, a model reads
again what the rules support: its threshold is chosen on the kinds in view, and measured on the
others.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from langchain_swallow import ChatSwallow
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.rag import SupportCheck, calibrate_support_check
from langchain_swallow.rag.support_model import Calibration
from tests.support.drawn.pairs import HELD_OUT, IN_VIEW, Pair, draw_pairs

COUNT = 400
# Every pair costs a prompt.
COUNT_CALIBRATION = 100
STATUSES = ("supported", "quoted", "not_found")
Figures = dict[str, dict[str, float]]


def count(statuses: Iterable[str]) -> dict[str, float]:
    """The share of each status."""
    found = Counter(statuses)
    return {status: found[status] / found.total() for status in STATUSES}


def count_both(label: str, pairs: Sequence[Pair], statuses: Sequence[str]) -> Figures:
    """The shares among the right and among the wrong answers."""
    both = list(zip(pairs, statuses, strict=True))
    return {
        f"{label}, right answers": count(status for pair, status in both if not pair.why),
        f"{label}, wrong answers": count(status for pair, status in both if pair.why),
    }


def calibrate(llm: ChatSwallow, pairs: Sequence[Pair], max_wrong: float) -> Calibration:
    """The threshold for the right and wrong answers, whatever the rules say of them."""
    right = [pair.claim() for pair in pairs if not pair.why]
    wrong = [pair.claim() for pair in pairs if pair.why]
    return calibrate_support_check(llm, right, wrong, max_wrong=max_wrong)


def checked(pairs: Sequence[Pair], statuses: Sequence[str], check: SupportCheck) -> list[str]:
    """The statuses after a check of those that are supported."""
    supported = [i for i, status in enumerate(statuses) if status == "supported"]
    confirmed = check.confirmation().invoke([pairs[i].claim() for i in supported])
    lowered = {i for i, is_right in zip(supported, confirmed, strict=True) if not is_right}
    return ["quoted" if i in lowered else status for i, status in enumerate(statuses)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=32)
    parser.add_argument("--show", action="store_true", help="print the wrongly marked pairs")
    parser.add_argument("--check", metavar="MODEL", help="a model that confirms supported claims")
    parser.add_argument("--max-wrong", type=float, default=0.5, help="of its calibration")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    figures: Figures = {}
    for label, kinds in (("kinds in view", IN_VIEW), ("other kinds", HELD_OUT)):
        pairs = list(draw_pairs(kinds, COUNT, arguments.seed))
        statuses = [pair.status() for pair in pairs]
        figures |= count_both(label, pairs, statuses)
        for pair, status in zip(pairs, statuses, strict=True) if arguments.show else ():
            if (status == "supported") == bool(pair.why):
                print(f"{pair.kind}: {pair.question} → {pair.answer} ({pair.why or 'right'})")
    data: dict[str, object] = {"figures": figures}
    if arguments.check:
        llm = ChatSwallow(model=arguments.check)
        seen = list(draw_pairs(IN_VIEW, COUNT_CALIBRATION, arguments.seed + 1))
        calibration = calibrate(llm, seen, arguments.max_wrong)
        check = SupportCheck(llm, min_support=calibration.min_support)
        figures |= count_both("other kinds, checked", pairs, checked(pairs, statuses, check))
        data["calibration"] = asdict(calibration)
    rows = [[name, *(f"{found[s]:.3f}" for s in STATUSES)] for name, found in figures.items()]
    table = Table("Status of citations", ["", *STATUSES], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], data)


if __name__ == "__main__":
    main()
