"""Text → the quantities in it: amounts with their units, dates, times of day and codes.

Two texts say the same amount in many ways (３，０００円, 3千円, 三千円; 令和7年4月1日, 2025/4/1;
午後1時半, 13:30). Here each becomes one value, so that texts can be compared by what they say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from langchain_swallow.text.normalize import normalize

_DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "億": 10**8, "兆": 10**12}
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867}
_ERA_LETTERS = {"r": 2018, "h": 1988, "s": 1925}

# Spellings of a unit → its name here and how many of those it is. Months and days as the smallest
# unit make 半年 equal to 6か月, and 2週間 to 14日.
_UNITS: dict[str, tuple[str, int]] = {
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
    **{
        unit: (unit, 1)
        for unit in (
            "回 件 台 本 枚 冊 部 社 点 位 階 号 号室 条 章 節 項 級 等 段 棟 戸 室 株 票 曲 杯 缶 "
            "箱 袋 束 組 匹 頭 羽 食 年生 学年 坪 つ 倍 か国 ヶ国 カ国 ヵ国 口 目盛 "
            "ha kwh kw mw w kv v a hz khz mhz ghz gb mb kb tb bit rpm db"
        ).split()
    },
}
_UNIT = "|".join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))
_CURRENCY = {"¥": "円", "$": "ドル", "€": "ユーロ"}
# Bounded: a longer run of digits is no amount, and Python converts only some thousands of them.
_NUMBER = r"[0-9]{1,3}(?:,[0-9]{3}){1,9}(?:\.[0-9]{1,30})?|[0-9]{1,30}(?:\.[0-9]{1,30})?"
_KANJI = "".join([*_DIGITS, *_SMALL, *_LARGE])
_LARGE_PART = rf"[十百千万億兆](?:[0-9{_KANJI}]|,[0-9]{{3}}){{0,30}}"
# 一般 and 十分 are words: a number in kanji needs a unit behind it that is not part of a word.
_KANJI_UNIT = rf"(?:{_UNIT})(?!別|的|度中)"
_KANJI_WORDS = re.compile(
    "一(?:部|口|度|時|日中|定|人ひとり|目|本化|点張り|段と|等|組)|十分(?!間)|万一|千葉|八百屋|三社"
)
# 二〇二五年四月一日, 第十二条: digits in their place, so that one pattern reads both.
_KANJI_DATE = re.compile(
    rf"(?<![{_KANJI}])[{_KANJI}]{{1,30}}(?=[年月日時条章](?!中|間|市))"
    rf"|(?<=時)[{_KANJI}]{{1,30}}(?=分)"
)
# 2割5分, 3分5厘, 三分の二: shares, as hundredths. 5分 alone are minutes.
_DIGIT = rf"[0-9{''.join(_DIGITS)}]"
_SHARES = rf"""
    (?P<tenths>[0-9]{{1,2}}(?:\.[0-9]{{1,3}})?|{_DIGIT})割(?:(?P<bu>{_DIGIT})分(?!間|の))?
  | (?P<bu_alone>{_DIGIT})分(?P<rin>{_DIGIT})厘
  | (?P<denominator>[0-9]{{1,9}}|[{_KANJI}]{{1,9}})分の(?P<numerator>[0-9]{{1,9}}|[{_KANJI}]{{1,9}})
