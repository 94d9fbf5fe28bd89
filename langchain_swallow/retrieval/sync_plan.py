"""What a store has of a folder's files, and what the folder has → what is to be done.

Files are compared by their locations (`locations`), whatever their sources are written like.
"""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_swallow.documents.locations import file_location, folded, readable_path
from langchain_swallow.errors import MassDeletionError

# Without being allowed to, nothing deletes more than half of so many files, all of so many that
# leave the folder empty, or all of so many in a folder inside it that is still there: a share that
# is not mounted looks like that.
_MIN_FILES = 5
_MIN_FILES_EMPTIED = 2
_MIN_FILES_IN_FOLDER = 3


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a store: its source, its location (`index.origins`), and the hashes it had.

    `origin` is `None` in indexes of versions that did not keep it, and empty where the source was
    not a file when it was added.
    """

    source: str
    origin: str | None
    hashes: frozenset[str | None]

    @property
    def was_file(self) -> bool:
        """Whether this was read from a file at its place, so that it can be gone."""
        return self.hashes != {None} if self.origin is None else bool(self.origin)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in the folder: its path as it is written now, its location and its hash."""

    path: str
    location: str
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Args:
        added: New files.
        changed: Files with other contents than the store has, or with several versions in it.
        unchanged: Files that the store has.
        moved: Files that the store has of another place in the folder, or of where the folder was.
            If such a file has changed, too, it is in `changed` with its new source.
        sources: What the new source of an added or moved file is: its path as it is written now, or
            its location where the store has that source of another file.
        deleted: Files that are gone.
        doubled: Other entries of a file that stays; they go.
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
    """Compare a store with a folder.

    Args:
        stored: The store's files, of other folders too.
        listed: The folder's files.
        root: Its location.
        unreadable: Locations of files and folders that cannot be read now: they are not gone.
        recursive: Whether files in folders inside the folder are listed.
        allow_mass_deletion: Whether to delete most files of the folder, or of one inside it.

    Raises:
        MassDeletionError: That would have to be done and is not allowed.
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
    """The store's files by where they are now, as far as that is known."""
    places: dict[str, list[StoredFile]] = {}
    for file in stored:
        with contextlib.suppress(ValueError):  # no path has NUL, for example
            # Without a location it was written as seen from here, most likely.
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
    """Places that are a listed file by another case or Unicode composition."""
    by_name = {folded(file.location): file.location for file in missing}
    found = {}
    for place in places:
        other = by_name.get(folded(place))
        if other is not None and _is_same_file(place, other):
            found[place] = other
    return found


def _is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _relocated(
    places: Mapping[str, Sequence[StoredFile]], missing: Iterable[ListedFile], root: str
) -> dict[str, str]:
    """New places of files that were indexed where this folder was before, or seen from elsewhere.

    Most files of one old folder are here, at the same paths inside and unchanged, and they are not
    at their old places any more.
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
    found: dict[str, str] = {}
    for old, voters in votes.items():
        members = [place for place in strangers if _is_below(place, old)]
        if 2 * len(voters) > len(members) and not any(map(os.path.lexists, voters)):
            found |= {place: root + place[len(old) :] for place in members}
    return found


def _without_moved(
    new: Iterable[ListedFile],
    gone: dict[str, list[StoredFile]],
    moved: dict[ListedFile, StoredFile],
) -> Iterator[ListedFile]:
    """New files that are none of those that are gone; the others go from `gone` to `moved`."""
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
    # Of two entries of one file that is gone both are, and it counts once.
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
        "may be on a share that is not mounted. To delete their passages, pass "
        "allow_mass_deletion=True (--allow-deletions)."
    )


def _rank(known: StoredFile, file: ListedFile) -> tuple[bool, bool, str]:
    """The entry of a file that is kept comes first."""
    return known.hashes != {file.digest}, known.source != file.path, known.source


def _names(source: str, file: ListedFile) -> bool:
    location = file_location(source)
    return location == file.location or _is_same_file(location, file.location)


def _is_elsewhere(known: StoredFile, file: ListedFile) -> bool:
    """Whether a source does not name its file any more, wherever it was seen from."""
    if _names(known.source, file):
        return False
    if os.path.isabs(known.source):
        return True
    # The folder that a relative source is seen from may have been moved as well.
    named = os.path.normpath(known.source).replace(os.pardir + os.sep, "")
    is_below = folded(file.location).endswith(folded(os.sep + named))
    return known.origin not in (None, file.location) and not is_below


def _is_below(place: str, folder: str) -> bool:
    return place.startswith(folder if folder.endswith(os.sep) else folder + os.sep)
