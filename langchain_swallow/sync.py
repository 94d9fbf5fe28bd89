"""A store made to agree with a folder: only what is new, changed, moved or gone is touched.

What the store already has is told by the `source` and `content_hash` in its passages' metadata:
the record of what was done and the passages themselves are one, and cannot disagree.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter
from tqdm import tqdm

from langchain_swallow.batches import embed_by_length
from langchain_swallow.documents import LoadedFile, list_files, read_files
from langchain_swallow.formats.section import LeftOut
from langchain_swallow.splitters import JapaneseTextSplitter
from langchain_swallow.text.passages import passage_text
from langchain_swallow.vectorstores import SwallowFAISS

# Passages of one change: enough to fill the encoder's batches, and lost if it is interrupted.
_AT_ONCE = 256


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
        max_file_mb: A larger file fails.
        progress: Show a bar on stderr.

    Passages that a changed file had before are not embedded again, nor is a file that was moved.
    One that got another name is, because its title is embedded with its passages.

    Raises:
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"{root} is a file. Name its folder.")
    failed: dict[str, str] = {}
    left_out: dict[str, tuple[LeftOut, ...]] = {}
    ignored: list[str] = []
    files = list_files(root, recursive=recursive, ignored=ignored, failed=failed)
    plan = _plan(store.sources(), _hashes(files, failed), root, failed)
    for old, new in plan.moved.items():
        store.move_source(old, new)
    if plan.deleted:
        store.delete(source=plan.deleted)
    known = (*plan.unchanged, *plan.moved.values()) if reread else ()
    sources = [Path(source) for source in (*plan.changed, *plan.added, *known)]
    with closing(read_files(sources, max_file_mb=max_file_mb)) as read:
        shown = tqdm(read, total=len(sources), desc="Syncing", disable=not progress)
        updated = _update(
            store, shown, splitter or JapaneseTextSplitter(), set(known), failed, left_out
        )
    return SyncSummary(
        added=tuple(source for source in plan.added if source in updated),
        changed=tuple(source for source in (*plan.changed, *known) if source in updated),
        moved=plan.moved,
        deleted=plan.deleted,
        unchanged=tuple(s for s in plan.unchanged if s not in updated and s not in failed),
        failed=failed,
        ignored=tuple(ignored),
        left_out=left_out,
    )


def _hashes(files: Iterable[Path], failed: dict[str, str]) -> dict[str, str]:
    """SHA-256 by source; `failed` is given the files that cannot be read."""
    found = {}
    for file in files:
        try:
            found[str(file)] = _sha256(file)
        except OSError as error:
            failed[str(file)] = f"{file} cannot be read: {error.strerror}."
    return found


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _plan(
    known: Mapping[str, str | None], there: Mapping[str, str], root: Path, failed: Mapping[str, str]
) -> SyncSummary:
    """What there is to do, by the hashes of what the store knows and of what is there.

    What is in a folder that cannot be read now is not gone.
    """
    gone = {
        source: digest
        for source, digest in known.items()
        if source not in there
        and root in Path(source).parents
        and not any(str(place) in failed for place in (Path(source), *Path(source).parents))
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
    files: Iterable[LoadedFile],
    splitter: TextSplitter,
    known: set[str],
    failed: dict[str, str],
    left_out: dict[str, tuple[LeftOut, ...]],
) -> set[str]:
    """Split and store files, some at a time; those of a known source only if they differ.

    Returns the sources that were stored; `failed` is given the reasons of what could not be read,
    `left_out` what the others did not become text of.
    """
    updated: set[str] = set()
    done: list[str] = []
    passages: list[Document] = []

    def store_them() -> None:
        _replace(store, done, passages)
        updated.update(done)
        done.clear()
        passages.clear()

    for file in files:
        failed |= file.failed
        left_out |= file.left_out
        source = str(file.path)
        if source in failed:
            continue
        split = splitter.split_documents(file.documents)
        if source in known and _are_stored(store, source, split):
            continue
        done.append(source)
        passages += split
        if len(passages) >= _AT_ONCE:
            store_them()
    if done:
        store_them()
    return updated


def _replace(store: SwallowFAISS, sources: list[str], documents: list[Document]) -> None:
    """Store documents instead of those of these sources; what those have too is not embedded."""
    passages, rows = store.snapshot().of_sources(sources)
    known = zip((passage_text(p.text, p.metadata) for p in passages), rows, strict=True)
    texts = [passage_text(d.page_content, d.metadata) for d in documents]
    vectors: Any = embed_by_length(store.embeddings, texts, known=dict(known))
    pairs = zip((document.page_content for document in documents), vectors, strict=True)
    with store.transaction():
        store.delete(source=sources)
        store.add_embeddings(pairs, [document.metadata for document in documents])


def _are_stored(store: SwallowFAISS, source: str, documents: list[Document]) -> bool:
    """Whether the store has exactly these of a source."""
    passages, _ = store.snapshot().of_sources([source])
    stored = [(passage.text, passage.metadata) for passage in passages]
    # As metadata come out of the store.
    read = [(d.page_content, json.loads(json.dumps(d.metadata, default=str))) for d in documents]
    return stored == read


def _same_name(old: str, new: str) -> bool:
    return Path(old).name == Path(new).name
