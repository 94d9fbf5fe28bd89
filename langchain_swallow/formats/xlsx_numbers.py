"""Numbers of a workbook as its reader sees them: 8%, ¥12,800, 3.5時間.

A cell holds .08, and a number format how it is shown (ECMA-376 Part 1, 18.8.31). What a format says
of units, percent and digits is kept; colours, conditions and widths are not.
"""

import functools
import re
from collections.abc import Callable

_QUOTED = re.compile(r'"([^"]*)"|\\(.)')
# [$¥-411] is a currency; other brackets are colours, conditions and elapsed time.
_CURRENCY = re.compile(r"\[\$([^\]-]*)[^\]]*\]")
_BRACKET = re.compile(r"\[[^\]]*\]")
_CONDITION = re.compile(r"\[[<>=]")
_LAYOUT = re.compile(r"_.|\*.")
_DIGITS = re.compile(r"([#0?,]+)(?:\.([#0?]+))?")
# What is quoted stands in a private plane meanwhile, so that no 0 in it is a digit.
_SHIFT = 0xF0000


def shown_number(value: float, format: str) -> str:
    """A number with its unit, as a format writes it; as it is where the format says no more.

    >>> shown_number(0.08, "0%"), shown_number(12800, '#,##0"円"'), shown_number(3.0, "General")
    ('8%', '12,800円', '3')
    """
    write = _writer(format)
    return _plain(value) if write is None else write(value)


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


@functools.lru_cache(maxsize=256)
def _writer(format: str) -> Callable[[float], str] | None:
    section = _QUOTED.sub(_hidden, format.split(";")[0])
    section = _BRACKET.sub("", _CURRENCY.sub(r"\1", _LAYOUT.sub("", section)))
    found = list(_DIGITS.finditer(section))
    # Dates, fractions, exponents and text are none of one run of digits; a condition says of which
    # numbers this section is.
    if len(found) != 1 or re.search(r"[A-Za-z/@:]", section) or _CONDITION.search(format):
        return None
    digits, decimals = found[0][1], len(found[0][2] or "")
    before, after = section[: found[0].start()], section[found[0].end() :]
    comma = "," if "," in digits.rstrip(",") else ""
    # Each comma behind the digits shows thousands.
    factor = 100 if "%" in section else 1000.0 ** -(len(digits) - len(digits.rstrip(",")))
    before, after = (part.translate(_SHOWN) for part in (before, after))

    zeros = 0 if comma else digits.count("0")

    def write(value: float) -> str:
        sign = "-" if value < 0 else ""
        whole, point, rest = f"{abs(value) * factor:{comma}.{decimals}f}".partition(".")
        return f"{sign}{before}{whole.zfill(zeros)}{point}{rest}{after}".strip()

    return write


def _hidden(quoted: re.Match[str]) -> str:
    return (quoted[1] or quoted[2] or "").translate(_HIDDEN)


class _Moved(dict[int, int]):
    """Characters by so many places, those of the first plane only."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self._places = places

    def __missing__(self, code: int) -> int:
        moved = code + self._places
        return moved if 0 <= min(code, moved) < _SHIFT <= max(code, moved) else code


_HIDDEN, _SHOWN = _Moved(_SHIFT), _Moved(-_SHIFT)
