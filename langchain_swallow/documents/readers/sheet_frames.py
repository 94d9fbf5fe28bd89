"""Finds the ruled frames on a sheet, and divides the sheet into regions along them.

The rules around cells are lines between the points where four cells meet. Lines that touch each
other are one frame: a table, or the boxes of a form. Texts outside of the frames are regions too.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from langchain_swallow.documents.readers.sheet import Area, Sheet

# More frames are single boxes all over a sheet, which do not divide it.
_MAX_FRAMES = 300


class Region(NamedTuple):
    """A part of a sheet. Its `frame` is `None` if it is not ruled."""

    sheet: Sheet
    frame: Area | None = None


def regions(sheet: Sheet) -> list[Region]:
    """Divide a sheet into its frames and the texts between them, in reading order."""
    found = [frame for frame in _frames(sheet) if _has_texts(sheet, frame)]
    if len(found) > _MAX_FRAMES:
        found = []
    return list(_divide(sheet, _disjoint(_without_outlines(sheet, found))))


def _has_texts(sheet: Sheet, frame: Area) -> bool:
    """Whether a frame has two texts; the frame of one text is only its decoration."""
    return sum(1 for _ in zip(range(2), _texts_in(sheet, frame), strict=False)) == 2


def _texts_in(sheet: Sheet, frame: Area) -> Iterator[tuple[int, int]]:
    for row in range(frame.top, frame.bottom):
        for column in sheet.rows.get(row, ()):
            if frame.left <= column < frame.right:
                yield row, column


def _frames(sheet: Sheet) -> list[Area]:
    """The bounds of each set of rules that touch each other."""
    left, top = sheet.left_rules, sheet.top_rules
    parents: list[int] = []
    bounds: list[Area] = []

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = node = parents[parents[node]]
        return node

    before: tuple[int, tuple[tuple[int, int], ...], int] = (-2, (), 0)
    for row in sorted({*top, *left, *(row + 1 for row in left)}):
        above = left.get(row - 1, 0)
        runs = _runs(top.get(row, 0), above | left.get(row, 0))
        first = len(parents)
        parents += range(first, first + len(runs))
        bounds += [Area(row, begin, row, end) for begin, end in runs]
        if above and before[0] == row - 1:
            for upper, lower in _links(before[1], above, runs):
                old, new = root(before[2] + upper), root(first + lower)
                if old != new:
                    parents[new] = old
                    bounds[old] = _union(bounds[old], bounds[new])
        before = row, runs, first
    whole = (bounds[node] for node in range(len(parents)) if parents[node] == node)
    return [area for area in whole if area.top < area.bottom and area.left < area.right]


@functools.lru_cache(maxsize=4096)
def _runs(across: int, points: int) -> tuple[tuple[int, int], ...]:
    """The first and last points of the horizontal lines, and the points without a line."""
    runs: list[tuple[int, int]] = []
    for column in _bits(across):
        if runs and runs[-1][1] == column:
            runs[-1] = runs[-1][0], column + 1
        else:
            runs.append((column, column + 1))
    on_lines = across | across << 1
    return tuple(sorted([*runs, *((c, c) for c in _bits(points & ~on_lines))]))


@functools.lru_cache(maxsize=4096)
def _links(
    upper: tuple[tuple[int, int], ...], points: int, lower: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    """Which runs of two rows the vertical lines at these points join."""
    places = [
        {column: i for i, (begin, end) in enumerate(runs) for column in range(begin, end + 1)}
        for runs in (upper, lower)
    ]
    return tuple(dict.fromkeys((places[0][c], places[1][c]) for c in _bits(points)))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _union(one: Area, other: Area) -> Area:
    return Area(
        min(one.top, other.top),
        min(one.left, other.left),
        max(one.bottom, other.bottom),
        max(one.right, other.right),
    )


def _without_outlines(sheet: Sheet, frames: Sequence[Area]) -> list[Area]:
    """Drop the outline of a page, which has other frames in it and no columns of its own."""

    def is_outline(frame: Area) -> bool:
        inside = (1 << frame.right) - (2 << frame.left)
        ends = (sheet.left_rules.get(row, 0) & inside for row in (frame.top, frame.bottom - 1))
        return not any(ends) and any(
            other is not frame and _union(frame, other) == frame for other in frames
        )

    return [frame for frame in frames if not is_outline(frame)]


def _disjoint(frames: Iterable[Area]) -> list[Area]:
    """Unite frames that overlap."""
    apart: list[Area] = []
    for frame in frames:
        while touching := next((other for other in apart if _overlap(frame, other)), None):
            apart.remove(touching)
            frame = _union(frame, touching)
        apart.append(frame)
    return sorted(apart, key=lambda area: (area.top, area.left))


def _overlap(one: Area, other: Area) -> bool:
    return (
        one.top < other.bottom
        and other.top < one.bottom
        and one.left < other.right
        and other.left < one.right
    )


def _divide(sheet: Sheet, frames: Sequence[Area]) -> Iterator[Region]:
    """The frames, and the rows above and below them."""
    rows = sorted(sheet.rows)
    begin = 0
    for group in _groups(frames):
        top, bottom = group[0].top, max(frame.bottom for frame in group)
        first = next((i for i in range(begin, len(rows)) if rows[i] >= top), len(rows))
        last = next((i for i in range(first, len(rows)) if rows[i] >= bottom), len(rows))
        if begin < first:
            yield Region(_with_rows(sheet, rows[begin:first]))
        yield from _side_by_side(_with_rows(sheet, rows[first:last]), group)
        begin = last
    if begin < len(rows):
        yield Region(_with_rows(sheet, rows[begin:]))


def _groups(frames: Sequence[Area]) -> list[list[Area]]:
    """Frames that share rows."""
    groups: list[list[Area]] = []
    bottom = 0
    for frame in frames:
        if groups and frame.top < bottom:
            groups[-1].append(frame)
        else:
            groups.append([frame])
        bottom = max(bottom, frame.bottom)
    return groups


def _with_rows(sheet: Sheet, rows: Sequence[int]) -> Sheet:
    return replace(sheet, rows={row: sheet.rows[row] for row in rows})


def _side_by_side(sheet: Sheet, frames: Sequence[Area]) -> Iterator[Region]:
    """Frames in the same rows, and the texts beside them, from left to right."""
    bounds = {0, 1 + max((max(texts) for texts in sheet.rows.values()), default=0)}
    right = 0
    for frame in sorted(frames, key=lambda frame: frame.left):
        if frame.left >= right:
            bounds.update((frame.left, right))
        right = max(right, frame.right)
    edges = sorted({*bounds, right})
    strips = []
    for left, end in itertools.pairwise(edges):
        part = {
            row: kept
            for row, texts in sheet.rows.items()
            if (kept := {c: text for c, text in texts.items() if left <= c < end})
        }
        if part:
            inside = [frame for frame in frames if left <= frame.left < end]
            strips.append((replace(sheet, rows=part), inside))
    for part_sheet, inside in strips:
        if len(inside) == 1 and _is_filled_by(part_sheet, inside[0]):
            yield Region(part_sheet, inside[0])
        elif not inside or (len(strips) == 1 and len(_groups(inside)) == 1):
            # Frames that share both rows and columns cannot be divided by a straight line.
            yield Region(part_sheet)
        else:
            yield from _divide(part_sheet, inside)


def _is_filled_by(sheet: Sheet, frame: Area) -> bool:
    return all(
        frame.top <= row < frame.bottom and frame.left <= min(texts) and max(texts) < frame.right
        for row, texts in sheet.rows.items()
    )
