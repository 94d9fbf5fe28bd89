"""Computes the automatic numbers of Word paragraphs: 第１条, (1), イ.

The text of the file does not have them. A paragraph, or its style, names a list and a level; the
list defines how a level counts and how the number is written (ECMA-376 Part 1, 17.9).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_swallow.documents.readers.docx_styles import (
    W,
    parse_int,
    property_value,
    resolve_styles,
)
from langchain_swallow.text.numerals import full_width, kanji_number

_LEVELS = 9
_DIGITS = "〇一二三四五六七八九"
_KATAKANA = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
)
_IROHA = (
    "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス"
)
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    format: str
    text: str
    separator: str


@dataclass(frozen=True, slots=True)
class _List:
    """A list: its levels, the definition whose counters it shares, and restart values by level."""

    definition: str
    levels: dict[int, _Level]
    restarts: dict[int, int]


class Numbering:
    """Counts the lists of a document from its beginning.

    Args:
        numbering: The root of `word/numbering.xml`, or `None`.
        styles: The root of `word/styles.xml`, or `None`; a style may belong to a list.
    """

    def __init__(self, numbering: Any, styles: Any) -> None:
        self._styles = resolve_styles(styles, _style_list)
        self._lists: dict[str, _List] = {}
        self._counted: dict[str, list[int | None]] = {}
        if numbering is not None:
            self._read(numbering)

    def number(self, paragraph: Any) -> str:
        """Return a paragraph's number with the space after it; empty if it has none.

        Call it once for each paragraph, in the order of the document.
        """
        name, level = self._place(paragraph)
        found = self._lists.get(name)
        if found is None or level not in found.levels:
            return ""
        counters = self._count(found, level)
        shown_level = found.levels[level]
        if shown_level.format == "bullet":
            return "・"
        text = shown_level.text
        for i, other in found.levels.items():
            count = counters[i]
            text = text.replace(f"%{i + 1}", _written(other.format, 1 if count is None else count))
        return f"{text}{shown_level.separator}" if text else ""

    def _place(self, paragraph: Any) -> tuple[str, int]:
        """The list's id and the level (from 0), from the paragraph itself or from its style."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return "", 0
        style = property_value(properties, "pStyle")
        name, level = self._styles.get(style or "", ("", 0))
        direct = properties.find(f"{W}numPr")
        if direct is not None:
            name = property_value(direct, "numId") or name
            level = parse_int(property_value(direct, "ilvl"), level)
        return name, level

    def _count(self, counted: _List, level: int) -> list[int | None]:
        """Count one more paragraph of this level, and return the counters of the list."""
        # Lists with the same definition share counters, unless a list restarts them.
        counters = self._counted.setdefault(counted.definition, [None] * _LEVELS)
        while counted.restarts:
            i, start = counted.restarts.popitem()
            counters[i:] = [start - 1, *[None] * (_LEVELS - i - 1)]
        for i in range(level):
            if counters[i] is None and i in counted.levels:
                counters[i] = counted.levels[i].start
        before = counters[level]
        counters[level] = counted.levels[level].start if before is None else before + 1
        counters[level + 1 :] = [None] * (_LEVELS - level - 1)
        return counters

    def _read(self, numbering: Any) -> None:
        definitions = {e.get(f"{W}abstractNumId"): e for e in numbering.iter(f"{W}abstractNum")}
        levels = {name: _read_levels(e) for name, e in definitions.items()}
        chosen = {
            e.get(f"{W}numId", ""): property_value(e, "abstractNumId")
            for e in numbering.iter(f"{W}num")
        }
        for entry in numbering.iter(f"{W}num"):
            name = entry.get(f"{W}numId", "")
            definition = chosen[name]
            link = definitions.get(definition)
            style = None if link is None else property_value(link, "numStyleLink")
            if style in self._styles:
                # A definition that only names a style uses the levels of that style's list.
                definition = chosen.get(self._styles[style][0], definition)
            overrides = list(entry.iter(f"{W}lvlOverride"))
            restarts = {_index(e): property_value(e, "startOverride") for e in overrides}
            self._lists[name] = _List(
                definition=definition or "",
                levels={**levels.get(definition, {}), **_read_levels(entry)},
                restarts={i: parse_int(start, 1) for i, start in restarts.items() if start},
            )


def _read_levels(parent: Any) -> dict[int, _Level]:
    found = {_index(element): _level(element) for element in parent.iter(f"{W}lvl")}
    return {index: level for index, level in found.items() if index < _LEVELS}


def _index(element: Any) -> int:
    return parse_int(element.get(f"{W}ilvl"), 0)


def _style_list(style: Any) -> tuple[str, int] | None:
    """The list's id and the level of a style; `None` if the style does not belong to a list."""
    properties = style.find(f"{W}pPr/{W}numPr")
    return (
        None
        if properties is None
        else (
            property_value(properties, "numId") or "",
            parse_int(property_value(properties, "ilvl"), 0),
        )
    )


def _level(element: Any) -> _Level:
    suffix = property_value(element, "suff")
    return _Level(
        start=parse_int(property_value(element, "start"), 1),
        format=property_value(element, "numFmt") or "decimal",
        text=property_value(element, "lvlText") or "",
        separator="" if suffix == "nothing" else " ",
    )


def _written(format: str, number: int) -> str:
    """Format a number as Word does; unknown formats give digits.

    >>> [_written(f, 12) for f in ("decimalFullWidth", "japaneseCounting", "lowerRoman")]
    ['１２', '十二', 'xii']
    """
    return _FORMATS.get(format, str)(number)


def _letters(letters: str) -> Callable[[int], str]:
    """One letter per number; after the last letter they are doubled, then tripled."""
    return lambda n: letters[(n - 1) % len(letters)] * ((n - 1) // len(letters) + 1)


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written += letters * count
    return written


def _circled(number: int) -> str:
    return chr(ord("①") + number - 1) if 1 <= number <= 20 else f"({number})"


def _half_width(letters: str) -> str:
    return "".join(_HALF.get(letter, letter) for letter in letters)


_HALF = dict(zip(_KATAKANA, "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝ", strict=True))
_FORMATS: dict[str, Callable[[int], str]] = {
    "none": lambda _: "",
    "decimalZero": lambda n: f"{n:02d}",
    "decimalFullWidth": lambda n: full_width(str(n)),
    "decimalFullWidth2": lambda n: full_width(str(n)),
    "decimalEnclosedCircle": _circled,
    "decimalEnclosedCircleChinese": _circled,
    "japaneseCounting": kanji_number,
    "chineseCounting": kanji_number,
    "chineseCountingThousand": kanji_number,
    "taiwaneseCounting": kanji_number,
    "japaneseDigitalTenThousand": lambda n: "".join(_DIGITS[int(d)] for d in str(n)),
    "ideographDigital": lambda n: "".join(_DIGITS[int(d)] for d in str(n)),
    "ideographTraditional": _letters(_STEMS),
    "aiueoFullWidth": _letters(_KATAKANA),
    "aiueo": lambda n: _half_width(_letters(_KATAKANA)(n)),
    "irohaFullWidth": _letters(_IROHA),
    "iroha": lambda n: _half_width(_letters(_IROHA)(n)),
    "lowerLetter": _letters("abcdefghijklmnopqrstuvwxyz"),
    "upperLetter": _letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "lowerRoman": _roman,
    "upperRoman": lambda n: _roman(n).upper(),
}
