"""Questions, reference answers and judge prompts, in FastChat's file formats."""

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

# In the order of the model card.
CATEGORIES = (
    "writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities",
)  # fmt: skip
# FastChat's, which the card used.
TEMPERATURES = {
    "writing": 0.7, "roleplay": 0.7, "stem": 0.1, "humanities": 0.1,
    "reasoning": 0.0, "math": 0.0, "coding": 0.0, "extraction": 0.0,
}  # fmt: skip
NEED_REFERENCE = frozenset({"math", "reasoning", "coding"})
TURNS = 2


@dataclass(frozen=True, slots=True)
class Question:
    """A question of two turns, with a reference answer to each where its category needs one."""

    id: int
    category: str
    turns: tuple[str, ...]
    reference: tuple[str, ...] = ()


def read_questions(path: Path, references: Path | None = None) -> list[Question]:
    """Questions of a JSONL file: `question_id`, `category`, `turns`, and `reference` if it has one.

    Args:
        path: The questions; none are in this package, docs/evaluation.md says where they are.
        references: Reference answers in FastChat's format, for the categories math, reasoning and
            coding.

    Raises:
        EvaluationError: A line is no question, an id is there twice, a category is unknown, or a
            question has no reference answer and needs one.
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
                f"{where} is no MT-Bench question (question_id, category, turns): {error!r}."
            ) from error
        if number in questions:
            raise EvaluationError(f"{where}: question_id {number} is there twice.")
        question = Question(number, category, turns, known.get(number) or own_reference)
        _check(question, where)
        questions[number] = question
    if not questions:
        raise EvaluationError(f"{path} has no questions.")
    return list(questions.values())


def read_references(path: Path) -> dict[int, tuple[str, ...]]:
    """Reference answers by question id: `question_id`, `choices[0].turns`."""
    references: dict[int, tuple[str, ...]] = {}
    for where, line in _lines(path):
        try:
            references[int(line["question_id"])] = tuple(map(str, line["choices"][0]["turns"]))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EvaluationError(
                f"{where} is no reference answer (question_id, choices[0].turns): {error!r}."
            ) from error
    return references


@dataclass(frozen=True, slots=True)
class JudgePrompts:
    """The prompts of a judge, by FastChat's names; `name` and `hash` say which they are.

    The built-in ones ask what FastChat's ask, in words of this package and for answers in Japanese.
    Figures are comparable to the model card's only with the prompts it used.
    """

    name: str
    prompts: Mapping[str, Mapping[str, str]]

    @classmethod
    def built_in(cls) -> "JudgePrompts":
        """This package's own."""
        return cls("langchain-swallow", BUILT_IN)

    @classmethod
    def read(cls, path: Path) -> "JudgePrompts":
        """Prompts of a file in FastChat's format (`name`, `system_prompt`, `prompt_template`).

        A prompt that the file leaves out is the built-in one only if the file has none of its kind
        (single or pair); else asking for it is an error.
        """
        found: dict[str, dict[str, str]] = {}
        for where, line in _lines(path):
            try:
                kept = {key: str(line[key]) for key in ("system_prompt", "prompt_template")}
                found[str(line["name"])] = kept
            except KeyError as error:
                raise EvaluationError(f"{where} is no judge prompt: it has no {error}.") from None
        kinds = {name.split("-")[0] for name in found}
        rest = {name: p for name, p in BUILT_IN.items() if name.split("-")[0] not in kinds}
        return cls(path.name, {**rest, **found})

    @property
    def hash(self) -> str:
        """Short hash of all prompts."""
        return short_hash(json.dumps({k: dict(v) for k, v in self.prompts.items()}, sort_keys=True))

    def messages(self, name: str, values: Mapping[str, str]) -> list[BaseMessage]:
        """A prompt with its places filled; braces in the values stay as they are.

        Raises:
            EvaluationError: There is no such prompt, or it has a place that is not known.
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
                    f"Judge prompt {name!r} has the unknown place {place[0]}. "
                    f"Known are {', '.join(values)}."
                ) from None

        text = re.sub(r"\{(\w+)\}", filled, prompt["prompt_template"])
        return [SystemMessage(prompt["system_prompt"]), HumanMessage(text)]


def _check(question: Question, where: str) -> None:
    if question.category not in CATEGORIES:
        raise EvaluationError(
            f"{where}: unknown category {question.category!r}. Known are {', '.join(CATEGORIES)}."
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
                raise EvaluationError(f"{where} is no JSON: {error}.") from error
            if not isinstance(record, dict):
                raise EvaluationError(f"{where} is no JSON object.")
            yield where, record
