"""Reading figures of the demo model on JSQuAD articles its adapter never saw.

    python tests/benchmarks/demo_model.py valid-v1.3.json

Through `ChatSwallow(model="demo")` and the preset 質問応答, on every question of the 12 evaluation
articles: the gold passage alone; gold among 3 others of its article, shuffled; 3 others of the
article only, where the right answer is the refusal.
"""

import argparse
import collections
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

from langchain_swallow import ChatSwallow, get_preset
from langchain_swallow.text.normalize import normalize

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from demo_adapter_split import split_articles, to_notices

REFUSED = "分かりません"
_CITED = re.compile(r"\s*\[(\d+)\]\s*$")


def normal(text: str) -> str:
    """SQuAD-style: the search key without punctuation and spaces."""
    return re.sub(r"[\s、。，．「」『』（）()・,.]", "", normalize(text))


def character_f1(answer: str, golds: list[str]) -> float:
    """Best F1 over the characters of the gold answers."""
    return max(_f1(normal(answer), normal(gold)) for gold in golds)


def _f1(answer: str, gold: str) -> float:
    common = sum((collections.Counter(answer) & collections.Counter(gold)).values())
    if not common:
        return 0.0
    precision, recall = common / len(answer), common / len(gold)
    return 2 * precision * recall / (precision + recall)


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
    plain = [_CITED.sub("", answer) for answer in answers]
    cited = [_CITED.search(answer) for answer in answers]
    pairs = list(zip(plain, made, strict=True))
    right = [bool(m) and int(m[1]) == c["gold"] for m, c in zip(cited, made, strict=True)]
    answered = [r for r, no in zip(right, refused, strict=True) if not no]
    return {
        "questions": len(made),
        "em": mean([normal(a) in map(normal, c["golds"]) for a, c in pairs]),
        "char_f1": mean([character_f1(a, c["golds"]) for a, c in pairs]),
        "right_citation": mean(right),
        "right_citation_of_answered": mean(answered),
        "refused": mean(refused),
        "seconds_a_question": seconds / len(made),
    }


def mean(values: list[Any]) -> float:
    """Mean of numbers or truth values."""
    return sum(map(float, values)) / max(1, len(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("--preset", default="質問応答")
    parser.add_argument("--limit", type=int, help="questions a setting, drawn with the seed")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    _, articles = split_articles(json.loads(arguments.jsquad.read_text("utf-8"))["data"])
    llm = ChatSwallow(model="demo", max_tokens=48)
    for setting in ("gold", "mixed", "wrong"):
        made = cases(articles, setting, arguments.seed)
        if arguments.limit:
            made = random.Random(arguments.seed).sample(made, arguments.limit)
        print(json.dumps({"setting": setting, **measure(llm, made, arguments.preset)}), flush=True)


if __name__ == "__main__":
    main()
