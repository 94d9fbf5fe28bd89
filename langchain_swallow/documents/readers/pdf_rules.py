"""Finds the ruling lines of a PDF page: its horizontal and vertical strokes and thin rectangles."""

import ctypes
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from langchain_swallow.documents.layout.vertical import on_page

# In points. A rule is at most this thick and at least this long; rules that are this close are one.
_MAX_THICK = 2.5
_MIN_LENGTH = 6.0
_NEAR = 2.5
# A page with more is a map or a drawing.
_MAX_SEGMENTS = 20_000
# Of forms within forms.
_MAX_DEPTH = 15


class Rule(NamedTuple):
    """A horizontal or vertical line: `at` is its y or x, from `start` to `end` along it."""

    at: float
    start: float
    end: float


class Rules(NamedTuple):
    """The lines of a page, in points from the lower left corner of the rotated page."""

    across: list[Rule]
    down: list[Rule]


NO_RULES = Rules([], [])


def page_rules(page: Any) -> Rules:
    """Return the ruling lines of a page; none if it has as many strokes as a drawing.

    Args:
        page: A pypdfium2 page.
    """
    bounds, rotation = page.get_bbox(), page.get_rotation()
    across: list[Rule] = []
    down: list[Rule] = []
    for number, segment in enumerate(_segments(page)):
        if number >= _MAX_SEGMENTS:
            return NO_RULES
        box = on_page(segment, bounds, rotation)
        width, height = box.right - box.left, box.top - box.bottom
        if height <= _MAX_THICK and width >= max(_MIN_LENGTH, 2 * height):
            across.append(Rule(box.y, box.left, box.right))
        elif width <= _MAX_THICK and height >= max(_MIN_LENGTH, 2 * width):
            down.append(Rule(box.x, box.bottom, box.top))
    return Rules(_merged(across), _merged(down))


def _segments(page: Any) -> Iterator[tuple[float, float, float, float]]:
    """The boxes of stroked segments, and of filled figures, in the coordinates of the file."""
    import pypdfium2.raw as pdfium

    mode, is_stroked = ctypes.c_int(), ctypes.c_int()
    for item, matrix in _paths(page):
        pdfium.FPDFPath_GetDrawMode(item, mode, is_stroked)
        if not (is_stroked.value or mode.value):
            continue
        for figure in _figures(item, matrix):
            if is_stroked.value:
                for one, other in itertools.pairwise(figure):
                    yield _box([one, other])
            else:
                yield _box(figure)


def _paths(page: Any) -> Iterator[tuple[Any, Any]]:
    """The paths of a page and of its forms, each with its matrix.

    Not by pypdfium2's `get_objects`, which takes as long as all that is done with the paths.
    """
    import pypdfium2.raw as pdfium
    from pypdfium2 import PdfMatrix

    found = pdfium.FS_MATRIX()

    def look_within(count: int, get: Callable[[int], Any], outer: Any, depth: int) -> Iterator[Any]:
        for number in range(count):
            item = get(number)
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind not in (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM):
                continue
            pdfium.FPDFPageObj_GetMatrix(item, found)
            matrix = PdfMatrix.from_raw(found)
            matrix = matrix.multiply(outer) if outer else matrix
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                yield item, matrix
            elif depth < _MAX_DEPTH:
                inside = pdfium.FPDFFormObj_CountObjects(item)
                get_inner = functools.partial(pdfium.FPDFFormObj_GetObject, item)
                yield from look_within(inside, get_inner, matrix, depth + 1)

    count = pdfium.FPDFPage_CountObjects(page.raw)
    return look_within(count, functools.partial(pdfium.FPDFPage_GetObject, page.raw), None, 1)


def _figures(item: Any, matrix: Any) -> Iterator[list[tuple[float, float]]]:
    """The points of each part of a path that is drawn without lifting the pen."""
    import pypdfium2.raw as pdfium

    x, y = ctypes.c_float(), ctypes.c_float()
    figure: list[tuple[float, float]] = []
    for index in range(pdfium.FPDFPath_CountSegments(item)):
        segment = pdfium.FPDFPath_GetPathSegment(item, index)
        if pdfium.FPDFPathSegment_GetType(segment) == pdfium.FPDF_SEGMENT_MOVETO:
            if len(figure) > 1:
                yield figure
            figure = []
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        figure.append(matrix.on_point(x.value, y.value))
        if pdfium.FPDFPathSegment_GetClose(segment):
            figure.append(figure[0])
    if len(figure) > 1:
        yield figure


def _box(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def _merged(rules: Iterable[Rule]) -> list[Rule]:
    """Join lines that continue each other, such as the borders of adjacent cells."""
    merged: list[Rule] = []
    for rule in sorted(rules):
        for index in range(len(merged) - 1, -1, -1):
            other = merged[index]
            if rule.at - other.at > _NEAR:
                continue
            if rule.start <= other.end + _NEAR and other.start <= rule.end + _NEAR:
                merged[index] = Rule(
                    other.at, min(rule.start, other.start), max(rule.end, other.end)
                )
                break
        else:
            merged.append(rule)
    return merged
