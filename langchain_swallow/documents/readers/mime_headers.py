"""Decodes the headers and texts of mail, whose declared encodings are often missing or wrong."""

import codecs
import itertools
import re
from binascii import a2b_base64
from collections.abc import Iterator
from email.message import Message
from email.policy import Compat32
from email.utils import collapse_rfc2231_value
from quopri import decodestring
from typing import Any

from langchain_swallow.documents.encoding import decode
from langchain_swallow.errors import DocumentError

# Names under which mail declares an encoding, and the superset of it that is really written.
_SUPERSETS = {
    **dict.fromkeys("shift_jis shift-jis x-sjis sjis windows-31j cswindows31j".split(), "cp932"),
    "gb2312": "gb18030",
    "ks_c_5601-1987": "cp949",
    "unicode-1-1-utf-7": "utf-7",
}
_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
# These are declared for texts in any encoding; `decode` recognizes what is written. It also reads
# the characters of ISO-2022-JP and EUC-JP for which Python's codecs have no code.
_UNRELIABLE = frozenset(
    "us-ascii ascii iso-8859-1 latin-1 windows-1252 unknown unknown-8bit default binary "
    "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms euc-jp x-euc-jp".split()
)


class RawHeaders(Compat32):
    """A policy that returns headers as they are written.

    Python's own policies decode each encoded word alone, which breaks characters that a program cut
    in two, and replace bytes that are not ASCII.
    """

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        """Return the value, in which other bytes than ASCII are lone surrogates."""
        return value


def header_text(message: "Message[Any, Any]", name: str) -> str:
    """Return a header on one line, decoded; empty if it is missing."""
    return decoded_words(str(message.get(name, "")))


def decoded_words(written: str) -> str:
    """Decode a header with encoded words (RFC 2047), or with bytes in any encoding.

    >>> decoded_words("=?utf-8?B?6Z2S56m6?= =?utf-8?B?6KO95L2c5omA?=")
    '青空製作所'
    """
    if not written.isascii():
        text = decode_text(written.encode("utf-8", "surrogateescape"), None)
    else:
        # Consecutive words of one encoding are joined, since programs cut characters in two.
        words = itertools.groupby(_words(written), lambda word: word[0])
        text = "".join(
            decode_text(b"".join(data for _, data in same), charset) for charset, same in words
        )
    return " ".join(text.split())


def _words(written: str) -> Iterator[tuple[str, bytes]]:
    """Yield the encodings and bytes of encoded words, and of the text between them."""
    position, is_behind_word = 0, False
    for found in _ENCODED_WORD.finditer(written):
        between = written[position : found.start()]
        # White space between two encoded words is not text.
        if between.strip() or not is_behind_word:
            yield "ascii", between.encode()
        charset, kind, text = found.groups()
        try:
            is_base64 = kind in "Bb"
            data = a2b_base64(f"{text}==") if is_base64 else decodestring(text, header=True)
        except ValueError:  # base64 that is cut off
            charset, data = "ascii", found[0].encode()
        # RFC 2231 lets a language follow.
        yield charset.partition("*")[0].lower(), data
        position, is_behind_word = found.end(), True
    yield "ascii", written[position:].encode()


def decode_text(data: bytes, charset: str | None) -> str:
    """Decode text by its declared encoding if that fits, and else by its bytes."""
    declared = (charset or "unknown").strip("\"' ").lower()
    codec = _SUPERSETS.get(declared, declared)
    if declared not in _UNRELIABLE:
        try:
            return data.decode(codec)
        except (LookupError, UnicodeDecodeError):
            pass
    try:
        return decode(data).text
    except DocumentError:
        return data.decode(codec if _is_known(codec) else "utf-8", "replace")


def _is_known(codec: str) -> bool:
    try:
        return codecs.lookup(codec)._is_text_encoding
    except LookupError:
        return False


def file_name(part: "Message[Any, Any]") -> str:
    """Return the name of an attachment, without folders; empty if it has none.

    It may be written by RFC 2231, by RFC 2047 (Outlook), or with bytes in any encoding.
    """
    for header, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        value: Any = part.get_param(parameter, None, header)
        if value is None:
            continue
        if isinstance(value, tuple):
            charset, _, written = value
            raw = str(written).encode("latin-1", "replace")
            name = decode_text(raw, charset) if charset else collapse_rfc2231_value(value)
        else:
            name = decoded_words(str(value))
        name = "".join(char for char in name if char.isprintable()).replace("\\", "/")
        if name := name.rpartition("/")[2].strip(". "):
            return name
    return ""
