"""Reading figures of the demo model on JSQuAD articles its adapter never saw.

    python tests/benchmarks/demo_model.py valid-v1.3.json --output docs/runs/demo-model.json

Through `ChatSwallow(model="demo")` and the preset 質問応答, on every question of the 12 evaluation
articles: the gold passage alone; gold among 3 others of its article, shuffled; 3 others of the
article only, where the right answer is the refusal.
"""

import argparse
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

from langchain_swallow import ChatSwallow, get_preset
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.evaluation.text_metrics import character_f1, exact_match

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.demo_adapter.split import split_articles, to_notices

REFUSED = "分かりません"
_CITED = re.compile(r"\s*\[(\d+)\]\s*$")
SETTINGS = {
    "gold": "gold passage alone",
    "mixed": "gold among 3 others of its article",
    "wrong": "3 wrong passages",
}
ROWS = {
    "em": "exact match",
    "char_f1": "character-F1",
    "right_citation": "right citation",
    "right_citation_of_answered": "right citation, of those answered",
    "refused": "refused",
}


def cases(articles: list[dict[str, Any]], setting: str, seed: int) -> list[dict[str, Any]]:
    """Every question with the passages of a setting; `gold` is the right number, 0 for none."""
    rng = random.Random(seed)
    made = []
    for article in articles:
        notices = to_notices(article)
        for notice, paragraph in zip(notices, article["paragraphs"], strict=True):
            others = [n for n in notices if n is not notice]
            for qa in paragraph["qas"]:
                golds = [answer["text"] for answer in qa["answers"]]
                shown = [notice]
                if setting != "gold":
                    shown = rng.sample(others, min(3, len(others)))
                if setting == "mixed":
                    shown = [*shown, notice]
                    rng.shuffle(shown)
                context = "\n\n".join(f"[{i}] {n.text}" for i, n in enumerate(shown, 1))
                gold = shown.index(notice) + 1 if notice in shown else 0
                made.append(
                    {"question": qa["question"], "context": context, "golds": golds, "gold": gold}
                )
    return made


def measure(llm: ChatSwallow, made: list[dict[str, Any]], preset: str) -> dict[str, float]:
    """Shares over all cases."""
    template = get_preset(preset).template
    prompts = [template.invoke({k: c[k] for k in ("context", "question")}) for c in made]
    began = time.perf_counter()
    answers = [str(message.content) for message in llm.batch(prompts)]
    seconds = time.perf_counter() - began
    refused = [REFUSED in answer for answer in answers]
    cited = [_CITED.search(answer) for answer in answers]
    pairs = list(zip(answers, made, strict=True))
    right = [bool(m) and int(m[1]) == c["gold"] for m, c in zip(cited, made, strict=True)]
    answered = [r for r, no in zip(right, refused, strict=True) if not no]
    return {
        "questions": len(made),
        "em": mean([exact_match(a, c["golds"]) for a, c in pairs]),
        "char_f1": mean([character_f1(a, c["golds"]) for a, c in pairs]),
        "right_citation": mean(right),
        "right_citation_of_answered": mean(answered),
        "refused": mean(refused),
        "seconds_a_question": seconds / len(made),
    }


def mean(values: list[Any]) -> float:
    """Mean of numbers or truth values."""
    return sum(map(float, values)) / max(1, len(values))


def table(figures: dict[str, dict[str, float]]) -> Table:
    """The figures; of the wrong passages only the refusals mean something."""

    def cell(setting: str, row: str) -> str:
        if setting == "wrong" and row != "refused":
            return ""
        return f"{figures[setting][row]:.3f}"

    rows = [[name, *(cell(setting, row) for setting in figures)] for row, name in ROWS.items()]
    return Table("The demo model reads", ["", *(SETTINGS[s] for s in figures)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("--preset", default="質問応答")
    parser.add_argument("--limit", type=int, help="questions a setting, drawn with the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    _, articles = split_articles(json.loads(arguments.jsquad.read_text("utf-8"))["data"])
    llm = ChatSwallow(model="demo", max_tokens=48)
    figures = {}
    for setting in SETTINGS:
        made = cases(articles, setting, arguments.seed)
        if arguments.limit:
            made = random.Random(arguments.seed).sample(made, arguments.limit)
        figures[setting] = measure(llm, made, arguments.preset)
        print(json.dumps({"setting": setting, **figures[setting]}), flush=True)
    if arguments.output:
        write_figures(arguments.output, [table(figures)], {"figures": figures})


if __name__ == "__main__":
    main()
