"""Joins the texts that one field of a form has in several cells: 令和 | 7 | 年 | 4 | 月."""

import re
from collections.abc import Iterable

# Units and particles that end what precedes them, and signs between two values.
_ENDS = re.compile(
    r"[年月日時分秒円名人件個台枚回歳才度階頁様殿%％)）]|千円|万円|ヶ月|か月|箇月|時間|日間|年間"
    r"|年度|まで|から|より|以上|以下|御中"
)
_BETWEEN = re.compile(r"[~～〜\-－ー–—/／:：・→⇒]")
_ERA = re.compile(r"明治|大正|昭和|平成|令和|西暦|[(（〒￥¥$]|第|約")
_LIST_MARK = re.compile(
    r"[(（]?(?:[0-9０-９]{1,2}|[一二三四五六七八九十]{1,2}|[a-zA-Zア-ン])[)）.．]"
    r"|[①-⑳・●○◎■□◆◇▼▽※＊*☑☐✓✔]|第[0-9０-９一二三四五六七八九十]{1,3}[条項号]"
)


def is_unit(text: str) -> bool:
    """Whether a text ends the value before it, such as 円 or まで."""
    return bool(_ENDS.fullmatch(text))


def is_list_mark(text: str) -> bool:
    """Whether a text is the number or the mark of the paragraph after it, such as （1） or ・."""
    return bool(_LIST_MARK.fullmatch(text))


def join_values(texts: Iterable[str]) -> str:
    """Join texts; a unit or an era is joined to its number.

    >>> join_values(["令和", "7", "年", "4", "月", "1", "日", "10:00", "～", "11:00"])
    '令和7年4月1日、10:00～11:00'
    >>> join_values(["□ 有", "■ 無"])
    '□ 有、■ 無'
    """
    joined = ""
    last = ""
    for text in filter(None, texts):
        is_part = (
            is_unit(text)
            or _BETWEEN.fullmatch(text)
            or _BETWEEN.fullmatch(last)
            or _ERA.fullmatch(last)
            or (_is_number(text) and last in ("年", "月", "時"))
        )
        joined += text if is_part or not joined else f"、{text}"
        last = text
    return joined


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 2
