"""What is on a sheet besides its cells: comments, shapes, charts, SmartArt and pictures."""

from collections.abc import Collection
from typing import NamedTuple

from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.drawing import remove_fallbacks, shape_text
from langchain_swallow.documents.readers.graphics import Graphics
from langchain_swallow.documents.readers.relations import Relation, relations
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.documents.readers.xlsx_sheet import Sheet, read_area, string_text
from langchain_swallow.documents.readers.xlsx_styles import MAIN
from langchain_swallow.documents.readers.xml import parse_xml

_SHAPE = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}sp"


class Drawn(NamedTuple):
    """Texts of what is drawn on a sheet, and what of it has none."""

    lines: list[str]
    left_out: list[LeftOut]


def read_drawings(archive: Archive, related: Collection[Relation], name: str, number: int) -> Drawn:
    """Texts of shapes, charts, SmartArt and pictures of a sheet.

    Args:
        archive: The file.
        related: What the sheet refers to.
        name: What to call the file in an error.
        number: Of the sheet, counted from 1.
    """
    lines: list[str] = []
    left_out: list[LeftOut] = []
    for part in related:
        if "/drawings/" not in part.path or part.path not in archive:
            continue
        root = parse_xml(archive.read(part.path), name)
        remove_fallbacks(root)
        lines += filter(None, map(shape_text, root.iter(_SHAPE)))
        # A workbook has the data of its charts in its sheets.
        graphics = Graphics(archive, relations(archive, part.path, name), name, has_data=False)
        lines += graphics.lines(root)
        left_out += graphics.left_out(number)
    return Drawn(lines, left_out)


def read_comments(
    archive: Archive, related: Collection[Relation], name: str, sheet: Sheet
) -> list[str]:
    """Comments with the cells that they are on.

    Discussions of newer Excel have a copy for older ones, which is not read.
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
    """A cell's place, and what stands in it."""
    area = read_area(place)
    text = sheet.rows.get(area.top, {}).get(area.left, "") if area else ""
    return f"{place} {text}".strip()
