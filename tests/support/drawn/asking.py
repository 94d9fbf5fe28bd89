"""The same question as people word it: more or less polite, in kana, with slips."""

import re
from random import Random

_ENDINGS = (
    (
        "を教えてください。",
        ("を教えていただけますか。", "をおしえてください。", "は？"),
    ),
    (
        "いくらですか。",
        ("いくらでしょうか。", "おいくらですか。", "いくらになりますか。"),
    ),
    (
        "いつですか。",
        ("いつでしょうか。", "いつ？", "いつになりますか。"),
    ),
    ("どこですか。", ("どこでしょうか。", "どこ？", "どちらですか。")),
    ("誰ですか。", ("どなたですか。", "だれですか。", "誰でしょうか。", "誰？")),
    ("何ですか。", ("何でしょうか。", "なんですか。", "何になりますか。")),
    ("できますか。", ("できるのでしょうか。", "できますでしょうか。", "可能ですか。")),
    ("ますか。", ("ますか", "ますか？", "ますでしょうか。")),
    ("ですか。", ("ですか", "ですか？", "でしょうか。", "か教えてください。", "なのですか。")),
)
_OPENINGS = ("すみません、", "お尋ねします。", "ちなみに", "では、", "教えてください。")
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def reworded(question: str, rng: Random) -> str:
    """Half the questions as they are, the others with another ending, opening or slip."""
    if rng.random() < 0.5:
        return question
    for ending, others in _ENDINGS:
        if question.endswith(ending) and rng.random() < 0.8:
            question = question.removesuffix(ending) + rng.choice(others)
            break
    if rng.random() < 0.15:
        question = rng.choice(_OPENINGS) + question
    if rng.random() < 0.1:
        question = question.translate(_FULL_WIDTH)
    if rng.random() < 0.12:
        question = _slip(question, rng)
    return question


def _slip(question: str, rng: Random) -> str:
    """One particle left out, or one kana typed twice."""
    places = [match.start() for match in re.finditer("[はがをのに]", question)]
    if not places:
        return question
    at = rng.choice(places)
    kept = question[at] * rng.choice((0, 2))
    return question[:at] + kept + question[at + 1 :]
