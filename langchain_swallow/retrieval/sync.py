"""A store made to agree with a folder: only what is new, changed, moved or gone is touched.

What the store already has is told by the `source` and `content_hash` in its passages' metadata and
by the location of their file beside them: the record of what was done and the passages themselves
are one, and cannot disagree.
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
from langchain_swallow.documents.load import LoadedFile, list_files, read_files
from langchain_swallow.documents.locations import file_location, readable_path
from langchain_swallow.documents.readers.section import LeftOut
from langchain_swallow.documents.split import JapaneseTextSplitter
from langchain_swallow.retrieval.embeddings.batches import embed_by_length
from langchain_swallow.retrieval.index.segment import ORIGIN, Passage, make_passages
from langchain_swallow.retrieval.sync_plan import ListedFile, Plan, StoredFile, make_plan
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.text.passages import passage_text

# Passages of one change: enough to fill the encoder's batches, and lost if it is interrupted.
_BATCH_SIZE = 256


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What `sync_folder` did, by source.

    `failed` has the reason for each file that could not be read; passages that the store had of it
    stay. `moved` has the new source of each old one. `ignored` are files of other formats.
    `left_out` has, by file that was read, what did not become text.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[LeftOut, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
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
    progress: bool = False,
) -> SyncSummary:
    """Make the store hold the files of a folder as they are now.

    Args:
        store: With a `path`, each step is on the disk when it is done: interrupted, the same call
            goes on where it stopped. Sources outside the folder stay as they are.
        folder: Read as `load_documents` reads it.
        splitter: Into passages; by default `JapaneseTextSplitter()`.
        reread: Read files that have not changed, too, as after an upgrade of this package or with
            another splitter. Those whose passages are still the same are not embedded again.
        recursive: Whether to read folders inside folders.
        allow_mass_deletion: Whether to go on where two or more files are gone and the folder is
            empty, where more than half of five or more are gone, or where three or more are gone
            from a folder inside it that is empty now. Without it that is an error, because a share
            that is not mounted looks like that.
        max_file_mb: A larger file fails.
        progress: Show a bar on stderr.

    Passages that a changed file had before are not embedded again, nor is a file that was moved.
    One that got another name is, because its title is embedded with its passages.

    Files are compared by where they are, not by how the path is written: relative, absolute and
    through a link to a folder are the same. `source` stays as it was written when the file was
    added. Two folders that are written alike from different working directories are two folders;
    where both have a file of one name, the second one's `source` is absolute. A folder that was
    moved as a whole, or is mounted elsewhere, is recognized by its files.

    Raises:
        MassDeletionError: Most files are gone; nothing has been changed.
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"{root} is a file. Name its folder.")
    unread = _Unread()
    failed = unread.failed
    files = list_files(root, recursive=recursive, ignored=unread.ignored, failed=failed)
    listed = _listed_files(files, failed)
    plan = make_plan(
        _stored_files(store),
        listed,
        os.path.realpath(root),
        unreadable={file_location(place) for place in failed},
        recursive=recursive,
        allow_mass_deletion=allow_mass_deletion,
    )
    _apply_moves(store, plan)
    targets = _targets(plan, reread=reread)
    paths = list(map(Path, targets))
    with closing(read_files(paths, max_file_mb=max_file_mb)) as read:
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
    )


def _targets(plan: Plan, *, reread: bool) -> "dict[str, _Target]":
    """The files to read, by path."""
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
    return [StoredFile(*key, frozenset(found)) for key, found in hashes.items()]


def _listed_files(files: Iterable[Path], failed: dict[str, str]) -> list[ListedFile]:
    """Files with their hashes; `failed` is given those that cannot be read."""
    found = []
    for file in files:
        try:
            found.append(ListedFile(str(file), file_location(str(file)), file_sha256(file)))
        except OSError as error:
            failed[str(file)] = f"{readable_path(str(file))} cannot be read: {error.strerror}."
    return found


def _apply_moves(store: SwallowFAISS, plan: Plan) -> None:
    """Do what needs no reading, as one change: delete, move, and note where files are."""
    removed = [*plan.deleted, *plan.duplicates]
    moved = {(old.source, old.origin): file for file, old in plan.moved.items()}
    relocated = {
        (known.source, known.origin): file
        for file, known in (*plan.changed.items(), *plan.unchanged.items())
        if known.origin != file.location
    }
    affected = [*moved, *relocated]

    def updated_passage(passage: Passage) -> Passage:
        key = passage.metadata["source"], passage.origin
        if file := moved.get(key):
            metadata = {**passage.metadata, "source": plan.sources[file]}
            return replace(passage, metadata=metadata, origin=file.location)
        return replace(passage, origin=relocated[key].location) if key in relocated else passage

    with store.transaction():
        if removed:
            gone = [known.source for known in removed], {known.origin for known in removed}
            store.change(lambda before: before.without_sources(*gone))
        if affected:
            sources, origins = [source for source, _ in affected], {o for _, o in affected}
            store.change(lambda before: before.changing(sources, updated_passage, origins))


@dataclass(slots=True)
class _Unread:
    """What did not become text, as `LoadedDocuments` has it."""

    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def add(self, file: LoadedFile) -> None:
        """What a file says of itself."""
        self.failed |= file.failed
        self.left_out |= file.left_out
        self.ignored += file.ignored


@dataclass(frozen=True, slots=True)
class _Target:
    """What the passages of a file are stored as.

    Args:
        source: Of their metadata.
        location: Of the file.
        is_known: Whether the store has the file as it is.
        is_new: Whether the store has nothing of it.
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
    """Split and store files, some at a time; those that the store knows only if they differ.

    Returns the paths that were stored; `unread` is given what was not read.
    """
    updated: set[str] = set()
    done: dict[str, _Target] = {}
    passages: list[Passage] = []

    def store_batch() -> None:
        _replace(store, done.values(), passages)
        updated.update(done)
        done.clear()
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
            # The store cannot know it: it would be added at every sync.
            unread.left_out.setdefault(path, (LeftOut("the file has no text", is_loss=False),))
            continue
        if target.is_known and _is_stored(store, target, split):
            continue
        done[path] = target
        new_passages = make_passages(
            [d.page_content for d in split], [d.metadata for d in split], None
        )
        passages += [replace(passage, origin=target.location) for passage in new_passages]
        if len(passages) >= _BATCH_SIZE:
            store_batch()
    if done:
        store_batch()
    return updated


def _replace(store: SwallowFAISS, targets: Iterable[_Target], passages: list[Passage]) -> None:
    """Store passages instead of those of these files; what those have too is not embedded."""
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
    """Whether the store has exactly these of a file."""
    passages, _ = store.snapshot().of_sources([target.source], {target.location})
    stored = [(passage.text, passage.metadata) for passage in passages]
    # As metadata come out of the store.
    read = [(d.page_content, json.loads(json.dumps(d.metadata, default=str))) for d in documents]
    return stored == read
