"""Prompt lookup on 50 RAG questions with the demo model: tokens a second, and the same answers.

    python tests/benchmarks/prompt_lookup.py JSQUAD --output docs/runs/prompt-lookup.json

Questions of the evaluation articles, the gold passage among 3 others, preset 質問応答, one after
another; tokens a second after the first token.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

from langchain_swallow import ChatSwallow, get_preset
from langchain_swallow.evaluation.tables import Table, write_figures

sys.path.insert(0, str(Path(__file__).parents[2]))
from demo_model import cases

from tests.demo_adapter.split import split_articles

QUESTIONS = 50


def ask(llm: ChatSwallow, prompts: list) -> tuple[list[str], int, float]:
    """Answers, tokens after each first one, and their seconds."""
    answers, tokens, seconds = [], 0, 0.0
    for prompt in prompts:
        first, text, usage = 0.0, "", None
        for chunk in llm.stream(prompt):
            if chunk.text and not first:
                first = time.perf_counter()
            text += chunk.text
            usage = chunk.usage_metadata or usage
        seconds += time.perf_counter() - first
        tokens += usage["output_tokens"] - 1
        answers.append(text)
    return answers, tokens, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    _, articles = split_articles(json.loads(arguments.jsquad.read_text("utf-8"))["data"])
    made = random.Random(0).sample(cases(articles, "mixed", 0), QUESTIONS)
    template = get_preset("質問応答").template
    prompts = [template.invoke({k: c[k] for k in ("context", "question")}) for c in made]
    found = {}
    for name, speculative in (("without", None), ("with", "prompt_lookup")):
        llm = ChatSwallow(model="demo", max_tokens=48, speculative=speculative)
        llm.invoke("準備")
        found[name] = ask(llm, prompts)
        # Another engine's idle threads would take their cores from the next.
        llm.unload()
    speeds = {name: tokens / seconds for name, (_, tokens, seconds) in found.items()}
    same = sum(a == b for a, b in zip(found["without"][0], found["with"][0], strict=True))
    ratio = speeds["with"] / speeds["without"]
    rows = [
        ["tokens a second without", f"{speeds['without']:.1f}"],
        ["tokens a second with", f"{speeds['with']:.1f}"],
        ["ratio", f"{ratio:.2f}"],
        ["equal answers", f"{same} of {QUESTIONS}"],
    ]
    table = Table("Prompt lookup on RAG questions", ["", "measured"], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": {**speeds, "equal": same}})


if __name__ == "__main__":
    main()
