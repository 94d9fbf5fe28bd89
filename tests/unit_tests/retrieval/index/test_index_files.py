"""Files of an index: who may read them, and what a full disk leaves."""

import contextlib
import errno
import os
import shutil
import stat
import subprocess

import numpy as np
import pytest

from langchain_swallow import SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.retrieval.index.files import full_disk_explained
from langchain_swallow.retrieval.index.manifest import NAME
from tests.support.embeddings import CharacterEmbeddings
from tests.support.unreadable import shared_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights are another matter here")


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder):
    """Of what is read: the manifest and the files of segments."""
    files = [path for path in folder.iterdir() if path.name != ".lock"]
    return {stat.S_IMODE(path.stat().st_mode) for path in files}


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o027, 0o077], ids=oct)
@pytest.mark.parametrize("way", ["path", "save_local"])
def test_one_umask_is_of_all_files(tmp_path, mask, way):
    folder = tmp_path / "索引"
    with umask(mask):
        if way == "path":
            store = SwallowFAISS(CharacterEmbeddings(), path=folder)
            store.add_texts(["本文。"] * 10)
            store.add_texts(["別。"])
        else:
            SwallowFAISS.from_texts(["本文。"], CharacterEmbeddings()).save_local(folder)
    assert modes(folder) == {0o666 & ~mask}


def test_an_index_keeps_the_rights_that_it_was_given(tmp_path):
    folder = tmp_path / "索引"
    store = SwallowFAISS(CharacterEmbeddings(), path=folder)
    store.add_texts(["本文。"] * 10)
    for path in folder.iterdir():
        path.chmod(0o640)
    with contextlib.suppress(PermissionError):
        os.chown(folder / NAME, -1, 65534)
    group = (folder / NAME).stat().st_gid
    store.add_texts(["別。"])
    store.optimize()
    assert modes(folder) == {0o640}
    assert {p.stat().st_gid for p in folder.iterdir() if p.suffix in (".json", ".vectors")} >= {
        group
    }
    assert (folder / NAME).stat().st_gid == group


def test_a_manifest_of_earlier_versions_is_opened_to_those_who_may_read_the_texts(tmp_path):
    folder = tmp_path / "索引"
    with umask(0o022):
        store = SwallowFAISS(CharacterEmbeddings(), path=folder)
        store.add_texts(["本文。"] * 10)
        (folder / NAME).chmod(0o600)
        store.add_texts(["別。"])
        store.optimize()
    assert modes(folder) == {0o644}


@contextlib.contextmanager
def another_user():
    """As nobody, for as long as the block lasts; what it needs must have been imported before."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_another_user_reads_and_is_told_that_he_may_not_write():
    with shared_folder() as shared, umask(0o022):
        folder = shared / "索引"
        SwallowFAISS(CharacterEmbeddings(), path=folder).add_texts(["本文。"])
        with another_user():
            store = SwallowFAISS(CharacterEmbeddings(), path=folder)
            assert [d.page_content for d in store.similarity_search("本文", k=1)] == ["本文。"]
            for write in (lambda: store.add_texts(["書く。"]), lambda: store.save_local(folder)):
                with pytest.raises(PermissionError, match="It is read-only for this user"):
                    write()


# Full disks


@contextlib.contextmanager
def small_disk(place, kib):
    """A file system of a few KiB."""
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place)]
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kib", [40, 80, 120, 160, 240])
def test_a_full_disk_is_named_and_leaves_the_index_as_it_was(tmp_path, kib):
    many = [f"本文{i}。" * 20 for i in range(500)]
    with small_disk(tmp_path / "小", kib) as disk:
        with pytest.raises(OSError, match="No space left on device") as caught:
            SwallowFAISS.from_texts(many, CharacterEmbeddings()).save_local(disk / "新")
        assert caught.value.errno == errno.ENOSPC
        assert not (disk / "新").exists()

        folder = disk / "索引"
        store = SwallowFAISS(CharacterEmbeddings(), path=folder)
        store.add_texts(["本文。"])
        before = sorted(path.name for path in folder.iterdir())
        for _ in range(2):
            with pytest.raises(OSError, match="No space left on device"):
                store.add_texts(many)
            assert sorted(path.name for path in folder.iterdir()) == before
        assert len(SwallowFAISS.load_local(folder, CharacterEmbeddings())) == len(store) == 1


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, "full"), errno.ENOSPC),
        (OSError(errno.EDQUOT, "quota"), errno.EDQUOT),
        (RuntimeError(f"FAISS: {os.strerror(errno.ENOSPC)}"), errno.ENOSPC),
    ],
    ids=str,
)
def test_what_libraries_say_of_a_full_disk(tmp_path, error, number):
    explained = pytest.raises(OSError, match="The index is as it was")
    with explained as caught, full_disk_explained(tmp_path):
        raise error
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "io"), RuntimeError("bad"), ValueError()])
def test_other_errors_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, full_disk_explained(tmp_path):
        raise error
    assert caught.value is error


# Where to


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("ファイル.txt", "Not a directory"),
        ("ファイル.txt/索引", "Not a directory"),
        ("文書", "is not an index, and not empty"),
        ("禁止/索引", "read-only for this user"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    monkeypatch, capsys, output, message
):
    def load(*_, **__):
        raise AssertionError("this takes long")

    monkeypatch.setattr("langchain_swallow.retrieval.embeddings.local.SwallowEmbeddings", load)
    monkeypatch.setattr("langchain_swallow.documents.load.load_documents", load)
    with shared_folder() as folder:
        (folder / "ファイル.txt").write_text("x")
        (folder / "文書").mkdir()
        (folder / "文書" / "a.txt").write_text("本文。", encoding="utf-8")
        (folder / "禁止").mkdir()
        place, documents = str(folder / output), str(folder / "文書")
        monkeypatch.setenv("SWALLOW_CONFIG", str(folder / "なし.toml"))
        with another_user() if output.startswith("禁止") else contextlib.nullcontext():
            for command in (
                ["index", documents, "-o", place],
                ["sync", documents, "-i", place],
                ["convert", documents, "-o", place, "--embeddings", "demo"],
            ):
                assert main(command) == 1
                assert message in capsys.readouterr().err
        assert sorted(path.name for path in folder.iterdir()) == ["ファイル.txt", "文書", "禁止"]


def test_vectors_of_a_saved_index_are_what_they_were(tmp_path):
    """Arrays are written by hand, so that a full disk is named."""
    store = SwallowFAISS.from_texts([f"{i}。" for i in range(50)], CharacterEmbeddings())
    store.save_local(tmp_path)
    read = SwallowFAISS.load_local(tmp_path, CharacterEmbeddings())
    now, then = store.snapshot(), read.snapshot()
    assert np.array_equal(now.vectors(now.places(range(50))), then.vectors(then.places(range(50))))
    assert np.array_equal(now.lexical_scores("7。"), then.lexical_scores("7。"))
