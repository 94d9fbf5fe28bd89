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


def readable_path(path: str) -> str:
    """A path for people and for titles; the path itself opens the file.

    Of a name whose bytes are not UTF-8, Python keeps the bytes as lone surrogates. On Linux these
    are most often the CP932 names of an archive of Japanese Windows; other bytes become U+FFFD.
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
        # Python's codec has private characters for bytes that are not used.
        if not any(unicodedata.category(char) in ("Cc", "Co") for char in shown):
            return shown
    except UnicodeError:
        pass
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
