"""A fast path for the most frequent number formats: #,##0, 0.0%, 000, ¥#,##0."""

from collections.abc import Callable

from langchain_swallow.documents.readers.xlsx_format_code import FormatSection

# The number of digits that Excel keeps.
_SIGNIFICANT = 15
# A number this close to a half is left to exact decimal rounding.
_HALF_TOLERANCE = 1e-4
_MAX_VALUE = 1e15


def plain_number(value: float) -> str:
    """Write a number without a format, rounded to 15 significant digits."""
    if float(value).is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(float(f"{value:.{_SIGNIFICANT}g}")).replace("e", "E")


def usual_number(section: FormatSection) -> Callable[[float], str] | None:
    """Return a function that formats non-negative numbers, or `None` for other formats.

    The function returns the empty string for numbers that need exact rounding.
    """
    kinds = [token.kind for token in section.tokens]
    if kinds.count("digits") == 2 and "point" in kinds:
        point = kinds.index("point")
        if kinds[point - 1 : point + 2] != ["digits", "point", "digits"]:
            return None
        decimals = section.tokens[point + 1].text
    elif kinds.count("digits") == 1 and "point" not in kinds:
        point, decimals = kinds.index("digits") + 1, ""
    else:
        return None
    places = section.tokens[point - 1].text
    zeros = places.lstrip("#,")
    if (
        not set(kinds) <= {"digits", "point", "literal", "percent"}
        or section.numerals
        or not zeros
        or set(zeros + decimals) != {"0"}
    ):
        return None
    before = "".join(t.text for t in section.tokens[: point - 1])
    after = "".join(t.text for t in section.tokens[point + (2 if decimals else 0) :])
    factor = 100 ** kinds.count("percent")
    return _written(before, after, "," in places, len(zeros), len(decimals), factor)


def _written(
    before: str, after: str, has_commas: bool, zeros: int, decimals: int, factor: int
) -> Callable[[float], str]:
    form = f"{',' if has_commas else ''}.{decimals}f"
    scale = 10**decimals
    if has_commas and zeros > 1:
        return lambda _: ""

    def write(value: float) -> str:
        number = value * factor
        if number >= _MAX_VALUE or abs(number * scale % 1 - 0.5) < _HALF_TOLERANCE:
            return ""
        shown = format(number, form)
        if zeros > 1:
            shown = shown.zfill(zeros + (decimals + 1 if decimals else 0))
        return before + shown + after

    return write
