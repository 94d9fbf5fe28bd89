"""`examples/questions.jsonl` through the same chain as `langchain-swallow ask`.

    python tests/benchmarks/example_questions.py [--model demo] [--verbose]

An answerable question counts as answered when one of its answers is contained in the text; an
unanswerable one when the chain refuses.
"""

import argparse
import json
from pathlib import Path

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    create_rag_chain,
    load_documents,
)
from langchain_swallow.text.normalize import normalize

EXAMPLES = Path(__file__).parents[2] / "examples"


def measure(model: str, k: int, *, verbose: bool = False) -> dict[str, int]:
    """Counts over all questions."""
    chunks = JapaneseTextSplitter().split_documents(load_documents(EXAMPLES / "documents"))
    store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
    llm = ChatSwallow(model=model, max_tokens=256)
    chain = create_rag_chain(llm, HybridRetriever(store=store, k=k))
    lines = (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    answers = chain.batch([q["question"] for q in questions])
    counts = dict.fromkeys(("answered", "refused", "retrieved", "cited"), 0)
    for asked, answer in zip(questions, answers, strict=True):
        names = [Path(d.metadata["source"]).name for d in answer.documents]
        cited = [Path(c.document.metadata["source"]).name for c in answer.citations]
        contained = any(normalize(a) in normalize(answer.text) for a in asked["answers"])
        refused = not asked["answers"] and answer.refused
        counts["answered"] += contained
        counts["refused"] += refused
        counts["retrieved"] += asked["document"] in names
        counts["cited"] += contained and asked["document"] in cited
        if verbose:
            mark = "o" if contained or refused else "x"
            print(mark, asked["question"], "|", answer.text, "|", asked["answers"], names[:2])
    counts["answerable"] = sum(bool(q["answers"]) for q in questions)
    counts["questions"] = len(questions)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("-k", type=int, default=4)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.model, arguments.k, verbose=arguments.verbose)))


if __name__ == "__main__":
    main()
