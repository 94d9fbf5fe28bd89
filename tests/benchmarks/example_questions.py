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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("-k", type=int, default=4)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    chunks = JapaneseTextSplitter().split_documents(load_documents(EXAMPLES / "documents"))
    store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
    llm = ChatSwallow(model=arguments.model, max_tokens=256)
    chain = create_rag_chain(llm, HybridRetriever(store=store, k=arguments.k))
    lines = (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    answers = chain.batch([q["question"] for q in questions])
    counts = dict.fromkeys(("answered", "refused", "retrieved", "cited"), 0)
    for asked, answer in zip(questions, answers, strict=True):
        names = [Path(d.metadata["source"]).name for d in answer.documents]
        cited = [Path(c.document.metadata["source"]).name for c in answer.citations]
        contained = any(normalize(a) in normalize(answer.text) for a in asked["answers"])
        counts["answered"] += contained
        counts["refused"] += not asked["answers"] and answer.refused
        counts["retrieved"] += asked["document"] in names
        counts["cited"] += contained and asked["document"] in cited
        if arguments.verbose:
            mark = "o" if contained or (not asked["answers"] and answer.refused) else "x"
            print(mark, asked["question"], "|", answer.text, "|", asked["answers"], names[:2])
    answerable = sum(bool(q["answers"]) for q in questions)
    print(json.dumps({**counts, "answerable": answerable, "questions": len(questions)}))


if __name__ == "__main__":
    main()
