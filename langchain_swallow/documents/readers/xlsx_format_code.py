"""Parses the number formats of a workbook (ECMA-376 Part 1, 18.8.31).

A format has up to four sections, separated by semicolons: for positive numbers, negative numbers,
zero, and text. A section is a list of tokens: digit placeholders, parts of dates, and literals.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal[
    "literal", "digits", "point", "percent", "exponent", "slash", "text", "general",
    "date", "elapsed", "half",
]  # fmt: skip

_TOKEN = re.compile(
    r"""
      "(?P<quoted>[^"]*)"?
    | \\(?P<escaped>.)
    | _. | \*.
    | \[\$(?P<currency>[^\]-]*)(?:-(?P<locale>[^\]]*))?\]
    | \[(?P<elapsed>h+|m+|s+)\]
    | \[(?P<operator>[<>]=?|<>|=)\s*(?P<limit>-?[0-9.]+)\]
    | \[DBNum(?P<numerals>[0-9])\]
    | \[[^\]]*\]
    | (?P<general>General|G/標準|標準)
    | (?P<half>AM/PM|A/P|上午/下午|午前/午後)
    | (?P<exponent>E[+-])
    | (?P<date>y+|m+|d+|h+|s+(?:[.]0+)?|g+|e+|aaaa?|b{2,4})
    | (?P<digits>[0#?,]+)
    | (?P<point>\.)
    | (?P<percent>%)
    | (?P<slash>/)
    | (?P<text>@)
    | (?P<literal>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SECTION = re.compile(r'(?:"[^"]*"?|\\.|[_*].|\[[^\]]*\]|[^;])*', re.DOTALL)


class Token(NamedTuple):
    """A part of a section, as it is written but without quotation marks."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class FormatSection:
    """How the numbers of a section are shown.

    If `operator` is not empty, the section applies to numbers that compare so with `limit`.
    `locale` is the code of the language, such as "411" for Japanese. `numerals` is 1 for 一二三, 3
    for １２３, and 0 for the usual digits.
    """

    tokens: tuple[Token, ...]
    operator: str = ""
    limit: float = 0
    locale: str = ""
    numerals: int = 0

    @property
    def is_date(self) -> bool:
        """Whether it shows a date or a time."""
        return any(token.kind in ("date", "elapsed", "half") for token in self.tokens)

    def has(self, kind: Kind) -> bool:
        """Whether it has a token of this kind."""
        return any(token.kind == kind for token in self.tokens)


def parse_format(code: str) -> list[FormatSection]:
    """Parse the sections of a format.

    >>> [token.text for token in parse_format('#,##0"円";[Red]-0')[1].tokens]
    ['-', '0']
    """
    sections = []
    place = 0
    while place <= len(code):
        found = _SECTION.match(code, place)
        assert found is not None  # the pattern also matches empty text
        sections.append(_section(found[0]))
        place = found.end() + 1
    return sections


def _section(code: str) -> FormatSection:
    tokens: list[Token] = []
    operator, limit, locale, numerals = "", 0.0, "", 0
    for match in _TOKEN.finditer(code):
        found = {name: text for name, text in match.groupdict().items() if text is not None}
        if "operator" in found:
            operator, limit = found["operator"], _float(found["limit"])
        locale = found.get("locale", locale).lower()
        numerals = int(found.get("numerals", numerals))
        for name in ("quoted", "escaped", "currency", "literal"):
            if found.get(name):
                tokens.append(Token("literal", found[name]))
        for kind in _KINDS:
            if kind in found:
                tokens.append(Token(kind, found[kind]))
    return FormatSection(tuple(tokens), operator, limit, locale, numerals)


_KINDS: tuple[Kind, ...] = (
    "elapsed", "general", "half", "exponent", "date", "digits", "point", "percent", "slash", "text",
)  # fmt: skip


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
