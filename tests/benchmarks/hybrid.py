"""Hybrid retrieval over 100,000 passages: building, opening, questions a second.

    python tests/benchmarks/hybrid.py JSQUAD --output docs/runs/hybrid.json

JSQuAD's sentences, drawn at random into passages of about 200 characters, with random unit vectors
of 384 dimensions; JSQuAD's questions. The encoder's time is not measured.
"""

import argparse
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from langchain_swallow import HybridRetriever, SwallowFAISS
from langchain_swallow.evaluation.rag import read_jsquad
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.text.sentences import sentence_spans

QUESTIONS = 200


class Random(Embeddings):
    """Unit vectors that are ready before they are asked for."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        self.rows = rng.normal(size=(count, 384)).astype(np.float32)
        self.rows /= np.linalg.norm(self.rows, axis=1, keepdims=True)
        self.given = 0

    def embed_documents(self, texts: list[str]) -> Any:
        self.given += len(texts)
        return self.rows[self.given - len(texts) : self.given]

    def embed_query(self, text: str) -> Any:
        return self.rows[len(text)]


def passages(path: Path, count: int) -> list[str]:
    sentences = [
        document.page_content[start:end]
        for document in read_jsquad(path).documents
        for start, end in sentence_spans(document.page_content)
    ]
    rng = random.Random(0)
    return ["".join(rng.sample(sentences, 4)) for _ in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    texts = passages(arguments.jsquad, arguments.count)
    questions = [e.question for e in read_jsquad(arguments.jsquad).examples[:QUESTIONS]]
    embeddings = Random(arguments.count)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        SwallowFAISS(embeddings, path=folder).add_texts(texts)
        figures["build_s"] = time.perf_counter() - began
        began = time.perf_counter()
        store = SwallowFAISS(embeddings, path=folder)
        retriever = HybridRetriever(store=store, k=10)
        retriever.invoke(questions[0])
        figures["open_and_first_question_s"] = time.perf_counter() - began
        times = []
        for question in questions:
            began = time.perf_counter()
            retriever.invoke(question)
            times.append(time.perf_counter() - began)
        figures["question_ms"] = 1000 * float(np.median(times))
        figures["questions_per_s"] = len(times) / sum(times)
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(retriever.invoke, questions))
        figures["questions_per_s_two_threads"] = len(questions) / (time.perf_counter() - began)
    rows = [
        ["build and save, s", f"{figures['build_s']:.1f}"],
        ["open, and the first question, s", f"{figures['open_and_first_question_s']:.2f}"],
        ["a question, median, ms", f"{figures['question_ms']:.1f}"],
        ["questions a second, one after another", f"{figures['questions_per_s']:.0f}"],
        ["the same in two threads", f"{figures['questions_per_s_two_threads']:.0f}"],
    ]
    heading = f"Hybrid retrieval, {arguments.count:,} passages"
    table = Table(heading, ["", "measured"], rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": figures})


if __name__ == "__main__":
    main()
