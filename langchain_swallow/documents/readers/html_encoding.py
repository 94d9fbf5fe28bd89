"""Decodes web pages: by their bytes, and by what they declare where the bytes leave a choice."""

import re

from langchain_swallow.documents.encoding import Decoded, decode

_DECLARED = re.compile(
    rb"<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.I
)
_BEGINNING = 4096
_JAPANESE = ("cp932", "shift_jis", "euc", "iso2022")
# Declared by programs for texts in any encoding.
_UNRELIABLE = frozenset("us-ascii ascii iso-8859-1 latin1 latin-1 windows-1252".split())


def decode_page(data: bytes, name: str) -> Decoded:
    """Decode a page as `decode` does; the declared encoding decides among those of other languages.

    A wrong declaration, as many Japanese pages have, changes nothing.

    >>> page = '<meta charset="iso-8859-6"><p>وأعرب عن أمله في أن يتوصل الجميع إلى اتفاق'
    >>> decode_page(page.encode("iso-8859-6"), "a.html").encoding
    'iso-8859-6'
    """
    decoded = decode(data, name=name)
    if decoded.reason != "likeliest text" or decoded.encoding.startswith(_JAPANESE):
        return decoded
    declared = _DECLARED.search(data[:_BEGINNING])
    codec = declared[1].decode("ascii").lower() if declared else ""
    if codec and codec not in _UNRELIABLE:
        try:
            return Decoded(data.decode(codec), codec, "declared")
        except (LookupError, UnicodeDecodeError):
            pass
    return decoded
