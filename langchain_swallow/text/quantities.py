"""Extract the quantities of a text: amounts with units, dates, times of day and codes.

Texts write one quantity in many ways (３，０００円, 3千円, 三千円; 令和7年4月1日, 2025/4/1;
午後1時半, 13:30). Each spelling becomes one value, so that two texts can be compared by their
quantities.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from langchain_swallow.text.normalize import normalize
from langchain_swallow.text.quantity_words import (
    BOUND,
    BOUND_BEFORE,
    BOUNDS,
    BOUNDS_BEFORE,
    CURRENCY,
    DIGITS,
    ENGLISH_NUMBER,
    ENGLISH_NUMBERS,
    ERA_LETTERS,
    ERAS,
    FORMAL,
    FORMAL_DIGITS,
    KANJI,
    KANJI_DATE,
    KANJI_WORDS,
    LARGE,
    LOSS,
    PATTERN,
    SMALL,
    UNITS,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount, a date, a day of the week, a time of day, or a code.

    Args:
        kind: `"amount"`, `"date"`, `"weekday"`, `"time"` or `"code"`.
        value: For an amount, a `Fraction` in its unit. For a date, (year, month, day), each
            possibly `None`. For a time of day, minutes since midnight. For a code, its text.
        unit: Unit of an amount; empty if none is known.
        bound: `">="`, `">"`, `"<="` or `"<"` if the text says 以上, 未満 and the like; else empty.
        half: `"am"` or `"pm"` if the text determines it, by 午後 or 15時; else empty, because 3時
            may mean either.
        is_unsigned: Whether the text is about a loss, so that 500万円 may mean △500万円.
    """

    kind: str
    value: object
    unit: str = ""
    bound: str = ""
    half: str = ""
    is_unsigned: bool = False

    def agrees_with(self, other: "Quantity") -> bool:
        """Whether the quantity of another text can be the same as this one.

        If only one of them has a unit, a part of a date or a bound, they still agree.
        """
        if self.bound and other.bound and self.bound != other.bound:
            return False
        if self.kind == other.kind == "date":
            return _same_date(self.value, other.value)
        if self.kind == "amount" and isinstance(other.value, tuple):
            # 10日 can be the day of a date, and 2025 its year.
            part = {"日": other.value[2], "": other.value[0]}.get(self.unit)
            return part == self.value
        if self.kind != other.kind or not self._has_same_value(other):
            return False
        return self.unit == other.unit or not (self.unit and other.unit)

    def _has_same_value(self, other: "Quantity") -> bool:
        one, two = self.value, other.value
        if isinstance(one, Fraction) and isinstance(two, Fraction):
            return one == two or ((self.is_unsigned or other.is_unsigned) and abs(one) == abs(two))
        if isinstance(one, int) and isinstance(two, int):
            # 15:30 may be written as 3時30分, but not as 午前3時30分.
            is_12_hour_clock = {self.half, other.half} == {"", "pm"}
            return one == two or (is_12_hour_clock and abs(one - two) == 12 * 60)
        return one == two


def _same_date(one: object, other: object) -> bool:
    assert isinstance(one, tuple)
    assert isinstance(other, tuple)
    pairs = list(zip(one, other, strict=True))
    # The year may be elsewhere in the text, but the finest part must be in both dates.
    finest = max(i for i, part in enumerate(one) if part is not None)
    return other[finest] is not None and all(a == b for a, b in pairs if None not in (a, b))


def quantities(text: str) -> list[Quantity]:
    """Find the quantities of a text, in order.

    Args:
        text: Any text; the function normalizes it first.

    >>> [(q.value, q.unit, q.bound) for q in quantities("三千円以上、１万２千円、20％未満")]
    [(Fraction(3000, 1), '円', '>='), (Fraction(12000, 1), '円', ''), (Fraction(20, 1), '%', '<')]
    >>> [q.value for q in quantities("令和7年4月1日の午後1時半")]
    [(2025, 4, 1), 810]
    """
    return list(_quantities(text))


# An answer's sentences are compared with the same passages one after another.
@functools.lru_cache(maxsize=4096)
def _quantities(text: str) -> tuple[Quantity, ...]:
    return tuple(_find(_key(text)))


def without_quantities(text: str) -> str:
    """Remove the quantities from the normalized text.

    >>> without_quantities("日当は３千円とする")
    '日当はとする'
    """
    return PATTERN.sub("", _key(text))


def _key(text: str) -> str:
    text = FORMAL.sub(lambda match: FORMAL_DIGITS[match[0]], normalize(text))
    text = ENGLISH_NUMBER.sub(lambda match: str(ENGLISH_NUMBERS[match[0]]), text)
    return KANJI_DATE.sub(_in_digits, text)


def _in_digits(match: re.Match[str]) -> str:
    # 一日 means a whole day as often as the first of a month.
    if match[0] == "一" and match.string[match.start() - 1 : match.start()] not in (
        "月",
        "年",
        "第",
    ):
        return match[0]
    return str(_kanji_number(match[0]))


def _find(text: str) -> Iterator[Quantity]:
    is_loss = bool(LOSS.search(text))
    for match in PATTERN.finditer(text):
        if (read := _read(match)) is None:
            continue
        kind, value, unit = read
        half = _half(match.groupdict(), value) if kind == "time" else ""
        yield Quantity(kind, value, unit, _bound(text, match), half, is_loss)


def _bound(text: str, match: re.Match[str]) -> str:
    for forms, bound in (
        (BOUNDS, BOUND.match(text, match.end())),
        (BOUNDS_BEFORE, BOUND_BEFORE.search(text[max(0, match.start() - 20) : match.start()])),
    ):
        if bound:
            return list(forms.values())[(bound.lastindex or 1) - 1]
    return ""


