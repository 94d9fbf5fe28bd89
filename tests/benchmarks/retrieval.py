"""Recall of the right paragraph on JSQuAD validation, with the demo embeddings.

    python tests/benchmarks/retrieval.py valid-v1.3.json

Every question against all paragraphs. The peer, in the same run: LangChain's FAISS way of asking,
dense only, and BM25 over words split at spaces, as LangChain's BM25Retriever does by default.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from langchain_swallow import HybridRetriever, SwallowEmbeddings, SwallowFAISS
from langchain_swallow.text.lexical import BM25

CUTOFFS = (1, 3, 5, 10)


def read(path: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Paragraphs, and (question, number of its paragraph)."""
    texts: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(path.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            questions += [(qa["question"], len(texts)) for qa in paragraph["qas"]]
            # JSQuAD writes the title before the text.
            texts.append(paragraph["context"].split("[SEP]", 1)[-1].strip())
    return texts, questions


def recalls(ranks: list[int]) -> dict[str, float]:
    """Share of questions whose paragraph is among the first k."""
    return {f"R@{k}": round(float(np.mean(np.array(ranks) < k)), 3) for k in CUTOFFS}


def rank(scores: np.ndarray, right: int) -> int:
    """Paragraphs before the right one; ties are lost."""
    return int((scores >= scores[right]).sum()) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    texts, questions = read(parser.parse_args().jsquad)
    ids = [str(i) for i in range(len(texts))]
    store = SwallowFAISS.from_texts(texts, SwallowEmbeddings("demo"), ids=ids, progress=True)
    hybrid = HybridRetriever(store=store, k=max(CUTOFFS))
    ngrams, words = BM25(texts), BM25(texts, lambda text: text.split())
    ranks: dict[str, list[int]] = {"words": [], "ngrams": [], "dense": [], "hybrid": []}
    for question, right in tqdm(questions):
        ranks["words"].append(rank(words.scores(question), right))
        ranks["ngrams"].append(rank(ngrams.scores(question), right))
        ranks["dense"].append(rank(store.query_scores(question), right))
        found = [document.id for document in hybrid.invoke(question)]
        ranks["hybrid"].append(found.index(str(right)) if str(right) in found else len(texts))
    print(json.dumps({"questions": len(questions), "paragraphs": len(texts)}))
    for name, values in ranks.items():
        print(json.dumps({"retriever": name, **recalls(values)}))


if __name__ == "__main__":
    main()
