"""An index is copied as one state, verified, and put back; what is there is not overwritten."""

import json
import shutil
import stat
import sys

import pytest

from langchain_swallow import SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index import backup
from langchain_swallow.retrieval.index.backup import back_up, restore
from langchain_swallow.retrieval.index.manifest import read_manifest
from tests.support.embeddings import CharacterEmbeddings
from tests.support.paths import DATA


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


def texts(folder):
    return sorted(
        d.page_content for d in SwallowFAISS(CharacterEmbeddings(), path=folder).documents
    )


@pytest.fixture
def index(tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    store.add_texts(["一", "二", "三"], ids=["1", "2", "3"])
    store.delete(["2"])
    return tmp_path / "索引"


def segment_file(folder, suffix=".vectors"):
    return next(path for path in folder.iterdir() if path.suffix == suffix)


def test_a_backup_is_the_index_and_is_put_back(index, tmp_path, capsys):
    copy = tmp_path / "控え" / "1日"
    assert main(["backup", "-i", str(index), "-o", str(copy)]) == 0
    assert capsys.readouterr().err.startswith("2 chunks, ")
    assert contents(copy) == contents(index)
    reader = SwallowFAISS(CharacterEmbeddings(), path=index)
    reader.add_texts(["四"])
    assert main(["backup", "-i", str(index), "--restore", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passages"] == 2
    # Also for a process that had the index open.
    assert sorted(d.page_content for d in reader.documents) == ["一", "三"]
    assert texts(index) == texts(copy) == ["一", "三"]
    reader.add_texts(["五"])
    assert texts(index) == ["一", "三", "五"]


def test_a_backup_is_restored_to_a_new_folder_and_over_a_damaged_index(index, tmp_path):
    back_up(index, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "new")
    assert contents(tmp_path / "new") == contents(index)
    segment_file(index).write_bytes(b"")
    segment_file(index, ".terms").unlink()
    (index / "manifest.json").write_text("{")
    restore(tmp_path / "b", index)
    assert texts(index) == ["一", "三"]


def test_no_other_content_is_overwritten(index, tmp_path):
    back_up(index, tmp_path / "b")
    with pytest.raises(IndexStoreError, match="contains an index already"):
        back_up(index, tmp_path / "b")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "memo.txt").write_text("x")
    for copied in (lambda to: back_up(index, to), lambda to: restore(tmp_path / "b", to)):
        with pytest.raises(IndexStoreError, match="is not an index, and not empty"):
            copied(tmp_path / "docs")
        with pytest.raises(NotADirectoryError):
            copied(tmp_path / "docs" / "memo.txt")
    assert [p.name for p in (tmp_path / "docs").iterdir()] == ["memo.txt"]


@pytest.mark.parametrize("missing", ["ない", "空"])
def test_where_there_is_no_index_nothing_is_made(missing, index, tmp_path):
    (tmp_path / "空").mkdir()
    for copied, to in ((back_up, tmp_path / "b"), (restore, index)):
        with pytest.raises(FileNotFoundError, match="holds no index"):
            copied(tmp_path / missing, to)
    assert not (tmp_path / "b").exists()
    assert texts(index) == ["一", "三"]


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".sqlite", ".terms", ".vectors"])
@pytest.mark.parametrize("harm", [damage, type(DATA).unlink], ids=["damaged", "missing"])
def test_a_damaged_copy_is_neither_made_nor_put_back(suffix, harm, index, tmp_path):
    back_up(index, tmp_path / "b")
    store = SwallowFAISS(CharacterEmbeddings(), path=index)
    # The second change removes the files that the backup has too.
    store.optimize()
    store.add_texts(["四"])
    before = contents(index)
    harm(segment_file(tmp_path / "b", suffix))
    for copied, to in ((back_up, tmp_path / "b2"), (restore, index)):
        with pytest.raises(IndexStoreError, match=rf"{suffix} is (damaged|missing)"):
            copied(tmp_path / "b", to)
    assert contents(index) == before
    assert not (tmp_path / "b2").exists()


def test_a_change_between_manifest_and_files_is_noticed(index, tmp_path, monkeypatch):
    """A writer that changes the index twice has removed the files of the manifest that was read."""
    read, changes = backup.read_manifest_bytes, iter(range(3))

    def read_and_change(folder):
        data = read(folder)
        for number in changes:
            store = SwallowFAISS(CharacterEmbeddings(), path=index)
            store.optimize()
            store.add_texts([f"新しい{number}"])
            store.optimize()
        return data

    monkeypatch.setattr(backup, "read_manifest_bytes", read_and_change)
    back_up(index, tmp_path / "b")
    assert texts(tmp_path / "b") == ["一", "三", "新しい0", "新しい1", "新しい2"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes")
def test_a_backup_is_as_private_as_its_index(index, tmp_path):
    index.chmod(0o750)
    for path in index.iterdir():
        path.chmod(0o640)
    back_up(index, tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750
    assert {stat.S_IMODE((tmp_path / "b" / n).stat().st_mode) for n in contents(index)} == {0o640}
    # What is restored has the permissions of the index that it replaces.
    for path in index.iterdir():
        path.chmod(0o660)
    SwallowFAISS(CharacterEmbeddings(), path=index).optimize()
    restore(tmp_path / "b", index)
    named = [name for s in read_manifest(index).segments for name in s.files]
    assert {stat.S_IMODE((index / n).stat().st_mode) for n in [*named, "manifest.json"]} == {0o660}


def test_a_backup_of_an_earlier_version_is_for_that_version(tmp_path):
    """After an upgrade that went wrong, it is what the version before can read."""
    shutil.unpack_archive(DATA / "indexes-0.1.zip", tmp_path)
    for kind in ("hnsw", "ivfpq"):
        back_up(tmp_path / kind, tmp_path / "b" / kind)
        assert contents(tmp_path / "b" / kind) == contents(tmp_path / kind)
