"""Answers and judgments, each a line of the run file; what is there is not done again."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, get_buffer_string
from langchain_core.runnables import Runnable

from langchain_swallow.evaluation.calls import Failure, rate_limiter, run_calls
from langchain_swallow.evaluation.judging import ask_rating
from langchain_swallow.evaluation.mt_bench.data import (
    NEED_REFERENCE,
    TEMPERATURES,
    TURNS,
    JudgePrompts,
    Question,
)
from langchain_swallow.evaluation.run_file import Record, RunFile, check_record, short_hash
from langchain_swallow.prompts.messages import message_text


class Key(NamedTuple):
    """Which answer, or whose judgment."""

    question: int
    run: int
    turn: int


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How answers are generated; the defaults are FastChat's, which the model card used.

    Args:
        runs: Answers to each question; run i is generated with seed i.
        max_tokens: Most tokens of an answer.
        temperatures: By category.
        parameters: What the model takes per call. Leave `"seed"` out for a model without seeds.
        concurrency: Conversations at a time; the model makes batches of them.
    """

    runs: int = 5
    max_tokens: int = 1024
    temperatures: dict[str, float] = field(default_factory=lambda: dict(TEMPERATURES))
    parameters: tuple[str, ...] = ("temperature", "max_tokens", "seed")
    concurrency: int = 32

    def of_call(self, category: str, run: int) -> dict[str, Any]:
        """The parameters of one call."""
        values = {
            "temperature": self.temperatures[category],
            "max_tokens": self.max_tokens,
            "seed": run,
        }
        return {name: values[name] for name in self.parameters}


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How answers are judged: at temperature 0, as on the model card.

    Args:
        max_tokens: Most tokens of a judgment.
        parameters: What the judge takes per call.
        retries: How often to ask again for a rating that cannot be read.
        concurrency: Judgments at a time.
        requests_per_minute: The judge's limit; `None` is none.
    """

    max_tokens: int = 2048
    parameters: tuple[str, ...] = ("temperature", "max_tokens")
    retries: int = 2
    concurrency: int = 8
    requests_per_minute: float | None = None

    def of_call(self) -> dict[str, Any]:
        """The parameters of one call."""
        values = {"temperature": 0.0, "max_tokens": self.max_tokens}
        return {name: values[name] for name in self.parameters}


class Call(NamedTuple):
    """One that is still to be made: its prompt, and the most tokens it may take."""

    prompt: str
    max_tokens: int


def answer_questions(
    model: Runnable[Any, Any],
    questions: Sequence[Question],
    run_file: RunFile,
    *,
    name: str,
    settings: AnswerSettings | None = None,
    progress: bool = False,
) -> list[Failure[Any]]:
    """Generate what answers are missing.

    Args:
        model: Any chat model.
        questions: With two turns.
        run_file: Its answers are kept; new ones are added as they come.
        name: Of the model, for tables.
        settings: Of the generation.
        progress: Show a bar on stderr.

    Returns:
        Conversations that failed; running again tries them again.

    Raises:
        EvaluationError: The run file has answers of another model, or made with other settings.
    """
    settings = settings or AnswerSettings()
    known = _answers_in(run_file.records, questions, settings, name)

    def converse(task: tuple[Question, int]) -> None:
        question, run = task
        parameters = settings.of_call(question.category, run)
        bound = model.bind(**parameters).with_config(run_name="mt-bench answer", tags=["mt-bench"])
        messages: list[BaseMessage] = []
        for turn in range(1, TURNS + 1):
            messages.append(HumanMessage(question.turns[turn - 1]))
            key = Key(question.id, run, turn)
            if key not in known:
                began = time.perf_counter()
                output = bound.invoke(messages)
                known[key] = {
                    **_labels("answer", key, question), "model": name, "settings": parameters,
                    "prompt_hash": prompt_hash(messages), "text": message_text(output).strip(),
                    "usage": getattr(output, "usage_metadata", None),
                    "seconds": round(time.perf_counter() - began, 3),
                }  # fmt: skip
                run_file.append(known[key])
            messages.append(AIMessage(known[key]["text"]))

    tasks = [
        (question, run)
        for question in questions
        for run in range(settings.runs)
        if any(Key(question.id, run, turn) not in known for turn in (1, 2))
    ]
    return run_calls(
        tasks, converse, concurrency=settings.concurrency, progress="回答" if progress else None
    )


def judge_answers(
    judge: Runnable[Any, Any],
    questions: Sequence[Question],
    prompts: JudgePrompts,
    run_file: RunFile,
    *,
    name: str,
    settings: JudgeSettings | None = None,
    progress: bool = False,
) -> list[Failure[Any]]:
    """Judge the answers of the run file that this judge has not judged.

    Args:
        judge: Any chat model.
        questions: Those that were answered.
        prompts: The judge's.
        run_file: With the answers.
        name: Of the judge. Judgments of others in the file stay.
        settings: Of the judging.
        progress: Show a bar on stderr.

    Returns:
        Judgments that failed; running again tries them again. A rating that cannot be read is no
        failure: it is recorded as `None` and counted.

    Raises:
        EvaluationError: The judge has judged in this file with other prompts or settings.
    """
    settings = settings or JudgeSettings()
    parameters = settings.of_call()
    bound = judge.bind(**parameters).with_config(run_name="mt-bench judgment", tags=["mt-bench"])
    limiter = rate_limiter(settings.requests_per_minute)

    def grade(task: tuple[Key, Question, str, list[BaseMessage]]) -> None:
        key, question, prompt, messages = task
        began = time.perf_counter()
        judgment = ask_rating(bound, messages, retries=settings.retries, limiter=limiter)
        run_file.append(
            {
                **_labels("judgment", key, question), "judge": name, "settings": parameters,
                "prompt": prompt, "prompt_hash": prompt_hash(messages), "rating": judgment.value,
                "attempts": judgment.attempts, "text": judgment.text, "usage": judgment.usage,
                "seconds": round(time.perf_counter() - began, 3),
            }
        )  # fmt: skip

    return run_calls(
        list(_unjudged(run_file.records, questions, prompts, name, parameters)),
        grade,
        concurrency=settings.concurrency,
        progress="採点" if progress else None,
    )


def calls_left(
    records: Sequence[Record],
    questions: Sequence[Question],
    prompts: JudgePrompts,
    *,
    name: str,
    judge_name: str,
    settings: AnswerSettings,
    judge_settings: JudgeSettings,
) -> tuple[list[Call], list[Call]]:
    """Calls to the model and to the judge that a run would still make, for an estimate of its cost.

    Answers that are not there yet are taken to be as long as they may be.
    """
    known = _answers_in(records, questions, settings, name)
    answers = [
        Call("".join(question.turns[:turn]), settings.max_tokens)
        for question in questions
        for run in range(settings.runs)
        for turn in range(1, TURNS + 1)
        if Key(question.id, run, turn) not in known
    ]
    unknown = "あ" * settings.max_tokens
    supposed = [
        known.get(key) or {**_labels("answer", key, question), "text": unknown}
        for question in questions
        for run in range(settings.runs)
        for key in (Key(question.id, run, turn) for turn in (1, 2))
    ]
    judged = [r for r in records if r["kind"] == "judgment" and r["judge"] == judge_name]
    done = {parse_key(record) for record in judged}
    judgments = [
        Call(get_buffer_string(messages), judge_settings.max_tokens)
        for key, _, _, messages in _build_prompts(supposed, questions, prompts)
        if key not in done
    ]
    return answers, judgments


def parse_key(record: Record) -> Key:
    """Which answer a record is, or is about."""
    return Key(record["question_id"], record["run"], record["turn"])


def prompt_name(kind: str, category: str, turn: int) -> str:
    """FastChat's name of a judge prompt; `kind` is `"single"` or `"pair"`."""
    plain = {"single": "single-v1", "pair": "pair-v2"}[kind]
    base = f"{kind}-math-v1" if category in NEED_REFERENCE else plain
    return base if turn == 1 else f"{base}-multi-turn"


