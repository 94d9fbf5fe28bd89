"""Generate answers and judgments; each one is a line of the run file, and is not made twice."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, get_buffer_string
from langchain_core.runnables import Runnable

from langchain_swallow._system.language import in_language
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
    """Identifies an answer, or the judgment of an answer."""

    question: int
    run: int
    turn: int


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How answers are generated; the defaults are those of FastChat, which the model card used.

    Args:
        runs: Number of answers to each question, default 5. Run i uses the seed i.
        max_tokens: Maximum number of tokens in an answer; default 1024.
        temperatures: Category → sampling temperature; default: FastChat's, from 0 to 0.7.
        parameters: Names of the parameters that are passed per call; default temperature,
            max_tokens and seed. For a model without seeds, leave out `"seed"`.
        concurrency: Conversations in flight, default 32. The model can batch them.
    """

    runs: int = 5
    max_tokens: int = 1024
    temperatures: dict[str, float] = field(default_factory=lambda: dict(TEMPERATURES))
    parameters: tuple[str, ...] = ("temperature", "max_tokens", "seed")
    concurrency: int = 32

    def of_call(self, category: str, run: int) -> dict[str, Any]:
        """The parameters of a call."""
        values = {
            "temperature": self.temperatures[category],
            "max_tokens": self.max_tokens,
            "seed": run,
        }
        return {name: values[name] for name in self.parameters}


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How answers are judged; the temperature is 0, as on the model card.

    Args:
        max_tokens: Maximum number of tokens in a judgment; default 2048.
        parameters: Names of the parameters that are passed per call; default temperature and
            max_tokens.
        retries: Maximum number of times to ask again for a rating that cannot be parsed; default 2.
        concurrency: Judgments in flight; default 8.
        requests_per_minute: Rate limit of the judge; `None`, the default, means no limit.
    """

    max_tokens: int = 2048
    parameters: tuple[str, ...] = ("temperature", "max_tokens")
    retries: int = 2
    concurrency: int = 8
    requests_per_minute: float | None = None

    def of_call(self) -> dict[str, Any]:
        """The parameters of a call."""
        values = {"temperature": 0.0, "max_tokens": self.max_tokens}
        return {name: values[name] for name in self.parameters}


class Call(NamedTuple):
    """A call that is not made yet: its prompt, and the maximum number of tokens to generate."""

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
    """Generate the answers that are missing in the run file.

    Args:
        model: Any chat model.
        questions: Two-turn questions.
        run_file: Run file; its answers are kept, and new ones are appended as they arrive.
        name: Name of the model, for the record and tables.
        settings: Settings of the generation; default `AnswerSettings()`.
        progress: Whether to show a progress bar on stderr; default `False`.

    Returns:
        Conversations that failed. If you run the function again, it tries them again.

    Raises:
        EvaluationError: The run file has answers of another model, or with other settings or
            prompts.
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
        tasks,
        converse,
        concurrency=settings.concurrency,
        progress=in_language("回答", "Answering") if progress else None,
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
    """Judge the answers in the run file that this judge has not judged yet.

    Args:
        judge: Any chat model.
        questions: The questions that were answered.
        prompts: Prompts of the judge.
        run_file: Run file with the answers; its judgments are kept.
        name: Name of the judge. Judgments of other judges in the file stay.
        settings: Settings of the judge; default `JudgeSettings()`.
        progress: Whether to show a progress bar on stderr; default `False`.

    Returns:
        Judgments that failed. If you run the function again, it tries them again. A rating that
        cannot be parsed does not count as a failure: it is recorded as `None` and counted.

    Raises:
        EvaluationError: The run file has judgments of this judge with other prompts or settings.
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
        progress=in_language("採点", "Judging") if progress else None,
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
    """Calls to the model and to the judge that a run would still make, to estimate its cost.

    Missing answers count with the maximum number of tokens.

    Args:
        records: Records of the run file.
        questions: The questions.
        prompts: Prompts of the judge.
        name: Name of the model.
        judge_name: Name of the judge.
        settings: Settings of the generation.
        judge_settings: Settings of the judge.

    Returns:
        The calls to the model, and the calls to the judge.
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
    assumed_answers = [
        known.get(key) or {**_labels("answer", key, question), "text": unknown}
        for question in questions
        for run in range(settings.runs)
        for key in (Key(question.id, run, turn) for turn in (1, 2))
    ]
    judged = [r for r in records if r["kind"] == "judgment" and r["judge"] == judge_name]
    judged_keys = {parse_key(record) for record in judged}
    judgments = [
        Call(get_buffer_string(messages), judge_settings.max_tokens)
        for key, _, _, messages in _build_prompts(assumed_answers, questions, prompts)
        if key not in judged_keys
    ]
    return answers, judgments


def parse_key(record: Record) -> Key:
    """The key of the answer that a record contains or judges."""
    return Key(record["question_id"], record["run"], record["turn"])


def prompt_name(kind: str, category: str, turn: int) -> str:
    """FastChat's name of a judge prompt; `kind` is `"single"` or `"pair"`, `turn` is 1 or 2."""
    plain = {"single": "single-v1", "pair": "pair-v2"}[kind]
    base = f"{kind}-math-v1" if category in NEED_REFERENCE else plain
    return base if turn == 1 else f"{base}-multi-turn"


def prompt_values(question: Question, turn: int) -> dict[str, str]:
    """Placeholder → text, for the question and its reference answers in a judge prompt."""
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
    """Short hash of the roles and contents of messages: 16 hexadecimal digits."""
    return short_hash(json.dumps([[m.type, m.content] for m in messages], ensure_ascii=False))


def _answers_in(
    records: Iterable[Record],
    questions: Sequence[Question],
    settings: AnswerSettings,
    name: str,
) -> dict[Key, Record]:
    """Answers in the run file by key, after a check of their settings and prompts."""
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
    """Yield a judge prompt for each answer, with the turns of its conversation up to it."""
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
