"""Patterns for quantities in Japanese and English: digits, units, dates, times and bounds."""

import re

DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0}
SMALL = {"十": 10, "百": 100, "千": 1000}
LARGE = {"万": 10**4, "億": 10**8, "兆": 10**12}
ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867}
ERA_LETTERS = {"r": 2018, "h": 1988, "s": 1925}

# Spelling of a unit → name of the base unit, and how many base units it is. The base units month
# and day make 半年 equal to 6か月, and 2週間 equal to 14日.
UNITS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("円", "yen", "jpy"), ("円", 1)),
    **dict.fromkeys(("ドル", "usd"), ("ドル", 1)),
    **dict.fromkeys(("ユーロ", "eur"), ("ユーロ", 1)),
    **dict.fromkeys(("%", "パーセント", "percent"), ("%", 1)),
    **dict.fromkeys(("ポイント", "pt"), ("ポイント", 1)),
    **dict.fromkeys(("年間", "年", "か年", "ヶ年", "カ年", "箇年", "years", "year"), ("月", 12)),
    **dict.fromkeys(
        (
            "か月間",
            "か月",
            "ヶ月間",
            "ヶ月",
            "カ月間",
            "カ月",
            "ヵ月",
            "ケ月",
            "箇月",
            "months",
            "month",
        ),
        ("月", 1),
    ),
    **dict.fromkeys(("週間", "週", "weeks", "week"), ("日", 7)),
    **dict.fromkeys(("日間", "日", "days", "day"), ("日", 1)),
    **dict.fromkeys(("営業日", "稼働日", "business days", "business day"), ("営業日", 1)),
    "泊": ("泊", 1),
    **dict.fromkeys(("時間", "hours", "hour"), ("秒", 3600)),
    **dict.fromkeys(("分間", "分", "minutes", "minute", "min"), ("秒", 60)),
    **dict.fromkeys(("秒間", "秒", "seconds", "second", "sec"), ("秒", 1)),
    **dict.fromkeys(("ミリ秒", "ms"), ("ミリ秒", 1)),
    **dict.fromkeys(("歳", "才", "years old"), ("歳", 1)),
    **dict.fromkeys(("人", "名様", "名", "people", "persons"), ("人", 1)),
    **dict.fromkeys(("個", "箇所", "か所", "カ所", "ヶ所"), ("個", 1)),
    **dict.fromkeys(("キロメートル", "km"), ("mm", 10**6)),
    **dict.fromkeys(("メートル", "m"), ("mm", 1000)),
    **dict.fromkeys(("センチメートル", "センチ", "cm"), ("mm", 10)),
    **dict.fromkeys(("ミリメートル", "ミリ", "mm"), ("mm", 1)),
    **dict.fromkeys(("トン", "t"), ("mg", 10**9)),
    **dict.fromkeys(("キログラム", "kg"), ("mg", 10**6)),
    **dict.fromkeys(("グラム", "g"), ("mg", 1000)),
    **dict.fromkeys(("ミリグラム", "mg"), ("mg", 1)),
    **dict.fromkeys(("リットル", "l"), ("ml", 1000)),
    **dict.fromkeys(("ミリリットル", "ml", "cc"), ("ml", 1)),
    **dict.fromkeys(("平方メートル", "平米", "m2"), ("m2", 1)),
    **dict.fromkeys(("立方メートル", "立米", "m3"), ("m3", 1)),
    **dict.fromkeys(("℃", "°c", "°", "度"), ("度", 1)),
    **dict.fromkeys(("ページ", "頁"), ("頁", 1)),
    "ワット": ("w", 1),
    "ボルト": ("v", 1),
    **{
        unit: (unit, 1)
        for unit in (
            "回 件 台 本 枚 冊 部 社 点 位 階 号 号室 条 章 節 項 級 等 段 棟 戸 室 株 票 曲 杯 缶 "
            "箱 袋 束 組 匹 頭 羽 食 年生 学年 坪 つ 倍 か国 ヶ国 カ国 ヵ国 口 目盛 "
            "文字 桁 席 ha kwh kw mw w kv v a hz khz mhz ghz gb mb kb tb bit rpm db"
        ).split()
    },
}
_UNIT = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
CURRENCY = {"¥": "円", "$": "ドル", "€": "ユーロ"}
# The length is limited: a longer run of digits is not an amount, and Python refuses to convert more
# than some thousands of digits.
_NUMBER = r"[0-9]{1,3}(?:,[0-9]{3}){1,9}(?:\.[0-9]{1,30})?|[0-9]{1,30}(?:\.[0-9]{1,30})?"
KANJI = "".join([*DIGITS, *SMALL, *LARGE])
_LARGE_PART = rf"[十百千万億兆](?:[0-9{KANJI}]|,[0-9]{{3}}){{0,30}}"
# 一般 and 十分 are words, so a number in kanji needs a unit after it that is not part of a word.
_KANJI_UNIT = rf"(?:{_UNIT})(?!別|的|度中)"
KANJI_WORDS = re.compile(
    "一(?:部|口|度|時|日中|定|人ひとり|目|本化|点張り|段と|等|組)|十分(?!間)|万一|千葉|八百屋|三社"
)
# 二〇二五年四月一日, 第十二条: these kanji are replaced by digits, so that one pattern reads both.
KANJI_DATE = re.compile(
    rf"(?<![{KANJI}])[{KANJI}]{{1,30}}(?=[年月日時条章](?!中|間|市))"
    rf"|(?<=時)[{KANJI}]{{1,30}}(?=分)"
)
# 2割5分, 3分5厘 and 三分の二 are shares, in percent. 5分 alone means minutes.
_DIGIT = rf"[0-9{''.join(DIGITS)}]"
_SHARES = rf"""
    (?P<tenths>[0-9]{{1,2}}(?:\.[0-9]{{1,3}})?|{_DIGIT})割(?:(?P<bu>{_DIGIT})分(?!間|の))?
  | (?P<bu_alone>{_DIGIT})分(?P<rin>{_DIGIT})厘
  | (?P<denominator>[0-9]{{1,9}}|[{KANJI}]{{1,9}})分の(?P<numerator>[0-9]{{1,9}}|[{KANJI}]{{1,9}})
"""
_YEAR = rf"(?P<era>{'|'.join(ERAS)})(?P<era_year>元|[0-9]{{1,2}})年|(?P<year>[0-9]{{4}})年"
PATTERN = re.compile(
    rf"""
    (?P<weekday>[月火水木金土日](?=曜))曜日?|(?<=日)\((?P<weekday2>[月火水木金土日])\)
  | (?:{_YEAR})(?P<fiscal>度)?
        (?:の?(?P<month>[0-9]{{1,2}})月(?!間)(?:(?P<day>[0-9]{{1,2}})日(?!間))?)?
  | (?P<era2>(?<![a-z])[rhs])(?P<y2>[0-9]{{1,2}})
        \.(?P<m2>[0-9]{{1,2}})\.(?P<d2>[0-9]{{1,2}})(?![0-9])
  | (?<![0-9])(?P<y3>[0-9]{{4}})(?P<s3>[-/.])(?P<m3>0?[1-9]|1[0-2])
        (?:(?P=s3)(?P<d3>3[01]|[12][0-9]|0?[1-9]))?(?![0-9])
  | (?<![0-9])(?P<m4>1[0-2]|0?[1-9])月(?!間)(?:(?P<d4>[0-9]{{1,2}})日(?!間))?
  | (?<![0-9])(?P<digits>[0-9]{{1,6}}(?:\.[0-9]{{1,6}}){{2,6}}(?![0-9])
        |[0-9]{{2,5}}(?:-[0-9]{{2,5}}){{1,4}}(?![0-9]))
  | (?<![0-9/])(?P<m5>1[0-2]|0?[1-9])/(?P<d5>3[01]|[12][0-9]|0?[1-9])(?![0-9/])
  | {_SHARES}
  | (?P<half>午前|午後|(?<![a-z])[ap]m\ ?)?(?<![0-9.,])(?P<hour>[0-9]{{1,2}})
        (?:時(?!間)(?:(?P<minute>[0-9]{{1,2}})分|(?P<and_half>半))?|:(?P<colon>[0-5][0-9])(?![0-9]))
        (?:\ ?(?P<half_behind>[ap]\.?m)\b\.?)?
  | (?<![a-z0-9])(?P<code>[a-z][a-z0-9]{{0,20}}-?[0-9][a-z0-9]{{0,20}}(?:-[a-z0-9]{{1,20}}){{0,5}})
  | (?P<minus>(?<=[はがをのにと:、( ])-(?=[0-9¥$€])|[△▲]\ ?|マイナス\ ?)?
        (?:(?P<currency>[¥$€])\ ?)?(?<![0-9.])(?P<number>{_NUMBER})(?P<large>{_LARGE_PART})?
        \ ?(?P<unit>{_UNIT})?(?P<and_a_half>半)?
  | (?P<kanji>[{KANJI}]{{1,30}})(?P<kanji_unit>{_KANJI_UNIT})(?P<kanji_half>半)?
  | 半(?P<half_unit>年|月|日|時間|額|数)
    """,
    re.VERBOSE,
)
_MUST_NOT = "(?:ない|ず|ません|ては(?:なら|いけ)な|ることは(?:でき)?な|ることができな)"
BOUNDS = {
    rf"を?超え{_MUST_NOT}": "<=", rf"を?下回(?:ら{_MUST_NOT}|って(?:は(?:なら|いけ)な))": ">=",
    "以上|から|以降|以後": ">=", "を?超": ">",
    "以下|以内|まで|以前": "<=", "未満|を下回": "<",
}  # fmt: skip
BOUNDS_BEFORE = {
    "at least|no (?:less|fewer|earlier) than|a minimum of|from": ">=",
    "at most|no (?:more|later) than|not (?:more|later) than|up to|within|a maximum of": "<=",
    "more than|over|above": ">", "less than|fewer than|under|below": "<",
}  # fmt: skip
BOUND = re.compile("|".join(f"({spelling})" for spelling in BOUNDS))
BOUND_BEFORE = re.compile(rf"\b(?:{'|'.join(f'({spelling})' for spelling in BOUNDS_BEFORE)})\ $")
# A text about a loss may express the minus sign in words.
LOSS = re.compile("赤字|減|損失|低下|下落|下が|氷点下|零下|loss|decrease|below zero")
ENGLISH_NUMBERS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
ENGLISH_NUMBER = re.compile(rf"\b({'|'.join(ENGLISH_NUMBERS)})(?=[ -](?:{_UNIT})\b)")
# Formal numerals, as in contracts; 参加 and 拾う are words.
FORMAL = re.compile(r"[壱弐萬]|参(?=[拾十百千万萬円])|拾(?=[壱弐参一-九百千万萬円])")
FORMAL_DIGITS = dict(zip("壱弐参拾萬", "一二三十万", strict=True))