def prompt_values(question: Question, turn: int) -> dict[str, str]:
    """What a judge prompt may quote of the question."""
    values = {"question": question.turns[0]}
    if turn == TURNS:
        values = {"question_1": question.turns[0], "question_2": question.turns[1]}
    for number, reference in enumerate(question.reference[:turn], 1):
        values[f"ref_answer_{number}"] = reference
    return values


def _labels(kind: str, key: Key, question: Question) -> Record:
    return {
        "kind": kind, "question_id": key.question, "run": key.run, "turn": key.turn,
        "category": question.category,
    }  # fmt: skip


def prompt_hash(messages: Sequence[BaseMessage]) -> str:
    """Short hash of roles and contents."""
    return short_hash(json.dumps([[m.type, m.content] for m in messages], ensure_ascii=False))


def _answers_in(
    records: Iterable[Record],
    questions: Sequence[Question],
    settings: AnswerSettings,
    name: str,
) -> dict[Key, Record]:
    """Answers of the file, which must be those that this run would make."""
    by_id = {question.id: question for question in questions}
    known = {parse_key(r): r for r in records if r["kind"] == "answer"}
    for key, record in sorted(known.items()):
        question = by_id.get(key.question)
        if question is None or key.run >= settings.runs:
            continue
        messages: list[BaseMessage] = [HumanMessage(question.turns[0])]
        if key.turn == TURNS:
            first = known.get(key._replace(turn=1), record)
            messages += [AIMessage(first["text"]), HumanMessage(question.turns[1])]
        expected = {
            "model": name,
            "settings": settings.of_call(question.category, key.run),
            "prompt_hash": prompt_hash(messages),
        }
        check_record(record, expected, f"The answer to question {key.question}")
    return known


def _unjudged(
    records: Sequence[Record],
    questions: Sequence[Question],
    prompts: JudgePrompts,
    name: str,
    parameters: dict[str, Any],
) -> Iterable[tuple[Key, Question, str, list[BaseMessage]]]:
    answers = [record for record in records if record["kind"] == "answer"]
    judged = {parse_key(r): r for r in records if r["kind"] == "judgment" and r["judge"] == name}
    for task in _build_prompts(answers, questions, prompts):
        key, _, _, messages = task
        if key in judged:
            expected = {"settings": parameters, "prompt_hash": prompt_hash(messages)}
            check_record(judged[key], expected, f"{name}'s judgment of question {key.question}")
        else:
            yield task


def _build_prompts(
    answers: Sequence[Record], questions: Sequence[Question], prompts: JudgePrompts
) -> Iterable[tuple[Key, Question, str, list[BaseMessage]]]:
    """A judge's prompt for each answer whose conversation is there as far as it."""
    by_id = {question.id: question for question in questions}
    texts: dict[Key, str] = {parse_key(record): record["text"] for record in answers}
    for key in sorted(texts):
        question = by_id.get(key.question)
        if question is None:
            continue
        values = prompt_values(question, key.turn)
        if key.turn == 1:
            values["answer"] = texts[key]
        else:
            values["answer_1"] = texts[key._replace(turn=1)]
            values["answer_2"] = texts[key]
        prompt = prompt_name("single", question.category, key.turn)
        yield key, question, prompt, prompts.messages(prompt, values)
