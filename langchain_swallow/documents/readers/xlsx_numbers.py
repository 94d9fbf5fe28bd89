"""Formats the numbers of a workbook as Excel shows them: 8%, ¥12,800, 3.5時間, 令和7年4月1日.

A cell has the value 0.08, and its number format says how it is shown. Colors and the widths of
spaces in a format are ignored, since they are not text.
"""

import functools
import operator
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from langchain_swallow.documents.readers.xlsx_dates import shown_date
from langchain_swallow.documents.readers.xlsx_format_code import FormatSection, Token, parse_format
from langchain_swallow.documents.readers.xlsx_usual_numbers import plain_number, usual_number
from langchain_swallow.text.numerals import full_width, kanji_number

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
    "<>": operator.ne,
}  # fmt: skip
_NOT_ZERO = re.compile("[1-9１-９一二三四五六七八九十百千]")
_GENERAL = parse_format("General")[0]
# Enough digits for 1E308 with as many decimals as Excel allows.
_EXACT = Context(prec=2000, rounding=ROUND_HALF_UP)


def shown_number(value: float, format: str, *, is_1904: bool = False) -> str:
    """Format a number; it is written as it is if the format hides it or cannot show it.

    Args:
        value: The finite value of the cell; a serial number for dates.
        format: The format code, such as `#,##0"円"`.
        is_1904: Whether the workbook counts days from 1904.

    >>> shown_number(0.08, "0%"), shown_number(12800, '#,##0"円"'), shown_number(3.0, "General")
    ('8%', '12,800円', '3')
    """
    try:
        return _writer(format, is_1904)(value)
    except (ArithmeticError, ValueError):
        # For example, a format with thousands of decimals; one cell must not fail the workbook.
        return plain_number(value)


@functools.lru_cache(maxsize=1024)
def _writer(format: str, is_1904: bool) -> Callable[[float], str]:
    sections = parse_format(format)
    if len(sections) == 1 and sections[0] == _GENERAL:
        return plain_number
    usual = [usual_number(section) for section in sections]

    def write(value: float) -> str:
        number = _choose(value, sections)
        if number is None:
            return plain_number(value)
        section = sections[number]
        if section.is_date:
            shown = shown_date(value, section, is_1904=is_1904)
            return plain_number(value) if shown is None else shown
        if not section.tokens:
            # An empty section may hide zeros; numbers are kept even if a format hides all of them.
            return "" if value == 0 and number == 2 else plain_number(value)
        quick = usual[number]
        shown = quick(abs(value)) if quick else ""
        shown = shown or _written(abs(value), section)
        # A number that is rounded to zero has no sign.
        is_signed = value < 0 and not _drops_sign(number, sections) and _NOT_ZERO.search(shown)
        return f"{'-' if is_signed else ''}{shown}".strip()

    return write


def shown_text(text: str, format: str) -> str:
    """Format a text: `@"様"` adds 様.

    >>> shown_text("山田", '0;-0;0;@"様"')
    '山田様'
    """
    if "@" not in format or format == "@":
        return text
    section = parse_format(format)[-1]
    if not section.has("text"):
        return text
    return "".join(text if token.kind == "text" else token.text for token in section.tokens).strip()


def _choose(value: float, sections: Sequence[FormatSection]) -> int | None:
    """The index of the section for a number, or `None`; the fourth section is for text."""
    numbers = sections[:3]
    if numbers[-1].has("text") and len(numbers) > 1:
        numbers = numbers[:-1]
    if any(section.operator for section in numbers):
        for i, section in enumerate(numbers):
            if not section.operator or _OPERATORS[section.operator](value, section.limit):
                return i
        return None
    if value < 0 and len(numbers) > 1:
        return 1
    return 2 if value == 0 and len(numbers) > 2 else 0


def _drops_sign(number: int, sections: Sequence[FormatSection]) -> bool:
    """Whether a section is only for negative numbers, and so shows any sign by itself."""
    section = sections[number]
    if section.operator:
        return section.operator.startswith("<") and section.limit <= 0
    return number == 1 and not sections[0].operator


def _written(value: float, section: FormatSection) -> str:
    """Format a non-negative number."""
    tokens = section.tokens
    if section.has("general") or not section.has("digits"):
        shown = _numerals(plain_number(value), value, section)
        is_shown = section.has("general") or section.has("text")
        parts = [shown if t.kind in ("general", "text") else t.text for t in tokens]
        # A section with only words, such as "なし" for zero, replaces the number.
        return "".join(parts) if is_shown or tokens else shown
    if section.has("exponent"):
        return _scientific(value, tokens)
    if (slash := _fraction_place(tokens)) is not None:
        return _fraction(value, tokens, slash)
    return _decimal(value, section)


