"""Read questions, reference answers and judge prompts in FastChat's file formats."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from langchain_swallow.errors import EvaluationError
from langchain_swallow.evaluation.mt_bench.judge_prompts import BUILT_IN
from langchain_swallow.evaluation.run_file import short_hash

# The order is that of the model card.
CATEGORIES = (
    "writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities",
)  # fmt: skip
# Sampling temperatures of FastChat, which the model card used.
TEMPERATURES = {
    "writing": 0.7, "roleplay": 0.7, "stem": 0.1, "humanities": 0.1,
    "reasoning": 0.0, "math": 0.0, "coding": 0.0, "extraction": 0.0,
}  # fmt: skip
NEED_REFERENCE = frozenset({"math", "reasoning", "coding"})
TURNS = 2


@dataclass(frozen=True, slots=True)
class Question:
    """A two-turn question, with a reference answer to each turn if its category needs them."""

    id: int
    category: str
    turns: tuple[str, ...]
    reference: tuple[str, ...] = ()


def read_questions(path: Path, references: Path | None = None) -> list[Question]:
    """Read questions from JSON Lines: `question_id`, `category`, `turns`, optionally `reference`.

    Args:
        path: File of the questions. This package contains none; docs/evaluation.md says where to
            get them.
        references: File of reference answers in FastChat's format, which the categories math,
            reasoning and coding need; default `None`.

    Raises:
        EvaluationError: A line is not a question, an id occurs twice, a category is unknown, or a
            question needs a reference answer and has none.
    """
    known = read_references(references) if references else {}
    questions: dict[int, Question] = {}
    for where, line in _lines(path):
        try:
            number, category = int(line["question_id"]), str(line["category"]).lower()
            turns = tuple(map(str, line["turns"]))
            own_reference = tuple(map(str, line.get("reference") or ()))
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(
                f"{where} is not an MT-Bench question (question_id, category, turns): {error!r}."
            ) from error
        if number in questions:
            raise EvaluationError(f"{where}: question_id {number} occurs twice.")
        question = Question(number, category, turns, known.get(number) or own_reference)
        _check(question, where)
        questions[number] = question
    if not questions:
        raise EvaluationError(f"{path} has no questions. It needs one JSON object per line.")
    return list(questions.values())


def read_references(path: Path) -> dict[int, tuple[str, ...]]:
    """Read reference answers from JSON Lines with `question_id` and `choices[0].turns`.

    Returns:
        Question id → one reference answer per turn.

    Raises:
        EvaluationError: A line is not a reference answer.
    """
    references: dict[int, tuple[str, ...]] = {}
    for where, line in _lines(path):
        try:
            references[int(line["question_id"])] = tuple(map(str, line["choices"][0]["turns"]))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EvaluationError(
                f"{where} is not a reference answer (question_id, choices[0].turns): {error!r}."
            ) from error
    return references


@dataclass(frozen=True, slots=True)
class JudgePrompts:
    """Prompts of a judge by FastChat's names; `name` and `hash` identify the set.

    The built-in prompts ask the same as FastChat's, in this package's words and for answers in
    Japanese. Scores are comparable to the model card's only with the prompts that it used.
    """

    name: str
    prompts: Mapping[str, Mapping[str, str]]

    @classmethod
    def built_in(cls) -> "JudgePrompts":
        """The prompts of this package."""
        return cls("langchain-swallow", BUILT_IN)

    @classmethod
    def read(cls, path: Path) -> "JudgePrompts":
        """Read prompts in FastChat's format: `name`, `system_prompt`, `prompt_template`.

        If the file has no prompt of a kind (single or pair), the built-in prompts of this kind are
        used. If it has some of them, the missing ones raise an error when they are used.

        Raises:
            EvaluationError: A line is not a judge prompt.
        """
        prompts: dict[str, dict[str, str]] = {}
        for where, line in _lines(path):
            try:
                kept = {key: str(line[key]) for key in ("system_prompt", "prompt_template")}
                prompts[str(line["name"])] = kept
            except KeyError as error:
                raise EvaluationError(
                    f"{where} is not a judge prompt: the field {error} is missing."
                ) from None
        kinds = {name.split("-")[0] for name in prompts}
        rest = {name: p for name, p in BUILT_IN.items() if name.split("-")[0] not in kinds}
        return cls(path.name, {**rest, **prompts})

    @property
    def hash(self) -> str:
        """Short hash of all prompts: 16 hexadecimal digits."""
        return short_hash(json.dumps({k: dict(v) for k, v in self.prompts.items()}, sort_keys=True))

    def messages(self, name: str, values: Mapping[str, str]) -> list[BaseMessage]:
        """Fill the placeholders of a prompt; braces in the values stay as they are.

        Args:
            name: FastChat's name of the prompt.
            values: Placeholder → text.

        Raises:
            EvaluationError: There is no prompt of this name, or it has an unknown placeholder.
        """
        try:
            prompt = self.prompts[name]
        except KeyError:
            raise EvaluationError(
                f"{self.name} has no judge prompt {name!r}. It has {', '.join(self.prompts)}."
            ) from None

        def filled(place: re.Match[str]) -> str:
            try:
                return values[place[1]]
            except KeyError:
                raise EvaluationError(
                    f"Judge prompt {name!r} has the unknown placeholder {place[0]}. "
                    f"Use {', '.join(values)}."
                ) from None

        text = re.sub(r"\{(\w+)\}", filled, prompt["prompt_template"])
        return [SystemMessage(prompt["system_prompt"]), HumanMessage(text)]


def _check(question: Question, where: str) -> None:
    if question.category not in CATEGORIES:
        raise EvaluationError(
            f"{where}: unknown category {question.category!r}. Use {', '.join(CATEGORIES)}."
        )
    if len(question.turns) != TURNS:
        raise EvaluationError(f"{where} has {len(question.turns)} turns, not {TURNS}.")
    if question.category in NEED_REFERENCE and len(question.reference) != TURNS:
        raise EvaluationError(
            f"{where}: questions of {question.category} are graded against a reference answer to "
            "each turn, and this one has none. Pass the file of references."
        )


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            where = f"Line {number} of {path}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise EvaluationError(f"{where} is not valid JSON: {error}.") from error
            if not isinstance(record, dict):
                raise EvaluationError(f"{where} is not a JSON object.")
            yield where, record
