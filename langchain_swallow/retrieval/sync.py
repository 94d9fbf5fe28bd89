"""Synchronize a store with a folder: only new, changed, moved and deleted files are processed.

The `source` and `content_hash` in the metadata of the chunks, and the stored locations of their
files, show what the store already has. There is no separate record of earlier syncs that could
disagree with the chunks.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter
from tqdm import tqdm

from langchain_swallow._system.checksums import file_sha256
from langchain_swallow.documents.access import FOLDER_GROUPS, AccessRules
from langchain_swallow.documents.custom_readers import Reader, Readers
from langchain_swallow.documents.listing import list_files
from langchain_swallow.documents.load import LoadedFile, read_files
from langchain_swallow.documents.locations import file_location
from langchain_swallow.documents.ocr.choose import choose_ocr
from langchain_swallow.documents.ocr.engine import OcrEngine
from langchain_swallow.documents.permissions import permitted_groups
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.errors import DocumentError
from langchain_swallow.retrieval.embeddings.batches import embed_by_length
from langchain_swallow.retrieval.index.segment import ORIGIN, Passage, make_passages
from langchain_swallow.retrieval.sync_plan import ListedFile, Plan, StoredFile, make_plan
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.text.passages import passage_text
from langchain_swallow.text.paths import readable_path

# Minimum of chunks per change to the store. This many fill the batches of the embedding model; an
# interrupted sync loses at most the vectors of one change.
_BATCH_SIZE = 256
# Source and location of a file in the store.
_Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What `sync_folder` did, by source.

    Args:
        added: Files that the store did not have.
        changed: Files whose contents have changed.
        moved: Old source → new source of each moved file.
        deleted: Files that are no longer in the folder.
        unchanged: Files that the store already had.
        failed: File → reason why it could not be read; the chunks that the store has of it stay.
        ignored: Files of other formats.
        left_out: File → the parts of it that did not become text.
        regrouped: Files that other groups may see now; they are in another field as well.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    regrouped: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The fields as a dict that `json.dumps` accepts."""
        return asdict(self)

    def __str__(self) -> str:
        counts = {name: len(value) for name, value in asdict(self).items()}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"


