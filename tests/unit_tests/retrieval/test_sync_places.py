"""Files are compared by where they are, and most of them are not deleted without a question."""

import contextlib
import os
import shutil
import sqlite3
import unicodedata
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from langchain_swallow import SwallowFAISS, load_documents, sync_folder
from langchain_swallow.cli import main
from langchain_swallow.documents.locations import folded
from langchain_swallow.errors import MassDeletionError
from langchain_swallow.retrieval.index.manifest import NAME, StoredFile, read_manifest
from tests.support.embeddings import CharacterEmbeddings

FILES = {
    "就業.txt": "試用期間は3か月。",
    "経理/精算.txt": "翌月5日まで。",
    "経理/旅費.md": "日当。",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working directory with a folder of documents, and a link to it elsewhere."""
    home = tmp_path / "家"
    fill(home / "規程")
    (tmp_path / "別").mkdir()
    os.symlink(home, tmp_path / "別" / "連")
    monkeypatch.chdir(home)
    return home


def fill(folder, files=FILES):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def texts(store):
    return sorted(d.page_content for d in store.documents)


def sources(store):
    return {os.path.normpath(source) for source in store.sources()}


@pytest.fixture
def store(tmp_path):
    return SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")


def as_before(store, path):
    """An index as versions wrote it that kept no locations."""
    manifest = read_manifest(path)
    segments = []
    for segment in manifest.segments:
        files = dict(segment.files)
        database = path / f"{segment.name}.sqlite"
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("ALTER TABLE passages DROP COLUMN origin")
            connection.commit()
        contents = database.read_bytes()
        files[database.name] = StoredFile(len(contents), sha256(contents).hexdigest())
        segments.append(replace(segment, files=files))
    (path / NAME).write_text(replace(manifest, segments=tuple(segments)).dumps(), encoding="utf-8")
    return SwallowFAISS(store.embeddings, path=path)


SPELLINGS = ["規程", "./規程/", "規程/経理/..", "{home}/規程", "{home}/../家/規程", "../別/連/規程"]


@pytest.mark.slow
@pytest.mark.parametrize("first", SPELLINGS[:4])
@pytest.mark.parametrize("version", ["this", "before"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_folder_however_it_is_written(home, store, tmp_path, first, version, spelling):
    store.add_documents(load_documents(first.format(home=home)))
    before = sources(store)
    if version == "before":
        store = as_before(store, tmp_path / "索引")
    embedded = len(store.embeddings.embedded)
    spelling = spelling.format(home=home)
    assert str(sync_folder(store, spelling)) == "3 unchanged"
    assert (sources(store), len(store.embeddings.embedded)) == (before, embedded)

    (home / "規程" / "就業.txt").write_text("試用期間は6か月。", encoding="utf-8")
    (home / "規程" / "経理" / "旅費.md").unlink()
    (home / "規程" / "新.txt").write_text("新しい。", encoding="utf-8")
    assert str(sync_folder(store, spelling)) == "1 added, 1 changed, 1 deleted, 1 unchanged"
    assert texts(store) == ["新しい。", "翌月5日まで。", "試用期間は6か月。"]
    assert str(sync_folder(store, home / "規程")) == "3 unchanged"


@pytest.mark.parametrize("version", ["this", "before"])
def test_from_another_working_directory(home, store, tmp_path, monkeypatch, version):
    """As a command by hand and then by cron."""
    sync_folder(store, "規程")
    if version == "before":
        store = as_before(store, tmp_path / "索引")
    embedded = len(store.embeddings.embedded)
    monkeypatch.chdir(tmp_path / "別")
    (home / "規程" / "就業.txt").write_text("試用期間は6か月。", encoding="utf-8")
    assert str(sync_folder(store, home / "規程")) == "1 changed, 2 unchanged"
    assert len(store.embeddings.embedded) == embedded + 1
    (home / "規程" / "就業.txt").unlink()
    assert sync_folder(store, home / "規程").deleted == (str(Path("規程") / "就業.txt"),)
    monkeypatch.chdir(home / "規程")
    assert str(sync_folder(store, ".")) == "2 unchanged"


def test_an_index_that_has_files_twice_is_healed(home, store, tmp_path):
    """As versions before left it, which compared sources as they were written."""
    store.add_documents(load_documents("規程"))
    store.add_documents(load_documents(home / "規程"))
    store = as_before(store, tmp_path / "索引")
    assert len(store) == 6
    summary = sync_folder(store, home / "規程")
    assert len(summary.unchanged) == len(summary.moved) == 3
    assert texts(store) == sorted(FILES.values())


@pytest.mark.parametrize("added_by", ["sync_folder", "add_documents"])
def test_folders_that_are_written_alike_are_two(home, store, tmp_path, monkeypatch, added_by):
    """Also where both have a file of one name, and where the first is not there for a while."""
    sync_folder(store, "規程")
    other = tmp_path / "他"
    fill(other / "規程", {"就業.txt": "別の会社。", "別.txt": "別の文書。"})
    monkeypatch.chdir(other)
    if added_by == "add_documents":
        store.add_documents(load_documents("規程"))
    summary = sync_folder(store, "規程")
    assert (summary.deleted, summary.moved, len(store)) == ((), {}, 5)
    (other / "規程" / "就業.txt").write_text("別の会社です。", encoding="utf-8")
    shutil.move(home / "規程", home / "規程（外した）")
    assert str(sync_folder(store, "規程")) == "1 changed, 1 unchanged"
    assert texts(store) == sorted([*FILES.values(), "別の会社です。", "別の文書。"])
    shutil.move(home / "規程（外した）", home / "規程")
    monkeypatch.chdir(home)
    assert str(sync_folder(store, "規程")) == "3 unchanged"


def test_a_folder_in_a_folder(home, store, monkeypatch):
    sync_folder(store, "規程")
    assert str(sync_folder(store, "規程/経理")) == "2 unchanged"
    assert str(sync_folder(store, home)) == "3 unchanged"
    assert str(sync_folder(store, "規程", recursive=False)) == "1 unchanged"
    (home / "規程" / "経理" / "旅費.md").unlink()
    assert sync_folder(store, "規程/経理").deleted == (str(Path("規程/経理/旅費.md")),)
    monkeypatch.chdir(home / "規程" / "経理")
    (home / "規程" / "経理" / "新.txt").write_text("新。", encoding="utf-8")
    assert sync_folder(store, ".").added == ("新.txt",)
    monkeypatch.chdir(home)
    assert str(sync_folder(store, "規程")) == "3 unchanged"


@pytest.mark.parametrize("spelling", ["規程", "{home}/規程"])
def test_a_folder_that_was_moved_as_a_whole(home, store, tmp_path, monkeypatch, spelling):
    """Or that a container sees elsewhere."""
    sync_folder(store, spelling.format(home=home))
    embedded = len(store.embeddings.embedded)
    shutil.move(home, tmp_path / "新居")
    home = tmp_path / "新居"
    monkeypatch.chdir(home)
    (home / "規程" / "就業.txt").write_text("試用期間は6か月。", encoding="utf-8")
    sync_folder(store, spelling.format(home=home))
    assert len(store.embeddings.embedded) == embedded + 1
    assert texts(store) == ["日当。", "翌月5日まで。", "試用期間は6か月。"]
    assert all(Path(source).is_file() for source in store.sources())


def test_a_folder_that_was_renamed_beside_us(home, store):
    """A relative source names the file from here, where it is not any more."""
    sync_folder(store, "規程")
    Path("規程").rename("新規程")
    assert str(sync_folder(store, "新規程")) == "3 moved"
    assert all(Path(source).is_file() for source in store.sources())
    assert str(sync_folder(store, "新規程")) == "3 unchanged"


def test_names_in_another_unicode_composition(home, store):
    """As after a copy from macOS: 「が」 as one character and as two."""
    composed, apart = (unicodedata.normalize(form, "がぎ.txt") for form in ("NFC", "NFD"))
    (home / "規程" / apart).write_text("仮名。", encoding="utf-8")
    sync_folder(store, "規程")
    embedded = len(store.embeddings.embedded)
    (home / "規程" / apart).rename(home / "規程" / composed)
    assert "deleted" not in str(sync_folder(store, "規程"))
    assert (len(store), len(store.embeddings.embedded)) == (4, embedded)
    assert folded(composed) == folded(apart)


def test_two_paths_of_one_file_are_read_once(home):
    paths = ["規程/就業.txt", home / "規程", "規程/経理/../就業.txt", "../別/連/規程"]
    assert len(load_documents(paths)) == 3


@pytest.mark.parametrize("version", ["this", "before"])
@pytest.mark.parametrize("spelling", [".", "{home}", "{home}/..", "規程"])
def test_sources_that_are_no_files_stay(home, store, tmp_path, version, spelling):
    others = ["https://example.jp/a.txt", "社内wiki:12", "", 7, "nul\0", "half\ud83d", "規程"]
    for source in others:
        store.add_texts([f"{source!r}の文書"], [{"source": source}])
    if version == "this":
        # As an upload to a shared index; before, only its place told it from a file that is gone.
        store.add_texts(["送った文書"], [{"source": "a.txt", "content_hash": "0" * 64}])
    else:
        store = as_before(store, tmp_path / "索引")
    count = len(store)
    summary = sync_folder(store, spelling.format(home=home))
    assert (len(summary.added), summary.changed, summary.deleted) == (3, (), ())
    assert len(store) == count + 3


@pytest.mark.parametrize("version", ["this", "before"])
def test_sources_of_another_program_are_taken_over(home, store, tmp_path, version):
    """As of LangChain's loaders, which keep no hash."""
    metadatas = [{"source": str(Path("規程", name))} for name in FILES]
    store.add_texts(list(FILES.values()), metadatas)
    if version == "before":
        store = as_before(store, tmp_path / "索引")
    assert str(sync_folder(store, home / "規程")) == "3 changed"
    assert len(store) == 3


def test_of_two_versions_of_a_file_the_older_one_goes(home, store):
    """Sets of hashes have another order in each process: of ten files some would be wrong."""
    for text in ("2000", "3000"):
        fill(home / "多", {f"{i}.txt": f"{i}の日当は{text}円。" for i in range(10)})
        store.add_documents(load_documents("多"))
    assert set(store.sources().values()) == {None}
    assert str(sync_folder(store, "多")) == "10 changed"
    assert texts(store) == [f"{i}の日当は3000円。" for i in range(10)]


# Deletions


@pytest.mark.parametrize("spelling", ["規程", "{home}/規程", "../別/連/規程"])
def test_an_emptied_folder_deletes_nothing(home, store, spelling):
    """As a share that is not mounted."""
    sync_folder(store, "規程")
    shutil.rmtree("規程")
    os.mkdir("規程")
    for extra in (None, "読めない.png"):
        if extra:
            Path("規程", extra).write_bytes(b"png")
        with pytest.raises(MassDeletionError, match=r"3 of the 3 files .* are gone.*mounted"):
            sync_folder(store, spelling.format(home=home))
    assert len(store) == 3
    summary = sync_folder(store, spelling.format(home=home), allow_mass_deletion=True)
    assert (len(summary.deleted), len(store)) == (3, 0)


@pytest.mark.parametrize(
    ("gone", "refused"), [(4, False), (5, False), (6, True), (9, True)], ids=str
)
def test_most_files_are_not_deleted(home, store, gone, refused):
    fill(home / "多", {f"{i}.txt": f"文書{i}。" for i in range(10)})
    sync_folder(store, "多")
    for i in range(gone):
        (home / "多" / f"{i}.txt").unlink()
    (home / "多" / "新.txt").write_text("新しい。", encoding="utf-8")
    if refused:
        with pytest.raises(MassDeletionError, match=f"{gone} of the 10 files"):
            sync_folder(store, "多")
        assert len(store) == 10, "and nothing else was done either"
    else:
        assert len(sync_folder(store, "多").deleted) == gone


def test_a_mounted_folder_inside_that_is_empty_deletes_nothing(home, store):
    fill(home / "多", {f"{i}.txt": f"文書{i}。" for i in range(10)})
    fill(home / "多" / "共有", {f"部/{i}.txt": f"共有{i}。" for i in range(3)})
    sync_folder(store, "多")
    shutil.rmtree("多/共有/部")
    with pytest.raises(MassDeletionError, match=r"3 of the 3 files that the index has of .*共有 "):
        sync_folder(store, "多")
    assert len(store) == 13
    shutil.rmtree("多/共有")
    assert len(sync_folder(store, "多").deleted) == 3


def test_moved_files_are_not_gone(home, store):
    fill(home / "多", {f"{i}.txt": f"文書{i}。" for i in range(10)})
    sync_folder(store, "多")
    (home / "多" / "下").mkdir()
    for i in range(10):
        shutil.move(home / "多" / f"{i}.txt", home / "多" / "下")
    assert str(sync_folder(store, "多")) == "10 moved"


def test_the_command_refuses_with_exit_code_1(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "langchain_swallow.retrieval.embeddings.local.SwallowEmbeddings",
        lambda model: CharacterEmbeddings(),
    )
    sync = ["sync", "規程", "-i", str(tmp_path / "索引")]
    assert main(sync) == 0
    shutil.rmtree("規程")
    os.mkdir("規程")
    assert main(sync) == 1
    assert "--yes" in capsys.readouterr().err
    assert main([*sync, "--yes"]) == 0
    assert "3 deleted" in capsys.readouterr().err


def test_the_only_file_of_a_folder_can_be_deleted(home, store):
    fill(home / "一", {"a.txt": "本文。"})
    sync_folder(store, "一")
    sync_folder(store, home / "一")
    (home / "一" / "a.txt").unlink()
    assert sync_folder(store, home / "一").deleted == (str(Path("一/a.txt")),)
    assert len(store) == 0
