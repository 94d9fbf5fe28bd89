"""A question and the place of a quote → whether the quote answers what was asked.

`agreement` compares a cited sentence with its passage: what stands there may still be the next row
of a table, the other end of a range, or last year's figure. Here the place of the quote is compared
with the question: the year, person or article that the question names must be there, and no other
place or column may have more of the question with another value.
"""

import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from langchain_swallow.rag.agreement import ROW
from langchain_swallow.rag.places import Place
from langchain_swallow.rag.question_terms import WORD, QuestionTerms, is_one, pairs
from langchain_swallow.rag.quotes import COPULA
from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.quantities import Quantity, quantities

_COLUMN = re.compile(r"[^、;；]+")
_OR = "(?:さん|様)?(?:[とかや、・,]|または|もしくは)"
_PER = "(?:の?単位|ごと|毎に|おき|につき|当たり|あたり)"
_CHANGE = re.compile(
    "から(?:(?!から)[^、。]){1,20}?[にへ]"
    "(?:変更|改定|改訂|改め|修正|見直|切り?替|延期|延長|短縮|前倒|繰り?[上下]|引き?[上下]|値[上下]"
    "|[上下]が|拡大|縮小|移|増|減|なっ|なり)"
)
_TOPIC = re.compile("^[^、]{1,20}?は、?")
_CLAUSE = re.compile(r"(?:[^、,;；。]|,(?=[0-9]))+")
# A word in the headings counts as one in the row; one in a sentence before may belong to another.
_WEIGHT_BEFORE = 0.6
# What a label has more than the question counts half: 会員価格 is not asked for by 価格.
_WEIGHT_SURPLUS = 0.5
_WEIGHT_HEAD = 0.5
_EPSILON = 1e-9


def answers(
    terms: QuestionTerms,
    claim: str,
    place: Place,
    others: Sequence[Place],
    cited: str = "",
) -> bool:
    """Whether a claim that agrees with its passage answers the question.

    Args:
        terms: Of the question.
        claim: The cited sentence of the answer.
        place: Where the quote is.
        others: The other places of all passages in the prompt.
        cited: The other cited sentences of the answer; they answer their part of the question.
    """
    claim, cited = normalize(claim), normalize(cited)
    stated = [q for q in quantities(claim) if not is_one(q)]
    values = [q for q in stated if not _agrees_any(q, terms.quantities)]
    said = COPULA.sub("", claim.strip("。 、"))
    if _only_repeats(terms, said) or (terms.units and _is_divisor(said, place.text)):
        return False
    if not terms.asks_of_change and _is_replaced(values, place.text):
        return False
    if stated and not _has_kind(terms, values):
        return False
    if not _names_all(terms, place, cited):
        return False
    if not _is_best(terms, claim, values, place, others):
        return False
    return _is_best_column(terms, claim, values, place) and _is_right_end(terms, values, place.text)


def _only_repeats(terms: QuestionTerms, said: str) -> bool:
    """Whether a claim is words of the question, and none of the choices that it names."""
    if said not in terms.open_question:
        return False
    words = re.escape(said)
    return not re.search(f"{words}{_OR}|{_OR}{words}", terms.open_question)


def _is_divisor(said: str, text: str) -> bool:
    """Whether a claim is what a rate is per: 半日 of 半日単位 is not how many days there are."""
    return bool(re.search(rf"{re.escape(said)}{_PER}", text))


def _is_replaced(values: Sequence[Quantity], text: str) -> bool:
    """Whether a claim has what was replaced: 11月1日 of 11月1日から12月8日に変更."""
    for change in _CHANGE.finditer(text):
        old = quantities(text[: change.start()])[-1:]
        # From 4月1日から時給が1,200円になる, nothing replaces the date.
        is_replaced = _has_other(quantities(change[0]), old)
        if is_replaced and any(_agrees_any(value, old) for value in values):
            return True
    return False


def _has_kind(terms: QuestionTerms, values: Sequence[Quantity]) -> bool:
    """Whether a claim has a value of the kind that is asked for."""
    if terms.units is None:
        return True
    return any((v.unit if v.kind in ("amount", "code") else v.kind) in terms.units for v in values)


def _names_all(terms: QuestionTerms, place: Place, cited: str) -> bool:
    where = f"{place.text}\n{place.headings}\n{place.before}\n{cited}"
    if not all(_has_word(word, where) for word in terms.required):
        return False
    found = quantities(where)
    return all(_fit(asked, found) > 0 for asked in terms.quantities)


def _has_word(word: str, text: str) -> bool:
    """Whether a word, most of it, or what it begins with is in a text: 電話 for 電話番号."""
    if word[:2] in text:
        return True
    wanted = pairs(word)
    return sum(pair in text for pair in wanted) * 2 >= len(wanted)


def _fit(asked: Quantity, found: Sequence[Quantity]) -> float:
    """How well quantities name one that is asked for: 1 for the value, less for a range around it.

    >>> round(_fit(quantities("4年")[0], quantities("3年以上5年未満")), 2)
    0.83
    """
    if any(asked.agrees_with(other) for other in found):
        return 1.0
    value = asked.value
    if asked.kind != "amount" or not isinstance(value, Fraction):
        return 0.0
    bounds = [
        (q, q.value) for q in found if q.bound and q.kind == "amount" and q.unit == asked.unit
    ]
    gaps = []
    for bound, edge in bounds:
        if not isinstance(edge, Fraction):
            continue
        gap = value - edge if bound.bound[0] == ">" else edge - value
        if gap < 0 or (gap == 0 and len(bound.bound) == 1):
            return 0.0
        gaps.append(float(gap) / max(abs(float(value)), 1.0))
    return 0.5 + 0.5 / (1 + sum(gaps)) if gaps else 0.0


