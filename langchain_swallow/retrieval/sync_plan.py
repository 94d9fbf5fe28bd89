"""Plan a sync: compare the files in a store with the files in a folder.

Files are compared by their locations (`documents.locations`), not by the spelling of their sources.
"""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_swallow.documents.locations import file_location, folded
from langchain_swallow.errors import MassDeletionError
from langchain_swallow.text.paths import readable_path

# A sync needs permission to delete more than half of at least `_MIN_FILES` files, all of at least
# `_MIN_FILES_EMPTIED` files so that the folder is empty, or all of at least `_MIN_FILES_IN_FOLDER`
# files of a folder inside it that still exists. A share that is not mounted looks like this.
_MIN_FILES = 5
_MIN_FILES_EMPTIED = 2
_MIN_FILES_IN_FOLDER = 3


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a store: its source, its location (`index.origins`), and the hashes of its content.

    `origin` is `None` in indexes of versions that did not store it. It is empty if the source was
    not a file when it was added.
    """

    source: str
    origin: str | None
    hashes: frozenset[str | None]

    @property
    def was_file(self) -> bool:
        """Whether this was read from a file at its location, so that it can have been deleted."""
        return self.hashes != {None} if self.origin is None else bool(self.origin)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in the folder: its path as the caller spells it, its location and its hash."""

    path: str
    location: str
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions of a sync.

    Args:
        added: New files.
        changed: Files whose contents differ from the store, or that have several versions in it.
        unchanged: Files that the store already has.
        moved: Files that the store has from another place in the folder, or from the folder's
            earlier location. A moved file that has also changed is in `changed` as well, with its
            new source.
        deleted: Files that are gone.
        duplicates: Other entries of a file that stays → the entry that stays. They are deleted.
        sources: New source of each added or moved file: its path as the caller spells it, or its
            location if the store has that source for another file.
    """

    added: tuple[ListedFile, ...]
    changed: Mapping[ListedFile, StoredFile]
    unchanged: Mapping[ListedFile, StoredFile]
    moved: Mapping[ListedFile, StoredFile]
    deleted: tuple[StoredFile, ...]
    duplicates: Mapping[StoredFile, StoredFile]
    sources: Mapping[ListedFile, str]


def make_plan(
    stored: Iterable[StoredFile],
    listed: Sequence[ListedFile],
    root: str,
    *,
    unreadable: Collection[str] = (),
    recursive: bool = True,
    allow_mass_deletion: bool = False,
) -> Plan:
    """Compare the files of a store with the files of a folder.

    Args:
        stored: Files of the store, including those of other folders.
        listed: Files of the folder.
        root: Location of the folder.
        unreadable: Locations of files and folders that cannot be read now, which do not count as
            deleted. Default: none.
        recursive: Whether `listed` includes files in folders inside the folder; default `True`.
        allow_mass_deletion: Whether the plan may delete most files of the folder, or of a folder
            inside it; default `False`.

    Raises:
        MassDeletionError: The plan would delete most files, and this is not allowed.
    """
    places = _places(stored, listed, root)
    changed: dict[ListedFile, StoredFile] = {}
    unchanged: dict[ListedFile, StoredFile] = {}
    moved: dict[ListedFile, StoredFile] = {}
    duplicates: dict[StoredFile, StoredFile] = {}
    new: list[ListedFile] = []
    for file in listed:
        if not (entries := places.pop(file.location, [])):
            new.append(file)
            continue
        kept, *others = sorted(entries, key=lambda known: _rank(known, file))
        duplicates |= dict.fromkeys(others, kept)
        if _is_elsewhere(kept, file):
            # The folder itself was moved.
            moved[file] = kept
        elif kept.hashes == {file.digest}:
            unchanged[file] = kept
        else:
            changed[file] = kept
    gone = {
        place: files
        for place, entries in places.items()
        if _is_below(place, root)
        and (files := [file for file in entries if file.was_file])
        and (recursive or os.path.dirname(place) == root)
        and not any(_is_below(place, other) or place == other for other in unreadable)
    }
    added = list(_without_moved(new, gone, moved))
    if gone and not allow_mass_deletion:
        total = len(changed) + len(unchanged) + len(moved) + len(gone)
        _check_deletions(gone, total, {f.location for f in listed} | set(unreadable), root)
    deleted = tuple(file for entries in gone.values() for file in entries)
    taken = {one.source for entries in places.values() for one in entries} - {
        d.source for d in deleted
    }
    sources = {f: f.location if f.path in taken else f.path for f in (*added, *moved)}
    for file, old in moved.items():
        if old.hashes != {file.digest}:
            changed[file] = StoredFile(sources[file], file.location, old.hashes)
    return Plan(tuple(added), changed, unchanged, moved, deleted, duplicates, sources)


def _places(
    stored: Iterable[StoredFile], listed: Sequence[ListedFile], root: str
) -> dict[str, list[StoredFile]]:
    """Files of the store by their current location, as far as it is known."""
    places: dict[str, list[StoredFile]] = {}
    for file in stored:
        with contextlib.suppress(ValueError):  # no path has NUL, for example
            # Without a location, the source is most likely relative to this working directory.
            places.setdefault(file.origin or file_location(file.source), []).append(file)
    listed_places = {file.location for file in listed}
    unknown = {place: entries for place, entries in places.items() if place not in listed_places}
    missing = [file for file in listed if file.location not in places]
    for old, new in (
        _other_spellings(unknown, missing) | _relocated(unknown, missing, root)
    ).items():
        places.setdefault(new, []).extend(places.pop(old))
    return places


def _other_spellings(places: Iterable[str], missing: Iterable[ListedFile]) -> dict[str, str]:
    """Map stored locations to listed files that differ in case or Unicode composition only."""
    by_name = {folded(file.location): file.location for file in missing}
    respelled = {}
    for place in places:
        other = by_name.get(folded(place))
        if other is not None and _is_same_file(place, other):
            respelled[place] = other
    return respelled


def _is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _relocated(
    places: Mapping[str, Sequence[StoredFile]], missing: Iterable[ListedFile], root: str
) -> dict[str, str]:
    """Map old to new locations of files that were indexed before the folder was moved.

    The folder counts as moved if most files of an old folder are in this one, unchanged and at the
    same relative paths, and no longer exist at their old locations.
    """
    by_content: dict[tuple[str, str], list[list[str]]] = {}
    for file in missing:
        parts = os.path.relpath(file.location, root).split(os.sep)
        by_content.setdefault((file.digest, folded(parts[-1])), []).append(parts)
    strangers = {
        place: entries
        for place, entries in places.items()
        if not _is_below(place, root) or not all(file.origin for file in entries)
    }
    votes: dict[str, list[str]] = {}
    for place, entries in strangers.items():
        parts = place.split(os.sep)
        for digest in {digest for file in entries for digest in file.hashes if digest}:
            for inside in by_content.get((digest, folded(parts[-1])), []):
                if list(map(folded, parts[-len(inside) :])) == list(map(folded, inside)):
                    votes.setdefault(os.sep.join(parts[: -len(inside)]), []).append(place)
    relocated: dict[str, str] = {}
    for old, voters in votes.items():
        members = [place for place in strangers if _is_below(place, old)]
        if 2 * len(voters) > len(members) and not any(map(os.path.lexists, voters)):
            relocated |= {place: root + place[len(old) :] for place in members}
    return relocated


def _without_moved(
    new: Iterable[ListedFile],
    gone: dict[str, list[StoredFile]],
    moved: dict[ListedFile, StoredFile],
) -> Iterator[ListedFile]:
    """Yield the new files that are not moved ones; moved files go from `gone` to `moved`."""
    by_content: dict[tuple[str | None, str], list[str]] = {}
    for place, entries in gone.items():
        if len(entries[0].hashes) == 1:
            (digest,) = entries[0].hashes
            by_content.setdefault((digest, folded(os.path.basename(place))), []).append(place)
    for file in new:
        same = by_content.get((file.digest, folded(os.path.basename(file.location))))
        if not same:
            yield file
            continue
        place = same.pop(0)
        moved[file], *others = gone.pop(place)
        if others:
            gone[place] = others


def _check_deletions(
    gone: Collection[str], known: int, listed_places: Collection[str], root: str
) -> None:
    # Two entries of one deleted file count as one file.
    emptied = not listed_places and known >= _MIN_FILES_EMPTIED
    if emptied or (known >= _MIN_FILES and 2 * len(gone) > known):
        _refuse(root, gone, known)
    by_folder: dict[str, list[str]] = {}
    for place in gone:
        for folder in map(str, Path(place).parents):
            if folder == root or not _is_below(folder, root):
                break
            by_folder.setdefault(folder, []).append(place)
    for folder, entries in by_folder.items():
        is_empty = os.path.isdir(folder) and not any(
            _is_below(place, folder) for place in listed_places
        )
        if is_empty and len(entries) >= _MIN_FILES_IN_FOLDER:
            _refuse(folder, entries, len(entries))


def _refuse(folder: str, gone: Collection[str], known: int) -> None:
    raise MassDeletionError(
        f"{len(gone)} of the {known} files that the index has of {readable_path(folder)} are gone, "
        f"for example {readable_path(min(gone))}. Nothing was changed: the folder "
        "may be on a share that is not mounted. To delete their chunks, pass "
        "allow_mass_deletion=True (--yes)."
    )


def _rank(known: StoredFile, file: ListedFile) -> tuple[bool, bool, str]:
    """Sort key of the entries of a file; the entry to keep comes first."""
    return known.hashes != {file.digest}, known.source != file.path, known.source


def _names(source: str, file: ListedFile) -> bool:
    location = file_location(source)
    return location == file.location or _is_same_file(location, file.location)


def _is_elsewhere(known: StoredFile, file: ListedFile) -> bool:
    """Whether a source no longer names its file, from any working directory."""
    if _names(known.source, file):
        return False
    if os.path.isabs(known.source):
        return True
    # The working directory of a relative source may have been moved as well.
    named = os.path.normpath(known.source).replace(os.pardir + os.sep, "")
    is_below = folded(file.location).endswith(folded(os.sep + named))
    return known.origin not in (None, file.location) and not is_below


def _is_below(place: str, folder: str) -> bool:
    return place.startswith(folder if folder.endswith(os.sep) else folder + os.sep)
