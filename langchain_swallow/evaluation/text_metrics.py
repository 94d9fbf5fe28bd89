"""Exact match and character F1 of short Japanese answers, following SQuAD.

Japanese has no spaces between words, so F1 is computed over characters, as in JGLUE for JSQuAD.
"""

import re
from collections import Counter
from collections.abc import Sequence

from langchain_swallow.text.citation_marks import MARK
from langchain_swallow.text.normalize import normalize

_DROPPED = re.compile(
    r"[\s、。，．「」『』（）()【】\[\]〔〕｛｝{}〈〉《》“”‘’\"'`・…!?;]"
    # Between digits, these are parts of a number: 3.5, 10:30. The comma of 1,000 is dropped,
    # because 1000 is the same number.
    r"|(?<![0-9])[.:]|[.:](?![0-9])|,"
)


def answer_key(text: str) -> str:
    """Normalize an answer for comparison: NFKC, case-folded.

    Spaces, punctuation and citation marks are removed.

    >>> answer_key("「ＡＢＣ」 は、1,000 円です。[1]")
    'abcは1000円です'
    >>> answer_key("3.5％。")
    '3.5%'
    """
    return _DROPPED.sub("", normalize(MARK.sub("", text)))


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1.0 if the answer equals a gold answer after normalization, else 0.0."""
    return float(answer_key(answer) in {answer_key(gold) for gold in golds})


def contains_answer(answer: str, golds: Sequence[str]) -> float:
    """1.0 if the answer contains a gold answer, else 0.0; for models that answer in sentences."""
    key = answer_key(answer)
    return float(any(answer_key(gold) in key for gold in golds))


def character_f1(answer: str, golds: Sequence[str]) -> float:
    """Character F1 of the answer with the most similar gold answer, in [0, 1].

    >>> character_f1("東京都", ["東京"])
    0.8
    """
    return max((_f1(answer_key(answer), answer_key(gold)) for gold in golds), default=0.0)


def _f1(answer: str, gold: str) -> float:
    common = sum((Counter(answer) & Counter(gold)).values())
    if not common:
        return 0.0
    precision, recall = common / len(answer), common / len(gold)
    return 2 * precision * recall / (precision + recall)
