"""JSQuAD end to end with the demo model: retrieval over all 1,145 paragraphs, answers, citations.

    python tests/benchmarks/end_to_end.py valid-v1.3.json FOLDER --output docs/runs/end-to-end.json

The questions of the 12 articles that the demo model's adapter never saw. Each is also asked without
its own paragraph among what is found, and without all of its article: there a refusal is right.
Other paragraphs of an article answer some of its questions too; refusals are therefore also given
for those where no passage found has the words of an answer. FOLDER keeps the run: the same command
goes on where it was stopped.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from langchain_swallow import (
    ChatSwallow,
    HybridRetriever,
    SwallowEmbeddings,
    SwallowFAISS,
    create_rag_chain,
)
from langchain_swallow.evaluation import rag
from langchain_swallow.evaluation.rag.report import report_as_dict
from langchain_swallow.evaluation.rag.scores import RagScores
from langchain_swallow.evaluation.run_file import RunFile
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.evaluation.text_metrics import answer_key

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.demo_adapter.split import split_articles

K = 4
Hidden = Literal["paragraph", "article"] | None


def run(
    llm: ChatSwallow,
    store: SwallowFAISS,
    examples: Sequence[rag.Example],
    path: Path,
    *,
    hidden: Hidden = None,
    score_threshold: float | None = None,
    min_relevance: float | None = None,
) -> RagScores:
    """Ask all examples, each without what is hidden of it."""
    of_question = {example.question: example for example in examples}
    retriever = HybridRetriever(store=store, k=K, score_threshold=score_threshold)

    def retrieve(question: str) -> list[Document]:
        example, condition = of_question[question], None
        if hidden == "paragraph":
            condition = {"source": {"$ne": next(iter(example.documents))}}
        elif hidden == "article":
            condition = {"title": {"$ne": example.category}}
        return retriever.invoke(question, filter=condition)

    asked = [replace(e, answers=()) for e in examples] if hidden else list(examples)
    with RunFile(path) as file:
        chain = create_rag_chain(llm, RunnableLambda(retrieve), min_relevance=min_relevance)
        settings = {"k": K, "hidden": hidden or ""}
        chosen = {"score_threshold": score_threshold, "min_relevance": min_relevance}
        settings |= {name: value for name, value in chosen.items() if value is not None}
        failed = rag.answer_examples(
            chain, asked, file, settings=settings, concurrency=8, progress=True
        )
        assert not failed, failed[0].error
        return rag.score_run(asked, file.records)


def without_answer(
    scores: RagScores, examples: Sequence[rag.Example], texts: Mapping[str, str]
) -> list[bool]:
    """Whether each was refused, of those where no passage found holds an answer's words."""
    answers = {e.id: [answer_key(a) for a in e.answers] for e in examples}
    refused = []
    for question in scores.questions:
        found = "\n".join(texts[d["source"]] for d in question.record["documents"])
        if not any(answer in found for answer in answers[question.example.id]):
            refused.append(bool(question.record["refused"]))
    return refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="so many questions")
    parser.add_argument("--score-threshold", type=float, help="of the retriever")
    parser.add_argument("--min-relevance", type=float, help="of the chain")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    _, held = split_articles(json.loads(arguments.jsquad.read_text("utf-8"))["data"])
    data = rag.read_jsquad(arguments.jsquad, titles={article["title"] for article in held})
    examples = list({e.question: e for e in data.examples}.values())[: arguments.limit]
    store = SwallowFAISS(SwallowEmbeddings("demo"), path=arguments.folder / "index")
    if not len(store):
        store.add_documents(data.documents, progress=True)
    llm = ChatSwallow(model="demo", max_tokens=48)
    chosen = {
        "score_threshold": arguments.score_threshold,
        "min_relevance": arguments.min_relevance,
    }
    shown = run(llm, store, examples, arguments.folder / "shown.jsonl", **chosen)
    refused = {
        hidden: run(
            llm, store, examples, arguments.folder / f"no-{hidden}.jsonl", hidden=hidden, **chosen
        )
        for hidden in ("paragraph", "article")
    }
    names = ("recall@1", "recall@3", "exact_match", "f1", "citation_precision",
             "citation_recall", "citation_support", "false_refusal")  # fmt: skip
    rows = [[name, f"{shown.total.metrics[name].mean:.3f}"] for name in names]
    texts = {d.metadata["source"]: answer_key(d.page_content) for d in data.documents}
    refusal = {}
    for hidden, scores in refused.items():
        refusal[hidden] = scores.total.metrics["refusal"].mean
        rows.append([f"refusal, its {hidden} left out", f"{refusal[hidden]:.3f}"])
        clear = without_answer(scores, examples, texts)
        refusal[f"{hidden}, clear"] = sum(clear) / len(clear)
        label = f"the same, where nothing found has the answer's words ({len(clear)})"
        rows.append([label, f"{refusal[f'{hidden}, clear']:.3f}"])
    for name, label in (("seconds", "an answer, s"), ("first_text_s", "first text, s")):
        found = shown.total.percentiles[name]
        cell = f"{found['p50']:.2f} / {found['p95']:.2f}"
        rows.append([f"{label}, p50 / p95, 8 at a time", cell])
    table = Table(f"End to end, {len(examples)} questions", ["", "measured"], rows)
    print(table.markdown())
    if arguments.output:
        runs = report_as_dict({"shown": shown})["runs"]["shown"]
        write_figures(arguments.output, [table], {"total": runs["total"], "refusal": refusal})


if __name__ == "__main__":
    main()
