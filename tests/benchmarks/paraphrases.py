"""Questions that repeat the words of the documents, and the same questions in other words.

    python tests/benchmarks/paraphrases.py --output docs/runs/paraphrases.json

The 32 answerable questions of examples/questions.jsonl and their paraphrases, over the passages of
examples/documents. A passage is right when it is of the right document and has the answer. Beside
the default: each leg alone, and both scaled to [0, 1] by the best and the worst passage, as fusion
of scores is usually done, with the weight that is best on JSQuAD.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from langchain_swallow import (
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.retrieval.fusion import Ranked
from langchain_swallow.text.passages import passage_text
from langchain_swallow.text.terms import strip_question_words

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = ("questions.jsonl", "questions_paraphrased.jsonl")
CUTOFFS = (1, 4)
MIN_MAX_WEIGHT = 0.4


def scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """From the worst to the best."""
    return (scores - scores.min()) / (scores.max() - scores.min())


def rankings(store: SwallowFAISS, question: str) -> dict[str, NDArray[np.float32]]:
    """Scores of all passages, by each way to rank."""
    now, asked = store.snapshot(), strip_question_words(question)
    lexical, dense = now.lexical_scores(asked), now.scores(store.query_vector(question))
    weight = HybridRetriever(store=store).lexical_weight
    min_max = MIN_MAX_WEIGHT * scaled(lexical) + (1 - MIN_MAX_WEIGHT) * scaled(dense)
    ranked, everything = Ranked(lexical, dense, weight, None), list(range(len(store)))
    texts = [passage_text(d.page_content, d.metadata) for d in store.documents]
    return {
        "BM25, 1+2-grams": lexical,
        "dense": dense,
        f"both from worst to best, {MIN_MAX_WEIGHT} BM25": min_max,
        "`HybridRetriever` without proximity": ranked.fused,
        "`HybridRetriever`": ranked.with_proximity(everything, now.proximities(asked, texts)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    documents = load_documents(EXAMPLES / "documents")
    chunks = JapaneseTextSplitter(300).split_documents(documents)
    store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
    shares: dict[str, list[float]] = {}
    for file in FILES:
        lines = (EXAMPLES / file).read_text(encoding="utf-8").splitlines()
        ranks: dict[str, list[int]] = {}
        for asked in [row for row in map(json.loads, lines) if row["answers"]]:
            right = [
                asked["document"] == Path(d.metadata["source"]).name
                and any(answer in d.page_content for answer in asked["answers"])
                for d in store.documents
            ]
            for name, scores in rankings(store, asked["question"]).items():
                order = np.argsort(-scores, kind="stable")
                ranks.setdefault(name, []).append(int(np.array(right)[order].argmax()))
        for name, found in ranks.items():
            shares.setdefault(name, [])
            shares[name] += [float((np.array(found) < k).mean()) for k in CUTOFFS]
    columns = [
        "",
        *(f"{kind}, R@{k}" for kind in ("as written", "in other words") for k in CUTOFFS),
    ]
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in shares.items()]
    table = Table("In other words", columns, rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": shares, "passages": len(store)})


if __name__ == "__main__":
    main()
