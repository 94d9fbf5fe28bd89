"""Paths as people read them."""

import os
import unicodedata

from langchain_swallow.text.surrogates import replace_surrogates


def readable_path(path: str) -> str:
    """Return a path for display and titles; only the original path opens the file.

    In a name that is not UTF-8, Python keeps the bytes as lone surrogates. On Linux they are
    usually CP932 names from an archive made on Japanese Windows, and are decoded as such. Other
    bytes become U+FFFD.
    """
    return os.sep.join(map(_readable_name, path.split(os.sep)))


def _readable_name(name: str) -> str:
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        pass
    try:
        shown = os.fsencode(name).decode("cp932")
        # Python's codec maps unused bytes to private characters.
        if not any(unicodedata.category(char) in ("Cc", "Co") for char in shown):
            return shown
    except UnicodeError:
        pass
    return replace_surrogates(name)
