"""Counts the pictures of .xls workbooks, which calamine does not read."""

import io
import struct

import olefile

_STREAMS = ("Workbook", "Book")
# Records of the workbook: the drawings of all sheets, and what does not fit into one record.
_DRAWINGS, _CONTINUED = 0x00EB, 0x003C
# Records in the drawings: two containers, and the entry of a picture.
_CONTAINERS, _PICTURE = (0xF000, 0xF001), 0xF007
# Where an entry has how often the sheets show its picture.
_REFERENCES = 8 + 24


def count_pictures(data: bytes) -> int:
    """Return how many pictures the sheets show; 0 for a file that is not an .xls workbook.

    Args:
        data: The bytes of the file.
    """
    if not olefile.isOleFile(data=data):
        return 0
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            name = next(filter(ole.exists, _STREAMS), None)
            return _count(_drawings(ole.openstream(name).read())) if name else 0
    except Exception:  # olefile may raise anything on a damaged file, which calamine reads
        return 0


def _drawings(workbook: bytes) -> bytes:
    found: list[bytes] = []
    at, is_drawing = 0, False
    while at + 4 <= len(workbook):
        kind, size = struct.unpack_from("<HH", workbook, at)
        is_drawing = kind == _DRAWINGS or (is_drawing and kind == _CONTINUED)
        if is_drawing:
            found.append(workbook[at + 4 : at + 4 + size])
        at += 4 + size
    return b"".join(found)


def _count(drawings: bytes) -> int:
    count = at = 0
    while at + 8 <= len(drawings):
        _, kind, size = struct.unpack_from("<HHI", drawings, at)
        if kind == _PICTURE:
            (references,) = struct.unpack_from("<I", drawings, at + _REFERENCES)
            count += references > 0
        at += 8 if kind in _CONTAINERS else 8 + size
    return count
