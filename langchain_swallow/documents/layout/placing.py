"""Places a value that was filled into a form: after its label, or on a separate line."""

from collections.abc import Sequence
from typing import NamedTuple

from langchain_swallow.documents.layout.vertical import Box, Printed

# Maximum distance of a label above its field, in heights of its characters, and to the right of it,
# in heights of the field. The tolerance is in points.
_MAX_ABOVE = 3.0
_MAX_BESIDE = 3.0
_TOLERANCE = 3.0


class Anchor(NamedTuple):
    """The index of the character that a value follows, or precedes if `is_before`."""

    at: int
    is_before: bool = False


def anchor(box: Box, characters: Sequence[tuple[int, Printed]], is_mark: bool) -> Anchor | None:
    """Find the character next to which a field's value belongs; `None` if no text is near.

    A label is to the left of its field or above it. A unit, or the text of a check box, is to the
    right of it.

    Args:
        box: The field's box, in points.
        characters: The page's characters with their indices, without spaces.
        is_mark: Whether the field is a check box or a radio button.
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
    # A unit, or the text of a check box.
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