def sync_folder(
    store: SwallowFAISS,
    folder: str | Path,
    *,
    splitter: TextSplitter | None = None,
    reread: bool = False,
    recursive: bool = True,
    allow_mass_deletion: bool = False,
    max_file_mb: float = 100,
    ocr: OcrEngine | bool = False,
    posix_groups: bool = False,
    progress: bool = False,
    readers: Mapping[str, Reader] | None = None,
) -> SyncSummary:
    """Update the store to the files that are in a folder now.

    Args:
        store: If it has a `path`, each step is on disk when it is done, so that after an
            interruption the same call continues. Sources outside the folder stay as they are.
        folder: The folder, read as `load_documents` reads it.
        splitter: Splits documents into chunks; default `JapaneseTextSplitter()`.
        reread: Whether to read unchanged files too, as after an upgrade of this package or with
            another splitter. A file whose chunks stay the same is not embedded again. Default
            `False`.
        recursive: Whether to read folders inside the folder; default `True`.
        allow_mass_deletion: Whether to delete many files at once; default `False`. If it is
            `False`, it is an error if two or more files are gone and the folder is empty, if more
            than half of five or more files are gone, or if three or more files are gone from a
            folder inside it that is now empty. A share that is not mounted looks like this.
        max_file_mb: Maximum size of a file in megabytes; a larger file fails. Default 100.
        ocr: Whether to recognize the text of pictures, as in `load_documents`; default `False`.
            Unchanged files are read with OCR only with `reread`. Without OCR, images that the store
            already has stay in it.
        posix_groups: Whether files without rules get the groups that may read them by their
            permissions (Linux); default `False`.
        progress: Whether to show a progress bar on stderr; default `False`.
        readers: Functions that read other formats, by extension, as for `load_documents`.

    Chunks of a changed file that the store already has, and moved files, are not embedded again. A
    renamed file is, because its title is embedded with its chunks. If only the rules of the folder
    (`.access.toml`) have changed, the chunks get their new groups before any file is read.

    Files are compared by their location, not by the spelling of the path: a relative path, an
    absolute path and a path through a link to a folder are the same. `source` keeps the spelling
    with which the file was added. If the same relative path is used from different working
    directories, it names different folders; if both have a file of the same name, the second file's
    `source` is absolute. A folder that was moved as a whole, or is mounted elsewhere, is recognized
    by its files.

    Raises:
        MassDeletionError: Most files are gone; nothing was changed.
        DocumentError: The rules of a folder cannot be read; nothing was changed.
        FileNotFoundError: The folder does not exist.
        MissingDependencyError: `ocr=True`, and Tesseract or Pillow is not installed.
        NotADirectoryError: `folder` is a file.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"{root} is a file. Pass the folder that it is in.")
    unread = _Unread()
    failed = unread.failed
    stored = _stored_files(store)
    others = Readers(readers, choose_ocr(ocr))
    # What an earlier call could read is not gone only because this one cannot.
    others.readable |= {Path(known.source).suffix.lower() for known in stored}
    files = list_files(
        root, recursive=recursive, ignored=unread.ignored, failed=failed, readers=others
    )
    listed = _listed_files(files, failed)
    stored = _stored_files(store)
    plan = make_plan(
        stored,
        listed,
        os.path.realpath(root),
        unreadable={file_location(place) for place in failed},
        recursive=recursive,
        allow_mass_deletion=allow_mass_deletion,
    )
    rules = AccessRules(permitted_groups if posix_groups else None)
    regrouped = _regrouped(store, _places(plan, stored, os.path.realpath(root)), rules)
    _apply_moves(store, plan, regrouped)
    targets = _targets(plan, reread=reread)
    paths = list(map(Path, targets))
    reading = read_files(
        paths,
        max_file_mb=max_file_mb,
        posix_groups=posix_groups,
        readers=others,
        progress=progress,
    )
    with closing(reading) as read:
        progress_bar = tqdm(read, total=len(paths), desc="Syncing", disable=not progress)
        updated = _update(store, progress_bar, splitter or JapaneseTextSplitter(), targets, unread)
    added = {file.path for file in plan.added}
    moved = {old.source: plan.sources[file] for file, old in plan.moved.items()}
    duplicates = {other.source: kept.source for other, kept in plan.duplicates.items()}
    return SyncSummary(
        added=tuple(target.source for path, target in targets.items() if path in updated & added),
        changed=tuple(target.source for path, target in targets.items() if path in updated - added),
        moved={old: new for old, new in (duplicates | moved).items() if old != new},
        deleted=tuple(known.source for known in plan.deleted),
        unchanged=tuple(
            known.source
            for file, known in plan.unchanged.items()
            if file.path not in updated and file.path not in failed
        ),
        failed=failed,
        ignored=tuple(unread.ignored),
        left_out=unread.left_out,
        regrouped=tuple(dict.fromkeys(source for source, _ in regrouped)),
    )


def _targets(plan: Plan, *, reread: bool) -> "dict[str, _Target]":
    """Files to read, by path."""
    changed = {f: _Target(known.source, f.location) for f, known in plan.changed.items()}
    added = {f: _Target(plan.sources[f], f.location, is_new=True) for f in plan.added}
    known = {f: _Target(old.source, f.location, True) for f, old in plan.unchanged.items()}
    moved = {file: _Target(plan.sources[file], file.location, True) for file in plan.moved}
    again = (known | moved) if reread else {}
    return {file.path: target for file, target in (again | changed | added).items()}


def _stored_files(store: SwallowFAISS) -> list[StoredFile]:
    hashes: dict[tuple[str, str | None], set[str | None]] = {}
    for source, digest, origin in store.snapshot().distinct("source", "content_hash", ORIGIN):
        if source is not None:
            hashes.setdefault((str(source), origin), set()).add(digest)
    return [StoredFile(*key, frozenset(digests)) for key, digests in hashes.items()]


def _listed_files(files: Iterable[Path], failed: dict[str, str]) -> list[ListedFile]:
    """Hash the files. Those that cannot be read are added to `failed`, with the reason."""
    listed = []
    for file in files:
        try:
            listed.append(ListedFile(str(file), file_location(str(file)), file_sha256(file)))
        except OSError as error:
            failed[str(file)] = f"{readable_path(str(file))} cannot be read: {error.strerror}."
    return listed


def _places(plan: Plan, stored: Iterable[StoredFile], root: str) -> dict[_Key, str]:
    """Locations of the files of the store that stay and are in the folder, also unreadable ones."""
    kept = {**plan.changed, **plan.unchanged, **plan.moved}
    removed = {*plan.deleted, *plan.duplicates}
    below = os.path.join(root, "")
    others = {
        (file.source, file.origin): file.origin
        for file in stored
        if file.origin and file.origin.startswith(below) and file not in removed
    }
    return others | {(old.source, old.origin): file.location for file, old in kept.items()}


def _regrouped(
    store: SwallowFAISS, places: Mapping[_Key, str], rules: AccessRules
) -> dict[_Key, list[str] | None]:
    """New groups of the files that the rules of the folder give others than the store has.

    Raises:
        DocumentError: The rules of a folder cannot be read.
    """
    stored: dict[_Key, set[str | None]] = {}
    for source, origin, groups in store.snapshot().distinct("source", ORIGIN, FOLDER_GROUPS):
        stored.setdefault((str(source), origin), set()).add(groups)
    regrouped = {}
    for key, place in places.items():
        try:
            groups = rules.groups(place)
        except DocumentError:
            if os.path.lexists(place):
                raise
            # A folder that cannot be entered for a while: its files keep their groups.
            continue
        if stored.get(key) != {None if groups is None else repr(groups)}:
            regrouped[key] = groups
    return regrouped


def _apply_moves(
    store: SwallowFAISS, plan: Plan, regrouped: Mapping[_Key, list[str] | None]
) -> None:
    """Delete, move, and store new locations and groups, as one change that reads no file."""
    removed = [*plan.deleted, *plan.duplicates]
    moved = {(old.source, old.origin): file for file, old in plan.moved.items()}
    relocated = {
        (known.source, known.origin): file
        for file, known in (*plan.changed.items(), *plan.unchanged.items())
        if known.origin != file.location
    }
    affected = [*moved, *relocated, *regrouped]

    def updated_passage(passage: Passage) -> Passage:
        key = str(passage.metadata["source"]), passage.origin
        metadata = dict(passage.metadata)
        if key in regrouped:
            metadata.pop(FOLDER_GROUPS, None)
            if (groups := regrouped[key]) is not None:
                metadata[FOLDER_GROUPS] = groups
        if file := moved.get(key):
            metadata["source"] = plan.sources[file]
            return replace(passage, metadata=metadata, origin=file.location)
        origin = relocated[key].location if key in relocated else passage.origin
        return replace(passage, metadata=metadata, origin=origin)

    with store.transaction():
        if removed:
            gone = [known.source for known in removed], {known.origin for known in removed}
            store.change(lambda before: before.without_sources(*gone))
        if affected:
            sources, origins = [source for source, _ in affected], {o for _, o in affected}
            store.change(lambda before: before.changing(sources, updated_passage, origins))


@dataclass(slots=True)
class _Unread:
    """Files and parts of files that did not become text, as in `LoadedDocuments`."""

    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def add(self, file: LoadedFile) -> None:
        """Add what a file reports about itself."""
        self.failed |= file.failed
        self.left_out |= file.left_out
        self.ignored += file.ignored


@dataclass(frozen=True, slots=True)
class _Target:
    """How the chunks of a file are stored.

    Args:
        source: The `source` in their metadata.
        location: Location of the file.
        is_known: Whether the store already has the file unchanged.
        is_new: Whether the store has no chunk of the file.
    """

    source: str
    location: str
    is_known: bool = False
    is_new: bool = False


def _update(
    store: SwallowFAISS,
    files: Iterable[LoadedFile],
    splitter: TextSplitter,
    targets: Mapping[str, _Target],
    unread: _Unread,
) -> set[str]:
    """Split and store files in batches; a known file is only stored if its chunks differ.

    Returns the paths of stored files. What was not read is added to `unread`.
    """
    updated: set[str] = set()
    pending: dict[str, _Target] = {}
    passages: list[Passage] = []

    def store_batch() -> None:
        _replace(store, pending.values(), passages)
        updated.update(pending)
        pending.clear()
        passages.clear()

    for file in files:
        unread.add(file)
        path = str(file.path)
        if path in unread.failed:
            continue
        target = targets[path]
        for document in file.documents:
            document.metadata["source"] = target.source
        split = splitter.split_documents(file.documents)
        if target.is_new and not split:
            # The store would have no chunk of the file, so every sync would report it as added.
            unread.left_out.setdefault(path, (LeftOut("the file has no text", is_loss=False),))
            continue
        if target.is_known and _is_stored(store, target, split):
            continue
        pending[path] = target
        new_passages = make_passages(
            [d.page_content for d in split], [d.metadata for d in split], None
        )
        passages += [replace(passage, origin=target.location) for passage in new_passages]
        if len(passages) >= _BATCH_SIZE:
            store_batch()
    if pending:
        store_batch()
    return updated


def _replace(store: SwallowFAISS, targets: Iterable[_Target], passages: list[Passage]) -> None:
    """Replace the chunks of these files; texts that the store already has are not embedded."""
    sources = [target.source for target in targets]
    origins = {target.location for target in targets}
    before, rows = store.snapshot().of_sources(sources, origins)
    known = zip((passage_text(p.text, p.metadata) for p in before), rows, strict=True)
    texts = [passage_text(p.text, p.metadata) for p in passages]
    vectors: Any = embed_by_length(store.embeddings, texts, known=dict(known))
    with store.transaction():
        store.change(lambda snapshot: snapshot.without_sources(sources, origins))
        if passages:
            store.add_passages(passages, vectors)


def _is_stored(store: SwallowFAISS, target: _Target, documents: list[Document]) -> bool:
    """Whether the store has exactly these chunks of a file."""
    passages, _ = store.snapshot().of_sources([target.source], {target.location})
    stored = [(passage.text, passage.metadata) for passage in passages]
    # Convert the metadata as the store does.
    read = [(d.page_content, json.loads(json.dumps(d.metadata, default=str))) for d in documents]
    return stored == read
