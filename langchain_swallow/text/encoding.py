"""Bytes → text, saying which encoding and why.

Order: byte order mark, ISO-2022-JP by its escape sequences, strict UTF-8, then CP932 against
EUC-JP by what the result looks like, then charset-normalizer. Nothing is replaced by U+FFFD:
bytes that are no text are an error.
"""

import codecs
import re
from dataclasses import dataclass

from langchain_swallow.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the Python codec it was decoded with, and the reason for it."""

    text: str
    encoding: str
    reason: str


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\([JI])")
# Of banks' and older systems' files; EUC-JP, where it is possible, is more like Japanese.
_HALF_WIDTH = re.compile(r"[\x00-\x7f\uff61-\uff9f]+")
# ISO-2022-JP with half-width katakana and NEC's characters, as mail programs write it.
_ISO_2022_CODECS = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_3")


def decode(data: bytes, *, name: str = "input") -> Decoded:
    """Decode Japanese text of unknown encoding.

    Args:
        data: The bytes of a whole file.
        name: What to call it in an error.

    Raises:
        DocumentError: It is no text in any encoding known.

    >>> decode("表示".encode("cp932")).encoding
    'cp932'
    """
    if not data:
        return Decoded("", "utf-8", "empty")
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _strict(data, codec, "byte order mark", name)
    if _ISO_2022_JP.search(data):
        for codec in _ISO_2022_CODECS if max(data) < 0x80 else ():
            if (text := _try(data, codec)) is not None:
                return Decoded(text, codec, "escape sequences")
        # As ASCII it would be $B<R0w$O.
        raise DocumentError(
            f"{name} is ISO-2022-JP by its escape sequences and is damaged. Save it as UTF-8 and "
            "try again."
        )
    if b"\x00" in data:
        raise DocumentError(f"{name} contains NUL bytes: it is no text file.")
    if (text := _try(data, "utf-8")) is not None:
        return Decoded(text, "utf-8", "valid UTF-8")
    candidates = [
        (_japanese_share(text), -rank, Decoded(text, codec, "most like Japanese"))
        for rank, codec in enumerate(("cp932", "euc_jp", "euc_jis_2004"))
        if (text := _try(data, codec)) is not None
    ]
    if candidates:
        share, _, best = max(candidates, key=lambda candidate: candidate[:2])
        if share > 0:
            return best
        if best.encoding == "cp932" and _HALF_WIDTH.fullmatch(best.text):
            return Decoded(best.text, "cp932", "half-width katakana")
    return _detected(data, name)


def _detected(data: bytes, name: str) -> Decoded:
    from charset_normalizer import from_bytes

    # Without a mark these have NUL bytes, but for texts without a line feed or a space.
    best = from_bytes(data, cp_exclusion=["utf_16", "utf_32"]).best()
    if best is None:
        raise DocumentError(
            f"{name} is in no known encoding, or no text file. Save it as UTF-8 and try again."
        )
    return Decoded(str(best), best.encoding, "charset-normalizer")


def _strict(data: bytes, codec: str, reason: str, name: str) -> Decoded:
    text = _try(data, codec)
    if text is None:
        raise DocumentError(
            f"{name} begins as {codec} and is damaged further on. Save it as UTF-8 and try again."
        )
    return Decoded(text.removeprefix("\ufeff"), codec, reason)


def _try(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _japanese_share(text: str) -> float:
    """Share of kana, kanji and ASCII, less half-width katakana and what no one writes.

    Kana-only EUC-JP is valid CP932 too and reads as half-width katakana there; short CP932 is
    sometimes valid EUC-JP and reads as rare kanji.
    """
    good = bad = 0.0
    for char in text:
        if "\u3040" <= char <= "\u30ff" or char in "、。「」・ー０１２３４５６７８９①②③㈱":
            good += 1
        elif "\u4e00" <= char <= "\u9fff":
            good += 0.9 if _is_common(char) else 0.3
        elif "\uff61" <= char <= "\uff9f" or "\ue000" <= char <= "\uf8ff":
            bad += 1
        elif char > "\u0400" and not ("\uff01" <= char <= "\uff5e" or "\u3000" <= char < "\u3040"):
            bad += 0.3
    return (good - 2 * bad) / max(1.0, good + bad)


def _is_common(kanji: str) -> bool:
    """Whether a kanji is of JIS level 1, the 2,965 in daily use."""
    code = kanji.encode("euc_jp", "ignore")
    return len(code) == 2 and 0xB0 <= code[0] <= 0xCF
