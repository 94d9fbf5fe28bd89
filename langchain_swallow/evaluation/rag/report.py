"""Reports of scores: Markdown, JSON, a plot, and a page with all questions and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.evaluation.intervals import Difference
from langchain_swallow.evaluation.pages import data_url, format_score, write_page
from langchain_swallow.evaluation.plots import Bar, bars, why_not_drawn
from langchain_swallow.evaluation.rag.scores import AMOUNTS, RagScores, Summary, compare_runs
from langchain_swallow.evaluation.tables import Table, markdown_page, write_figures

# Metrics and amounts, as Japanese and English readers call them.
NAMES = {
    "exact_match": ("完全一致", "exact match"),
    "f1": ("文字F1", "character F1"),
    "contains": ("正解を含む", "contains the answer"),
    "judge": ("採点", "rating"),
    "citation_precision": ("出典の適合率", "citation precision"),
    "citation_recall": ("出典の再現率", "citation recall"),
    "citation_support": ("出典の裏付け", "citation support"),
    "refusal": ("正しい拒否率", "correct refusal rate"),
    "false_refusal": ("誤拒否率", "false refusal rate"),
    "seconds": ("回答までの時間", "time to answer"),
    "first_text_s": ("最初の文字まで", "time to first text"),
    "input_tokens": ("入力トークン", "input tokens"),
    "output_tokens": ("出力トークン", "output tokens"),
}
_IN_SECONDS = ("seconds", "first_text_s")
# Metrics in the plot; the tables contain the others as well.
_DRAWN = ("recall@1", "recall@3", "exact_match", "f1", "contains", "judge",
          "citation_precision", "citation_support", "refusal", "false_refusal")  # fmt: skip


def markdown_report(scores: Mapping[str, RagScores]) -> str:
    """Markdown report of one or several runs; for two runs, with their paired differences.

    Args:
        scores: Label of a run → its scores.
    """
    return markdown_page("RAG", [], _tables(scores))


def report_as_dict(scores: Mapping[str, RagScores]) -> dict[str, Any]:
    """Report as a dict for JSON: totals and groups of each run, and the differences of two runs."""
    runs = {
        label: {
            "settings": dict(one.settings),
            "concurrency": one.concurrency,
            "total": asdict(one.total),
            "by_document": {name: asdict(s) for name, s in one.by_document.items()},
            "by_category": {name: asdict(s) for name, s in one.by_category.items()},
        }
        for label, one in scores.items()
    }
    compared = {name: asdict(d) for name, d in _differences(scores).items()}
    return {"benchmark": "rag", "runs": runs, "differences": compared}


def write_report(folder: Path, scores: Mapping[str, RagScores]) -> list[Path]:
    """Write `report.md`, `report.json`, `metrics.svg`, `metrics.png` and `report.html`.

    Without matplotlib (extra `plots`), the two plots are left out.

    Args:
        folder: Existing folder.
        scores: Label of a run → its scores.

    Returns:
        The files that were written.
    """
    tables = _tables(scores)
    write_figures(folder / "report.json", tables, report_as_dict(scores))
    (folder / "report.md").write_text(markdown_report(scores), encoding="utf-8")
    figures = [] if why_not_drawn() else [folder / "metrics.svg", folder / "metrics.png"]
    for figure in figures:
        _draw(figure, scores)
    write_page(
        folder / "report.html",
        "rag.html",
        title=in_language("RAGの評価", "RAG evaluation"),
        tables=tables,
        figure=data_url(figures[0]) if figures else "",
        labels=list(scores),
        categories=list(next(iter(scores.values())).by_category),
        questions=_questions(scores),
    )
    return [*(folder / f"report.{suffix}" for suffix in ("md", "json", "html")), *figures]


def display_name(metric: str) -> str:
    """Name of a metric in the reader's language; for an unknown metric, its own name."""
    return in_language(*NAMES.get(metric, (metric, metric)))


