"""Who may see the files of a folder: rules in `.access.toml`, from patterns to groups.

    "給与*.xlsx" = ["人事"]
    "役員会/*" = ["役員", "監査"]
    "掲示/*" = ["*"]            # everyone
    "下書き/*" = []             # nobody
    "*" = ["社員"]

A pattern is compared with the file's path relative to the rules' folder and with its name; `*` also
matches `/`. The first pattern that matches decides. If none does, or the folder has no rules, the
folder above decides, up to the root of the file system, so that a folder cannot be read without the
rules above it. Files without a rule have no groups of the folder.
"""

import fnmatch
import sys
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path, PurePath

from langchain_swallow.documents.locations import file_location
from langchain_swallow.errors import DocumentError
from langchain_swallow.text.paths import readable_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = ".access.toml"
EVERYONE = "*"
# Metadata keys of the groups that a document names itself, and of those that rules give to a file.
GROUPS = "groups"
FOLDER_GROUPS = "folder_groups"


class AccessRules:
    """The rules of all folders, each of which is read once.

    Args:
        otherwise: Returns the groups of a file that no rule names. Default: none.
    """

    def __init__(self, otherwise: Callable[[str | Path], list[str]] | None = None) -> None:
        self._otherwise = otherwise
        self._rules = lru_cache(maxsize=None)(read_rules)

    def groups(self, file: str | Path) -> list[str] | None:
        """Return the groups that may see a file; `None` if nothing gives it any.

        Raises:
            DocumentError: A file of rules cannot be read.
        """
        location = PurePath(file_location(str(file)))
        for folder in location.parents:
            inside = _composed(location.relative_to(folder).as_posix())
            for pattern, groups in self._rules(Path(folder)).items():
                if any(fnmatch.fnmatchcase(name, pattern) for name in (inside, _last(inside))):
                    return list(groups)
        return None if self._otherwise is None else self._otherwise(file)


def read_rules(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Read the rules of a folder, from patterns to groups; empty if it has none.

    Raises:
        DocumentError: The file of rules cannot be read. Documents are never shown for this reason.
    """
    path = folder / NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DocumentError(f"{_shown(path)} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DocumentError(
            f'{_shown(path)} is not valid: {error}. Write lines such as "給与*" = ["人事"], in '
            "UTF-8."
        ) from error
    rules = {}
    for pattern, groups in content.items():
        names = [groups] if isinstance(groups, str) else groups
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise DocumentError(
                f"{_shown(path)}: the groups of {pattern!r} must be a list of names, not "
                f'{groups!r}. Write for example "{pattern}" = ["人事"]; a pattern with a dot needs '
                "its quotation marks."
            )
        rules[_composed(pattern)] = tuple(names)
    return rules


def _composed(text: str) -> str:
    # macOS decomposes か and the mark of が in names of files, but people type が in patterns.
    return unicodedata.normalize("NFC", text)


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _shown(path: Path) -> str:
    return readable_path(str(path))
