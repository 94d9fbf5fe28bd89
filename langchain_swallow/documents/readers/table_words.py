"""Classifies the text of a table cell: a value, such as an amount or a date, or a label.

The layout of tables without marked names is detected by these classes.
"""

import functools
import re

_DIGITS = r"[0-9０-９]+(?:[,，.．][0-9０-９]+)*"
_UNIT = (
    "[%％℃°㎡㎏㎜㎝㎞¥$€£円千万億兆台個本枚名人件回歳才度年月週日時間分秒ヶか所階点倍割"
    "kKmMgGtTcCbBaAwWvVlLxX/²³]"
)
_NUMBER = re.compile(
    rf"(?:約|税込|税抜)?\s*[¥￥$€£△▲+\-−(（]*\s*{_DIGITS}\s*(?:[)）]|{_UNIT}){{0,8}}"
    r"(?:\s*[(（][^)）]{0,12}[)）])?"
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d|(?:明治|大正|昭和|平成|令和|[MTSHR])\.?\s?(?:\d{1,2}|元))"
    r"(?:[-/.年]\s?\d{1,2}(?:[-/.月]\s?\d{1,2}日?|月)?.{0,8}|年)|\d{1,2}[/月]\d{1,2}日?"
    r"|\d{1,2}:\d\d(?::\d\d)?(?:\s*[-~～〜]\s*\d{1,2}:\d\d)?"
)
_CONTACT = re.compile(r"0\d{1,4}[-‐－(（]\d{1,4}[-‐－)）]\d{3,4}|\S+@\S+\.\S+|https?://\S+|〒.*")
_KINDS = {"number": _NUMBER, "date": _DATE, "contact": _CONTACT}
# Years, months and small integers are as often names of columns as they are values.
_PERIOD = re.compile(r"(?:19|20)\d\d\s*年?度?|\d{1,2}\s*[年月日週期回号]?|(?:令和|平成).{1,3}年度?")

_LABEL = re.compile(
    r"""
    .{0,12}(?:
      名|名称|氏名|ふりがな|フリガナ|年月日|日付|日時|期日|期限|期間|時間|時刻|年度|年齢|性別|国籍
      |(?<![曜毎今昨明本])日|者|(?<![優])先|住所|所在地|電話|番号|メール|メールアドレス|コード|金額|単価|価格|定価
      |料金|手数料|日当|手当|費用|税率|税額|合計|小計|総額|数|数量|(?<!効)率|割合|種別|種類|区分|分類
      |項目|内容|備考|摘要|説明|概要|詳細|目的|用途|理由|方法|条件|要件|対象|担当|部署|所属|役職|職種|職業
      |資格|場所|会場|状態|状況|結果|評価|判定|単位|型番|型式|品番|色|サイズ|寸法|重量|質問|回答|用語|意味|定義
      |値|キー|件名|題名|標題|タイトル|著者|出版社|代表取締役|代表取締役社長|設立|創業|資本金|売上高?|従業員
      |事業|業種|連絡先|内線|携帯|曜日|定休|承認|版|バージョン|形式|容量|機能|仕様|規格
      |性能|電源|消費電力|材質|保証|付属品|変数|引数|属性|設定|パラメータ|オプション
    )\s*(?:[(（][^)）]*[)）])?\s*[:：*＊※]?
    |(?:no\.?|id|url|fax|tel|e-?mail|name|title|value|key|type|date|time|price|amount|total|item
      |description|note|notes|remarks|status|quantity|qty|unit|address|phone|author|version|field
      |option|default|parameter|column|code|category|role|department|question|answer|country|city
      |age|term|meaning|format|size|number|count|rate|company|ceo|founded)\s*:?
    """,
    re.VERBOSE | re.IGNORECASE,
)


# Tables repeat their texts, and each is looked at several times.
_cached = functools.lru_cache(maxsize=65536)


@_cached
def value_kind(text: str) -> str:
    """Return the kind of a value: "number", "date" or "contact"; empty if it is not a value.

    >>> [value_kind(text) for text in ("1,000万円", "2025年4月1日", "03-1234-5678", "単価", "A4")]
    ['number', 'date', 'contact', '', '']
    """
    text = text.strip()
    return next((kind for kind, form in _KINDS.items() if form.fullmatch(text)), "")


def is_value(text: str) -> bool:
    """Whether a text is an amount, a date, a time, or contact data."""
    return bool(value_kind(text))


def is_period(text: str) -> bool:
    """Whether a text that looks like a value may be a column name: 2025年度, 4月, 1."""
    return bool(_PERIOD.fullmatch(text.strip()))


@_cached
def is_label(text: str) -> bool:
    """Whether a text is a label of a value, such as a column name or the field of a form.

    >>> [is_label(text) for text in ("会社名", "単価（税込）", "Price", "山田太郎", "3名", "")]
    [True, True, True, False, False, False]
    """
    text = text.replace("　", "").strip()
    return len(text) <= 20 and bool(_LABEL.fullmatch(text)) and not is_value(text)
