"""Detects the encoding of bytes and decodes them, and says why that encoding was chosen.

These are tried in order: a byte order mark, the escape sequences of ISO-2022-JP, strict UTF-8,
UTF-16 and UTF-32 without a mark. Last, the most likely of the Japanese and other encodings is
chosen (`likelihood`). Invalid bytes are never replaced by U+FFFD: they raise an error that says
where they are.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from langchain_swallow.documents.iso2022 import EUC_REPLACE, EUC_STRICT, decode_iso_2022_jp
from langchain_swallow.documents.likelihood import ASCII_COST, BROKEN_COST, bits
from langchain_swallow.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the encoding it was decoded with, and the reason for it.

    `encoding` is the name of a Python codec. EUC-JP with the characters of NEC and IBM (CP51932),
    which Python has no codec for, is `euc_jp` too.
    """

    text: str
    encoding: str
    reason: str


_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\$\([DOPQ]|\([JI])")
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_CODECS_WITHOUT_MARK = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# With more bits per character than this, the bytes are not text in this encoding.
_MAX_BITS_OF_TEXT = 14.0
# With fewer bits per byte than this, the text is certainly Japanese: two-byte kana and kanji.
_MAX_SURE_BITS = 5.8
# With more bits per character than this, encodings that are not listed here are tried too.
_MIN_UNSURE_BITS = 12.5
# Valid byte sequences of EUC-JP, in any version.
_EUC = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xfe]{2}|\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2})+")
# Newer codecs, for texts with characters that are private or missing in the older standard.
_NEWER_CODECS = {"cp932": "shift_jis_2004", "euc_jp": "euc_jis_2004"}
# Python's codec decodes bytes that are invalid in CP932 (0x80, 0xA0, 0xFD to 0xFF) to these.
_NOT_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_OTHER_CODECS = tuple(
    "cp949 gb18030 big5 cp1252 cp1251 koi8_r cp874 cp1253 cp1250 cp1254 cp1255 cp1256".split()
)
# Extra bits for other languages, so that a text that can be Japanese is read as Japanese.
_FOREIGN_COST = 18.0
# Bits for an invalid byte anywhere in the file, the part after the sample included.
_BAD_BYTE_COST = 60.0
_SAMPLE_BYTES = 4_000
# With a larger share of invalid bytes than this, the file is not a damaged text but binary.
_MAX_BAD_SHARE = 0.3
_ASCII = re.compile("[\x00-\x7f]+")


def decode(data: bytes, *, name: str = "input") -> Decoded:
    """Decode Japanese text of unknown encoding.

    A text that can be Japanese is read as Japanese, unless another language is far more likely.

    Args:
        data: The bytes of a whole file.
        name: How error messages name the file.

    Returns:
        The text without its byte order mark, the Python codec, and why it was chosen. Line ends
        are kept.

    Raises:
        DocumentError: The bytes are not text in any known encoding, or the text has bytes that are
            invalid in its encoding. The message has the byte, its offset (from 0) and its line.

    >>> decode("表示".encode("cp932")).encoding
    'cp932'
    """
    if not data:
        return Decoded("", "utf-8", "empty")
    for mark, codec in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _strict(data, codec, "byte order mark", name)
    if _ISO_2022_JP.search(data) and b"\x00" not in data:
        return _iso_2022_jp(data, name)
    has_controls = _CONTROLS.search(data) is not None
    if (b"\x00" in data or has_controls) and (unmarked := _without_mark(data)):
        return unmarked
    if (place := data.find(b"\x00")) >= 0:
        raise DocumentError(
            f"{name} contains NUL bytes, the first at {_place(data, place)}, so it is not a text "
            "file. Save it as UTF-8 and try again."
        )
    if (text := _try(data, "utf-8")) is not None:
        return Decoded(text, "utf-8", "valid UTF-8")
    return _likeliest(data, name)


def _iso_2022_jp(data: bytes, name: str) -> Decoded:
    text = decode_iso_2022_jp(data)
    if isinstance(text, str):
        return Decoded(text, "iso2022_jp", "escape sequences")
    # It would also decode as ASCII, to garbage such as $B<R0w$O.
    raise DocumentError(
        f"{name} is ISO-2022-JP by its escape sequences and is damaged at {_place(data, text)}. "
        "Save it as UTF-8 and try again."
    )


def _without_mark(data: bytes) -> Decoded | None:
    """Decode UTF-16 or UTF-32 without a byte order mark; `None` if the result is not text."""
    found = [
        (bits(sample) / len(sample), codec, text)
        for codec in _CODECS_WITHOUT_MARK
        if (text := _try(data, codec)) and (sample := text[:_SAMPLE_BYTES])
    ]
    if not found:
        return None
    cost, codec, text = min(found)
    return Decoded(text, codec, "likeliest text") if cost <= _MAX_BITS_OF_TEXT else None


