"""The font for PDFs that name a Chinese, Japanese or Korean font without bringing it.

pdfium asks the machine for such a font, and takes the boxes of characters from it. So what is read
would depend on the machine. Where it has no such font, as in a small container, characters have
boxes without height, and a text of one character is not even reported: a cell 棚 is lost, and
tables, columns and vertical lines are not found. So PDFs are read with this font: every character
is the same square, at the place and with the width that the file gives.
"""

import ctypes
import itertools
import struct
from functools import cache
from typing import Any

_UNITS = 1000
# Left, bottom, right and top of the square: as far as the ink of most kanji goes.
_SQUARE = (40, -80, 960, 840)
_ASCENT, _DESCENT = 880, -120
# The first glyph of a font is that of characters it does not have.
_GLYPH = 1
# Version 1.0 of a table, and the mark of a font with TrueType outlines.
_V1 = 0x10000
# White space has none: a space with ink would be a word.
_SPACES = (0x20, 0xA0, 0x3000)
_LAST_CHARACTER = 0x10FFFF
# SHIFTJIS, HANGEUL, GB2312 and CHINESEBIG5 of fpdf_sysfontinfo.h.
_CHARSETS = frozenset({128, 129, 134, 136})


def open_pdf(data: bytes, *, is_shown: bool = False) -> Any:
    """Open a PDF with pypdfium2; close it with `contextlib.closing`.

    Args:
        data: The bytes of the file.
        is_shown: Whether its pages are shown to a person: the fonts of the machine go first.
            Default: false.

    Raises:
        pypdfium2.PdfiumError: The file is damaged or needs a password.
    """
    import pypdfium2

    _provide_squares(is_shown)
    return pypdfium2.PdfDocument(data)


@cache
def _provide_squares(fonts_go_first: bool) -> list[Any]:
    """Let pdfium use the squares, or use them where the machine has no font of the kind.

    Returns:
        What pdfium calls from now on; the cache keeps it in memory.
    """
    import pypdfium2.raw as pdfium

    pointer = pdfium.FPDF_GetDefaultSystemFontInfo()
    if not pointer:
        return []
    info, font = pointer.contents, square_font()
    # An address that is not a font of the machine.
    own = ctypes.create_string_buffer(1)
    handle = ctypes.addressof(own)
    map_font, get_data, delete = map(_copied, (info.MapFont, info.GetFontData, info.DeleteFont))

    def map_or_square(this: Any, *asked: Any) -> int | None:
        is_east_asian = asked[2] in _CHARSETS
        found = map_font(this, *asked) if fonts_go_first or not is_east_asian else None
        return found or (handle if is_east_asian else None)

    def data_or_square(this: Any, which: int, table: int, buffer: Any, size: int) -> int:
        if which != handle:
            return get_data(this, which, table, buffer, size)
        if table:
            return 0
        if buffer and size >= len(font):
            ctypes.memmove(buffer, font, len(font))
        return len(font)

    def delete_unless_square(this: Any, which: int) -> None:
        if which != handle:
            delete(this, which)

    mine = {"MapFont": map_or_square, "GetFontData": data_or_square}
    mine["DeleteFont"] = delete_unless_square
    kept = [own, font, map_font, get_data, delete]
    for name, function in mine.items():
        kept.append(type(getattr(info, name))(function))
        setattr(info, name, kept[-1])
    pdfium.FPDF_SetSystemFontInfo(pointer)
    return kept


def _copied(function: Any) -> Any:
    """The C function itself: a field of a structure follows what is written there."""
    return type(function)(ctypes.cast(function, ctypes.c_void_p).value)


def square_font() -> bytes:
    """A TrueType font in which every character but white space is the same square."""
    left, bottom, right, top = _SQUARE
    # One contour of four points, each on the curve, with coordinates of two bytes.
    outline = struct.pack(">5h", 1, left, bottom, right, top) + struct.pack(">2H", 3, 0)
    outline += bytes([1] * 4)
    outline += struct.pack(">4h", left, 0, right - left, 0)
    outline += struct.pack(">4h", bottom, top - bottom, 0, bottom - top)
    return _file(
        {
            b"cmap": _character_map(),
            b"glyf": outline,
            b"head": struct.pack(
                ">4I2H16x4h2H3h",
                0x10000,
                0x10000,
                0,
                0x5F0F3CF5,
                0,
                _UNITS,
                *_SQUARE,
                0,
                8,
                2,
                1,
                0,
            ),
            b"hhea": struct.pack(
                ">I3hH11hH", 0x10000, _ASCENT, _DESCENT, 0, _UNITS, 0, 0, right, 1, *[0] * 7, 2
            ),
            b"hmtx": struct.pack(">HhHh", _UNITS, 0, _UNITS, left),
            b"loca": struct.pack(">3I", 0, 0, len(outline)),
            b"maxp": struct.pack(">I14H", _V1, 2, 4, 1, 0, 0, 1, *[0] * 8),
        }
    )


def _character_map() -> bytes:
    """Format 13: whole ranges of characters have one glyph."""
    limits = itertools.pairwise((*_SPACES, _LAST_CHARACTER + 1))
    groups = [struct.pack(">3I", low + 1, high - 1, _GLYPH) for low, high in limits]
    packed = b"".join(groups)
    table = struct.pack(">2H3I", 13, 0, 16 + len(packed), 0, len(groups)) + packed
    return struct.pack(">4HI", 0, 1, 3, 10, 12) + table


def _file(tables: dict[bytes, bytes]) -> bytes:
    """The tables behind their directory, each at a multiple of four bytes."""
    start = 12 + 16 * len(tables)
    directory, body = b"", b""
    for name, table in sorted(tables.items()):
        directory += name + struct.pack(">3I", 0, start + len(body), len(table))
        body += table + b"\0" * (-len(table) % 4)
    return struct.pack(">I4H", _V1, len(tables), 64, 2, 48) + directory + body
