"""Compare the answers of two models in both orders; a win must be the same in both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from langchain_swallow._system.language import in_language
from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation.calls import Failure, rate_limiter, run_calls
from langchain_swallow.evaluation.intervals import Estimate, estimate_ratio
from langchain_swallow.evaluation.judging import ask_verdict
from langchain_swallow.evaluation.mt_bench.data import JudgePrompts, Question
from langchain_swallow.evaluation.mt_bench.run import (
    JudgeSettings,
    Key,
    parse_key,
    prompt_hash,
    prompt_name,
    prompt_values,
)
from langchain_swallow.evaluation.run_file import Record, RunFile, check_record

_ORDERS = ("first", "second")


@dataclass(frozen=True, slots=True)
class Wins:
    """Result of the second model against the first.

    Args:
        first: Name of the first model.
        second: Name of the second model.
        judge: Name of the judge.
        win: Share of the pairs that the second model won, in [0, 1].
        tie: Share of ties.
        loss: Share of the pairs that the first model won.
        score: Wins plus half of the ties, with its interval over questions.
        pairs: Number of pairs that were judged in both orders.
        unreadable: Number of pairs that are left out because a verdict could not be parsed.
        by_category: Category → `score` of its pairs.
    """

    first: str
    second: str
    judge: str
    win: float
    tie: float
    loss: float
    score: Estimate
    pairs: int
    unreadable: int
    by_category: dict[str, Estimate]


def compare_answers(
    judge: Runnable[Any, Any],
    questions: Sequence[Question],
    prompts: JudgePrompts,
    first: Sequence[Record],
    second: Sequence[Record],
    run_file: RunFile,
    *,
    name: str,
    settings: JudgeSettings | None = None,
    progress: bool = False,
) -> list[Failure[Any]]:
    """Judge pairs of answers, each pair in both orders.

    Args:
        judge: Any chat model.
        questions: Questions that both models answered.
        prompts: Prompts of the judge.
        first: Records of the first model's run.
        second: Records of the second model's run.
        run_file: Run file of the comparison; its judgments are kept.
        name: Name of the judge, for the record.
        settings: Settings of the judge; default `JudgeSettings()`.
        progress: Whether to show a progress bar on stderr; default `False`.

    Returns:
        Judgments that failed. If you run the function again, it tries them again.

    Raises:
        EvaluationError: A run has no answers, or the run file contains another comparison.
    """
    settings = settings or JudgeSettings()
    models, texts = _models(first, second), (_texts(first), _texts(second))
    parameters = settings.of_call()
    bound = judge.bind(**parameters).with_config(run_name="mt-bench pair", tags=["mt-bench"])
    limiter = rate_limiter(settings.requests_per_minute)
    known = {(parse_key(r), r["shown_first"]): r for r in run_file.records if r["judge"] == name}

    def compare(task: tuple[Key, Question, str, str, list[BaseMessage]]) -> None:
        key, question, order, prompt, messages = task
        judgment = ask_verdict(bound, messages, retries=settings.retries, limiter=limiter)
        run_file.append(
            {
                "kind": "comparison", "question_id": key.question, "run": key.run,
                "turn": key.turn, "category": question.category, "models": list(models),
                "shown_first": order, "judge": name, "settings": parameters, "prompt": prompt,
                "prompt_hash": prompt_hash(messages), "text": judgment.text,
                "winner": _winner(judgment.value, order), "attempts": judgment.attempts,
                "usage": judgment.usage,
            }
        )  # fmt: skip

    tasks = []
    for task in _tasks(questions, prompts, texts):
        key, _, order, _, messages = task
        record = known.get((key, order))
        if record is None:
            tasks.append(task)
        else:
            expected = {
                "models": list(models),
                "settings": parameters,
                "prompt_hash": prompt_hash(messages),
            }
            check_record(record, expected, f"The comparison of question {key.question}")
    return run_calls(
        tasks,
        compare,
        concurrency=settings.concurrency,
        progress=in_language("比較", "Comparing") if progress else None,
    )


def read_wins(records: Sequence[Record], *, judge: str) -> Wins:
    """Count wins, ties and losses; a pair with different verdicts in the two orders is a tie.

    Args:
        records: Records of the comparison's run file.
        judge: Name of the judge whose judgments are used.

    Raises:
        EvaluationError: There is no pair with parsed verdicts in both orders.
    """
    pairs: dict[Key, dict[str, Record]] = {}
    for record in records:
        if record["judge"] == judge:
            pairs.setdefault(parse_key(record), {})[record["shown_first"]] = record
    whole = [p for p in pairs.values() if set(p) == set(_ORDERS)]
    read = [p for p in whole if all(r["winner"] is not None for r in p.values())]
    if not read:
        raise EvaluationError(
            f"No pair of answers has a verdict of {judge} that can be read in both orders. A judge "
            "must be able to follow the format [[A]]; see the texts in the run file."
        )
    outcomes = [(pair["first"], _outcome(pair)) for pair in read]
    points = [outcome for _, outcome in outcomes]
    models = read[0]["first"]["models"]
    categories = {record["category"] for record, _ in outcomes}
    return Wins(
        first=models[0],
        second=models[1],
        judge=judge,
        win=points.count(1.0) / len(points),
        tie=points.count(0.5) / len(points),
        loss=points.count(0.0) / len(points),
        score=_score(outcomes),
        pairs=len(points),
        unreadable=len(whole) - len(read),
        by_category={
            name: _score([o for o in outcomes if o[0]["category"] == name])
            for name in sorted(categories)
        },
    )


def _tasks(
    questions: Sequence[Question], prompts: JudgePrompts, texts: Sequence[dict[Key, str]]
) -> Iterable[tuple[Key, Question, str, str, list[BaseMessage]]]:
    """Yield each pair of answers in both orders."""
    by_id = {question.id: question for question in questions}
    for key in sorted(set(texts[0]) & set(texts[1])):
        question = by_id.get(key.question)
        if question is None:
            continue
        for order in _ORDERS:
            a, b = texts if order == "first" else texts[::-1]
            values = prompt_values(question, key.turn)
            for letter, answers in (("a", a), ("b", b)):
                if key.turn == 1:
                    values[f"answer_{letter}"] = answers[key]
                else:
                    values[f"answer_{letter}_1"] = answers[key._replace(turn=1)]
                    values[f"answer_{letter}_2"] = answers[key]
            prompt = prompt_name("pair", question.category, key.turn)
            yield key, question, order, prompt, prompts.messages(prompt, values)


def _winner(verdict: str | None, order: str) -> str | None:
    """Which model won; `order` is the model whose answer was shown as A."""
    other = {"first": "second", "second": "first"}[order]
    return {"A": order, "B": other, "tie": "tie", None: None}[verdict]


def _outcome(pair: dict[str, Record]) -> float:
    """Points of the second model: 1, 0.5 or 0."""
    winners = {record["winner"] for record in pair.values()}
    return {frozenset({"second"}): 1.0, frozenset({"first"}): 0.0}.get(frozenset(winners), 0.5)


def _score(outcomes: Sequence[tuple[Record, float]]) -> Estimate:
    by_question: dict[int, list[float]] = {}
    for record, points in outcomes:
        by_question.setdefault(record["question_id"], []).append(points)
    grouped = by_question.values()
    return estimate_ratio([sum(p) for p in grouped], [len(p) for p in grouped])


def _texts(records: Sequence[Record]) -> dict[Key, str]:
    return {parse_key(r): r["text"] for r in records if r["kind"] == "answer"}


def _models(first: Sequence[Record], second: Sequence[Record]) -> tuple[str, str]:
    names = [
        next((r["model"] for r in run if r["kind"] == "answer"), None) for run in (first, second)
    ]
    if names[0] is None or names[1] is None:
        raise EvaluationError(
            "A run to compare has no answers. Generate them with `eval mt-bench` first."
        )
    return names[0], names[1]
