"""A store made to agree with a folder: only what is new, changed, moved or gone is touched.

What the store already has is told by the `source` and `content_hash` in its passages' metadata:
the record of what was done and the passages themselves are one, and cannot disagree.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter
from tqdm import tqdm

from langchain_swallow.documents import list_files, load_documents
from langchain_swallow.errors import DocumentError
from langchain_swallow.splitters import JapaneseTextSplitter
from langchain_swallow.vectorstores import SwallowFAISS

# Passages of one change: enough to fill the encoder's batches, and lost if it is interrupted.
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What `sync_folder` did, by source.

    `failed` has the reason for each file that could not be read; passages that the store had of it
    stay. `moved` has the new source of each old one.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

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
    recursive: bool = True,
    max_file_mb: float = 100,
    progress: bool = False,
) -> SyncSummary:
    """Make the store hold the files of a folder as they are now.

    Args:
        store: With a `path`, each step is on the disk when it is done: interrupted, the same call
            goes on where it stopped. Sources outside the folder stay as they are.
        folder: Read as `load_documents` reads it.
        splitter: Into passages; by default `JapaneseTextSplitter()`.
        recursive: Whether to read folders inside folders.
        max_file_mb: A larger file fails.
        progress: Show a bar on stderr.

    A file that was moved is not embedded again; one that got another name is, because its title is
    embedded with its passages.

    Raises:
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"{root} is a file. Name its folder.")
    plan = _plan(store.sources(), list_files(root, recursive=recursive), root)
    for old, new in plan.moved.items():
        store.move_source(old, new)
    if plan.deleted:
        store.delete(source=plan.deleted)
    failed = _update(
        store,
        [*plan.changed, *plan.added],
        splitter or JapaneseTextSplitter(),
        max_file_mb,
        progress,
    )
    return SyncSummary(
        added=tuple(source for source in plan.added if source not in failed),
        changed=tuple(source for source in plan.changed if source not in failed),
        moved=plan.moved,
        deleted=plan.deleted,
        unchanged=plan.unchanged,
        failed=failed,
    )


def _plan(known: Mapping[str, str | None], files: Iterable[Path], root: Path) -> SyncSummary:
    """What there is to do; nothing is read but the files' bytes."""
    there = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    gone = {
        source: digest
        for source, digest in known.items()
        if source not in there and root in Path(source).parents
    }
    moved: dict[str, str] = {}
    for source, digest in there.items():
        if source in known:
            continue
        old = next((o for o, d in gone.items() if d == digest and _same_name(o, source)), None)
        if old is not None:
            moved[old] = source
            del gone[old]
    new = [source for source in there if source not in known and source not in moved.values()]
    return SyncSummary(
        added=tuple(new),
        changed=tuple(s for s, digest in there.items() if s in known and known[s] != digest),
        moved=moved,
        deleted=tuple(gone),
        unchanged=tuple(s for s, digest in there.items() if known.get(s) == digest),
    )


def _update(
    store: SwallowFAISS,
    sources: Sequence[str],
    splitter: TextSplitter,
    max_file_mb: float,
    progress: bool,
) -> dict[str, str]:
    """Read, split and store files, some at a time; the reasons of those that failed."""
    failed: dict[str, str] = {}
    done: list[str] = []
    passages: list[Document] = []

    def store_them() -> None:
        with store.transaction():
            store.delete(source=done)
            if passages:
                store.add_documents(passages)
        done.clear()
        passages.clear()

    for source in tqdm(sources, desc="Syncing", disable=not progress):
        try:
            documents = load_documents(source, max_file_mb=max_file_mb)
        except (DocumentError, OSError) as error:
            failed[source] = str(error)
            continue
        done.append(source)
        passages += splitter.split_documents(documents)
        if len(passages) >= _AT_ONCE:
            store_them()
    if done:
        store_them()
    return failed


def _same_name(old: str, new: str) -> bool:
    return Path(old).name == Path(new).name
