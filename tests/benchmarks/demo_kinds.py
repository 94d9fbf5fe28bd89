"""What the demo model reads in documents of kinds its adapter never saw.

    python tests/benchmarks/demo_kinds.py --output docs/runs/demo-kinds.json

Forms, contracts, timetables and other kinds whose values are drawn at random
(`tests/demo_adapter/library.py` names them; no document of these kinds is trained on). A search
finds four passages; the chain's prompt has them with the right passage among them, without it, or
is asked of what its document does not have. An answer is right if the wanted one stands in it, and
none from another row, column or end. To a question of yes and no it is right if it denies what the
document denies.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from langchain_swallow import ChatSwallow, get_preset
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.prompts.presets import REFUSAL
from langchain_swallow.rag.packing import fenced, merged
from langchain_swallow.text.normalize import normalize

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.demo_adapter.library import HELD_OUT, Library
from tests.support.drawn import KINDS, Asked

PASSAGES = 4
_CITED = re.compile(r"\s*\[(\d+)\]\s*$")
_NUMBER = re.compile(r"[0-9][0-9,.:]*")
_DENIES = re.compile("ない|ません|不可|禁|いいえ")
SETTINGS = {
    "among": "right passage among four",
    "without": "four wrong passages",
    "absent": "asked of what the document does not have",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its passages; `number` is that of the right one, 0 if it is to be refused."""

    kind: str
    asked: Asked
    question: str
    context: str
    number: int


def cases(setting: str, libraries: int, seed: int) -> list[Case]:
    """One question on each held-out kind in each of the libraries."""
    rng = Random(seed)
    made = []
    for _ in range(libraries):
        drawn = {kind: KINDS[kind](rng) for kind in HELD_OUT}
        library = Library(list(drawn.values()))
        for kind, document in drawn.items():
            own = [pair for pair in library.asked if pair[0] in document.asked]
            if setting == "absent":
                own = [pair for pair in own if pair[0].elsewhere]
            if own:
                made.append(_case(kind, setting, library, *rng.choice(own)))
    return made


def _case(kind: str, setting: str, library: Library, asked: Asked, own: int) -> Case:
    shown = library.shown(asked, own, PASSAGES, with_own=setting != "without")
    documents = merged([library.chunks[i] for i in shown])
    question = asked.elsewhere if setting == "absent" else asked.question
    number = library.number(own, documents) if setting == "among" else 0
    return Case(kind, asked, question, fenced(documents), number)


def is_right(answer: str, asked: Asked) -> bool:
    """Whether an answer without its citation says what is wanted, and no wrong value.

    A unit that the question names may be left out: 90日 answers 何日以内ですか。
    """
    said, wanted = normalize(answer), normalize(asked.answer)
    if REFUSAL.rstrip("。") in said:
        return False
    if wanted.endswith("。"):
        return bool(_DENIES.search(said)) == bool(_DENIES.search(wanted))
    number = _NUMBER.match(wanted)
    needed = number[0] if number and wanted[number.end() :] in asked.question else wanted
    others = [normalize(wrong) for wrong in asked.wrong.values()]
    return _stands(needed, said) and not any(
        _stands(wrong, said) for wrong in others if wrong not in wanted and wanted not in wrong
    )


def _stands(words: str, text: str) -> bool:
    """Whether words stand in a text, not as a part of a longer number."""
    after = "(?![0-9,])" if words[-1].isdigit() else ""
    return bool(re.search(rf"(?<![0-9,]){re.escape(words)}{after}", text))


def measure(llm: ChatSwallow, made: Sequence[Case], *, show: bool = False) -> dict[str, Any]:
    """Shares over all cases, and of each kind."""
    template = get_preset("質問応答").template
    prompts = [template.invoke({"context": c.context, "question": c.question}) for c in made]
    answers = [message.text for message in llm.batch(prompts)]
    refused = [REFUSAL.rstrip("。") in answer for answer in answers]
    wanted = [
        is_right(_CITED.sub("", answer), case.asked) if case.number else no
        for answer, case, no in zip(answers, made, refused, strict=True)
    ]
    cited = [
        bool(match) and int(match[1]) == case.number
        for match, case in zip(map(_CITED.search, answers), made, strict=True)
    ]
    for answer, case, fine in zip(answers, made, wanted, strict=True):
        if show and not fine:
            print(f"{case.kind}: {case.question} → {answer} ({case.asked.answer})", flush=True)
    kinds = [case.kind for case in made]
    return {
        "questions": len(made),
        "right": _mean(wanted),
        "right_citation": _mean(cited),
        "refused": _mean(refused),
        "right_by_kind": {
            kind: _mean([r for r, k in zip(wanted, kinds, strict=True) if k == kind])
            for kind in dict.fromkeys(kinds)
        },
    }


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / max(1, len(values))


def tables(figures: dict[str, dict[str, Any]]) -> list[Table]:
    """Answers and refusals of each setting; the share of wanted answers of each kind."""
    columns = ["", *(SETTINGS[setting] for setting in figures)]
    whole = [
        ["right answer", f"{figures['among']['right']:.3f}", "", ""],
        ["right citation", f"{figures['among']['right_citation']:.3f}", "", ""],
        ["refused", *(f"{found['refused']:.3f}" for found in figures.values())],
    ]
    by_kind = [
        [kind, *(_cell(found["right_by_kind"].get(kind)) for found in figures.values())]
        for kind in HELD_OUT
    ]
    return [
        Table("Documents of other kinds", columns, whole),
        Table("Right answer, or refusal where there is none, by kind", columns, by_kind),
    ]


def _cell(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", type=int, default=20, help="questions of each kind")
    parser.add_argument("--seed", type=int, default=32)
    parser.add_argument("--show", action="store_true", help="print the wrong answers")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    llm = ChatSwallow(model="demo", max_tokens=48)
    figures = {}
    for setting in SETTINGS:
        made = cases(setting, arguments.libraries, arguments.seed)
        figures[setting] = measure(llm, made, show=arguments.show)
        print(json.dumps({"setting": setting, **figures[setting]}, ensure_ascii=False), flush=True)
    if arguments.output:
        write_figures(arguments.output, tables(figures), {"figures": figures})


if __name__ == "__main__":
    main()
