"""Reads charts, SmartArt, pictures and embedded objects of Office files as lines of text.

Charts give their titles and series, and their data if the file has no sheet with them. SmartArt
gives its texts, and pictures the description that their author wrote. Everything else is counted.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.drawing import A, shape_text
from langchain_swallow.documents.readers.office_pictures import (
    UNREAD,
    VECTOR,
    OfficePictures,
    Shown,
    how_shown,
)
from langchain_swallow.documents.readers.relations import Relation
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.documents.readers.table_rows import columnar_rows
from langchain_swallow.documents.readers.xlsx_numbers import shown_number
from langchain_swallow.documents.readers.xml import parse_xml
from langchain_swallow.errors import DocumentError

R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_DRAWN = tuple(
    f"{{*}}{name}" for name in ("chart", "relIds", "pic", "imagedata", "oleObj", "OLEObject")
)
_PICTURE = "picture without a description"
_DAMAGED = "damaged chart or SmartArt"
_OBJECT = "embedded object; its own program shows what is in it"
# Default names of pictures, and descriptions that programs generate.
_NO_DESCRIPTION = re.compile(
    r"(?:図|画像|写真|グラフィックス?|picture|image|graphic)?\s*\d*|.*\.(?:png|jpe?g|gif|bmp|emf|wmf|tiff?|svg)"
    r"|.*(?:自動的に生成された説明|automatically generated).*",
    re.IGNORECASE | re.DOTALL,
)


class Graphics:
    """Reads the graphics in a part of a file.

    Args:
        archive: The file.
        related: The relationships of the part, by id.
        name: How error messages name the file.
        pictures: Reads the pictures of the file.
        cell: In a workbook, whose sheets have the data of charts: returns the text of a cell by its
            reference, such as 'Sheet1'!$B$1. `None` reads the data from the charts.

    `recognized` has the texts of large pictures that `lines` has found and OCR has read.
    """

    def __init__(
        self,
        archive: Archive,
        related: dict[str, Relation],
        name: str,
        pictures: OfficePictures,
        *,
        cell: Callable[[str], str] | None = None,
    ) -> None:
        self._archive, self._related, self._name = archive, related, name
        self._cell = cell
        self._pictures = pictures
        self._left_out: Counter[LeftOut] = Counter()
        self.recognized: list[OcrText] = []

    def lines(self, element: Any) -> list[str]:
        """Return the texts of the graphics in an element of the part, in order."""
        found: list[str] = []
        for node in element.iter(*_DRAWN):
            name = node.tag.rpartition("}")[2]
            if name == "chart" and (root := self._root(node.get(f"{R}id"))) is not None:
                found += chart_lines(root, cell=self._cell)
            elif name == "relIds" and (root := self._root(node.get(f"{R}dm"))) is not None:
                found += diagram_lines(root)
            elif name in ("pic", "imagedata"):
                found += self._picture(node)
            elif name in ("oleObj", "OLEObject"):
                self.leave_out_object()
        return found

    def left_out(self, page: int | None = None, *, has_text: bool = True) -> Iterator[LeftOut]:
        """Yield what `lines` has left out so far.

        Args:
            page: The page, slide or sheet, from 1; `None` for the whole file.
            has_text: Whether it has text. Without any, a large picture is a scan, as a rule, and
                text is missing if it is not read.
        """
        for part, count in self._left_out.items():
            is_loss = not has_text if part.reason in (UNREAD, VECTOR) else part.is_loss
            yield replace(part, page=page, count=count, is_loss=is_loss)

    def _root(self, identity: str | None) -> Any:
        part = self._related.get(identity or "")
        if part is None or part.path not in self._archive:
            return None
        try:
            return parse_xml(self._archive.read(part.path), self._name)
        except DocumentError:
            # The text around it can still be read.
            self._left_out[LeftOut(_DAMAGED)] += 1
            return None

    def _picture(self, node: Any) -> list[str]:
        if any(ancestor.tag.endswith(("}object", "}oleObj")) for ancestor in node.iterancestors()):
            return []
        blip = next(node.iter(f"{A}blip"), node)
        part = self._related.get(blip.get(f"{R}embed") or blip.get(f"{R}id") or "")
        return self.picture(part.path if part else "", how_shown(node), _descriptions(node))

    def picture(self, path: str, shown: Shown | None, descriptions: Iterable[str]) -> list[str]:
        """Return the description of a picture; read a large one by OCR, or count it as left out.

        Args:
            path: Its path in the file; empty if the file does not have it.
            shown: How it is shown; `None` if that is not known.
            descriptions: What may describe it; texts that programs generate are not used.
        """
        texts = (text.strip() for text in descriptions)
        description = next((t for t in texts if t and not _NO_DESCRIPTION.fullmatch(t)), "")
        if not self._is_recognized(path, shown) and not description:
            self._left_out[LeftOut(_PICTURE, is_loss=False)] += 1
        return [f"（図: {description}）"] if description else []

    def leave_out_object(self) -> None:
        """Count an embedded object."""
        self._left_out[LeftOut(_OBJECT)] += 1

    def _is_recognized(self, path: str, shown: Shown | None) -> bool:
        """Read a large picture by OCR, or report that it was not; `False` for small ones."""
        if shown is None or not shown.is_large or not path:
            return False
        read = self._pictures.read(path, shown)
        if isinstance(read, OcrText):
            self.recognized.append(read)
        elif read is not None:
            self._left_out[read] += 1
        return True


def _descriptions(node: Any) -> list[str]:
    """The alternative texts of a picture."""
    written = [e.get("descr", "") for e in node.iter() if str(e.tag).endswith("}cNvPr")]
    for ancestor in node.iterancestors():
        if ancestor.tag in (f"{_WP}inline", f"{_WP}anchor"):
            written += [e.get("descr", "") for e in ancestor.iter(f"{_WP}docPr")]
        if ancestor.tag == "{urn:schemas-microsoft-com:vml}shape":
            written.append(ancestor.get("alt", ""))
    return written


def diagram_lines(root: Any) -> list[str]:
    """Return the texts of SmartArt, one per node."""
    points = (e for e in root.iter(f"{_DGM}pt") if e.get("type", "node") in ("node", "asst"))
    return list(filter(None, map(shape_text, points)))


def chart_lines(root: Any, *, cell: Callable[[str], str] | None) -> list[str]:
    """Return the titles of a chart and its axes, and its data or, with `cell`, only its series."""
    titles = [shape_text(title) for title in root.iter() if str(title.tag).endswith("}title")]
    lines = list(dict.fromkeys(filter(None, titles)))
    series = list(root.iter(f"{_C}ser"))
    names = ["", *(_series_name(one, cell) for one in series)]
    if cell is not None:
        shown = "、".join(filter(None, names))
        return [*lines, f"（グラフの系列: {shown}）"] if shown else lines
    if not series:
        return lines
    categories: dict[int, str] = {}
    for one in series:
        for kind in ("cat", "xVal"):
            categories |= _points(one.find(f"{_C}{kind}"))
    values = [_points(_first(one, "val", "yVal")) for one in series]
    places = sorted({*categories, *(i for one in values for i in one)})
    rows = [[categories.get(i, ""), *(one.get(i, "") for one in values)] for i in places]
    return [*lines, *(columnar_rows(names, rows) if rows else filter(None, names))]


def _series_name(series: Any, cell: Callable[[str], str] | None) -> str:
    """The name of a series: written in the chart, stored there, or in a cell of the workbook."""
    text = series.find(f"{_C}tx")
    if text is None:
        return ""
    stored = text.findtext(f"{_C}v") or "".join(_points(text).values())
    reference = text.findtext(f".//{_C}f")
    return stored or (cell(reference) if cell and reference else "")


def _first(element: Any, *names: str) -> Any:
    found = (element.find(f"{_C}{name}") for name in names)
    return next((one for one in found if one is not None), None)


def _points(element: Any) -> dict[int, str]:
    """The cached values of a series, by their index."""
    if element is None:
        return {}
    found: dict[int, str] = {}
    code = element.findtext(f".//{_C}formatCode") or "General"
    for point in element.iter(f"{_C}pt"):
        value = point.findtext(f"{_C}v")
        if value and point.get("idx", "").isdigit():
            found.setdefault(int(point.get("idx")), _shown(value.strip(), code))
    return found


def _shown(value: str, code: str) -> str:
    try:
        return value if code == "General" else shown_number(float(value), code)
    except ValueError:
        return value
