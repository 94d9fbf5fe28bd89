"""Several indexes: which of them has the answer, by a decision of the model and by retrieval.

    python tests/benchmarks/routing.py --output docs/runs/routing.json

The documents of examples/documents in three indexes. Asked are the 32 answerable questions of
examples/questions.jsonl and their paraphrases. The decision gets the question and a description of
each index. The index of a way is that of its best chunk; R@4 is the share of questions with a chunk
of the right document that has the answer, among four.
"""

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from langchain_core.decisions import Choice
from langchain_core.documents import Document

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    JapaneseTextSplitter,
    SwallowDecision,
    SwallowEmbeddings,
    SwallowFAISS,
    load_documents,
)
from langchain_swallow.evaluation.tables import Table, write_figures

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {"as written": "questions.jsonl", "in other words": "questions_paraphrased.jsonl"}
CRITERIA = {
    "人事と総務": "勤務時間、休暇、育児と介護、テレワーク、会社の案内、食堂、防災",
    "経費と情報システム": "経費の精算、出張、情報セキュリティ、パソコン、社員証、手当",
    "製品と営業": "加湿器の使い方、製品の価格、品質と営業の会議",
}
PREFIXES = {
    "経費と情報システム": ("経費", "出張", "情報", "よくある質問"),
    "製品と営業": ("製品", "品質", "営業"),
}
INSTRUCTIONS = "この質問の答えは、どの文書にありますか。"
CHUNKS = 4
MIN_PROBABILITY = 0.2


def index_name(source: str) -> str:
    """Return the index that has a document."""
    name = Path(source).name
    found = (index for index, prefixes in PREFIXES.items() if name.startswith(prefixes))
    return next(found, "人事と総務")


def made_retriever(chunks: list[Document]) -> HybridRetriever:
    store = SwallowFAISS.from_documents(chunks, SwallowEmbeddings("demo"))
    return HybridRetriever(store=store, k=CHUNKS)


def ways(
    question: str,
    decide: SwallowDecision,
    retrievers: dict[str, HybridRetriever],
    whole: HybridRetriever,
) -> Iterator[tuple[str, list[Document]]]:
    """Yield each way to search, and its chunks."""
    found = {name: retriever.invoke(question) for name, retriever in retrievers.items()}

    def merged(names: list[str], score: str = "score") -> list[Document]:
        documents = [document for name in names for document in found[name]]
        return sorted(documents, key=lambda d: -d.metadata[score])[:CHUNKS]

    asked = {"index": Choice(instructions=INSTRUCTIONS, criteria=CRITERIA)}
    decided = decide.invoke({"state": question, "questions": asked}).choices["index"]
    likely = [name for name, p in decided.probabilities.items() if p >= MIN_PROBABILITY]
    yield "one index of all documents", whole.invoke(question)
    for score in ("score", "lexical_score", "dense_score"):
        yield f"all indexes, sorted by `{score}`", merged([*found], score)
    yield "the index that `SwallowDecision` chooses", found[decided.choice]
    yield f"indexes of probability {MIN_PROBABILITY} or more, by `score`", merged(likely)


def is_right(row: dict, document: Document) -> bool:
    has_answer = any(answer in document.page_content for answer in row["answers"])
    return has_answer and Path(document.metadata["source"]).name == row["document"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo", help="chat model (default: demo)")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    chunks = JapaneseTextSplitter(300).split_documents(load_documents(EXAMPLES / "documents"))
    parts: dict[str, list[Document]] = {name: [] for name in CRITERIA}
    for chunk in chunks:
        parts[index_name(chunk.metadata["source"])].append(chunk)
    search = partial(
        ways,
        decide=SwallowDecision(llm=ChatSwallow(model=arguments.model)),
        retrievers={name: made_retriever(part) for name, part in parts.items()},
        whole=made_retriever(chunks),
    )
    shares: dict[str, list[float]] = {}
    for file in FILES.values():
        lines = (EXAMPLES / file).read_text(encoding="utf-8").splitlines()
        hits: dict[str, list[tuple[bool, bool]]] = {}
        for row in [row for row in map(json.loads, lines) if row["answers"]]:
            for way, found in search(row["question"]):
                best = index_name(found[0].metadata["source"]) == index_name(row["document"])
                hits.setdefault(way, []).append((best, any(is_right(row, d) for d in found)))
        for way, pairs in hits.items():
            shares.setdefault(way, []).extend(np.mean(pairs, axis=0).tolist())
    columns = ["", *(f"{kind}, {what}" for kind in FILES for what in ("index", f"R@{CHUNKS}"))]
    rows = [[way, *(f"{share:.2f}" for share in values)] for way, values in shares.items()]
    table = Table("Several indexes", columns, rows)
    print(table.markdown())
    if arguments.output:
        write_figures(arguments.output, [table], {"figures": shares, "model": arguments.model})


if __name__ == "__main__":
    main()
