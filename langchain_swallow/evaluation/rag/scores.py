"""Score a run file by question, in total, by document and by category, and compare two runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation import ranking, text_metrics
from langchain_swallow.evaluation.intervals import (
    Difference,
    Estimate,
    compare_paired,
    estimate_mean,
)
from langchain_swallow.evaluation.judging import HIGHEST
from langchain_swallow.evaluation.rag.examples import Example
from langchain_swallow.evaluation.run_file import Record

CUTOFFS = (1, 3, 5, 10)
Metric = Callable[[Example, Record], float | None]
# Values of each question that are not shares, but seconds and tokens.
AMOUNTS = ("seconds", "first_text_s", "input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Scored:
    """A question with the record of its answer, and its metrics by name."""

    example: Example
    record: Record
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """Means of the metrics with their intervals, and percentiles of seconds and tokens.

    Each metric covers the questions to which it applies: exact match and F1 the answerable ones,
    refusal the others.
    """

    questions: int
    metrics: Mapping[str, Estimate]
    percentiles: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class RagScores:
    """Scores of a run, with the settings and the concurrency it was made with."""

    settings: Mapping[str, Any]
    total: Summary
    by_document: Mapping[str, Summary]
    by_category: Mapping[str, Summary]
    questions: tuple[Scored, ...]
    concurrency: int


def score_run(
    examples: Sequence[Example],
    records: Sequence[Record],
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    metrics: Mapping[str, Metric] | None = None,
) -> RagScores:
    """Score all questions that were answered.

    Args:
        examples: The questions.
        records: Records of their run file.
        cutoffs: Values of k for recall@k, MRR@k and nDCG@k; default 1, 3, 5 and 10. Cutoffs above
            the number of retrieved documents are left out.
        metrics: Name → function that computes an additional metric of a question; default: none.
            If the function returns `None`, the question is left out.

    Metrics, each in [0, 1]:
        recall@k, mrr@k, ndcg@k: Over distinct documents, as in trec_eval.
        exact_match, f1, contains: Of the answer's text; a refusal counts as an empty answer.
        citation_precision: Share of an answer's citations that refer to a relevant document.
        citation_recall: Share of the relevant documents that are cited.
        citation_support: Share of an answer's citations whose quotes were found in the chunk.
        refusal: Share of the unanswerable questions that were refused.
        false_refusal: Share of the answerable questions that were refused.
        judge: The judge's rating / 10, if the answer was judged.

    Raises:
        EvaluationError: The run file has no answer to any of the examples.
    """
    answers, judgments = _by_example(records, "answer"), _by_example(records, "judgment")
    # Use the retriever's own results if there are any, else the documents in the model's prompt.
    retrieved = {**answers, **_by_example(records, "retrieval")}
    max_documents = max((len(record["documents"]) for record in retrieved.values()), default=0)
    within = [k for k in cutoffs if k <= max_documents]
    scored = []
    for example in examples:
        if example.id not in answers:
            continue
        record = answers[example.id]
        values = {
            **_retrieval_values(example, retrieved[example.id]["documents"], within),
            **_answer_values(example, record),
            **_judge_values(judgments.get(example.id)),
            **_amounts(record),
        }
        for name, metric in (metrics or {}).items():
            value = metric(example, record)
            if value is not None:
                values[name] = float(value)
        scored.append(Scored(example, record, values))
    if not scored:
        raise EvaluationError("The run file answers none of the examples. Run the chain first.")
    return RagScores(
        settings=scored[0].record["settings"],
        total=_summary(scored),
        by_document=_grouped(scored, lambda s: list(s.example.documents)),
        by_category=_grouped(scored, lambda s: [s.example.category] if s.example.category else []),
        questions=tuple(scored),
        concurrency=scored[0].record["concurrency"],
    )


def compare_runs(first: RagScores, second: RagScores) -> dict[str, Difference]:
    """Paired difference of each metric, second minus first, over the questions that both have."""
    values = [{s.example.id: s.values for s in scores.questions} for scores in (first, second)]
    differences = {}
    for name in dict.fromkeys(name for s in first.questions for name in s.values):
        shared = [i for i in values[0] if name in values[0][i] and name in values[1].get(i, {})]
        if shared:
            differences[name] = compare_paired(
                [values[0][i][name] for i in shared], [values[1][i][name] for i in shared]
            )
    return differences


def is_document(name: str, record: Record) -> bool:
    """Whether a retrieved or cited document is the one that an example names.

    Args:
        name: Id, source, or last parts of the source's path.
        record: Record of the document, with `id` and `source`.
    """
    source = str(record["source"] or "")
    if name in (record["id"], source):
        return True
    # Run files are copied between systems, so a path may be a Windows or a POSIX path.
    parts = (PureWindowsPath(source) if "\\" in source else PurePosixPath(source)).parts
    suffix = PurePosixPath(name).parts
    return bool(suffix) and parts[-len(suffix) :] == suffix


def ranked_names(example: Example, documents: Sequence[Record]) -> list[str]:
    """Names of distinct documents, best first; for relevant documents, the example's names."""
    names = []
    for record in documents:
        name = str(record["source"] or record["id"])
        names.append(next((n for n in example.documents if is_document(n, record)), name))
    return list(dict.fromkeys(names))


