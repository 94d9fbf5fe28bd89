"""A question → what a passage must have to answer it: words, quantities, and the kind of answer."""

import re
from dataclasses import dataclass

from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.quantities import Quantity, quantities
from langchain_swallow.text.quantity_words import PATTERN, UNITS
from langchain_swallow.text.terms import strip_question_words

WORD = re.compile(r"[一-龯々]+|[ァ-ヶー]+|[a-z]+")
_UNIT = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_ASKED_UNIT = re.compile(rf"(?:何|いく)({_UNIT}|[ァ-ヶー]+|[一-龯]{{1,2}})?")
# Words that say what kind of answer is wanted, or for whom. Documents often use other words.
_GENERIC = re.compile(
    "場合|当社|弊社|御社|会社|社員|従業員|職員|日数|人数|回数|期間|期日|金額|料金|値段|費用|価格|時間|時刻"
    "|時期|番号|方法|手続|内容|意味|必要|対応|連絡|最大|最低|最小|最高|上限|下限|以上|以下|以内|未満|開始"
    "|終了|期限|商品|製品|品物|名前|氏名|一番|現在|今年|毎年|具体的|理由|場所|予定|利用|使用|可能|対象|全部|合計|本人"
)
# The same question word in the words of a table's head.
_HEADS = {
    "誰": "氏名 名前 担当者 責任者",
    "だれ": "氏名 名前 担当者 責任者",
    "どこ": "場所 住所 会場 所在地 行き先",
    "いつ": "日付 日時 期限 期日 日程",
    "いくら": "価格 金額 料金 費用",
    "なぜ": "理由 原因",
    "どう": "方法 対処 処置 手順",
}
# Units and kinds of quantities that answer a question word; "" is a number without a known unit.
_MONEY = frozenset({"円", "ドル", "ユーロ", "%", ""})
_TIMES = frozenset({"月", "日", "営業日", "秒", "date", "weekday", "time"})
_ASKED_KINDS = {"月": "date", "日": "date"}
_ASKED = "(?:何[^はがをに、]{0,4}|いつ|いくら|どこ)"
_KATAKANA = re.compile("[ァ-ヶー]")
_BOUNDWORDS = re.compile("以上|以下|以内|未満|以降|以前|程度|前後")
_START = re.compile(
    rf"{_ASKED}(?:から|より)|開始|始ま|始め|開き|開く|開店|最低|最小|下限|少なくとも"
)
_OPEN = re.compile("(?:何|誰|だれ|どこ|いつ|いくら|いくつ|どれ|どの|どう|なぜ)(?!か[のをがに、])")
# A question about what was before, or about the change itself.
_OF_CHANGE = re.compile("前|元|旧|当初|どう|変|から")
_END = re.compile(rf"{_ASKED}まで|終了|終わ|閉ま|閉じ|閉店|最高|最大|上限|期限|締切|締め切")


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """What a question asks for.

    Args:
        words: Words of the question, as sets of pairs of characters.
        required: Those that the place of the answer, or its headings, must have.
        quantities: Years, amounts, dates and codes that the question names.
        heads: Heads of a table's columns in which the answer to such a question is.
        units: Units or kinds of quantities that the answer may have, such as 円 or time; `None` if
            any.
        bounds: `{">="}` if the lower end of a range is asked for, `{"<="}` for the upper end.
        open_question: The question, normalized, unless it is answered by yes or no.
        asks_of_change: Whether it may ask for what something was changed from.
    """

    words: tuple[frozenset[str], ...]
    required: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    heads: str
    units: frozenset[str] | None
    bounds: frozenset[str]
    open_question: str = ""
    asks_of_change: bool = True


def question_terms(question: str) -> QuestionTerms:
    """What a question asks for, in words that can be compared with a passage."""
    key = normalize(question)
    asked = _ASKED_UNIT.sub(" ", key)
    named = tuple(q for q in quantities(asked) if not is_one(q))
    stripped = _BOUNDWORDS.sub(" ", PATTERN.sub(" ", strip_question_words(asked)))
    words = [word for word in WORD.findall(stripped) if not _GENERIC.fullmatch(word)]
    return QuestionTerms(
        words=tuple(pairs(word) for word in WORD.findall(stripped)),
        required=tuple(word for word in words if len(word) > 1),
        quantities=named,
        heads=" ".join(heads for word, heads in _HEADS.items() if word in key),
        units=_asked_units(key),
        bounds=_asked_bounds(key),
        open_question=key if _OPEN.search(key) else "",
        asks_of_change=bool(_OF_CHANGE.search(key)),
    )


def is_one(quantity: Quantity) -> bool:
    """Whether a quantity is 1人 or 1日, which says what a value is for."""
    return quantity.value == 1 and bool(quantity.unit)


def pairs(word: str) -> frozenset[str]:
    """Pairs of neighboring characters; the word itself if it has one character."""
    return frozenset(word[i : i + 2] for i in range(max(1, len(word) - 1)))


def _asked_units(key: str) -> frozenset[str] | None:
    if "いくら" in key:
        return _MONEY
    if "いつ" in key:
        return _TIMES
    match = _ASKED_UNIT.search(key)
    unit = match[1] if match else None
    if unit == "時":
        return frozenset({"time"})
    if unit is None or (unit not in UNITS and _KATAKANA.match(unit)):
        return None
    name = UNITS[unit][0] if unit in UNITS else ""
    return frozenset({name, "", _ASKED_KINDS.get(name, "weekday")})


def _asked_bounds(key: str) -> frozenset[str]:
    bounds = {">="} if _START.search(key) else set()
    return frozenset(bounds | ({"<="} if _END.search(key) else set()))
