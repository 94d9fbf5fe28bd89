"""Questions with their answers and the documents that contain them, as JSON Lines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_swallow.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its expected result.

    Args:
        id: Id that is unique among the examples.
        question: The question as a user asks it.
        answers: Correct answers, any of which counts; empty, the default, if the documents do not
            answer the question.
        documents: Relevant document → its gain, 1 or more; default: none. A document is named by
            its id, its `source`, or the last parts of the source's path.
        category: Category for results by category; default: none.
    """

    id: str
    question: str
    answers: tuple[str, ...] = ()
    documents: Mapping[str, int] = field(default_factory=dict, hash=False)
    category: str = ""

    @property
    def answerable(self) -> bool:
        """Whether the documents answer the question."""
        return bool(self.answers)


def read_examples(path: Path) -> list[Example]:
    """Read examples from a JSON Lines file.

    A line has the following fields:

    * `question`;
    * `answers` (or `answer`), empty or left out if the correct answer is a refusal;
    * `documents` (or `document`), a list of names or an object of names and gains;
    * optionally `id`, by default the number of the line, and `category`.

    Raises:
        EvaluationError: A line is not an example, an id occurs twice, or there are no examples.
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
                f"{where} is not an example (question, answers, documents): {error!r}."
            ) from error
        if example.id in examples:
            raise EvaluationError(f"{where}: the id {example.id!r} occurs twice.")
        examples[example.id] = example
    if not examples:
        raise EvaluationError(f"{path} has no examples. It needs one JSON object per line.")
    return list(examples.values())


def parse_example(line: Mapping[str, Any], name: str) -> Example:
    """Parse the fields of a line.

    Args:
        line: Fields as in `read_examples`.
        name: Id of the example if the line has none.

    Raises:
        KeyError: There is no question.
        ValueError: The question is empty, or a gain is not a whole number.
        TypeError: A field has another type.
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