def _likeliest(data: bytes, name: str) -> Decoded:
    sample = b"".join(_lines_beyond_ascii(data))
    readings = [_reading(data, sample, _version(data, "cp932"))]
    for codec in ("euc_jp", "utf-8"):
        # Most files are in CP932, and the cost of a wrong encoding takes long to compute.
        if _min_cost(sample, codec) <= readings[0].cost:
            readings.append(_reading(data, sample, _version(data, codec)))
    # In cp1251 every byte is a letter, so one damaged byte could turn Japanese into Russian.
    if not any(
        known.density <= _MAX_SURE_BITS and known.bad <= _MAX_BAD_SHARE for known in readings
    ):
        others = [*_OTHER_CODECS, *(_CODECS_WITHOUT_MARK[2:] if sample == data else ())]
        readings += [_reading(data, sample, codec, _FOREIGN_COST) for codec in others]
        if min(readings).average > _MIN_UNSURE_BITS and (guess := _guessed(sample)):
            readings.append(_reading(data, sample, guess, _FOREIGN_COST))
    best = min(readings)
    # Any text may contain one rare character.
    limit = _MAX_BITS_OF_TEXT + best.bad * _BAD_BYTE_COST + 30.0 / best.number
    if best.average > limit or best.bad > _MAX_BAD_SHARE:
        raise DocumentError(
            f"{name} is in no known encoding, or not a text file. Save it as UTF-8 and try again."
        )
    return _strict(data, best.codec, "likeliest text", name)


def _min_cost(sample: bytes, codec: str) -> float:
    """A lower bound of a sample's bits: those for its bytes that are invalid in the encoding."""
    if codec == "euc_jp":
        return len(_EUC.sub(b"", sample)) * BROKEN_COST
    return sample.decode(codec, "replace").count("\ufffd") * BROKEN_COST


def _version(data: bytes, codec: str) -> str:
    """Return the codec, or its newer version if only that one has all characters of the text."""
    newer = _NEWER_CODECS.get(codec, codec)
    text = _try(data, codec)
    is_open = text is None or (codec == "cp932" and _PRIVATE.search(text))
    return newer if is_open and _try(data, newer) is not None else codec


@dataclass(frozen=True, slots=True, order=True)
class _Reading:
    """The bits that a sample takes in an encoding.

    `cost` is the total; `average` is per non-ASCII character; `density` is per valid non-ASCII
    byte. `bad` is the share of invalid bytes among the `number` non-ASCII characters.
    """

    cost: float
    average: float
    density: float
    bad: float
    number: int
    codec: str


def _reading(data: bytes, sample: bytes, codec: str, prior: float = 0.0) -> _Reading:
    text = _decode(sample, codec, "replace")
    beyond = _ASCII.sub("", text)
    number, ascii_number = max(1, len(beyond)), len(text) - len(beyond)
    total = bits(text)
    inside = total - ascii_number * ASCII_COST
    broken = beyond.count("\ufffd")
    return _Reading(
        cost=total + prior + _BAD_BYTE_COST * (_try(data, codec) is None),
        average=inside / number,
        density=bits(beyond.replace("\ufffd", "")) / max(1, len(sample) - ascii_number - broken),
        bad=broken / number,
        number=number,
        codec=codec,
    )


def _lines_beyond_ascii(data: bytes) -> Iterator[bytes]:
    """The first lines with non-ASCII bytes; ASCII lines are the same in every encoding."""
    size = 0
    for line in data.splitlines(keepends=True):
        if not line.isascii():
            yield line
            size += len(line)
            if size > _SAMPLE_BYTES:
                return


def _guessed(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_exclusion=["utf_16", "utf_32"]).best()
    return best.encoding if best else None


def _strict(data: bytes, codec: str, reason: str, name: str) -> Decoded:
    try:
        text = _decode(data, codec)
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{name} looks like {codec}, but the byte 0x{data[error.start]:02X} at "
            f"{_place(data, error.start)} is damaged. Correct it, or save the file as UTF-8."
        ) from error
    return Decoded(text.removeprefix("\ufeff"), codec, reason)


def _decode(data: bytes, codec: str, errors: Literal["strict", "replace"] = "strict") -> str:
    if codec == "euc_jp":
        return data.decode(codec, EUC_STRICT if errors == "strict" else EUC_REPLACE)
    text = data.decode(codec, errors)
    if codec == "cp932" and (found := _NOT_CP932.search(text)):
        if errors == "replace":
            return _NOT_CP932.sub("\ufffd", text)
        place = len(text[: found.start()].encode(codec))
        raise UnicodeDecodeError(codec, data, place, place + 1, "no character")
    return text


def _place(data: bytes, offset: int) -> str:
    """The offset (from 0) and the line (from 1) of a byte, for an error message."""
    line = data.count(b"\n", 0, offset) + 1
    return f"offset {offset} (line {line})"


def _try(data: bytes, codec: str) -> str | None:
    try:
        return _decode(data, codec)
    except UnicodeDecodeError:
        return None
