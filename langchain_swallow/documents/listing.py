"""Lists the files that are read from paths and folders."""

import fnmatch
import functools
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from langchain_swallow.documents.custom_readers import Readers
from langchain_swallow.documents.locations import file_location
from langchain_swallow.documents.readers.formats import is_document, is_hidden, what_to_do
from langchain_swallow.errors import DocumentError
from langchain_swallow.text.paths import readable_path

logger = logging.getLogger(__name__)


def list_files(
    path_or_paths: str | Path | Iterable[str | Path],
    *,
    recursive: bool = True,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    ignored: list[str] | None = None,
    failed: dict[str, str] | None = None,
    readers: Readers | None = None,
) -> list[Path]:
    """List the files that `load_documents` would read, each of them once.

    Args:
        path_or_paths: Files, which are listed whatever their format, and folders.
        recursive: Whether to list subfolders.
        include: Patterns, one of which a file in a folder must match; `None` includes all.
        exclude: Patterns that it must not match.
        ignored: A list that receives files of other formats, links that leave the folder, and links
            to folders. Documents among them are logged. Hidden files, and those that Office keeps
            while a document is open, are neither listed nor added here.
        failed: A mapping that receives folders that cannot be read and broken links to documents,
            with the reason. If it is `None`, they raise.
        readers: Readers of other formats; default: those of installed packages.

    Raises:
        FileNotFoundError: A path does not exist.
        DocumentError: A folder cannot be read or a link is broken, and `failed` is `None`.
    """
    paths = [path_or_paths] if isinstance(path_or_paths, str | Path) else path_or_paths
    readable = (readers or Readers()).readable
    files: list[Path] = []
    left_out: list[str] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist.")
        if not path.is_dir():
            files.append(path)
            continue
        is_included = functools.partial(_is_included, path, include, exclude)
        for file in _files_in(path, recursive, is_included, readable, failed, left_out):
            is_read = file.suffix.lower() in readable and not _belongs_to_index(file)
            if is_read and _stays_inside(file, path):
                files.append(file)
                continue
            left_out.append(str(file))
    warn_of_documents(left_out)
    if ignored is not None:
        ignored += left_out
    # Two of the paths may name the same file, which is read once.
    return list({file_location(str(file)): file for file in reversed(files)}.values())[::-1]


def _is_included(
    folder: Path, include: Sequence[str] | None, exclude: Sequence[str], file: Path
) -> bool:
    inside = file.relative_to(folder)
    if include is not None and not _matches(inside, include):
        return False
    return not _matches(inside, exclude)


def _files_in(
    folder: Path,
    recursive: bool,
    is_included: Callable[[Path], bool],
    readable: Collection[str],
    failed: dict[str, str] | None,
    ignored: list[str],
) -> list[Path]:
    """List a folder without hidden files; `ignored` receives links to folders and special files."""

    def skip(place: str, reason: str, cause: OSError | None = None) -> None:
        error = DocumentError(f"{readable_path(place)} cannot be read: {reason}.")
        if failed is None:
            raise error from cause
        failed[place] = str(error)
        logger.warning("Skipped: %s", error)

    def unreadable(error: OSError) -> None:
        skip(str(error.filename), str(error.strerror), error)

    found = []
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if recursive and not is_hidden(name)]
        links = [Path(parent, name) for name in folders if os.path.islink(Path(parent, name))]
        ignored += [str(link) for link in links if is_included(link)]
        files = (Path(parent, name) for name in sorted(names) if not is_hidden(name))
        for file in filter(is_included, files):
            if file.is_file():
                found.append(file)
            elif file.is_symlink() and file.suffix.lower() in readable:
                skip(str(file), f"it is a link to {os.readlink(file)}, which does not exist")
            else:
                ignored.append(str(file))
    return sorted(found)


def _matches(inside: Path, patterns: Sequence[str]) -> bool:
    """Whether the path relative to the folder, or only the name, matches one of the patterns."""
    return any(
        fnmatch.fnmatch(name, pattern)
        for pattern in patterns
        for name in (inside.as_posix(), inside.name)
    )


def _belongs_to_index(file: Path) -> bool:
    """Whether a file is the manifest of an index, which may lie among the documents."""
    if file.name != "manifest.json":
        return False
    return (file.parent / ".lock").exists() or any(file.parent.glob("*.sqlite"))


def _stays_inside(file: Path, folder: Path) -> bool:
    """Whether a file is in the folder after links are resolved."""
    return folder.resolve() in file.resolve().parents


def warn_of_documents(ignored: Iterable[str]) -> None:
    """Log how many of these files are documents in unsupported formats, and how to convert them."""
    shown = (path for path in map(Path, ignored) if not is_hidden(path.name))
    for suffix, count in Counter(path.suffix.lower() for path in shown).items():
        if is_document(suffix):
            logger.warning("Left out: %d files %s. %s", count, suffix, what_to_do(suffix))
