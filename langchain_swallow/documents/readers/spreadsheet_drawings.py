"""Reads the pictures and text boxes of .ods and .xlsb files, whose cells calamine reads."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from langchain_swallow.documents.readers.archive import Archive, open_office_file
from langchain_swallow.documents.readers.graphics import Graphics
from langchain_swallow.documents.readers.office_pictures import POINTS, OfficePictures, Shown
from langchain_swallow.documents.readers.relations import main_part, relations
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.documents.readers.sheet import Sheet
from langchain_swallow.documents.readers.xlsx_drawings import Drawn, read_drawings
from langchain_swallow.documents.readers.xlsx_sheet import stream_elements
from langchain_swallow.errors import DocumentError

# From the number of a sheet, from 1, and its cells to its drawings.
SheetDrawings: TypeAlias = Callable[[int, Sheet], Drawn]

_ODS = "content.xml"
_NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_OFFICE, _TABLE, _DRAW, _SVG, _TEXT = (
    _NAMESPACE % name for name in ("office", "table", "drawing", "svg-compatible", "text")
)
_HREF = "{http://www.w3.org/1999/xlink}href"
_FRAME = f"{_DRAW}frame"
_SHAPES = tuple(f"{_DRAW}{name}" for name in ("custom-shape", "rect", "ellipse", "caption"))
_LENGTH = re.compile(r"([\d.]+)(cm|mm|in|pt|px)")
# Ids of relationships in the binary workbook, in UTF-16.
_ID = re.compile(rb"r\0I\0d\0(?:[0-9]\0)+")


def find_drawings(data: bytes, name: str) -> SheetDrawings:
    """Return what reads the drawings of each sheet; those of other formats are not found.

    Args:
        data: The bytes of the file.
        name: How error messages name the file.
    """
    if not data.startswith(b"PK"):
        return lambda number, sheet: Drawn([], [], [])
    try:
        archive = open_office_file(data, name)
        return (_ods_drawings if _ODS in archive else _xlsb_drawings)(archive, name)
    except DocumentError as error:
        # Its cells can still be read.
        left_out = [LeftOut(f"pictures and text boxes, which cannot be read ({error})")]
        return lambda number, sheet: Drawn([], [], left_out if number == 1 else [])


def _xlsb_drawings(archive: Archive, name: str) -> SheetDrawings:
    """The drawings of .xlsb are those of .xlsx; only the parts with cells are binary."""
    main = main_part(archive, name, usual="xl/workbook.bin")
    parts = relations(archive, main, name)
    ids = (found.decode("utf-16-le") for found in _ID.findall(archive.read_picture(main)))
    found = [parts[one].path for one in dict.fromkeys(ids) if one in parts]
    paths = [path for path in found if "sheets/" in path]
    pictures = OfficePictures(archive)

    def read(number: int, sheet: Sheet) -> Drawn:
        if number > len(paths):
            return Drawn([], [], [])
        related = relations(archive, paths[number - 1], name).values()
        return read_drawings(archive, related, name, number, sheet, pictures)

    return read


def _ods_drawings(archive: Archive, name: str) -> SheetDrawings:
    pictures = OfficePictures(archive)
    lines: dict[int, list[str]] = {}
    graphics: dict[int, Graphics] = {}
    number = 1
    tags = (f"{_TABLE}table", f"{_TABLE}table-row", _FRAME, *_SHAPES)
    for element in stream_elements(archive.read(_ODS), name, *tags):
        if element.tag == f"{_TABLE}table":
            number += 1
        elif element.tag != f"{_TABLE}table-row":
            drawn = graphics.setdefault(number, Graphics(archive, {}, name, pictures))
            texts = _lines(element, archive, drawn)
            lines.setdefault(number, []).extend(() if _is_in_text(element) else texts)

    def read(number: int, sheet: Sheet) -> Drawn:
        if number not in graphics:
            return Drawn([], [], [])
        drawn, texts = graphics[number], lines[number]
        left_out = drawn.left_out(number, has_text=bool(sheet.rows or texts))
        return Drawn(texts, drawn.recognized, [*left_out])

    return read


def _is_in_text(element: Any) -> bool:
    """Whether calamine reads the texts of a shape as part of a cell with text."""
    cell = next(element.iterancestors(f"{_TABLE}table-cell"), None)
    return cell is not None and cell.get(f"{_OFFICE}value-type") == "string"


def _lines(element: Any, archive: Archive, graphics: Graphics) -> list[str]:
    """The texts of a frame or shape; its picture is read by OCR or counted."""
    lines = ["".join(line.itertext()).strip() for line in element.iter(f"{_TEXT}p", f"{_TEXT}h")]
    texts = ["\n".join(filter(None, lines))] if any(lines) else []
    if element.tag != _FRAME:
        return texts
    if element.find(f"{_DRAW}object") is not None or element.find(f"{_DRAW}object-ole") is not None:
        # The image beside it is a preview.
        graphics.leave_out_object()
        return texts
    paths = [image.get(_HREF, "") for image in element.findall(f"{_DRAW}image")]
    if not paths:
        return texts
    # A frame with a vector graphic has a copy for programs that cannot show it.
    path = next((path for path in paths if not path.endswith(".svg")), paths[0])
    described = [element.findtext(f"{_SVG}{part}", "") for part in ("desc", "title")]
    return [
        *texts,
        *graphics.picture(path if path in archive.others else "", _shown(element), described),
    ]


def _shown(frame: Any) -> Shown | None:
    sizes = [_LENGTH.fullmatch(frame.get(f"{_SVG}{side}", "")) for side in ("width", "height")]
    if not all(sizes):
        return None
    width, height = (float(size[1]) * POINTS[size[2]] for size in sizes if size)
    return Shown(width, height)
