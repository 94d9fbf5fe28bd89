"""Questions with their answers and the documents that hold them, as JSON lines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_swallow.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class Example:
    """A question and what is right.

    Args:
        id: Unique among the examples.
        question: As a user asks it.
        answers: Any of them is right; empty where the documents do not say.
        documents: Relevant documents with their gain (1, or more for the better). A name is a
            Document's id, its `source`, or the end of its source's path.
        category: For figures by category.
    """

    id: str
    question: str
    answers: tuple[str, ...] = ()
    documents: Mapping[str, int] = field(default_factory=dict, hash=False)
    category: str = ""

    @property
    def answerable(self) -> bool:
        """Whether the documents hold an answer."""
        return bool(self.answers)


def read_examples(path: Path) -> list[Example]:
    """Examples of a JSONL file.

    A line has `question`; `answers` (or `answer`), empty or left out where the right answer is a
    refusal; `documents`, a list of names or an object of gains, or `document`; and, if wanted, `id`
    and `category`.

    Raises:
        EvaluationError: A line is no example, or an id is there twice.
    """
    examples: dict[str, Example] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"Line {number} of {path}"
        try:
            example = parse_example(json.loads(line), str(number))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise EvaluationError(
                f"{where} is no example (question, answers, documents): {error!r}."
            ) from error
        if example.id in examples:
            raise EvaluationError(f"{where}: the id {example.id!r} is there twice.")
        examples[example.id] = example
    if not examples:
        raise EvaluationError(f"{path} has no examples.")
    return list(examples.values())


def parse_example(line: Mapping[str, Any], name: str) -> Example:
    """An example of a line's fields.

    Args:
        line: As `read_examples` reads it.
        name: Its id, where the line has none.

    Raises:
        KeyError: There is no question.
        ValueError: The question is empty, or a gain is no whole number.
        TypeError: A field is of another type.
    """
    question = line["question"]
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"question is {question!r}")
    answers = line.get("answers", line.get("answer")) or ()
    documents = line.get("documents", line.get("document")) or {}
    if isinstance(documents, str):
        documents = [documents]
    if not isinstance(documents, Mapping):
        documents = dict.fromkeys(documents, 1)
    return Example(
        id=str(line.get("id", name)),
        question=question,
        answers=(answers,) if isinstance(answers, str) else tuple(map(str, answers)),
        documents={str(document): int(gain) for document, gain in documents.items()},
        category=str(line.get("category", "")),
    )
