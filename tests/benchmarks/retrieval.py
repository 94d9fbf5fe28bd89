"""Recall of the right paragraph on JSQuAD validation, with the demo embeddings.

    python tests/benchmarks/retrieval.py valid-v1.3.json --output docs/runs/retrieval.json

Every question against all paragraphs, ties count as lost. The peer, in the same run: BM25 over
words split at spaces, as LangChain's BM25Retriever does by default.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from langchain_swallow import HybridRetriever, SwallowEmbeddings, SwallowFAISS
from langchain_swallow.evaluation.rag import read_jsquad
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.text.lexical import BM25
from langchain_swallow.text.passages import passage_text

CUTOFFS = (1, 3, 5, 10)


def recalls(ranks: list[int]) -> dict[str, float]:
    """Share of questions whose paragraph is among the first k."""
    return {f"R@{k}": round(float(np.mean(np.array(ranks) < k)), 3) for k in CUTOFFS}


def rank(scores: np.ndarray, right: int) -> int:
    """Paragraphs before the right one; ties are lost."""
    return int((scores >= scores[right]).sum()) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    data = read_jsquad(arguments.jsquad)
    place = {document.id: i for i, document in enumerate(data.documents)}
    store = SwallowFAISS.from_documents(data.documents, SwallowEmbeddings("demo"), progress=True)
    hybrid = HybridRetriever(store=store, k=max(CUTOFFS))
    texts = [passage_text(d.page_content, d.metadata) for d in data.documents]
    ngrams, words = BM25(texts), BM25(texts, lambda text: text.split())
    ranks: dict[str, list[int]] = {
        "BM25, words split at spaces": [],
        "BM25, character 1+2-grams (`text.lexical`)": [],
        'dense, `SwallowEmbeddings("demo")`': [],
        "`HybridRetriever`": [],
    }
    for example in tqdm(data.examples):
        (name,) = example.documents
        right, question = place[name], example.question
        found = [document.id for document in hybrid.invoke(question)]
        one = (
            rank(words.scores(question), right),
            rank(ngrams.scores(question), right),
            rank(store.query_scores(question), right),
            found.index(name) if name in found else len(texts),
        )
        for values, value in zip(ranks.values(), one, strict=True):
            values.append(value)
    figures = {name: recalls(values) for name, values in ranks.items()}
    print(json.dumps({"questions": len(data.examples), "paragraphs": len(texts), **figures}))
    if arguments.output:
        rows = [[name, *(f"{v:.3f}" for v in found.values())] for name, found in figures.items()]
        columns = ["", *(f"R@{k}" for k in CUTOFFS)]
        write_figures(arguments.output, [Table("Retrieval", columns, rows)], {"figures": figures})


if __name__ == "__main__":
    main()
