"""Compute the model card's table from ratings: scores in [0, 1] by category and by turn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation.intervals import Estimate, estimate_ratio
from langchain_swallow.evaluation.judging import HIGHEST
from langchain_swallow.evaluation.mt_bench.data import CATEGORIES
from langchain_swallow.evaluation.run_file import Record

Average = Literal["answers", "categories"]
SECTIONS = {"overall": (1, 2), "first": (1,), "second": (2,)}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row of the table; scores are in [0, 1].

    Args:
        model: Name of the model.
        section: `"overall"`, `"first"` turn or `"second"` turn.
        average: Average score.
        categories: Category → score; a category without a parsed rating is left out.
        intervals: Category, or `"average"` → interval; published rows have none.
    """

    model: str
    section: str
    average: float
    categories: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MtBenchScores:
    """The three rows of a model, and how many judgments could be parsed.

    Args:
        model: Name of the model.
        judge: Name of the judge.
        average: How averages are weighted; see `score_run`.
        rows: Rows overall, for the first turn, and for the second turn.
        runs: Number of answers to each question.
        judged: Number of judgments.
        asked_again: Number of judgments that could only be parsed after asking again.
        unreadable: Number of judgments without a rating, which no average includes.
    """

    model: str
    judge: str
    average: Average
    rows: tuple[ScoreRow, ...]
    runs: int
    judged: int
    asked_again: int
    unreadable: int


def score_run(
    records: Sequence[Record],
    *,
    judge: str | None = None,
    average: Average = "answers",
) -> MtBenchScores:
    """Score a run file.

    Args:
        records: Records of the run file.
        judge: Name of the judge whose judgments are used. The default, `None`, is only possible if
            the file has one judge.
        average: `"answers"`, the default, averages all ratings, as on the model card.
            `"categories"` averages the scores of the categories. The two differ only if some
            ratings could not be parsed.

    Raises:
        EvaluationError: There are no judgments, no rating could be parsed, or there are several
            judges and `judge` is `None`.
    """
    judgments = [record for record in records if record["kind"] == "judgment"]
    judges = sorted({record["judge"] for record in judgments})
    if judge is None and len(judges) != 1:
        raise EvaluationError(
            f"The run file has judgments of {', '.join(judges)}. Name one of these judges."
            if judges
            else "The run file has no judgments. Judge its answers first."
        )
    judge = judge or judges[0]
    graded = [record for record in judgments if record["judge"] == judge]
    readable = [record for record in graded if record["rating"] is not None]
    if not readable:
        raise EvaluationError(
            f"{judge} gave no rating that can be read in {len(graded)} judgments. A judge must be "
            "able to follow the format [[5]]; see the texts in the run file."
        )
    model = next((r["model"] for r in records if r["kind"] == "answer"), "")
    rows = tuple(
        _row(model, section, [r for r in readable if r["turn"] in turns], average)
        for section, turns in SECTIONS.items()
    )
    return MtBenchScores(
        model=model,
        judge=judge,
        average=average,
        rows=rows,
        runs=len({record["run"] for record in graded}),
        judged=len(graded),
        asked_again=sum(r["attempts"] > 1 and r["rating"] is not None for r in graded),
        unreadable=len(graded) - len(readable),
    )


def average_of_categories(categories: Mapping[str, float]) -> float:
    """The mean of the categories' scores; NaN if there are none."""
    return sum(categories.values()) / len(categories) if categories else float("nan")


def _row(model: str, section: str, records: Sequence[Record], average: Average) -> ScoreRow:
    intervals = {
        category: _estimate([r for r in records if r["category"] == category])
        for category in CATEGORIES
        if any(r["category"] == category for r in records)
    }
    categories = {name: estimate.mean for name, estimate in intervals.items()}
    if not records:
        return ScoreRow(model, section, float("nan"), {})
    whole = _estimate(records)
    intervals["average"] = whole
    mean = whole.mean if average == "answers" else average_of_categories(categories)
    return ScoreRow(model, section, mean, categories, intervals)


def _estimate(records: Iterable[Record]) -> Estimate:
    """Mean score in [0, 1], with an interval that is resampled by question."""
    by_question: dict[int, list[float]] = {}
    for record in records:
        by_question.setdefault(record["question_id"], []).append(record["rating"] / HIGHEST)
    ratings: list[list[Any]] = list(by_question.values())
    return estimate_ratio([sum(r) for r in ratings], [len(r) for r in ratings])
