"""Numbers in Japanese letters."""

_DIGITS = "〇一二三四五六七八九"
_FULL_WIDTH = {ord("0") + i: ord("０") + i for i in range(10)}


def full_width(digits: str) -> str:
    """Digits in full width.

    >>> full_width("12")
    '１２'
    """
    return digits.translate(_FULL_WIDTH)


def kanji_number(number: int) -> str:
    """十二, 百五: as one counts, below ten thousand; digits from there on.

    >>> [kanji_number(n) for n in (0, 12, 105, 2025)]
    ['〇', '十二', '百五', '二千二十五']
    """
    if not 0 < number < 10_000:
        return _DIGITS[0] if number == 0 else str(number)
    parts = []
    for value, unit in ((1000, "千"), (100, "百"), (10, "十")):
        digit, number = divmod(number, value)
        if digit:
            parts.append(("" if digit == 1 else _DIGITS[digit]) + unit)
    return "".join(parts) + (_DIGITS[number] if number else "")
