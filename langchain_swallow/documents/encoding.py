"""Bytes → text, saying which encoding and why.

Order: byte order mark, ISO-2022-JP by its escape sequences, strict UTF-8, UTF-16 and UTF-32
without a mark, then of Japanese and other encodings the one in which the text is likeliest
(`likelihood`). Nothing is replaced by U+FFFD: bytes that are not text are an error that says
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
# More than this a character, and it is not text but chance.
_MAX_BITS_OF_TEXT = 14.0
# Less a byte, and it is Japanese without doubt: kana and kanji of two bytes.
_MAX_SURE_BITS = 5.8
# More a character, and another encoding than those listed is looked for.
_MIN_UNSURE_BITS = 12.5
# What is text in EUC-JP, of any version.
_EUC = re.compile(rb"(?:[\x00-\x7f]|[\xa1-\xfe]{2}|\x8e[\xa1-\xdf]|\x8f[\xa1-\xfe]{2})+")
# Read where a text has what the older standard leaves to its users, or does not have.
_NEWER_CODECS = {"cp932": "shift_jis_2004", "euc_jp": "euc_jis_2004"}
# What Python makes of bytes that CP932 does not have: 0x80, 0xA0, 0xFD to 0xFF.
_NOT_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_OTHER_CODECS = tuple(
    "cp949 gb18030 big5 cp1252 cp1251 koi8_r cp874 cp1253 cp1250 cp1254 cp1255 cp1256".split()
)
# What evidence it takes to read a text that can be Japanese as another language.
_FOREIGN_COST = 18.0
# What a byte that an encoding does not have costs somewhere behind the sample.
_BAD_BYTE_COST = 60.0
_SAMPLE_BYTES = 4_000
# More bad bytes among the characters than this, and it is not text with an error.
_MAX_BAD_SHARE = 0.3
_ASCII = re.compile("[\x00-\x7f]+")


def decode(data: bytes, *, name: str = "input") -> Decoded:
    """Decode Japanese text of unknown encoding.

    A text that could be Japanese is read as such, unless it is far likelier in another language.

    Args:
        data: The bytes of a whole file.
        name: What to call it in an error.

    Raises:
        DocumentError: The bytes are not text in any known encoding, or text with bytes that its
            encoding does not have; the error says which, and at what offset and line.

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
            f"{name} contains NUL bytes, the first at {_place(data, place)}: it is not a text file."
        )
    if (text := _try(data, "utf-8")) is not None:
        return Decoded(text, "utf-8", "valid UTF-8")
    return _likeliest(data, name)


def _iso_2022_jp(data: bytes, name: str) -> Decoded:
    text = decode_iso_2022_jp(data)
    if isinstance(text, str):
        return Decoded(text, "iso2022_jp", "escape sequences")
    # As ASCII it would be $B<R0w$O.
    raise DocumentError(
        f"{name} is ISO-2022-JP by its escape sequences and is damaged at {_place(data, text)}. "
        "Save it as UTF-8 and try again."
    )


def _without_mark(data: bytes) -> Decoded | None:
    """UTF-16 or UTF-32 without a byte order mark, where that is text."""
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
        # Most files are in CP932, and the others' cost takes long to find out where they are not.
        if _min_cost(sample, codec) <= readings[0].cost:
            readings.append(_reading(data, sample, _version(data, codec)))
    # In cp1251 every byte is a letter, so a damaged byte would make Japanese Russian.
    if not any(
        known.density <= _MAX_SURE_BITS and known.bad <= _MAX_BAD_SHARE for known in readings
    ):
        others = [*_OTHER_CODECS, *(_CODECS_WITHOUT_MARK[2:] if sample == data else ())]
        readings += [_reading(data, sample, codec, _FOREIGN_COST) for codec in others]
        if min(readings).average > _MIN_UNSURE_BITS and (guess := _guessed(sample)):
            readings.append(_reading(data, sample, guess, _FOREIGN_COST))
    best = min(readings)
    # One rare character may be in any text.
    limit = _MAX_BITS_OF_TEXT + best.bad * _BAD_BYTE_COST + 30.0 / best.number
    if best.average > limit or best.bad > _MAX_BAD_SHARE:
        raise DocumentError(
            f"{name} is in no known encoding, or not a text file. Save it as UTF-8 and try again."
        )
    return _strict(data, best.codec, "likeliest text", name)


def _min_cost(sample: bytes, codec: str) -> float:
    """What a sample costs at least: the bytes in it that an encoding does not have."""
    if codec == "euc_jp":
        return len(_EUC.sub(b"", sample)) * BROKEN_COST
    return sample.decode(codec, "replace").count("\ufffd") * BROKEN_COST


def _version(data: bytes, codec: str) -> str:
    """An encoding, or the newer one that has what it leaves open."""
    newer = _NEWER_CODECS.get(codec, codec)
    text = _try(data, codec)
    is_open = text is None or (codec == "cp932" and _PRIVATE.search(text))
    return newer if is_open and _try(data, newer) is not None else codec


@dataclass(frozen=True, slots=True, order=True)
class _Reading:
    """The bits that a sample takes in an encoding.

    In all, for each character beyond ASCII, and for each byte of those that the encoding has.
    `bad` is the share of bytes that it does not have among the `number` characters beyond ASCII.
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
    """The other lines are the same in each encoding."""
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
    """Where a byte is, for a person."""
    line = data.count(b"\n", 0, offset) + 1
    return f"offset {offset} (line {line})"


def _try(data: bytes, codec: str) -> str | None:
    try:
        return _decode(data, codec)
    except UnicodeDecodeError:
        return None
