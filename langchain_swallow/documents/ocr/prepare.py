"""Prepares a scanned page for OCR: straight, without ruling lines; and finds how it is written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

# Resolution at which letters of 10 points are read best, and below which pictures are enlarged.
_DPI, _MIN_DPI = 300, 200
# Pictures of unknown resolution with a longer side than this are as large as a page at _MIN_DPI.
_MIN_SIDE = 2000
_MAX_ENLARGED = 3.0
_DARK = 128
# Angles in degrees that are tried, first coarsely, on pictures with these longer sides.
_MAX_ANGLE, _COARSE, _FINE = 4.0, 0.5, 0.1
_COARSE_SIDE, _FINE_SIDE = 500, 1000
# A line that is longer than any stroke of a letter of text, in inches.
_MIN_RULE = 0.6
# A page is divided into squares of this side in inches to find the direction of writing.
_TILE = 1.0
# The ink of a gap between lines, as a share of the ink of the darkest row or column.
_MAX_GAP_INK = 0.03
_DARK_RULE = 170
# The strip between two columns, in inches, and the share of the inked rows that may cross it.
_MIN_STRIP, _MAX_STRIP_INK = 0.15, 0.03
# A table has at least this many rules across and down.
_MIN_RULES = 2


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture for OCR.

    Args:
        image: In grayscale.
        dpi: Its resolution.
        is_vertical: Whether most of the text is written in columns.
        is_one_block: Whether its lines are read from side to side: it has a ruled table, or no
            empty strip between columns of text.
    """

    image: "Image"
    dpi: int
    is_vertical: bool
    is_one_block: bool = True


def prepare(image: "Image") -> Prepared:
    """Enlarge a small picture, turn it straight, and remove its ruling lines."""
    import numpy as np
    from PIL import Image

    enlarged, dpi = _enlarge(image)
    angle = _skew(enlarged)
    if abs(angle) >= _FINE:
        enlarged = enlarged.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    pixels = np.array(enlarged)
    is_vertical = _is_vertical(pixels, dpi)
    has_table = _remove_rules(pixels, dpi) >= _MIN_RULES
    is_one_block = has_table or not _has_columns(pixels, dpi)
    return Prepared(Image.fromarray(pixels), dpi, is_vertical, is_one_block)


def _enlarge(image: "Image") -> tuple["Image", int]:
    from PIL import Image

    dpi = float(max(image.info.get("dpi", (0, 0))))
    side = max(image.size)
    if dpi >= 70:
        factor = _DPI / dpi if dpi < _MIN_DPI else 1.0
    else:
        factor = 1.0 if side >= _MIN_SIDE else _MIN_SIDE / side
        dpi = _DPI / min(factor, _MAX_ENLARGED)
    factor = min(factor, _MAX_ENLARGED)
    if factor == 1.0:
        return image, round(dpi)
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.BICUBIC), round(dpi * factor)


def _skew(image: "Image") -> float:
    """The angle in degrees, counterclockwise, by which a picture must be turned."""
    import numpy as np

    tried = np.arange(-_MAX_ANGLE, _MAX_ANGLE + _COARSE / 2, _COARSE)
    coarse = _sharpest(image, tried, _COARSE_SIDE)
    tried = np.arange(coarse - _COARSE, coarse + _COARSE + _FINE / 2, _FINE)
    return round(_sharpest(image, tried, _FINE_SIDE), 2)


def _sharpest(image: "Image", angles: "np.ndarray", side: int) -> float:
    """The angle at which the lines of text are straight."""
    import numpy as np
    from PIL import Image

    scale = min(1.0, side / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.BOX)

    def sharpness(angle: float) -> float:
        # The sums of rows, or of columns, differ most where lines and gaps alternate.
        turned = np.asarray(small.rotate(angle, Image.Resampling.BILINEAR, fillcolor=255), float)
        return max(float(np.var(np.diff(turned.sum(axis=axis)))) for axis in (0, 1))

    return float(max(angles, key=sharpness))


def _is_vertical(pixels: "np.ndarray", dpi: int) -> bool:
    """Whether the gaps between lines of text run down the page, in most squares of it."""
    import numpy as np

    side = max(8, int(dpi * _TILE))
    balance = 0.0
    for top in range(0, pixels.shape[0] - side // 2, side):
        for left in range(0, pixels.shape[1] - side // 2, side):
            ink = pixels[top : top + side, left : left + side] < _DARK
            total = int(ink.sum())
            if total < side:
                continue
            # Lines of text have wider gaps between them than their characters.
            gaps = []
            for axis in (0, 1):
                sums = ink.sum(axis=axis)
                gaps.append(float(np.mean(sums <= _MAX_GAP_INK * sums.max())))
            balance += total * (gaps[0] - gaps[1])
    return balance > 0


def _has_columns(pixels: "np.ndarray", dpi: int) -> bool:
    """Whether an empty strip runs down the middle of the text, but for a few lines."""
    import numpy as np

    ink = pixels < _DARK
    across = np.flatnonzero(ink.any(axis=0))
    rows = int(ink.any(axis=1).sum())
    if not rows:
        return False
    left, right = int(across[0]), int(across[-1]) + 1
    margin = (right - left) // 4
    middle = ink[:, left + margin : right - margin]
    filled = np.flatnonzero(middle.sum(axis=0) > _MAX_STRIP_INK * rows)
    edges = np.concatenate(([-1], filled, [middle.shape[1]]))
    return int(np.diff(edges).max()) > _MIN_STRIP * dpi


def _remove_rules(pixels: "np.ndarray", dpi: int) -> int:
    """Paint the long lines of a page white; text that touches them is read wrongly.

    Returns how many there are in the direction that has fewer of them.
    """
    import numpy as np

    length = int(dpi * _MIN_RULE)
    ink = pixels < _DARK_RULE
    rules = np.zeros_like(ink)
    counts = []
    for dark, marked in ((ink, rules), (ink.T, rules.T)):
        counts.append(0)
        if dark.shape[1] <= length:
            continue
        sums = np.cumsum(dark, axis=1, dtype=np.int32)
        sums = np.pad(sums, ((0, 0), (1, 0)))
        begins = sums[:, length:] - sums[:, :-length] == length
        ruled = np.flatnonzero(begins.any(axis=1))
        # A line is several pixels thick.
        counts[-1] = int((np.diff(ruled, prepend=-2) > 1).sum())
        for row in ruled:
            starts = np.flatnonzero(begins[row])
            for run in np.split(starts, np.flatnonzero(np.diff(starts) > 1) + 1):
                marked[row, run[0] : run[-1] + length] = True
    # Their blurred edges too.
    for shift in (-1, 1, -2, 2):
        for axis in (0, 1):
            pixels[np.roll(rules, shift, axis)] = 255
    pixels[rules] = 255
    return min(counts)