"""
_YEAR = rf"(?P<era>{'|'.join(_ERAS)})(?P<era_year>元|[0-9]{{1,2}})年|(?P<year>[0-9]{{4}})年"
_PATTERN = re.compile(
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
  | (?P<kanji>[{_KANJI}]{{1,30}})(?P<kanji_unit>{_KANJI_UNIT})(?P<kanji_half>半)?
  | 半(?P<half_unit>年|月|日|時間|額|数)
    """,
    re.VERBOSE,
)
_MUST_NOT = "(?:ない|ず|ません|ては(?:なら|いけ)な|ることは(?:でき)?な|ることができな)"
_BOUNDS = {
    rf"を?超え{_MUST_NOT}": "<=", rf"を?下回(?:ら{_MUST_NOT}|って(?:は(?:なら|いけ)な))": ">=",
    "以上|から|以降|以後": ">=", "を?超": ">",
    "以下|以内|まで|以前": "<=", "未満|を下回": "<",
}  # fmt: skip
_BOUNDS_BEFORE = {
    "at least|no (?:less|fewer|earlier) than|a minimum of|from": ">=",
    "at most|no (?:more|later) than|not (?:more|later) than|up to|within|a maximum of": "<=",
    "more than|over|above": ">", "less than|fewer than|under|below": "<",
}  # fmt: skip
_BOUND = re.compile("|".join(f"({spelling})" for spelling in _BOUNDS))
_BOUND_BEFORE = re.compile(rf"\b(?:{'|'.join(f'({spelling})' for spelling in _BOUNDS_BEFORE)})\ $")
# Of a loss, the sign may be said in words.
_LOSS = re.compile("赤字|減|損失|低下|下落|下が|氷点下|零下|loss|decrease|below zero")
_ENGLISH_NUMBERS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_ENGLISH_NUMBER = re.compile(rf"\b({'|'.join(_ENGLISH_NUMBERS)})(?=[ -](?:{_UNIT})\b)")
# As in contracts; 参加 and 拾う are words.
_FORMAL = re.compile(r"[壱弐萬]|参(?=[拾十百千万萬円])|拾(?=[壱弐参一-九百千万萬円])")
_FORMAL_DIGITS = dict(zip("壱弐参拾萬", "一二三十万", strict=True))


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount, a date, a day of the week, a time of day or a code.

    Args:
        kind: `"amount"`, `"date"`, `"weekday"`, `"time"` or `"code"`.
        value: An amount in its unit; (year, month, day) of a date, each possibly `None`; minutes
            since midnight; the code itself.
        unit: Of an amount; empty where none is known.
        bound: `">="`, `">"`, `"<="` or `"<"` where the text says 以上, 未満 and the like.
        half: Of a time of day: `"am"` or `"pm"` where the text says it, by 午後 or 15時; 3時 may
            mean either.
        is_unsigned: Whether the text speaks of a loss, so that 500万円 may be △500万円.
    """

    kind: str
    value: object
    unit: str = ""
    bound: str = ""
    half: str = ""
    is_unsigned: bool = False

    def agrees_with(self, other: "Quantity") -> bool:
        """Whether another text's quantity can be this one.

        A unit, a part of a date or a bound that only one of them has is no contradiction.
        """
        if self.bound and other.bound and self.bound != other.bound:
            return False
        if self.kind == other.kind == "date":
            return _same_date(self.value, other.value)
        if self.kind == "amount" and isinstance(other.value, tuple):
            # 10日 of a month, or 2025 of 2025年.
            part = {"日": other.value[2], "": other.value[0]}.get(self.unit)
            return part == self.value
        if self.kind != other.kind or not self._has_value_of(other):
            return False
        return self.unit == other.unit or not (self.unit and other.unit)

    def _has_value_of(self, other: "Quantity") -> bool:
        one, two = self.value, other.value
        if isinstance(one, Fraction) and isinstance(two, Fraction):
            return one == two or ((self.is_unsigned or other.is_unsigned) and abs(one) == abs(two))
        if isinstance(one, int) and isinstance(two, int):
            # 15:30 may be said as 3時30分, and not as 午前3時30分.
            is_said_short = {self.half, other.half} == {"", "pm"}
            return one == two or (is_said_short and abs(one - two) == 12 * 60)
        return one == two


def _same_date(one: object, other: object) -> bool:
    assert isinstance(one, tuple)
    assert isinstance(other, tuple)
    pairs = list(zip(one, other, strict=True))
    # A year may be said elsewhere; the finest part is what the date is given for.
    finest = max(i for i, part in enumerate(one) if part is not None)
    return other[finest] is not None and all(a == b for a, b in pairs if None not in (a, b))


def quantities(text: str) -> list[Quantity]:
    """The quantities of a text in order.

    Args:
        text: Any text; it is normalized first.

    >>> [(q.value, q.unit, q.bound) for q in quantities("三千円以上、１万２千円、20％未満")]
    [(Fraction(3000, 1), '円', '>='), (Fraction(12000, 1), '円', ''), (Fraction(20, 1), '%', '<')]
    >>> [q.value for q in quantities("令和7年4月1日の午後1時半")]
    [(2025, 4, 1), 810]
    """
    return list(_found(_key(text)))


def without_quantities(text: str) -> str:
    """The normalized text with its quantities cut out.

    >>> without_quantities("日当は３千円とする")
    '日当はとする'
    """
    return _PATTERN.sub("", _key(text))


def _key(text: str) -> str:
    text = _FORMAL.sub(lambda match: _FORMAL_DIGITS[match[0]], normalize(text))
    text = _ENGLISH_NUMBER.sub(lambda match: str(_ENGLISH_NUMBERS[match[0]]), text)
    return _KANJI_DATE.sub(_in_digits, text)


def _in_digits(match: re.Match[str]) -> str:
    # 一日 is a whole day as often as the first of a month.
    if match[0] == "一" and match.string[match.start() - 1 : match.start()] not in (
        "月",
        "年",
        "第",
    ):
        return match[0]
    return str(_kanji_number(match[0]))


def _found(text: str) -> Iterator[Quantity]:
    is_loss = bool(_LOSS.search(text))
    for match in _PATTERN.finditer(text):
        if (read := _read(match)) is None:
            continue
        kind, value, unit = read
        half = _half(match.groupdict(), value) if kind == "time" else ""
        yield Quantity(kind, value, unit, _bound(text, match), half, is_loss)


def _bound(text: str, match: re.Match[str]) -> str:
    for forms, found in (
        (_BOUNDS, _BOUND.match(text, match.end())),
        (_BOUNDS_BEFORE, _BOUND_BEFORE.search(text[max(0, match.start() - 20) : match.start()])),
    ):
        if found:
            return list(forms.values())[(found.lastindex or 1) - 1]
    return ""


def _read(match: re.Match[str]) -> tuple[str, object, str] | None:
    """Kind, value and unit of what was found."""
    found = match.groupdict()
    if weekday := found["weekday"] or found["weekday2"]:
        return "weekday", weekday, ""
    if date := _date(found):
        return "date", date, ""
    if found["hour"]:
        return _time(found)
    if (share := _share(found)) is not None:
        return "amount", share * 100, "%"
    if code := found["code"] or found["digits"]:
        return "code", code, ""
    if found["number"]:
        return _amount(found)
    if found["kanji"]:
        if _KANJI_WORDS.match(match[0]):
            return None
        return _in_unit(_kanji_number(found["kanji"]), found["kanji_unit"], found["kanji_half"])
    unit = found["half_unit"]
    return _in_unit(Fraction(1, 2), "か月" if unit == "月" else unit, None)


def _date(found: dict[str, str | None]) -> tuple[int | None, int | None, int | None] | None:
    era, letter = found["era"], found["era2"]
    if era:
        years = 1 if found["era_year"] == "元" else int(found["era_year"] or 0)
        return _ERAS[era] + years, _int(found["month"]), _int(found["day"])
    if found["year"]:
        return int(found["year"]), _int(found["month"]), _int(found["day"])
    if letter:
        year = _ERA_LETTERS[letter] + int(found["y2"] or 0)
        return year, _int(found["m2"]), _int(found["d2"])
    if found["y3"]:
        return int(found["y3"]), _int(found["m3"]), _int(found["d3"])
    if found["m4"]:
        return None, int(found["m4"]), _int(found["d4"])
    if found["m5"]:
        return None, int(found["m5"]), _int(found["d5"])
    return None


def _share(found: dict[str, str | None]) -> Fraction | None:
    """2割5分 is a fourth, as 4分の1 is."""
    if found["denominator"]:
        below, above = _whole(found["denominator"]), _whole(found["numerator"])
        return above / below if below else None
    if found["bu_alone"]:
        return _whole(found["bu_alone"]) / 100 + _whole(found["rin"]) / 1000
    if found["tenths"]:
        return _whole(found["tenths"]) / 10 + _whole(found["bu"]) / 100
    return None


def _whole(text: str | None) -> Fraction:
    return Fraction(text or "0") if (text or "0")[0].isascii() else _kanji_number(text or "")


def _time(found: dict[str, str | None]) -> tuple[str, object, str]:
    hour = int(found["hour"] or 0)
    if _said_half(found) == "pm" and hour < 12:
        hour += 12
    # 12:30 a.m. is 0:30; 午前12時 is noon as often as midnight.
    elif _said_half(found) == "am" and found["half"] != "午前" and hour == 12:
        hour = 0
    minute = 30 if found["and_half"] else int(found["minute"] or found["colon"] or 0)
    return "time", hour * 60 + minute, ""


def _said_half(found: dict[str, str | None]) -> str:
    said = (found["half"] or found["half_behind"] or "").strip().replace(".", "")
    return {"午前": "am", "午後": "pm"}.get(said, said)


def _half(found: dict[str, str | None], minutes: object) -> str:
    is_late = isinstance(minutes, int) and 13 * 60 <= minutes < 24 * 60
    return _said_half(found) or ("pm" if is_late else "")


def _amount(found: dict[str, str | None]) -> tuple[str, object, str]:
    value = Fraction((found["number"] or "0").replace(",", ""))
    if found["large"]:
        value = _with_large(value, found["large"])
    if found["minus"]:
        value = -value
    unit = found["unit"] or _CURRENCY.get(found["currency"] or "", "")
    return _in_unit(value, unit, found["and_a_half"])


def _in_unit(value: Fraction, unit: str | None, half: str | None) -> tuple[str, object, str]:
    if half:
        value += Fraction(1, 2)
    name, size = _UNITS.get(unit or "", (unit or "", 1))
    return "amount", value * size, name


def _with_large(value: Fraction, rest: str) -> Fraction:
    """3千, 1万2千, 2億5,000万: digits and kanji mixed."""
    total, part = Fraction(0), value
    for token in re.findall(rf"[0-9]+|[{_KANJI}]", rest.replace(",", "")):
        if token in _LARGE:
            total, part = total + (part or 1) * _LARGE[token], Fraction(0)
        elif token in _SMALL:
            last = part % 1000
            part = (
                part - last + (last or 1) * _SMALL[token] if part >= 1000 else part * _SMALL[token]
            )
        else:
            part += int(token) if token.isdigit() else _DIGITS[token]
    return total + part


def _kanji_number(kanji: str) -> Fraction:
    """二十, 三千五百, 一〇〇, 百二十万."""
    if not set(kanji) & {*_SMALL, *_LARGE}:
        return Fraction(int("".join(str(_DIGITS[char]) for char in kanji)))
    total = section = digit = 0
    for char in kanji:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char in _SMALL:
            section, digit = section + (digit or 1) * _SMALL[char], 0
        else:
            total, section, digit = total + (section + digit or 1) * _LARGE[char], 0, 0
    return Fraction(total + section + digit)


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)