def _tables(scores: Mapping[str, RagScores]) -> list[Table]:
    labels = list(scores)
    totals = [one.total for one in scores.values()]
    concurrency = sorted({one.concurrency for one in scores.values()})
    tables = [
        Table(
            in_language(
                "全体（95％信頼区間、問数）", "All questions (95% interval, number of questions)"
            ),
            ["", *labels],
            _metric_rows(totals),
        ),
        Table(
            in_language(
                f"時間とトークン（中央値 / 95％点、同時に{'・'.join(map(str, concurrency))}問）",
                "Time and tokens (median / 95th percentile, "
                f"concurrency {', '.join(map(str, concurrency))})",
            ),
            ["", *labels],
            _amount_rows(totals),
        ),
    ]
    differences = _differences(scores)
    if differences:
        interval = in_language("95％信頼区間", "95% interval")
        head = ["", f"{labels[1]} − {labels[0]}", interval, "p", _questions_head()]
        rows = [[display_name(n), *_difference_cells(d)] for n, d in differences.items()]
        heading = in_language("差（同じ質問どうし）", "Difference (paired by question)")
        tables.append(Table(heading, head, rows))
    first = next(iter(scores.values()))
    for heading, groups in (
        (in_language(f"文書別（{labels[0]}）", f"By document ({labels[0]})"), first.by_document),
        (in_language(f"分類別（{labels[0]}）", f"By category ({labels[0]})"), first.by_category),
    ):
        if 1 < len(groups) <= _MAX_GROUPS:
            names = [n for n in _DRAWN if any(n in group.metrics for group in groups.values())]
            head = ["", _questions_head(), *map(display_name, names)]
            rows = [
                [group, str(summary.questions), *(_mean(summary, name) for name in names)]
                for group, summary in groups.items()
            ]
            tables.append(Table(heading, head, rows))
    return tables


def _questions_head() -> str:
    return in_language("問数", "questions")


_MAX_GROUPS = 100


def _metric_rows(totals: Sequence[Summary]) -> list[list[str]]:
    rows = []
    names = dict.fromkeys(name for total in totals for name in total.metrics)
    # Recall is shown for each k; for MRR and nDCG the largest k is enough.
    last = {name.split("@")[0]: name for name in names if "@" in name}
    for name in names:
        kind = name.split("@")[0]
        if kind in ("mrr", "ndcg") and name != last[kind]:
            continue
        cells = []
        for total in totals:
            estimate = total.metrics.get(name)
            cells.append(
                f"{format_score(estimate.mean)} "
                f"({format_score(estimate.low)}–{format_score(estimate.high)}, {estimate.count})"
                if estimate
                else "–"
            )
        rows.append([display_name(name), *cells])
    return rows


def _amount_rows(totals: Sequence[Summary]) -> list[list[str]]:
    rows = []
    for name in AMOUNTS:
        percentiles = [total.percentiles.get(name) for total in totals]
        if any(percentiles):
            digits = 2 if name in _IN_SECONDS else 0
            unit = in_language(" 秒", " s") if name in _IN_SECONDS else ""
            cells = [
                f"{p['p50']:.{digits}f} / {p['p95']:.{digits}f}{unit}" if p else "–"
                for p in percentiles
            ]
            rows.append([display_name(name), *cells])
    return rows


def _mean(summary: Summary, name: str) -> str:
    estimate = summary.metrics.get(name)
    return format_score(estimate.mean if estimate else None)


def _differences(scores: Mapping[str, RagScores]) -> dict[str, Difference]:
    runs = list(scores.values())
    return compare_runs(runs[0], runs[1]) if len(runs) == 2 else {}


def _difference_cells(difference: Difference) -> list[str]:
    d = difference
    return [f"{d.mean:+.3f}", f"{d.low:+.3f} – {d.high:+.3f}", f"{d.p_value:.3f}", str(d.count)]


def _draw(path: Path, scores: Mapping[str, RagScores]) -> None:
    metrics = [n for n in _DRAWN if any(n in one.total.metrics for one in scores.values())]
    series = {
        label: [
            Bar(e.mean, e.low, e.high) if (e := one.total.metrics.get(name)) else Bar(float("nan"))
            for name in metrics
        ]
        for label, one in scores.items()
    }
    bars(path, [display_name(name) for name in metrics], series, label=in_language("割合", "share"))


def _questions(scores: Mapping[str, RagScores]) -> list[dict[str, Any]]:
    """Data of the page: each question with the answers of all runs."""
    answers: dict[str, list[dict[str, Any]]] = {}
    examples = {}
    for label, one in scores.items():
        for scored in one.questions:
            example, record = scored.example, scored.record
            examples[example.id] = example
            right = scored.values.get("contains", scored.values.get("refusal", 0.0)) == 1
            answers.setdefault(example.id, []).append(
                {
                    "label": label,
                    "text": record["text"],
                    "right": right,
                    "citations": record["citations"],
                    "documents": record["documents"],
                    "f1": scored.values.get("f1"),
                    "seconds": scored.values.get("seconds"),
                }
            )
    return [
        {"example": examples[name], "answers": run_answers,
         "right": "yes" if all(answer["right"] for answer in run_answers) else "no"}
        for name, run_answers in answers.items()
    ]  # fmt: skip
