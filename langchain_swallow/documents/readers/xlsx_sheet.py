"""Reads the cells of a sheet from its XML: texts by row and column.

Report generators write a wrong `<dimension>`, or rows and cells without references; both are
handled. Cells without text are not stored.
"""

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from lxml import etree

from langchain_swallow.documents.readers.sheet import Area, Sheet, hide
from langchain_swallow.documents.readers.xlsx_numbers import shown_number, shown_text
from langchain_swallow.documents.readers.xlsx_styles import MAIN, Style
from langchain_swallow.documents.readers.xml import without_strict_namespaces
from langchain_swallow.errors import DocumentError

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})(?::\$?([A-Z]{1,3})\$?([0-9]{1,7}))?")
_MAX_CACHED_NUMBERS = 100_000
# Per sheet, since every cell may refer to the same long text.
_MAX_CHARACTERS = 300_000_000
# A sheet with more rows is a list, not a form; its rules would only take memory.
_MAX_RULED_ROWS = 20_000
_EPOCH = datetime(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class Book:
    """What all sheets of a workbook share.

    `is_1904` is whether days count from 1904. `is_never_computed` is whether the program that wrote
    the file left the formulas for Excel to compute, with zeros as their values.
    """

    strings: Sequence[str] = ()
    styles: Sequence[Style] = ()
    is_1904: bool = False
    is_never_computed: bool = False


def read_area(text: str) -> Area | None:
    """Parse a range such as "A1:C3" or "B2"; return `None` if it is not one.

    >>> read_area("B2:C4")
    Area(top=1, left=1, bottom=4, right=3)
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    left, top, right, bottom = found.groups()
    right, bottom = right or left, bottom or top
    return Area(int(top) - 1, _column(left) - 1, int(bottom), _column(right))


def _column(letters: str) -> int:
    """Convert the letters of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def shared_strings(data: bytes, name: str) -> list[str]:
    """Read the texts that cells refer to by index, without their furigana.

    Args:
        data: The XML of the part.
        name: How error messages name the file.
    """
    return [string_text(item) for item in stream_elements(data, name, f"{MAIN}si")]


def string_text(item: Any) -> str:
    """Return the text of all runs of a shared or inline string; furigana (`rPh`) is not read."""
    parts: list[str] = []
    for part in item:
        if part.tag == f"{MAIN}t":
            parts.append(part.text or "")
        elif part.tag == f"{MAIN}r":
            parts += [t.text or "" for t in part.iter(f"{MAIN}t")]
    return _unescaped("".join(parts))


def _unescaped(text: str) -> str:
    if "_x" not in text:
        return text.strip()
    return _ESCAPED.sub(_character, text).replace("\r\n", "\n").replace("\r", "\n").strip()


def _character(match: re.Match[str]) -> str:
    """Decode an escaped character; control characters, which XML cannot hold, are left out."""
    character = chr(int(match[1], 16))
    return character if character.isprintable() or character in "\n\r\t" else ""


def stream_elements(data: bytes, name: str, *tags: str) -> Iterator[Any]:
    """Yield elements one by one and free those before, since sheets are large.

    Args:
        data: The XML.
        name: How error messages name the file.
        tags: The elements.
    """
    source = io.BytesIO(without_strict_namespaces(data))
    try:
        for _, element in etree.iterparse(
            source, tag=tags, resolve_entities=False, no_network=True, load_dtd=False
        ):
            yield element
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{name} is damaged: {error}.") from error


def read_sheet(data: bytes, name: str, book: Book) -> Sheet:
    """Read the cells of a sheet.

    Args:
        data: The XML of the sheet.
        name: How error messages name the file.
        book: The workbook.

    Raises:
        DocumentError: The XML is damaged, or the texts of the sheet have more than 300 million
            characters.
    """
    sheet = Sheet()
    reader = _CellReader(book)
    rules = _Rules(sheet, book.styles)
    hidden_rows: set[int] = set()
    hidden_columns: list[range] = []
    row, characters = -1, 0
    for element in stream_elements(data, name, f"{MAIN}row", f"{MAIN}mergeCell", f"{MAIN}col"):
        if element.tag == f"{MAIN}mergeCell":
            if area := read_area(element.get("ref", "")):
                sheet.merged[area.top, area.left] = area
            continue
        if element.tag == f"{MAIN}col":
            if _is_hidden(element, "width"):
                hidden_columns.append(range(_int(element, "min") - 1, _int(element, "max")))
            continue
        row = _int(element, "r") - 1 if _int(element, "r") else row + 1
        if _is_hidden(element, "ht"):
            hidden_rows.add(row)
        texts, looks = reader.row(element, rules.at(row))
        characters += sum(map(len, texts.values()))
        if characters > _MAX_CHARACTERS:
            raise DocumentError(
                f"{name} has over {_MAX_CHARACTERS} characters on a sheet. Split the sheet."
            )
        if texts:
            sheet.rows.setdefault(row, {}).update(texts)
            if looks:
                sheet.looks.setdefault(row, {}).update(looks)
    sheet.uncomputed = reader.uncomputed
    if row >= _MAX_RULED_ROWS:
        sheet.left_rules, sheet.top_rules = {}, {}
    hide(sheet, hidden_rows, hidden_columns)
    return sheet


def _int(element: Any, name: str) -> int:
    text = element.get(name, "")
    return int(text) if text.isdecimal() else 0


def _is_hidden(element: Any, size: str) -> bool:
    """Whether a row or column is hidden, or has no height or width."""
    return element.get("hidden") in ("1", "true") or element.get(size) == "0"


class _Rules:
    """Collects the rules between the cells of a sheet, which either neighbor may have."""

    def __init__(self, sheet: Sheet, styles: Sequence[Style]) -> None:
        self._left, self._top = sheet.left_rules, sheet.top_rules
        self._sides = {str(i): style.rules for i, style in enumerate(styles) if style.rules}

    def at(self, row: int) -> Callable[[int, str | None], None] | None:
        """Return a function that adds the rules of a cell in this row; `None` if there are none."""
        if not self._sides or row >= _MAX_RULED_ROWS:
            return None

        def add(column: int, style: str | None) -> None:
            sides = self._sides.get(style or "0")
            if sides is None:
                return
            here, right = 1 << column, 2 << column
            for side, lines, at, bit in (
                ("left", self._left, row, here),
                ("right", self._left, row, right),
                ("top", self._top, row, here),
                ("bottom", self._top, row + 1, here),
            ):
                if side in sides:
                    lines[at] = lines.get(at, 0) | bit

        return add


class _CellReader:
    """Reads the texts of cells as Excel shows them."""

    def __init__(self, book: Book) -> None:
        self.uncomputed = 0
        self._book = book
        self._columns: dict[str, int] = {}
        # Formatted numbers by value and style, since dates and amounts recur.
        self._shown: dict[tuple[str, str | None], str] = {}
        self._by_type: dict[str | None, Callable[[str, Style], str]] = {
            None: self._number,
            "n": self._number,
            "s": self._shared,
            "b": lambda value, _: "TRUE" if value in ("1", "true") else "FALSE",
            "d": self._date,
        }

    def row(
        self, row: Any, add_rules: Callable[[int, str | None], None] | None
    ) -> tuple[dict[int, str], dict[int, int]]:
        """Return the texts and looks of a row, by column; `add_rules` receives the cells."""
        texts: dict[int, str] = {}
        looks: dict[int, int] = {}
        column = -1
        for cell in row:
            place = cell.get("r")
            column = column + 1 if place is None else self._place(place, column + 1)
            style = cell.get("s")
            if add_rules is not None:
                add_rules(column, style)
            if text := self._cell(cell, style):
                texts[column] = text
                if look := self._style(style).look:
                    looks[column] = look
        return texts, looks

    def _place(self, reference: str, otherwise: int) -> int:
        letters = reference.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            column = _column(letters) - 1 if re.fullmatch("[A-Z]{1,3}", letters) else otherwise
            self._columns[letters] = column
        return column

    def _style(self, number: str | None) -> Style:
        styles = self._book.styles
        i = int(number) if number and number.isdecimal() else 0
        return styles[i] if i < len(styles) else _PLAIN

    def _cell(self, cell: Any, style: str | None) -> str:
        value, formula, inline = None, None, None
        for part in cell:
            if part.tag == _V:
                value = part.text
            elif part.tag == _F:
                formula = part
            elif part.tag == _IS:
                inline = part
        kind = cell.get("t")
        if formula is not None and self._is_uncomputed(value, kind, formula):
            self.uncomputed += 1
            return f"（未計算{_written(formula)}）"
        if inline is not None:
            return shown_text(string_text(inline), self._style(style).format)
        if value is None:
            return ""
        if kind is None or kind == "n":
            key = (value, style)
            shown = self._shown.get(key)
            if shown is None:
                shown = self._number(value, self._style(style))
                if len(self._shown) < _MAX_CACHED_NUMBERS:
                    self._shown[key] = shown
            return shown
        read = self._by_type.get(kind)
        return _unescaped(value) if read is None else read(value, self._style(style))

    def _is_uncomputed(self, value: str | None, kind: str | None, formula: Any) -> bool:
        if value is None:
            # A formula of type "str" without a value has the empty text as its result.
            return kind != "str"
        return value == "0" and self._book.is_never_computed and kind in (None, "n")

    def _number(self, value: str, style: Style) -> str:
        try:
            number = float(value)
        except ValueError:
            return value.strip()
        if not math.isfinite(number):
            # For example 1E400, which is not a number in Excel.
            return value.strip()
        if style.format == "General" and value.isdecimal():
            return str(int(value))
        if number.is_integer():
            number = int(number)
        return shown_number(number, style.format, is_1904=self._book.is_1904)

    def _shared(self, value: str, style: Style) -> str:
        i = int(value) if value.isdecimal() else -1
        text = self._book.strings[i] if 0 <= i < len(self._book.strings) else ""
        return text if style.format in ("General", "@") else shown_text(text, style.format)

    def _date(self, value: str, style: Style) -> str:
        """Format an ISO 8601 date, which strict Open XML has instead of serial numbers."""
        try:
            moment = datetime.fromisoformat(value.strip().removesuffix("Z"))
        except ValueError:
            return value.strip()
        if style.format == "General":
            return str(moment.date() if moment.time() == time() else moment)
        days = (moment.replace(tzinfo=None) - _EPOCH).total_seconds() / 86400
        return shown_number(days, style.format)


_V, _F, _IS = f"{MAIN}v", f"{MAIN}f", f"{MAIN}is"
_PLAIN = Style()


def _written(formula: Any) -> str:
    """A formula as Excel shows it; empty for a shared formula, which only its first cell has."""
    text = (formula.text or "").strip().replace("_xlfn.", "").replace("_xlws.", "")
    return f": ={text}" if text else ""
