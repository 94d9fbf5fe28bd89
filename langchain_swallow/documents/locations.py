"""Compares and displays paths of files."""

import os
import unicodedata


def file_location(path: str) -> str:
    """Return the absolute path, with links of folders resolved; a link to a file keeps its name."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def folded(name: str) -> str:
    """Fold case and Unicode composition, as case-insensitive file systems compare names."""
    return unicodedata.normalize("NFC", name).casefold()


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
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
