"""Where a file is, however its path is written."""

import os
import unicodedata


def file_location(path: str) -> str:
    """The absolute path of a file in a folder without links; a link to a file keeps its name."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def folded(name: str) -> str:
    """A name as file systems compare it that do not tell case or Unicode compositions apart."""
    return unicodedata.normalize("NFC", name).casefold()
