"""Where on a page what was filled into it belongs: behind its label, or on a line of its own."""

from collections.abc import Sequence
from typing import NamedTuple

from langchain_swallow.documents.layout.vertical import Box, Printed

# How far a label may be above its field, in heights of its characters, and right of it, in the
# field's.
_MAX_ABOVE = 3.0
_MAX_BESIDE = 3.0
_TOLERANCE = 3.0


class Anchor(NamedTuple):
    """The index of the character that something stands behind, or before."""

    at: int
    is_before: bool = False


def anchor(box: Box, characters: Sequence[tuple[int, Printed]], is_mark: bool) -> Anchor | None:
    """Where a field's value belongs in the text around it; `None` where nothing is near.

    A label is left of its field or above it; a unit, and what a box ticks, is right of it.

    Args:
        box: The field's.
        characters: Of the page, with their indices; spaces are none.
        is_mark: Whether it is a box to tick.
    """
    level = [
        (index, char_box)
        for index, (_, char_box) in characters
        if min(char_box.top, box.top) - max(char_box.bottom, box.bottom)
        > (char_box.top - char_box.bottom) / 2
    ]
    left = [
        (box.left - char_box.right, index) for index, char_box in level if char_box.x <= box.left
    ]
    right = [
        (char_box.left - box.right, index) for index, char_box in level if char_box.x >= box.right
    ]
    # A unit, or what a box ticks.
    is_right_nearer = right and (not left or (is_mark and min(right)[0] <= min(left)[0]))
    if is_right_nearer and min(right)[0] <= _MAX_BESIDE * (box.top - box.bottom):
        return Anchor(min(right)[1], is_before=True)
    if left:
        return Anchor(min(left)[1])
    above = [
        (char_box.bottom - box.top, -char_box.x, index)
        for index, (_, char_box) in characters
        if box.left - _TOLERANCE <= char_box.x <= box.right + _TOLERANCE
        and -_TOLERANCE <= char_box.bottom - box.top <= _MAX_ABOVE * char_box.size
    ]
    if not above:
        return None
    nearest = min(above)[0] + _TOLERANCE
    return Anchor(min(found[1:] for found in above if found[0] <= nearest)[1])
