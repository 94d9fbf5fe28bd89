"""Recognizes the text of large pictures in Office files, such as screenshots and pasted scans."""

import re
from typing import Any, NamedTuple

from langchain_swallow.documents.ocr.current import current_ocr
from langchain_swallow.documents.ocr.engine import OcrText
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.documents.readers.drawing import A
from langchain_swallow.documents.readers.image import open_picture
from langchain_swallow.documents.readers.recognized import (
    MIN_PICTURE_HEIGHT,
    MIN_PICTURE_WIDTH,
    recognize,
)
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.errors import DocumentError

UNREAD = "large picture; OCR (`ocr=True`, `--ocr`) reads its text"
VECTOR = "large picture in a vector format (EMF, WMF, SVG), which OCR does not read"
_VECTOR_ENDINGS = (".emf", ".wmf", ".emz", ".wmz", ".svg")
_EXTENTS = ("ext", "extent")
_EMU_PER_POINT = 12700
_POINTS_PER_INCH = 72
_LENGTH = re.compile(r"(?:^|;)\s*(width|height)\s*:\s*([\d.]+)(pt|in|px|cm|mm)?")
POINTS = {"pt": 1.0, "in": 72.0, "px": 0.75, "cm": 28.35, "mm": 2.835, None: 1.0}


class Shown(NamedTuple):
    """How large a picture is shown, in points, and which part of it, as shares of its sides."""

    width: float
    height: float
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0

    @property
    def is_large(self) -> bool:
        """Whether it may have more than a few words."""
        return self.width >= MIN_PICTURE_WIDTH and self.height >= MIN_PICTURE_HEIGHT


class OfficePictures:
    """Reads the pictures of a file; one that is shown repeatedly, such as a logo, only once.

    Args:
        archive: The file.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._read: set[tuple[str, Shown]] = set()

    def read(self, path: str, shown: Shown) -> OcrText | LeftOut | None:
        """Return the text of a large picture, or why there is none; `None` if it was read before.

        Args:
            path: Its path in the file.
            shown: How it is shown.
        """
        if (path, shown) in self._read:
            return None
        self._read.add((path, shown))
        ocr = current_ocr()
        if path.lower().endswith(_VECTOR_ENDINGS):
            return LeftOut(VECTOR)
        if ocr is None:
            return LeftOut(UNREAD)
        try:
            image = open_picture(self._archive.read_picture(path), path)
        except DocumentError as error:
            return LeftOut(f"picture that cannot be read ({error})")
        width, height = image.size
        box = (
            round(shown.left * width),
            round(shown.top * height),
            max(1, round((1 - shown.right) * width)),
            max(1, round((1 - shown.bottom) * height)),
        )
        if box[0] < box[2] and box[1] < box[3]:
            image = image.crop(box)
        inches = shown.width / _POINTS_PER_INCH, shown.height / _POINTS_PER_INCH
        image.info["dpi"] = (image.width / inches[0], image.height / inches[1])
        return recognize(image, ocr, None)


def how_shown(node: Any) -> Shown | None:
    """How a picture (`pic`, or `imagedata` of VML) is shown; `None` if that is not written."""
    if str(node.tag).endswith("}imagedata"):
        return _shown_by_style(node)
    own = node.find(f"./{{*}}spPr/{A}xfrm/{A}ext")
    # Some programs write the size only where the picture is placed on the sheet or the page.
    places = node.iterancestors("{*}oneCellAnchor", "{*}absoluteAnchor", "{*}inline", "{*}anchor")
    extents = [own, *(place.find(f"./{{*}}{name}") for place in places for name in _EXTENTS)]
    extent = next((e for e in extents if e is not None and _number(e.get("cx"))), None)
    if extent is None:
        return None
    width, height = (_number(extent.get(name)) / _EMU_PER_POINT for name in ("cx", "cy"))
    for group in node.iterancestors("{*}grpSp", "{*}wgp"):
        place = group.find(f"./{{*}}grpSpPr/{A}xfrm")
        if place is not None:
            width *= _scale(place, "cx")
            height *= _scale(place, "cy")
    cut = node.find(f"./{{*}}blipFill/{A}srcRect")
    sides = [0.0] * 4 if cut is None else [_number(cut.get(side)) / 1e5 for side in "ltrb"]
    return Shown(width, height, *(max(0.0, side) for side in sides))


def _shown_by_style(node: Any) -> Shown | None:
    for shape in node.iterancestors("{urn:schemas-microsoft-com:vml}shape"):
        found = {
            name: float(value) * POINTS[unit]
            for name, value, unit in _LENGTH.findall(shape.get("style", ""))
        }
        if len(found) == 2:
            return Shown(found["width"], found["height"])
    return None


def _scale(place: Any, name: str) -> float:
    """How a group scales what is in it."""
    inside, outside = place.find(f"{A}chExt"), place.find(f"{A}ext")
    if inside is None or outside is None or not _number(inside.get(name)):
        return 1.0
    return _number(outside.get(name)) / _number(inside.get(name))


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