def _read(match: re.Match[str]) -> tuple[str, object, str] | None:
    """Kind, value and unit of a match; `None` if it is an ordinary word."""
    groups = match.groupdict()
    if weekday := groups["weekday"] or groups["weekday2"]:
        return "weekday", weekday, ""
    if date := _date(groups):
        return "date", date, ""
    if groups["hour"]:
        return _time(groups)
    if (share := _share(groups)) is not None:
        return "amount", share * 100, "%"
    if code := groups["code"] or groups["digits"]:
        return "code", code, ""
    if groups["number"]:
        return _amount(groups)
    if groups["kanji"]:
        if KANJI_WORDS.match(match[0]):
            return None
        return _in_unit(_kanji_number(groups["kanji"]), groups["kanji_unit"], groups["kanji_half"])
    unit = groups["half_unit"]
    return _in_unit(Fraction(1, 2), "か月" if unit == "月" else unit, None)


def _date(groups: dict[str, str | None]) -> tuple[int | None, int | None, int | None] | None:
    era, letter = groups["era"], groups["era2"]
    if era:
        years = 1 if groups["era_year"] == "元" else int(groups["era_year"] or 0)
        return ERAS[era] + years, _int(groups["month"]), _int(groups["day"])
    if groups["year"]:
        return int(groups["year"]), _int(groups["month"]), _int(groups["day"])
    if letter:
        year = ERA_LETTERS[letter] + int(groups["y2"] or 0)
        return year, _int(groups["m2"]), _int(groups["d2"])
    if groups["y3"]:
        return int(groups["y3"]), _int(groups["m3"]), _int(groups["d3"])
    if groups["m4"]:
        return None, int(groups["m4"]), _int(groups["d4"])
    if groups["m5"]:
        return None, int(groups["m5"]), _int(groups["d5"])
    return None


def _share(groups: dict[str, str | None]) -> Fraction | None:
    """Parse a share: 2割5分 and 4分の1 are both 1/4; `None` if the match is not a share."""
    if groups["denominator"]:
        below, above = _whole(groups["denominator"]), _whole(groups["numerator"])
        return above / below if below else None
    if groups["bu_alone"]:
        return _whole(groups["bu_alone"]) / 100 + _whole(groups["rin"]) / 1000
    if groups["tenths"]:
        return _whole(groups["tenths"]) / 10 + _whole(groups["bu"]) / 100
    return None


def _whole(text: str | None) -> Fraction:
    return Fraction(text or "0") if (text or "0")[0].isascii() else _kanji_number(text or "")


def _time(groups: dict[str, str | None]) -> tuple[str, object, str]:
    hour = int(groups["hour"] or 0)
    if _parse_half(groups) == "pm" and hour < 12:
        hour += 12
    # 12:30 a.m. is 0:30, but 午前12時 means noon as often as midnight.
    elif _parse_half(groups) == "am" and groups["half"] != "午前" and hour == 12:
        hour = 0
    minute = 30 if groups["and_half"] else int(groups["minute"] or groups["colon"] or 0)
    return "time", hour * 60 + minute, ""


def _parse_half(groups: dict[str, str | None]) -> str:
    word = (groups["half"] or groups["half_behind"] or "").strip().replace(".", "")
    return {"午前": "am", "午後": "pm"}.get(word, word)


def _half(groups: dict[str, str | None], minutes: object) -> str:
    is_late = isinstance(minutes, int) and 13 * 60 <= minutes < 24 * 60
    return _parse_half(groups) or ("pm" if is_late else "")


def _amount(groups: dict[str, str | None]) -> tuple[str, object, str]:
    value = Fraction((groups["number"] or "0").replace(",", ""))
    if groups["large"]:
        value = _with_large(value, groups["large"])
    if groups["minus"]:
        value = -value
    unit = groups["unit"] or CURRENCY.get(groups["currency"] or "", "")
    return _in_unit(value, unit, groups["and_a_half"])


def _in_unit(value: Fraction, unit: str | None, half: str | None) -> tuple[str, object, str]:
    if half:
        value += Fraction(1, 2)
    name, size = UNITS.get(unit or "", (unit or "", 1))
    return "amount", value * size, name


def _with_large(value: Fraction, rest: str) -> Fraction:
    """Parse a number that mixes digits and kanji: 3千, 1万2千, 2億5,000万."""
    total, part = Fraction(0), value
    for token in re.findall(rf"[0-9]+|[{KANJI}]", rest.replace(",", "")):
        if token in LARGE:
            total, part = total + (part or 1) * LARGE[token], Fraction(0)
        elif token in SMALL:
            last = part % 1000
            part = part - last + (last or 1) * SMALL[token] if part >= 1000 else part * SMALL[token]
        else:
            part += int(token) if token.isdigit() else DIGITS[token]
    return total + part


def _kanji_number(kanji: str) -> Fraction:
    """Parse a number in kanji: 二十, 三千五百, 一〇〇, 百二十万."""
    if not set(kanji) & {*SMALL, *LARGE}:
        return Fraction(int("".join(str(DIGITS[char]) for char in kanji)))
    total = section = digit = 0
    for char in kanji:
        if char in DIGITS:
            digit = DIGITS[char]
        elif char in SMALL:
            section, digit = section + (digit or 1) * SMALL[char], 0
        else:
            total, section, digit = total + (section + digit or 1) * LARGE[char], 0, 0
    return Fraction(total + section + digit)


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)
