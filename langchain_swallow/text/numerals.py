"""Write numbers in full-width digits and in kanji."""

_DIGITS = "〇一二三四五六七八九"
_MYRIADS = ("", "万", "億", "兆", "京")
_FULL_WIDTH = {ord("0") + i: ord("０") + i for i in range(10)}


def full_width(digits: str) -> str:
    """Convert ASCII digits to full width.

    >>> full_width("12")
    '１２'
    """
    return digits.translate(_FULL_WIDTH)


def kanji_number(number: int) -> str:
    """Write a number in kanji (十二, 百五, 一万二千).

    A number that is negative, or 10^20 or more, has no such form and stays in ASCII digits.

    >>> [kanji_number(n) for n in (0, 12, 105, 2025, 12345, 10_000_000)]
    ['〇', '十二', '百五', '二千二十五', '一万二千三百四十五', '一千万']
    """
    if not 0 < number < 10 ** (4 * len(_MYRIADS)):
        return _DIGITS[0] if number == 0 else str(number)
    text = ""
    for unit in _MYRIADS:
        number, part = divmod(number, 10_000)
        if part:
            # 1000 is 千, but 10,000,000 is 一千万.
            one = _DIGITS[1] if unit and 1000 <= part < 2000 else ""
            text = f"{one}{_below_myriad(part)}{unit}{text}"
    return text


def _below_myriad(number: int) -> str:
    parts = []
    for value, unit in ((1000, "千"), (100, "百"), (10, "十")):
        digit, number = divmod(number, value)
        if digit:
            parts.append(("" if digit == 1 else _DIGITS[digit]) + unit)
    return "".join(parts) + (_DIGITS[number] if number else "")
