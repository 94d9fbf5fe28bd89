"""Reports of run files: the model card's table, plots, and a page with answers and judgments."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.evaluation.mt_bench.data import CATEGORIES, TURNS, JudgePrompts, Question
from langchain_swallow.evaluation.mt_bench.published import published, published_rows
from langchain_swallow.evaluation.mt_bench.run import Key, parse_key
from langchain_swallow.evaluation.mt_bench.scores import SECTIONS, MtBenchScores, ScoreRow
from langchain_swallow.evaluation.pages import data_url, format_score, write_page
from langchain_swallow.evaluation.plots import radar, why_not_drawn
from langchain_swallow.evaluation.run_file import Record
from langchain_swallow.evaluation.tables import Table, markdown_page, write_figures

# Categories, as Japanese and English readers call them.
LABELS = {
    "writing": ("文章作成", "writing"), "roleplay": ("ロールプレイ", "roleplay"),
    "reasoning": ("推論", "reasoning"), "math": ("数学", "math"),
    "coding": ("コーディング", "coding"), "extraction": ("情報抽出", "extraction"),
    "stem": ("理系", "STEM"), "humanities": ("人文", "humanities"),
}  # fmt: skip
# Column headings of the model card.
_HEADS = {name: "STEM" if name == "stem" else name.capitalize() for name in CATEGORIES}
_SECTION_HEADS = {"overall": "Overall", "first": "First Turn", "second": "Second Turn"}
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Run:
    """A run with its scores and its records."""

    scores: MtBenchScores
    records: Sequence[Record]


def markdown_report(runs: Sequence[Run], notes: Sequence[str] = (), *, card: bool = False) -> str:
    """Markdown report with the model card's tables, and the intervals of the first run.

    Args:
        runs: Scored runs; the report is about the first one, and the others are for comparison.
        notes: Paragraphs above the tables; default: none.
        card: Whether to append the published rows of the model card; default `False`.
    """
    return markdown_page("Japanese MT-Bench", notes, _tables(runs, card))


def report_as_dict(runs: Sequence[Run], notes: Sequence[str] = ()) -> dict[str, Any]:
    """Report as a dict for JSON: scores, notes and the published tables of the model card."""
    return {
        "benchmark": "mt-bench",
        "notes": list(notes),
        "runs": [asdict(run.scores) for run in runs],
        "published": published(),
    }


def write_report(
    folder: Path,
    runs: Sequence[Run],
    questions: Sequence[Question],
    notes: Sequence[str] = (),
    *,
    card: bool = True,
) -> list[Path]:
    """Write `report.md`, `report.json`, `report.html`, and `radar` and `comparison` as SVG and PNG.

    Without matplotlib (extra `plots`), the plots are left out. `comparison` is only drawn if there
    are several models.

    Args:
        folder: Existing folder.
        runs: Scored runs; the report is about the first one, and the others are for comparison.
        questions: The questions that were asked.
        notes: Paragraphs above the tables; default: none.
        card: Whether to compare with the published rows of the model card; default `True`. The plot
            only contains them if the judge is that of the card, because scores of different judges
            are not comparable.

    Returns:
        The files that were written.
    """
    tables = _tables(runs, card)
    write_figures(folder / "report.json", tables, report_as_dict(runs, notes))
    page = markdown_report(runs, notes, card=card)
    (folder / "report.md").write_text(page, encoding="utf-8")
    overall = {run.scores.model: run.scores.rows[0].categories for run in runs}
    drawn = {"radar": dict([next(iter(overall.items()))])}
    if card and runs[0].scores.judge == published()["judge"]:
        overall = {**overall, **{row.model: row.categories for row in _card_for_radar()}}
    if len(overall) > 1:
        drawn["comparison"] = overall
    figures = []
    for name, series in drawn.items() if why_not_drawn() is None else ():
        for suffix in (".svg", ".png"):
            figures.append(folder / f"{name}{suffix}")
            _radar(figures[-1], series)
    write_page(
        folder / "report.html",
        "mt_bench.html",
        title=f"Japanese MT-Bench: {runs[0].scores.model}",
        notes=notes,
        tables=tables,
        figures=[
            {"url": data_url(path), "alt": ", ".join(drawn[path.stem])}
            for path in figures
            if path.suffix == ".svg"
        ],
        categories=[(name, in_language(*LABELS[name])) for name in CATEGORIES],
        runs=sorted({r["run"] for r in runs[0].records}),
        questions=list(_conversations(runs, questions)),
    )
    names = ("report.md", "report.json", "report.html")
    return [*(folder / name for name in names), *figures]


def notes_on(scores: MtBenchScores, prompts: JudgePrompts) -> list[str]:
    """Notes that a reader needs before comparing the scores."""
    card = published()
    average = {
        "answers": (
            "平均は採点の平均（モデルカードと同じ）。",
            "The average is that of the ratings, as on the model card.",
        ),
        "categories": (
            "平均は分野の平均（モデルカードは採点の平均）。",
            "The average is that of the categories; on the model card, it is that of the ratings.",
        ),
    }[scores.average]
    notes = [
        in_language(
            f"回答 {scores.model}、採点 {scores.judge}"
            f"（プロンプト {prompts.name} {prompts.hash}）、{scores.runs}回の平均、0から1。",
            f"Answers of {scores.model}, rated by {scores.judge} (prompts {prompts.name} "
            f"{prompts.hash}); mean of {scores.runs} runs, from 0 to 1. ",
        )
        + in_language(*average),
        in_language(
            f"採点{scores.judged}件のうち、聞き直して読めたもの{scores.asked_again}件、"
            f"読めず平均に入れていないもの{scores.unreadable}件。",
            f"Of {scores.judged} judgments, {scores.asked_again} could be read after another "
            f"request; {scores.unreadable} could not be read and are not in the averages.",
        ),
    ]
    # The name of the model may be followed by details of the run in parentheses.
    if scores.judge == scores.model.partition(" (")[0]:
        notes.append(
            in_language(
                "自分の回答を自分で採点しているので、点数に意味はない。",
                "The model rates its own answers, so the scores mean nothing.",
            )
        )
    if scores.judge != card["judge"] or prompts == JudgePrompts.built_in():
        notes.append(
            in_language(
                f"モデルカードの値は{card['judge']}がNejumiの採点プロンプトで付けたもので、"
                "評価モデルやプロンプトが違う値とは比べられない。",
                f"The scores of the model card are by {card['judge']} with Nejumi's prompts. They "
                "cannot be compared with scores of another judge or other prompts.",
            )
        )
    return notes


def _tables(runs: Sequence[Run], card: bool) -> list[Table]:
    head = ["Model", "Average", *_HEADS.values()]
    tables: list[Table] = []
    for number, section in enumerate(SECTIONS):
        rows = [_cells(run.scores.rows[number]) for run in runs]
        if card:
            rows += [_cells(row, " *") for row in published_rows(section)]
        heading = _SECTION_HEADS[section] + (f" (* {published()['source']})" if card else "")
        tables.append(Table(heading, head, rows))
    intervals = [_intervals(row) for row in runs[0].scores.rows]
    heading = in_language(
        "95％信頼区間（質問のブートストラップ）", "95% intervals (bootstrap over questions)"
    )
    tables.append(Table(heading, head, intervals))
    return tables


def _cells(row: ScoreRow, mark: str = "") -> list[str]:
    scores = [row.average, *(row.categories.get(name) for name in CATEGORIES)]
    return [row.model + mark, *(format_score(score, _DIGITS) for score in scores)]


def _intervals(row: ScoreRow) -> list[str]:
    estimates = [row.intervals.get(name) for name in ("average", *CATEGORIES)]
    limits = [f"{format_score(e.low)}–{format_score(e.high)}" if e else "–" for e in estimates]
    return [_SECTION_HEADS[row.section], *limits]


def _card_for_radar() -> list[ScoreRow]:
    """The three Swallow models of the card; all twelve models would be illegible in one plot."""
    return [row for row in published_rows() if row.model.endswith("-instruct-v0.1")]


def _radar(path: Path, series: Mapping[str, Mapping[str, float]]) -> None:
    values = {
        name: [scores.get(category, float("nan")) for category in CATEGORIES]
        for name, scores in series.items()
    }
    labels = [in_language(*LABELS[name]) for name in CATEGORIES]
    radar(path, labels, values, title="Japanese MT-Bench")


def _conversations(runs: Sequence[Run], questions: Sequence[Question]) -> Any:
    """Data of the page: each question and run, with the answers of all models."""
    by_key = [_by_key(run) for run in runs]
    for question in questions:
        for number in sorted({key.run for key in by_key[0] if key.question == question.id}):
            turns = [
                {
                    "number": turn,
                    "question": question.turns[turn - 1],
                    "reference": question.reference[turn - 1] if question.reference else "",
                    "answers": [
                        answers[key]
                        for answers in by_key
                        if (key := Key(question.id, number, turn)) in answers
                    ],
                }
                for turn in range(1, TURNS + 1)
            ]
            yield {
                "id": question.id,
                "category": question.category,
                "category_label": in_language(*LABELS[question.category]),
                "run": number,
                "turns": turns,
            }


def _rating(rating: float | None) -> str:
    if rating is None:
        return in_language("読めず", "not readable")
    return in_language(f"{rating:g}点", f"{rating:g} of 10")


def _by_key(run: Run) -> dict[Key, dict[str, Any]]:
    judgments = {
        parse_key(r): {**r, "rating": _rating(r["rating"])}
        for r in run.records
        if r["kind"] == "judgment" and r["judge"] == run.scores.judge
    }
    return {
        parse_key(r): {
            "model": r["model"],
            "text": r["text"],
            "judgment": judgments.get(parse_key(r)),
        }
        for r in run.records
        if r["kind"] == "answer"
    }
