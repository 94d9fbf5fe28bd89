"""Joins the words that Tesseract found into lines of text."""

import re
import statistics
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from langchain_swallow.documents.layout.layout import JAPANESE
from langchain_swallow.documents.ocr.engine import OcrText

_WORD_LEVEL = "5"
_COLUMNS = 12
# A gap of more than this many heights of a line separates the cells of a row.
_MIN_CELL_GAP = 1.5
_JAPANESE = re.compile(f"[{JAPANESE}]")


class Word(NamedTuple):
    """A recognized word: its line, its box in pixels from the upper left, and its confidence."""

    line: tuple[str, ...]
    left: int
    top: int
    width: int
    height: int
    confidence: float
    text: str


def parse_words(tsv: str) -> list[Word]:
    """Parse Tesseract's table of results."""
    words = []
    for row in tsv.splitlines():
        level, *rest = row.split("\t", _COLUMNS - 1)
        if level != _WORD_LEVEL or len(rest) < _COLUMNS - 1 or not rest[-1].strip():
            continue
        left, top, width, height = map(int, rest[5:9])
        words.append(
            Word(tuple(rest[:4]), left, top, width, height, float(rest[9]) / 100, rest[-1].strip())
        )
    return words


def ocr_text(words: Sequence[Word], *, is_vertical: bool) -> OcrText:
    """Join words into lines, and average their confidence by characters."""
    lines = [list(line) for _, line in groupby(words, key=lambda word: word.line)]
    text = "\n".join(_joined(line, is_vertical) for line in lines)
    total = sum(len(word.text) for word in words)
    certain = sum(len(word.text) * max(0.0, word.confidence) for word in words)
    return OcrText(text, certain / total if total else 0.0)


def _joined(line: Sequence[Word], is_vertical: bool) -> str:
    size = statistics.median(word.width if is_vertical else word.height for word in line)
    text = line[0].text
    for word, following in pairwise(line):
        if is_vertical:
            gap = following.top - word.top - word.height
        else:
            gap = following.left - word.left - word.width
        if gap > _MIN_CELL_GAP * size:
            text += "\t"
        elif not (_JAPANESE.match(text[-1]) or _JAPANESE.match(following.text[0])):
            text += " "
        text += following.text
    return text