def _retrieval_values(
    example: Example, documents: Sequence[Record], cutoffs: Sequence[int]
) -> dict[str, float]:
    if not example.documents:
        return {}
    names = ranked_names(example, documents)
    values = {}
    for k in cutoffs:
        values[f"recall@{k}"] = ranking.recall_at(names, example.documents, k)
        values[f"mrr@{k}"] = ranking.reciprocal_rank_at(names, example.documents, k)
        values[f"ndcg@{k}"] = ranking.ndcg_at(names, example.documents, k)
    return values


def _answer_values(example: Example, record: Record) -> dict[str, float]:
    refused = bool(record["refused"])
    if not example.answerable:
        return {"refusal": float(refused)}
    text = "" if refused else record["text"]
    values = {
        "exact_match": text_metrics.exact_match(text, example.answers),
        "f1": text_metrics.character_f1(text, example.answers),
        "contains": text_metrics.contains_answer(text, example.answers),
        "false_refusal": float(refused),
    }
    citations = record["citations"]
    if example.documents:
        right = [n for c in citations for n in example.documents if is_document(n, c)]
        values["citation_recall"] = len(set(right)) / len(example.documents)
        if citations:
            values["citation_precision"] = len(right) / len(citations)
    if citations:
        values["citation_support"] = sum(c["verified"] for c in citations) / len(citations)
    return values


def _judge_values(judgment: Record | None) -> dict[str, float]:
    if judgment is None or judgment["rating"] is None:
        return {}
    return {"judge": judgment["rating"] / HIGHEST}


def _amounts(record: Record) -> dict[str, float]:
    usage = record["usage"] or {}
    values = {"seconds": record["seconds"], "first_text_s": record["first_text_s"], **usage}
    return {name: float(values[name]) for name in AMOUNTS if name in values}


def _summary(scored: Sequence[Scored]) -> Summary:
    columns: dict[str, list[float]] = {}
    for one in scored:
        for name, value in one.values.items():
            columns.setdefault(name, []).append(value)
    return Summary(
        questions=len(scored),
        metrics={n: estimate_mean(v) for n, v in columns.items() if n not in AMOUNTS},
        percentiles={
            name: {
                "mean": float(np.mean(columns[name])),
                "p50": float(np.percentile(columns[name], 50)),
                "p95": float(np.percentile(columns[name], 95)),
            }
            for name in AMOUNTS
            if name in columns
        },
    )


def _grouped(
    scored: Sequence[Scored], get_groups: Callable[[Scored], Sequence[str]]
) -> dict[str, Summary]:
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        for group in get_groups(one):
            groups.setdefault(group, []).append(one)
    return {name: _summary(groups[name]) for name in sorted(groups)}


def _by_example(records: Sequence[Record], kind: str) -> dict[str, Record]:
    return {record["example"]: record for record in records if record["kind"] == kind}
