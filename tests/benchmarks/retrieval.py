"""Recall of the right paragraph on JSQuAD validation, with the demo embeddings.

    python tests/benchmarks/retrieval.py valid-v1.3.json --output docs/runs/retrieval.json

Every question against all paragraphs; of equal scores the earlier paragraph comes first. The peer,
in the same run: BM25 over words split at spaces, as LangChain's BM25Retriever does by default.
Weights of the fusion are also chosen on every other article and reported on the rest, both ways.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from langchain_swallow import HybridRetriever, SwallowEmbeddings, SwallowFAISS
from langchain_swallow.evaluation.rag import read_jsquad
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.retrieval.fusion import Ranked
from langchain_swallow.retrieval.hybrid import _MIN_READ as READ
from langchain_swallow.retrieval.index.snapshot import Snapshot
from langchain_swallow.text.passages import passage_text
from langchain_swallow.text.terms import strip_question_words, sudachi_terms

CUTOFFS = (1, 3, 5, 10)
WEIGHTS = [round(0.02 * i, 2) for i in range(51)]
SPLIT_AT_SPACES, NGRAMS, WORDS = "words split at spaces", "1+2-grams", "Sudachi and 2-grams"


def place(scores: NDArray[Any], right: int) -> int:
    """Rank of the right paragraph, from 0."""
    before = scores[:right] >= scores[right]
    return int(before.sum() + (scores[right + 1 :] > scores[right]).sum())


def read(now: Snapshot, asked: str, ranked: Ranked, near: dict[int, float]) -> NDArray[Any]:
    """Scores of all paragraphs as `HybridRetriever` has them; `near` keeps what was read."""
    numbers = ranked.best(READ)
    new = [number for number in numbers if number not in near]
    texts = [passage_text(p.text, p.metadata) for p in now.passages(now.places(new))]
    near.update(zip(new, now.proximities(asked, texts).tolist(), strict=True))
    scores = ranked.fused.copy()
    # What is read goes before what is not, in whatever order.
    scores[numbers] = 1 + ranked.with_proximity(numbers, np.array([near[n] for n in numbers]))
    return scores


def recalls(ranks: NDArray[Any]) -> list[float]:
    """Share of questions whose paragraph is among the first k."""
    return [float((ranks < k).mean()) for k in CUTOFFS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    data = read_jsquad(arguments.jsquad)
    number = {document.id: i for i, document in enumerate(data.documents)}
    store = SwallowFAISS.from_documents(data.documents, SwallowEmbeddings("demo"), progress=True)
    now, terms = store.snapshot(), sudachi_terms()
    legs: dict[str, list[int]] = {SPLIT_AT_SPACES: [], NGRAMS: [], WORDS: [], "dense": []}
    fused: dict[str, list[list[int]]] = {NGRAMS: [], WORDS: []}
    for example in tqdm(data.examples):
        (name,) = example.documents
        right, question = number[name], example.question
        asked = strip_question_words(question)
        dense = now.scores(store.query_vector(question))
        lexical = {
            SPLIT_AT_SPACES: now.lexical_scores(question, str.split),
            NGRAMS: now.lexical_scores(asked),
            WORDS: now.lexical_scores(asked, terms),
        }
        for leg, scores in {**lexical, "dense": dense}.items():
            legs[leg].append(place(scores, right))
        near: dict[int, float] = {}
        for leg, rows in fused.items():
            ranked = (Ranked(lexical[leg], dense, w, None) for w in WEIGHTS)
            by_weight = (read(now, asked, one, near) for one in ranked)
            rows.append([place(scores, right) for scores in by_weight])
    default = WEIGHTS.index(HybridRetriever(store=store).lexical_weight)
    articles = list(dict.fromkeys(example.category for example in data.examples))
    first = np.array([articles.index(e.category) % 2 == 0 for e in data.examples])
    rows: list[list[Any]] = [
        [leg if leg == "dense" else f"BM25, {leg}", *recalls(np.array(ranks))]
        for leg, ranks in legs.items()
    ]
    chosen = {}
    for leg, places in fused.items():
        by_question = np.array(places)
        rows.append([f"`HybridRetriever`, {leg}", *recalls(by_question[:, default])])
        for name, chosen_on in (("even", first), ("odd", ~first)):
            best = int(np.argmax((by_question[chosen_on] == 0).mean(axis=0)))
            chosen[f"{leg}, {name}"] = WEIGHTS[best]
            label = f"hybrid, {leg}, {WEIGHTS[best]} chosen on {name} articles, on the others"
            rows.append([label, *recalls(by_question[~chosen_on][:, best])])
    shown = [[str(row[0]), *(f"{value:.3f}" for value in row[1:])] for row in rows]
    table = Table("Retrieval", ["", *(f"R@{k}" for k in CUTOFFS)], shown)
    print(json.dumps({"questions": len(data.examples), "paragraphs": len(data.documents)}))
    print(table.markdown())
    if arguments.output:
        figures = {"rows": rows, "chosen": chosen}
        write_figures(arguments.output, [table], {"figures": figures})


if __name__ == "__main__":
    main()
