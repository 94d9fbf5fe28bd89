"""Decodes ISO-2022-JP and EUC-JP with the extensions of NEC, IBM and mail programs.

Python's codecs decode neither ① and ㈱ (NEC row 13) nor 髙 and 﨑 (IBM, rows 89 to 92).
"""

import codecs
import re

EUC_STRICT = "langchain_swallow.euc_jp"
EUC_REPLACE = "langchain_swallow.euc_jp_replace"
# Escapes and shifts: half-width katakana, JIS X 0212, and the planes of JIS X 0213.
_SHIFT = re.compile(rb"\x1b(?:\$[@B]|\$\([BDOPQ]|\([BIJ])|[\x0e\x0f]")
_PAIRS = re.compile(rb"(?:[\x21-\x7e]{2}|[\t\n\r ])*")
_KANA = re.compile(rb"[\x21-\x5f\t\n\r ]*")
# Some programs write half-width katakana as 8-bit bytes.
_SINGLE = re.compile(rb"[\x00-\x7f\xa1-\xdf]*")
_CODECS = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_3", "iso2022_jp_2004")


def decode_iso_2022_jp(data: bytes) -> str | int:
    """Return the text, or the offset (from 0) of the first invalid byte."""
    # Python's codecs accept shift characters and leave them in the text.
    is_plain = max(data, default=0) < 0x80 and b"\x0e" not in data
    for codec in _CODECS if is_plain else ():
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            pass
    parts = []
    start, shift = 0, b"\x0f"
    for found in [*_SHIFT.finditer(data), None]:
        end = found.start() if found else len(data)
        part = _decoded(data[start:end], shift)
        if isinstance(part, int):
            return start + part
        parts.append(part)
        if found:
            start, shift = found.end(), found[0]
    return "".join(parts)


def _decoded(part: bytes, shift: bytes) -> str | int:
    """Return the text between two escape sequences, or the offset of its first invalid byte."""
    if shift.startswith(b"\x1b$"):
        pattern, high = _PAIRS, bytes(b | 0x80 if b > 0x20 else b for b in part)
        codec, errors = "euc_jp", EUC_STRICT
        if shift[-1:] in b"OQ":
            codec, errors = "euc_jis_2004", "strict"
        elif shift[-1:] in b"DP":
            codec = "euc_jp" if shift.endswith(b"D") else "euc_jis_2004"
            high, errors = re.sub(rb"[\x80-\xff]{2}", rb"\x8f\g<0>", high), "strict"
    elif shift in (b"\x1b(I", b"\x0e"):
        pattern, high = _KANA, bytes(b | 0x80 if b > 0x20 else b for b in part)
        codec, errors = "cp932", "strict"
    else:
        pattern, high, codec, errors = _SINGLE, part, "cp932", "strict"
    if (whole := pattern.match(part)) is None or whole.end() < len(part):
        return whole.end() if whole else 0
    try:
        return high.decode(codec, errors)
    except UnicodeDecodeError as error:
        return error.start


def _extension(error: UnicodeError) -> tuple[str, int] | None:
    """Decode an NEC or IBM character of EUC-JP; also return the offset after it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    row, cell = (*error.object[error.start : error.start + 2], 0, 0)[:2]
    if min(row, cell) < 0xA1 or 0xFF in (row, cell):
        return None
    # Convert to Shift_JIS, in which one lead byte covers two rows.
    first = ((row - 0xA1) >> 1) + 0x81
    second = cell - (0x61 if row & 1 else 0x02)
    code = bytes([first + 0x40 * (first > 0x9F), second + (row & 1 and second >= 0x7F)])
    try:
        char = code.decode("cp932")
    except UnicodeDecodeError:
        return None
    return None if "\ue000" <= char <= "\uf8ff" else (char, error.start + 2)


def _strict(error: UnicodeError) -> tuple[str, int]:
    found = _extension(error)
    if found is None:
        raise error
    return found


def _replace(error: UnicodeError) -> tuple[str, int]:
    return _extension(error) or codecs.replace_errors(error)  # type: ignore[return-value]


codecs.register_error(EUC_STRICT, _strict)
codecs.register_error(EUC_REPLACE, _replace)