def _decimal(value: float, section: FormatSection) -> str:
    """Format digits with thousands, decimals, and the literals between them."""
    tokens = section.tokens
    point = next((i for i, t in enumerate(tokens) if t.kind == "point"), len(tokens))
    last = max((i for i, t in enumerate(tokens[:point]) if t.kind == "digits"), default=-1)
    places = "".join(t.text for t in tokens[:point] if t.kind == "digits")
    decimals = "".join(t.text for t in tokens[point:] if t.kind == "digits").replace(",", "")
    # Each comma after the digits, or after the decimals, divides the number by 1,000.
    behind = "".join(t.text for t in tokens if t.kind == "digits")
    scale = len(places) - len(places.rstrip(",")) or len(behind) - len(behind.rstrip(","))
    percents = sum(t.kind == "percent" for t in tokens)
    number = Decimal(plain_number(value)).scaleb(2 * percents - 3 * scale)
    whole, _, rest = f"{_rounded(number, len(decimals)):f}".partition(".")
    whole = "" if whole == "0" else whole
    if section.numerals == 1 and places.strip("#,") in ("", "0") and not decimals:
        whole = kanji_number(int(whole or 0))
        filled = {last: whole}
    else:
        filled = _fill(whole, tokens[:point], has_commas="," in places.rstrip(","))
    shown = [
        filled.get(i, "") if t.kind == "digits" else t.text for i, t in enumerate(tokens[:point])
    ]
    shown += _decimals(rest, tokens[point:])
    return full_width("".join(shown)) if section.numerals == 3 else "".join(shown)


def _rounded(number: Decimal, decimals: int) -> Decimal:
    """Round as Excel does: halves away from zero."""
    return number.quantize(Decimal(1).scaleb(-decimals), context=_EXACT)


def _fill(whole: str, tokens: Sequence[Token], *, has_commas: bool) -> dict[int, str]:
    """The digits of each run of placeholders, from the last; the first run takes all the rest."""
    runs = [i for i, token in enumerate(tokens) if token.kind == "digits"]
    filled: dict[int, str] = {}
    taken = 0
    for i in reversed(runs):
        digits = ""
        for place in reversed(tokens[i].text.replace(",", "")):
            if taken < len(whole):
                digits = whole[-1 - taken] + digits
            elif place == "0":
                digits = "0" + digits
            else:
                break
            taken += 1
            if has_commas and taken % 3 == 0:
                digits = "," + digits
        filled[i] = digits
    if runs:
        rest = whole[: max(0, len(whole) - taken)]
        if has_commas:
            groups: list[str] = []
            head = len(rest)
            while head > 0:
                # Up to the next comma, counted from the digits that are already placed.
                size = 3 - (taken % 3)
                groups.insert(0, rest[max(0, head - size) : head])
                head -= size
                taken += size
            rest = ",".join(groups)
        filled[runs[0]] = rest + filled[runs[0]]
        for i in runs:
            if filled[i]:
                filled[i] = filled[i].lstrip(",")
                break
    return filled


def _decimals(digits: str, tokens: Sequence[Token]) -> list[str]:
    """The point and what follows it; trailing zeros at # placeholders are not shown."""
    places = "".join(t.text for t in tokens if t.kind == "digits").replace(",", "")
    keep = len(digits.rstrip("0"))
    keep = max([keep, *(i + 1 for i, place in enumerate(places) if place == "0")])
    shown = iter(digits[:keep])
    parts = []
    for token in tokens:
        if token.kind == "digits":
            parts.append("".join(next(shown, "") for _ in token.text.replace(",", "")))
        elif token.kind == "point":
            parts.append("." if keep else "")
        else:
            parts.append(token.text)
    return parts


def _scientific(value: float, tokens: Sequence[Token]) -> str:
    at = next(i for i, t in enumerate(tokens) if t.kind == "exponent")
    point = next((i for i, t in enumerate(tokens[:at]) if t.kind == "point"), at)
    places = max(1, sum(len(t.text) for t in tokens[:point] if t.kind == "digits"))
    decimals = sum(len(t.text) for t in tokens[point:at] if t.kind == "digits")
    number = Decimal(plain_number(value))
    exponent = number.adjusted() if value else 0
    exponent -= exponent % places
    mantissa = _rounded(number.scaleb(-exponent), decimals)
    if mantissa.adjusted() >= places:
        # 9.99 is rounded to 10.
        exponent += places
        mantissa = _rounded(number.scaleb(-exponent), decimals)
    digits = sum(len(t.text) for t in tokens[at:] if t.kind == "digits")
    sign = "-" if exponent < 0 else "+" if tokens[at].text[-1] == "+" else ""
    return f"{mantissa:f}E{sign}{abs(exponent):0{digits}d}"


def _fraction_place(tokens: Sequence[Token]) -> int | None:
    return next((i for i, token in enumerate(tokens) if token.kind == "slash" and i), None)


def _fraction(value: float, tokens: Sequence[Token], slash: int) -> str:
    """A fraction such as 1 3/4; the format after the slash has the denominator or its digits."""
    has_whole = sum(t.kind == "digits" for t in tokens[:slash]) > 1
    below = "".join(t.text for t in tokens[slash + 1 :])
    number = Fraction(plain_number(value))
    if below.strip().isdecimal() and int(below):
        numerator, denominator = round(number * int(below)), int(below)
    else:
        closest = number.limit_denominator(
            10 ** max(1, min(5, below.count("?") + below.count("#"))) - 1
        )
        numerator, denominator = closest.numerator, closest.denominator
    whole, rest = divmod(numerator, denominator) if has_whole else (0, numerator)
    if not rest:
        return str(whole)
    return f"{whole} {rest}/{denominator}" if whole else f"{rest}/{denominator}"


def _numerals(shown: str, value: float, section: FormatSection) -> str:
    if section.numerals == 1 and float(value).is_integer():
        return kanji_number(int(value))
    return full_width(shown) if section.numerals == 3 else shown
