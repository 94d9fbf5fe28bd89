"""Ratings → the model card's table: scores in [0, 1] by category, overall and by turn."""

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
    """One row of the table; `section` is `"overall"`, `"first"` or `"second"` turn.

    Categories without a rating that could be read are left out of `categories`. Intervals are by
    category, and under `"average"` for the average; published rows have none.
    """

    model: str
    section: str
    average: float
    categories: Mapping[str, float]
    intervals: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MtBenchScores:
    """A model's three rows, and how much of them was read.

    Args:
        model: Its name.
        judge: Its name.
        average: What the averages weigh.
        rows: Overall, first turn, second turn.
        runs: Answers to each question.
        judged: Judgments.
        asked_again: Of these, those whose rating was read only when the judge was asked again.
        unreadable: Of these, those that gave no rating; they are in no average.
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
    """Scores of a run file.

    Args:
        records: Of the run file.
        judge: Whose judgments; may be left out if there is one.
        average: `"answers"`: over all ratings, as on the model card, so that an average weighs
            answers. `"categories"`: over the categories' scores. They are the same unless ratings
            could not be read.

    Raises:
        EvaluationError: No judgments, or judgments of several judges.
    """
    judgments = [record for record in records if record["kind"] == "judgment"]
    judges = sorted({record["judge"] for record in judgments})
    if judge is None and len(judges) != 1:
        raise EvaluationError(
            f"The run file has judgments of {', '.join(judges) or 'no judge'}. Name one."
        )
    judge = judge or judges[0]
    own = [record for record in judgments if record["judge"] == judge]
    readable = [record for record in own if record["rating"] is not None]
    if not readable:
        raise EvaluationError(
            f"{judge} gave no rating that can be read in {len(own)} judgments. A judge must be "
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
        runs=len({record["run"] for record in own}),
        judged=len(own),
        asked_again=sum(r["attempts"] > 1 and r["rating"] is not None for r in own),
        unreadable=len(own) - len(readable),
    )


def average_of_categories(categories: Mapping[str, float]) -> float:
    """The mean of the categories' scores."""
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
    """Mean score, resampled by question."""
    by_question: dict[int, list[float]] = {}
    for record in records:
        by_question.setdefault(record["question_id"], []).append(record["rating"] / HIGHEST)
    ratings: list[list[Any]] = list(by_question.values())
    return estimate_ratio([sum(r) for r in ratings], [len(r) for r in ratings])
