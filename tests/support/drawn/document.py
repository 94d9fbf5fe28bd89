"""What a kind of document draws: a file, and questions with their right and wrong answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

PEOPLE = "青木 井上 上田 江口 大野 川村 木下 久保 小松 坂本 島田 杉山 高木 土屋 中野 橋本".split()
CITIES = "札幌 仙台 新潟 金沢 静岡 京都 神戸 岡山 広島 高松 松山 福岡 熊本 鹿児島 横浜 長野".split()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answers, as short as they stand in the document.

    Args:
        question: The question.
        answer: The right answer.
        sentence: The answer as a sentence; `{}` is the place of the short one.
        wrong: Why an answer is wrong (another row, the other end, …) → a wrong answer.
        elsewhere: The same question of something that the document does not have; the right answer
            to `question` is a wrong one to it. Empty if there is none.
    """

    question: str
    answer: str
    sentence: str
    wrong: Mapping[str, str]
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The name and text of a file, and what can be asked of it."""

    name: str
    text: str
    asked: Sequence[Asked]


def yen(value: int) -> str:
    return f"{value:,}円"


def ascending(rng: Random, values: Iterable[int], count: int) -> list[int]:
    """Different values in order, as the rows of a table have them."""
    return sorted(rng.sample(list(values), count))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def csv_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in (head, *rows)) + "\n"
