"""Numbers on the command line: one out of its range is refused before anything is loaded."""

import argparse
import math
from collections.abc import Callable

from langchain_swallow._system.language import in_language


def at_least(minimum: int) -> Callable[[str], int]:
    """What reads a whole number from `minimum` on, as an argument's `type`.

    >>> at_least(1)("12")
    12
    """

    def whole_number(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(
                in_language(
                    f"{minimum} 以上の整数を指定してください。指定した値: {text!r}",
                    f"must be a number from {minimum}, not {text!r}",
                )
            )
        return number

    return whole_number


def between(minimum: float, maximum: float = math.inf) -> Callable[[str], float]:
    """What reads a number from `minimum` to `maximum`, as an argument's `type`.

    >>> between(0, 1)("0.5")
    0.5
    """

    def number_within(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not minimum <= number <= maximum or math.isinf(number):
            is_open = math.isinf(maximum)
            limits = in_language(
                f"{minimum:g} 以上" + ("" if is_open else f" {maximum:g} 以下"),
                f"from {minimum:g}" + ("" if is_open else f" to {maximum:g}"),
            )
            raise argparse.ArgumentTypeError(
                in_language(
                    f"{limits}の数を指定してください。指定した値: {text!r}",
                    f"must be a number {limits}, not {text!r}",
                )
            )
        return number

    return number_within
