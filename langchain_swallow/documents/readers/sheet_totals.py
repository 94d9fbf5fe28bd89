"""Recognizes the names of totals, which have a value in a column that has another name."""

import re

_TOTAL = re.compile(
    r"(?:[小中総合累]|上期|下期|年度|税込|税抜|全社|御?見積|御?請求)*(?:計|合計|総額|平均|金額)"
    r"|(?:消費税|税込|税抜|値引|割引|差引|送料|諸経費|源泉)[^、。]{0,8}|繰越|残高"
)
_NOTE = re.compile(r"\s*[(（][^)）]*[)）]$")


def is_total(text: str) -> bool:
    """Whether a text names a total, or what is added to one or taken from it.

    >>> [is_total(text) for text in ("小計", "消費税（10%）", "合　計", "机")]
    [True, True, True, False]
    """
    text = _NOTE.sub("", text.replace("　", "").replace(" ", "").strip())
    return bool(_TOTAL.fullmatch(text.rstrip(":：")))
