"""Defines what readers of archives and mail return: texts of their own, and the files inside."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from langchain_swallow.documents.readers.section import Sections


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside another file.

    Args:
        path: Its path in there; distinct from that of every other member.
        read: Returns its bytes, or raises a `DocumentError`. `None` if it is not to be read.
    """

    path: str
    read: Callable[[], bytes] | None


@dataclass(frozen=True, slots=True)
class Container:
    """The sections of a file itself, `None` if it only holds files, and the files in it."""

    members: Iterable[Member] = ()
    sections: Sections | None = field(default=None)


def distinct_paths(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths; a repeated one gets a number, as in `name (2).txt`."""
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    for path in paths:
        free = path
        while free in seen:
            numbers[path] += 1
            free = numbered_path(path, numbers[path] + 1)
        seen.add(free)
        yield free


def numbered_path(path: str, number: int) -> str:
    """Return the path with a number: `name (2).txt`."""
    return str(PurePosixPath(path).with_stem(f"{PurePosixPath(path).stem} ({number})"))
