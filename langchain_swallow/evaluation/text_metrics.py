"""Exact match and character-F1 of short Japanese answers, as SQuAD counts them for English.

Japanese has no spaces between words, so F1 is over characters (as JGLUE does for JSQuAD).
"""

import re
from collections import Counter
from collections.abc import Sequence

from langchain_swallow.text.citation_marks import MARK
from langchain_swallow.text.normalize import normalize

_DROPPED = re.compile(
    r"[\s、。，．「」『』（）()【】\[\]〔〕｛｝{}〈〉《》“”‘’\"'`・…!?;]"
    # Between digits these make a number: 3.5, 1,000 (one number with and without), 10:30.
    r"|(?<![0-9])[.:]|[.:](?![0-9])|,"
)


def answer_key(text: str) -> str:
    """What of an answer is compared: NFKC, lower case, no spaces, punctuation or citation marks.

    >>> answer_key("「ＡＢＣ」 は、1,000 円です。[1]")
    'abcは1000円です'
    >>> answer_key("3.5％。")
    '3.5%'
    """
    return _DROPPED.sub("", normalize(MARK.sub("", text)))


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 if the answer is one of the gold answers, else 0."""
    return float(answer_key(answer) in {answer_key(gold) for gold in golds})


def contains_answer(answer: str, golds: Sequence[str]) -> float:
    """1 if a gold answer stands in the answer, for those who answer in sentences."""
    key = answer_key(answer)
    return float(any(answer_key(gold) in key for gold in golds))


def character_f1(answer: str, golds: Sequence[str]) -> float:
    """Best F1 over the characters of the gold answers, in [0, 1].

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
