"""Formats dates and times of a workbook as Excel shows them: 令和7年4月1日, 25:30, 火曜日."""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_swallow.documents.readers.xlsx_format_code import FormatSection, Token, parse_format
from langchain_swallow.text.numerals import full_width, kanji_number

# The serial number after 9999-12-31; Excel shows no dates from it on, nor before 1900.
_END = 2_958_466
_DAYS_BETWEEN_SYSTEMS = 1462
_ERAS = (
    (datetime.date(2019, 5, 1), "令和", "R"),
    (datetime.date(1989, 1, 8), "平成", "H"),
    (datetime.date(1926, 12, 25), "昭和", "S"),
    (datetime.date(1912, 7, 30), "大正", "T"),
    (datetime.date(1868, 1, 25), "明治", "M"),
)
_WEEKDAYS = "月火水木金土日"
_ENGLISH_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = (
    "January February March April May June July August September October November December"
).split()
# The locales in which `e` is the year of the common era, and those of Taiwan.
_COMMON_ERA = ("804", "zh-cn", "412", "ko-kr", "409", "en-us")
_TAIWAN = ("404", "zh-tw")
# Formats that follow the settings of Windows, with the Japanese settings.
_SYSTEM = {"f800": "yyyy年m月d日", "f400": "h:mm:ss"}