def _is_best(
    terms: QuestionTerms,
    claim: str,
    values: Sequence[Quantity],
    place: Place,
    others: Sequence[Place],
) -> bool:
    """Whether no other place with another value has more of the question."""
    rivals = (other for other in others if _is_rival(other, place, claim, values))
    here, alone = _coverage(terms, place), _coverage(terms, place, alone=True)
    for rival in rivals:
        surplus = _coverage(terms, rival) - here
        # All places of a passage have its headings; then their own words decide.
        is_equal = abs(surplus) <= _EPSILON
        if is_equal:
            surplus = _coverage(terms, rival, alone=True) - alone
        if surplus > _EPSILON:
            return False
    return True


def _is_rival(other: Place, place: Place, claim: str, values: Sequence[Quantity]) -> bool:
    if other.text == place.text and other.headings == place.headings:
        return False
    if values:
        found = quantities(other.text)
        return not all(_agrees_any(v, found) for v in values) and _has_other(found, values)
    return claim.strip("。 、") not in other.text and bool(ROW.match(other.text)) == bool(
        ROW.match(place.text)
    )


def _has_other(found: Sequence[Quantity], values: Sequence[Quantity]) -> bool:
    return any(
        one.kind == other.kind and one.unit == other.unit and not one.agrees_with(other)
        for one in values
        for other in found
    )


def _agrees_any(one: Quantity, others: Sequence[Quantity]) -> bool:
    return any(one.agrees_with(other) for other in others)


def _coverage(terms: QuestionTerms, place: Place, *, alone: bool = False) -> float:
    here = place.text if alone else f"{place.text}\n{place.headings}"
    with_before = f"{here}\n{place.before}"

    def both(measure: Callable[[str], float]) -> float:
        inner = measure(here)
        return inner + _WEIGHT_BEFORE * (measure(with_before) - inner)

    words = sum(both(functools.partial(_share, word)) for word in terms.words)
    found, all_found = quantities(here), quantities(with_before)
    named = 0.0
    for asked in terms.quantities:
        inner = _fit(asked, found)
        named += inner + _WEIGHT_BEFORE * max(0.0, _fit(asked, all_found) - inner)
    return words + named


def _share(word: frozenset[str], text: str) -> float:
    return sum(pair in text for pair in word) / len(word)


def _is_best_column(
    terms: QuestionTerms, claim: str, values: Sequence[Quantity], place: Place
) -> bool:
    """Whether no other cell of the row, or clause of the sentence, is rather asked for."""
    is_row = bool(ROW.match(place.text))
    scores: dict[bool, list[float]] = {True: [], False: []}
    for mine, label in _columns(terms, claim, values, place.text, is_row=is_row):
        scores[mine].append(_label_score(terms, label, is_row=is_row))
    best = max(scores[True], default=math.inf)
    return all(score <= best + _EPSILON for score in scores[False])


def _columns(
    terms: QuestionTerms, claim: str, values: Sequence[Quantity], text: str, *, is_row: bool
) -> Iterator[tuple[bool, str]]:
    """The labels of cells, or clauses, with the value or a rival; whether it is the value."""
    said = claim.strip("。 、")
    if not is_row:
        # In 工場は東京が30人、大阪が50人, the topic belongs to both clauses.
        text = _TOPIC.sub("", text)
    for match in (_COLUMN if is_row else _CLAUSE).finditer(text):
        part = match[0]
        label, _, cell = part.rpartition(": ") if is_row else (part, "", part)
        found = quantities(cell)
        if values:
            mine = any(_agrees_any(value, found) for value in values)
            rival = _has_other(found, values) and not _names(terms, found)
        elif _is_named(terms, cell):
            continue
        else:
            mine = said in part or cell.strip() in said
            rival = is_row
        if mine or rival:
            yield mine, label


def _names(terms: QuestionTerms, found: Sequence[Quantity]) -> bool:
    """Whether the question names what a cell has: it asks for another cell."""
    return any(_fit(asked, found) > 0 for asked in terms.quantities)


def _is_named(terms: QuestionTerms, cell: str) -> bool:
    return _names(terms, quantities(cell)) or any(_share(word, cell) > 0.5 for word in terms.words)


def _label_score(terms: QuestionTerms, label: str, *, is_row: bool) -> float:
    asked = frozenset[str]().union(*terms.words)
    own = frozenset[str]().union(*(pairs(word) for word in WORD.findall(label)))
    matched = own & asked
    by_head = {pair for pair in own - matched if pair in terms.heads}
    named = sum(_fit(asked, quantities(label)) for asked in terms.quantities)
    score = len(matched) + _WEIGHT_HEAD * len(by_head) + named
    if is_row and matched:
        score -= _WEIGHT_SURPLUS * len(own - matched - by_head)
    return score


def _is_right_end(terms: QuestionTerms, values: Sequence[Quantity], text: str) -> bool:
    """Whether a claim has the end of a range that is asked for."""
    if len(terms.bounds) != 1:
        return True
    ends = {end for value in values for end in _list_ends(value, text)}
    return not ends or bool(ends & terms.bounds)


def _list_ends(value: Quantity, text: str) -> Iterator[str]:
    agreeing = [found for found in quantities(text) if value.agrees_with(found)]
    # 19時 also agrees with 7時, which may be in the evening.
    same = [found for found in agreeing if found.value == value.value]
    yield from (f"{found.bound[0]}=" for found in same or agreeing if found.bound)
    for mark in re.finditer("~", text):
        if _agrees_any(value, quantities(text[: mark.start()])[-1:]):
            yield ">="
        if _agrees_any(value, quantities(text[mark.end() :])[:1]):
            yield "<="
