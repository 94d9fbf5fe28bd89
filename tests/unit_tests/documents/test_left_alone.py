"""What is not a document, in folders and archives: in a list, and never an error."""

import io
import os
import zipfile

import pytest

from langchain_swallow import SwallowFAISS, load_documents, sync_folder
from langchain_swallow.documents.listing import list_files
from langchain_swallow.documents.readers.archive import Archive
from langchain_swallow.errors import DocumentError
from tests.support.embeddings import CharacterEmbeddings

OTHERS = [
    ".DS_Store",
    "規程/.DS_Store",
    "__MACOSX/._規程.txt",
    "__MACOSX/規程/._就業.txt",
    "Thumbs.db",
    "規程/desktop.ini",
    "図.png",
    ".git/config.txt",
    ".隠し.txt",
    "~$規程.docx",
    "古い.jtd",
    "名なし",
]


def zipped(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def raw(entries, length=12):
    """An archive with these bytes as names, and no flag for UTF-8: as of Japanese Windows."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, (_, data) in enumerate(entries):
            archive.writestr(zipfile.ZipInfo(f"{i:02}".ljust(length, "x")), data)
    made = buffer.getvalue()
    for i, (name, _) in enumerate(entries):
        assert len(name) == length
        made = made.replace(f"{i:02}".ljust(length, "x").encode(), name)
    return made


def test_an_archive_has_what_systems_keep_beside_documents(tmp_path, caplog):
    entries = [("規程/", b""), ("規程.txt", "本文。"), *((name, b"\0\5\x16\7") for name in OTHERS)]
    path = zipped(tmp_path / "a.zip", entries)
    loaded = load_documents(path)
    assert [d.metadata["inside"] for d in loaded] == ["規程.txt"]
    assert loaded.failed == {}
    assert loaded.ignored == [f"{path}/{name}" for name in OTHERS]
    assert "Left out: 1 files .jtd" in caplog.text
    summary = sync_folder(SwallowFAISS(CharacterEmbeddings()), tmp_path)
    assert (len(summary.added), summary.failed) == (1, {})
    assert set(summary.ignored) == set(loaded.ignored)


def test_an_archive_of_nothing_else_is_no_error(tmp_path):
    zipped(tmp_path / "a.zip", [("図.png", b"png"), ("空/", b"")])
    zipped(tmp_path / "b.zip", [])
    loaded = load_documents(tmp_path)
    assert (loaded, loaded.failed) == ([], {})


def test_a_large_picture_in_an_archive_is_not_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("図.bmp", bytes(5_000_000))
        archive.writestr("規程.txt", "本文。")
    assert [d.page_content for d in load_documents(path)] == ["本文。"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_of_one_name_are_all_read(tmp_path):
    names = ["規程.txt", "規程 (2).txt", "規程.txt", "./規程.txt", "部\\規程.txt", "部//規程.txt"]
    path = zipped(tmp_path / "a.zip", [(name, f"{i}。") for i, name in enumerate(names)])
    found = {d.metadata["inside"]: d.page_content for d in load_documents(path)}
    assert found == {
        "規程 (3).txt": "0。",
        "規程 (2).txt": "1。",
        "規程 (4).txt": "2。",
        # The last one has the name, as after unpacking.
        "規程.txt": "3。",
        "部/規程 (2).txt": "4。",
        "部/規程.txt": "5。",
    }


def test_names_that_are_one_name_only_when_they_are_decoded():
    cp932, utf8 = "規程.txt".encode("cp932"), "規程.txt".encode()
    data = raw([(cp932 + b"\0" * (12 - len(cp932)), b"a"), (utf8.ljust(12, b"\0"), b"b")])
    archive = Archive(data, "a.zip")
    assert {name: archive.read(name) for name in archive.names()} == {
        "規程 (2).txt": b"a",
        "規程.txt": b"b",
    }


def test_folders_and_backslashes_of_japanese_windows():
    folder = "表ソ\\".encode("cp932")
    file = "表ソ\\能.txt".encode("cp932")
    data = raw([(folder.ljust(12, b"\0"), b""), (file.ljust(12, b"\0"), b"text")])
    archive = Archive(data, "a.zip")
    assert (archive.names(), archive.others) == (["表ソ/能.txt"], [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["..\\x.txt", "/x.txt", "a/../../x.txt", "C:\\x.txt", "\\\\s\\x"])
def test_paths_that_lead_out_are_still_refused(tmp_path, name):
    path = zipped(tmp_path / "a.zip", [(name, b"x")])
    with pytest.raises(DocumentError, match="path that leads out of it"):
        load_documents(path)


# Links


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "文書"
    (root / "部").mkdir(parents=True)
    (root / "a.txt").write_text("本文。", encoding="utf-8")
    (tmp_path / "外").mkdir()
    (tmp_path / "外" / "b.txt").write_text("外。", encoding="utf-8")
    return root


def test_links_to_folders_are_listed(folder, tmp_path):
    (folder / "外へ").symlink_to(tmp_path / "外")
    (folder / "部" / "上へ").symlink_to(folder)
    loaded = load_documents(folder)
    assert [d.page_content for d in loaded] == ["本文。"]
    assert set(loaded.ignored) == {str(folder / "外へ"), str(folder / "部" / "上へ")}


def test_a_broken_link_to_a_document_is_an_error_that_says_so(folder):
    link = folder / "規程.pdf"
    link.symlink_to("なくなった.pdf")
    (folder / "図.png").symlink_to("なくなった.png")
    (folder / ".#a.txt").symlink_to("emacs")
    loaded = load_documents(folder, on_error="skip")
    reason = f"{link} cannot be read: it is a link to なくなった.pdf, which does not exist."
    assert loaded.failed == {str(link): reason}
    assert loaded.ignored == [str(folder / "図.png")]
    with pytest.raises(DocumentError, match="which does not exist"):
        load_documents(folder)
    assert len(load_documents(folder, exclude=["*.pdf"])) == 1


def test_a_link_that_breaks_keeps_its_passages(folder):
    """Its target may be on a share that is not mounted."""
    link = folder / "規程.txt"
    (folder / "部" / "本体.txt").write_text("規程。", encoding="utf-8")
    link.symlink_to(folder / "部" / "本体.txt")
    store = SwallowFAISS(CharacterEmbeddings())
    sync_folder(store, folder)
    (folder / "部" / "本体.txt").rename(folder / "部" / "外した.png")
    summary = sync_folder(store, folder)
    assert (list(summary.failed), len(summary.deleted)) == ([str(link)], 1)
    assert str(link) in store.sources()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_left_alone(folder):
    os.mkfifo(folder / "管.txt")
    ignored = []
    assert list_files(folder, ignored=ignored) == [folder / "a.txt"]
    assert ignored == [str(folder / "管.txt")]
