"""Reads the comments, shapes, charts, SmartArt and pictures of a sheet."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.drawing import remove_fallbacks, shape_text
from langchain_swallow.documents.readers.graphics import Graphics
from langchain_swallow.documents.readers.office_pictures import OfficePictures
from langchain_swallow.documents.readers.recognized import picture_text
from langchain_swallow.documents.readers.relations import Relation, relations
from langchain_swallow.documents.readers.section import LeftOut, Section
from langchain_swallow.documents.readers.sheet import Sheet
from langchain_swallow.documents.readers.xlsx_sheet import read_area, string_text
from langchain_swallow.documents.readers.xlsx_styles import MAIN
from langchain_swallow.documents.readers.xml import parse_xml

_SHAPE = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}sp"


class Drawn(NamedTuple):
    """The texts of the drawings on a sheet, those of pictures, and the drawings without text."""

    lines: list[str]
    recognized: list[OcrText]
    left_out: list[LeftOut]


def drawn_sections(title: str, lines: Sequence[str], drawn: Drawn) -> Iterator[Section]:
    """Yield the sections of a sheet's drawings; `lines` are texts such as comments above them."""
    if texts := [*lines, *drawn.lines]:
        yield Section("\n\n".join(texts), (title,))
    for read in drawn.recognized:
        text, fields = picture_text(read)
        yield Section(text, (title,), fields=fields)


def read_drawings(
    archive: Archive,
    related: Collection[Relation],
    name: str,
    number: int,
    sheet: Sheet,
    pictures: OfficePictures,
) -> Drawn:
    """Read the texts of shapes, charts, SmartArt and pictures of a sheet.

    Args:
        archive: The file.
        related: The relationships of the sheet.
        name: How error messages name the file.
        number: The number of the sheet, from 1.
        sheet: Its cells, for names of series that are not stored in the chart.
        pictures: Reads the pictures of the file.
    """

    def cell(reference: str) -> str:
        area = read_area(reference.rpartition("!")[2])
        return sheet.rows.get(area.top, {}).get(area.left, "") if area else ""

    lines: list[str] = []
    recognized: list[OcrText] = []
    left_out: list[LeftOut] = []
    for part in related:
        if "/drawings/" not in part.path or part.path not in archive:
            continue
        root = parse_xml(archive.read(part.path), name)
        remove_fallbacks(root)
        lines += filter(None, map(shape_text, root.iter(_SHAPE)))
        graphics = Graphics(archive, relations(archive, part.path, name), name, pictures, cell=cell)
        lines += graphics.lines(root)
        recognized += graphics.recognized
        left_out += graphics.left_out(number, has_text=bool(sheet.rows or lines))
    return Drawn(lines, recognized, left_out)


def read_comments(
    archive: Archive, related: Collection[Relation], name: str, sheet: Sheet
) -> list[str]:
    """Read the comments of a sheet, each with its cell: コメント（B2 単価）: ….

    Threaded comments of newer Excel have a copy for older versions, which is not read.

    Args:
        archive: The file.
        related: The relationships of the sheet.
        name: How error messages name the file.
        sheet: The cells of the sheet.
    """
    found: dict[str, list[str]] = {}
    newer: dict[str, list[str]] = {}
    for part in related:
        if part.kind not in ("comments", "threadedComment") or part.path not in archive:
            continue
        for comment in parse_xml(archive.read(part.path), name).iter():
            place = comment.get("ref", "") if isinstance(comment.tag, str) else ""
            if comment.tag == f"{MAIN}comment":
                texts = [string_text(text) for text in comment.iter(f"{MAIN}text")]
                found.setdefault(place, []).extend(texts)
            elif place and comment.tag.endswith("}threadedComment"):
                texts = [t.text.strip() for t in comment if t.tag.endswith("}text") and t.text]
                newer.setdefault(place, []).extend(texts)
    return [
        f"コメント（{_named(place, sheet)}）: {text}"
        for place, texts in (found | newer).items()
        for text in texts
        if text
    ]


def _named(place: str, sheet: Sheet) -> str:
    """The reference of a cell, and its text."""
    area = read_area(place)
    text = sheet.rows.get(area.top, {}).get(area.left, "") if area else ""
    return f"{place} {text}".strip()
