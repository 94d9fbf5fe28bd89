"""Compares paths of files."""

import os
import unicodedata


def file_location(path: str) -> str:
    """Return the absolute path, with links of folders resolved; a link to a file keeps its name."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def folded(name: str) -> str:
    """Fold case and Unicode composition, as case-insensitive file systems compare names."""
    return unicodedata.normalize("NFC", name).casefold()