@dataclass(frozen=True, slots=True)
class _Moment:
    year: int
    month: int
    day: int
    # 0 is Monday.
    weekday: int
    seconds: float
    # Whole days of the serial number, for elapsed time.
    days: int

    @property
    def hour(self) -> int:
        return int(self.seconds // 3600)

    @property
    def minute(self) -> int:
        return int(self.seconds // 60 % 60)


def shown_date(value: float, section: FormatSection, *, is_1904: bool = False) -> str | None:
    """Format a serial number as a date or time; return `None` if it is out of Excel's range.

    Args:
        value: The serial number: days since the end of 1899, or since 1904 if `is_1904`.
        section: A section of a date format.
        is_1904: Whether the workbook counts days from 1904, as those of early Macs do.
    """
    tokens = section.tokens
    if section.locale in _SYSTEM:
        tokens = _system_tokens(section.locale)
    is_elapsed = section.has("elapsed")
    serial = value + (_DAYS_BETWEEN_SYSTEMS if is_1904 and not is_elapsed else 0)
    if not (abs(serial) if is_elapsed else serial) < _END or (serial < 0 and not is_elapsed):
        return None
    decimals = max((len(t.text.partition(".")[2]) for t in tokens if t.kind == "date"), default=0)
    moment = _moment(abs(serial), decimals)
    if moment is None:
        return None
    if not moment.seconds and not is_elapsed:
        tokens = _without_midnight(tokens)
    parts = [
        _part(token, i, tokens, moment, section) if token.kind in _TIMES else token.text
        for i, token in enumerate(tokens)
    ]
    return ("-" if serial < 0 else "") + "".join(parts).strip()


_TIMES = ("date", "elapsed", "half")


def _system_tokens(locale: str) -> tuple[Token, ...]:
    return parse_format(_SYSTEM[locale])[0].tokens


def _moment(serial: float, decimals: int) -> _Moment | None:
    """Convert a serial number; like Excel, it has a day 1900-01-00 and a day 1900-02-29."""
    days = math.floor(serial)
    seconds = round((serial - days) * 86400, decimals)
    if seconds >= 86400:
        days, seconds = days + 1, 0
    if days >= _END:
        return None
    if days in (0, 60):
        month, day = (1, 0) if days == 0 else (2, 29)
        return _Moment(1900, month, day, (days + 5) % 7, seconds, days)
    first = datetime.date(1899, 12, 31 if days < 60 else 30)
    date = first + datetime.timedelta(days)
    # Excel's days of the week before March 1900 are one day early, because of its 1900-02-29.
    return _Moment(date.year, date.month, date.day, (days + 5) % 7, seconds, days)


def _without_midnight(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Drop the time of a date format if no time was entered: 2025-04-01 00:00:00."""
    kinds = [
        t.text[0].lower() if t.kind == "date" else "h" if t.kind == "half" else "" for t in tokens
    ]
    times = [i for i, kind in enumerate(kinds) if kind in ("h", "s")]
    if not times or not {"d", "y", "e"}.intersection(kinds[: times[0]]):
        return tuple(tokens)
    return tuple(tokens[: times[0]])


def _part(
    token: Token, i: int, tokens: Sequence[Token], moment: _Moment, section: FormatSection
) -> str:
    written = token.text.lower()
    letter, width = written[0], len(written.partition(".")[0])
    if token.kind == "half":
        return _half(token.text, moment, section)
    if token.kind == "elapsed":
        total = moment.days * 86400 + moment.seconds
        unit = {"h": 3600, "m": 60, "s": 1}[letter]
        return f"{math.floor(total / unit):0{width}d}"
    if letter == "m" and _is_minute(i, tokens):
        return _number(moment.minute, min(width, 2), section)
    if letter == "h":
        twelve = section.has("half")
        return _number((moment.hour % 12 or 12) if twelve else moment.hour, min(width, 2), section)
    if letter == "s":
        decimals = len(written.partition(".")[2])
        seconds = (
            f"{moment.seconds % 60:0{min(width, 2) + (decimals and decimals + 1)}.{decimals}f}"
        )
        return _numerals(seconds, section)
    return _date_part(letter, width, moment, section)


def _date_part(letter: str, width: int, moment: _Moment, section: FormatSection) -> str:
    is_japanese = section.locale in ("411", "ja-jp") or section.locale.startswith("ja")
    if letter == "y":
        year = f"{moment.year:04d}"
        return _numerals(year if width > 2 else year[2:], section)
    if letter == "b":
        return str(moment.year + 543)[-2 if width < 3 else 0 :]
    if letter == "a":
        return _WEEKDAYS[moment.weekday] + ("曜日" if width > 3 else "")
    if letter == "d" and width > 2:
        if is_japanese:
            return _WEEKDAYS[moment.weekday] + ("曜日" if width > 3 else "")
        return _ENGLISH_DAYS[moment.weekday][: 3 if width == 3 else None]
    if letter == "d":
        return _number(moment.day, width, section)
    if letter == "m":
        if width > 2:
            return _MONTHS[moment.month - 1][: {3: 3, 5: 1}.get(width)]
        return _number(moment.month, width, section)
    return _era_part(letter, width, moment, section)


def _era_part(letter: str, width: int, moment: _Moment, section: FormatSection) -> str:
    """The name (`g`) or the year (`e`) of an era."""
    if section.locale in _COMMON_ERA:
        return _number(moment.year, 1, section) if letter == "e" else ""
    if section.locale in _TAIWAN:
        names = ("", "民國", "中華民國")
        return (
            _number(moment.year - 1911, width, section)
            if letter == "e"
            else names[min(width, 3) - 1]
        )
    # Compare as tuples, since 1900-02-29, which is in 明治 too, is not a valid date.
    date = (moment.year, moment.month, moment.day)
    began, name, initial = next(
        era for era in _ERAS if date >= (era[0].year, era[0].month, era[0].day)
    )
    if letter == "g":
        return initial if width == 1 else name[0] if width == 2 else name
    year = moment.year - began.year + 1
    if year == 1 and "gannen" in section.locale:
        return "元"
    return _number(year, min(width, 2), section)


def _is_minute(i: int, tokens: Sequence[Token]) -> bool:
    """Whether `m` is minutes: it is after hours and before seconds; elsewhere it is months."""
    before = next(filter(None, map(_letter, reversed(tokens[:i]))), "")
    after = next(filter(None, map(_letter, tokens[i + 1 :])), "")
    return before == "h" or after == "s"


def _letter(token: Token) -> str:
    return token.text[0].lower() if token.kind in ("date", "elapsed") else ""


def _half(text: str, moment: _Moment, section: FormatSection) -> str:
    is_afternoon = moment.hour >= 12
    if section.locale in ("411", "ja-jp"):
        return "午後" if is_afternoon else "午前"
    return text.split("/")[is_afternoon]


def _number(number: int, width: int, section: FormatSection) -> str:
    if section.numerals == 1:
        return kanji_number(number)
    return _numerals(f"{number:0{width}d}", section)


def _numerals(digits: str, section: FormatSection) -> str:
    if section.numerals == 1:
        return digits.translate(str.maketrans("0123456789", "〇一二三四五六七八九"))
    return full_width(digits) if section.numerals == 3 else digits
