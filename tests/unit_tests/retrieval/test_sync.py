"""A store follows a folder: only what changed is read and embedded."""

import hashlib
import shutil
import subprocess
import zipfile

import numpy as np
import pytest

from langchain_swallow import SwallowFAISS, sync_folder
from tests.support.embeddings import CharacterEmbeddings
from tests.support.unreadable import shared_folder, unreadable


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "規程"
    (root / "総務").mkdir(parents=True)
    texts = {"就業.txt": "試用期間は3か月。", "総務/会議.md": "# 会議\n\n3階です。"}
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def store(tmp_path):
    return SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")


def documents_and_vectors(store):
    now = store.snapshot()
    return list(zip(store.documents, now.vectors(now.places(range(len(now)))), strict=True))


def texts(store):
    return sorted(d.page_content for d in store.documents)


def test_only_what_changed_is_embedded(folder, store):
    embedded = store.embeddings.embedded
    first = sync_folder(store, folder)
    assert sorted(first.added) == [str(folder / "就業.txt"), str(folder / "総務" / "会議.md")]
    assert (len(embedded), str(first)) == (2, "2 added")

    assert sync_folder(store, folder).unchanged == tuple(map(str, sorted(folder.rglob("*.*"))))
    assert len(embedded) == 2

    (folder / "就業.txt").write_text("試用期間は6か月。", encoding="utf-8")
    (folder / "新.txt").write_text("新しい。", encoding="utf-8")
    summary = sync_folder(store, folder)
    assert summary.changed == (str(folder / "就業.txt"),)
    assert summary.added == (str(folder / "新.txt"),)
    assert len(embedded) == 4
    assert "試用期間は3か月。" not in texts(store)

    (folder / "新.txt").unlink()
    assert sync_folder(store, folder).deleted == (str(folder / "新.txt"),)
    assert len(embedded) == 4
    assert len(store) == 2


def test_files_are_read_again_and_only_other_passages_are_embedded(folder, store):
    """As after an upgrade that reads Markdown otherwise."""
    (folder / "名簿.csv").write_text("氏名,部署\n佐藤,総務\n鈴木,営業\n", encoding="utf-8")
    sync_folder(store, folder)
    embedded, meeting = store.embeddings.embedded, str(folder / "総務" / "会議.md")
    before = len(embedded)
    assert str(sync_folder(store, folder, reread=True)) == "3 unchanged"
    assert len(embedded) == before

    [old] = [d for d in store.documents if d.metadata["source"] == meeting]
    read_otherwise = {**old.metadata, "headings": "会議室"}
    store.delete(source=meeting)
    store.add_texts([old.page_content], [read_otherwise])
    shutil.move(folder / "名簿.csv", folder / "総務" / "名簿.csv")
    assert str(sync_folder(store, folder)) == "1 moved, 2 unchanged"
    before = len(embedded)
    summary = sync_folder(store, folder, reread=True)
    assert (summary.changed, len(summary.unchanged)) == ((meeting,), 2)
    assert len(embedded) == before + 1
    assert [d.metadata for d in store.documents if d.metadata["source"] == meeting] == [
        old.metadata
    ]


def test_of_a_changed_file_only_other_passages_are_embedded(folder, store):
    rules, embedded = folder / "規程.md", store.embeddings.embedded
    sections = [f"## {i}章\n\n{i}日とする。\n" for i in range(20)]
    rules.write_text("\n".join(sections), encoding="utf-8")
    sync_folder(store, folder)
    before = {d.page_content: v for d, v in documents_and_vectors(store)}
    count = len(embedded)
    sections[7] = "## 7章\n\n70日とする。\n"
    rules.write_text("\n".join([*sections[3:], sections[10]]), encoding="utf-8")
    assert sync_folder(store, folder).changed == (str(rules),)
    assert embedded[count:] == ["規程\n7章\n\n70日とする。"]
    after = [(d, v) for d, v in documents_and_vectors(store) if d.metadata["source"] == str(rules)]
    assert len(after) == 18
    assert len({document.metadata["content_hash"] for document, _ in after}) == 1
    for document, vector in after:
        if "70日" not in document.page_content:
            assert np.allclose(vector, before[document.page_content], atol=1e-6)


def test_what_cannot_be_read_again_keeps_its_passages(folder, store):
    """As where an older version could read it."""
    damaged = folder / "古い.pdf"
    damaged.write_bytes(b"%PDF damaged")
    digest = hashlib.sha256(damaged.read_bytes()).hexdigest()
    store.add_texts(["古い本文。"], [{"source": str(damaged), "content_hash": digest}])
    sync_folder(store, folder)
    summary = sync_folder(store, folder, reread=True)
    assert list(summary.failed) == [str(damaged)]
    assert str(summary) == "2 unchanged, 1 failed"
    assert "古い本文。" in texts(store)


def test_files_of_other_formats_are_told(folder, store):
    (folder / "古い.jtd").write_bytes(b"jtd")
    summary = sync_folder(store, folder)
    assert summary.ignored == (str(folder / "古い.jtd"),)
    assert str(summary) == "2 added, 1 ignored"


def test_a_moved_file_is_not_embedded_again_and_a_renamed_one_is(folder, store):
    sync_folder(store, folder)
    embedded = store.embeddings.embedded
    shutil.move(folder / "就業.txt", folder / "総務" / "就業.txt")
    summary = sync_folder(store, folder)
    assert summary.moved == {str(folder / "就業.txt"): str(folder / "総務" / "就業.txt")}
    assert str(summary) == "1 moved, 1 unchanged"
    assert len(embedded) == 2
    assert set(store.sources()) == {str(folder / "総務" / n) for n in ("就業.txt", "会議.md")}
    # The title is part of what is embedded.
    shutil.move(folder / "総務" / "就業.txt", folder / "総務" / "就業規則.txt")
    assert str(sync_folder(store, folder)) == "1 added, 1 deleted, 1 unchanged"
    assert len(embedded) == 3


def test_a_copy_is_no_move(folder, store):
    sync_folder(store, folder)
    shutil.copy(folder / "就業.txt", folder / "総務" / "就業.txt")
    assert sync_folder(store, folder).added == (str(folder / "総務" / "就業.txt"),)
    assert len(store) == 3


def test_other_sources_stay(folder, store, tmp_path):
    store.add_texts(["外の文書"], [{"source": str(tmp_path / "外" / "a.txt")}])
    store.add_texts(["出所なし"])
    sync_folder(store, folder)
    assert {"外の文書", "出所なし"} < set(texts(store))


@pytest.mark.slow
def test_a_file_that_cannot_be_read_keeps_its_passages_and_is_told(folder, store):
    sync_folder(store, folder)
    (folder / "就業.txt").write_bytes(b"\x00\x01")
    (folder / "壊.pdf").write_bytes(b"%PDF-1.4 broken")
    summary = sync_folder(store, folder)
    assert set(summary.failed) == {str(folder / "就業.txt"), str(folder / "壊.pdf")}
    assert "NUL bytes" in summary.failed[str(folder / "就業.txt")]
    assert "試用期間は3か月。" in texts(store)
    (folder / "就業.txt").write_text("直した。", encoding="utf-8")
    assert sync_folder(store, folder).changed == (str(folder / "就業.txt"),)


@pytest.mark.parametrize("name", ["禁止.txt", "禁止"])
def test_what_may_not_be_read_for_a_while_is_not_gone(name):
    store = SwallowFAISS(CharacterEmbeddings())
    with shared_folder() as folder:
        (folder / "禁止").mkdir()
        for file in ("良.txt", "禁止.txt", "禁止/中.txt"):
            (folder / file).write_text(f"{file}の文書。", encoding="utf-8")
        sync_folder(store, folder)
        (folder / "良.txt").write_text("直した。", encoding="utf-8")
        with unreadable(folder / name):
            summary = sync_folder(store, folder)
        assert summary.failed == {
            str(folder / name): f"{folder / name} cannot be read: Permission denied."
        }
        assert (summary.deleted, summary.moved, len(summary.changed)) == ((), {}, 1)
        assert len(store) == 3
        assert str(sync_folder(store, folder)) == "3 unchanged"


def test_of_an_archive_what_can_be_read_is_kept_and_the_rest_told(folder, store):
    with zipfile.ZipFile(folder / "束.zip", "w") as archive:
        archive.writestr("良.txt", "束の文書。")
        archive.writestr("壊.pdf", b"%PDF-1.4 broken")
    summary = sync_folder(store, folder)
    assert list(summary.failed) == [f"{folder / '束.zip'}/壊.pdf"]
    assert str(folder / "束.zip") in summary.added
    assert "束の文書。" in texts(store)


def test_many_files_are_read_by_a_few_processes(folder, store, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **how: started.append(args) or popen(*args, **how)
    )
    for i in range(12):
        (folder / f"{i}.html").write_text(f"<p>文書{i}。</p>", encoding="utf-8")
    assert len(sync_folder(store, folder).added) == 14
    assert 1 <= len(started) <= 4


def test_interrupted_it_goes_on_without_doing_work_twice(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("langchain_swallow.retrieval.sync._BATCH_SIZE", 1)
    for i in range(10):
        (folder / f"{i}.txt").write_text(f"文書{i}。", encoding="utf-8")

    class Interrupted(CharacterEmbeddings):
        def embed_documents(self, texts):
            if len(self.embedded) >= 6:
                raise KeyboardInterrupt
            return super().embed_documents(texts)

    class Named(CharacterEmbeddings):
        pass

    Interrupted.__name__ = Named.__name__ = "E"
    interrupted = Interrupted()
    store = SwallowFAISS(interrupted, path=tmp_path / "索引")
    with pytest.raises(KeyboardInterrupt):
        sync_folder(store, folder)
    assert len(SwallowFAISS(Named(), path=tmp_path / "索引")) == 6
    rest = Named()
    summary = sync_folder(SwallowFAISS(rest, path=tmp_path / "索引"), folder)
    assert (len(summary.added), len(summary.unchanged)) == (6, 6)
    assert not set(rest.embedded) & set(interrupted.embedded)
    assert len(rest.embedded) == 6


def test_a_folder_is_wanted(store, folder):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        sync_folder(store, folder / "なし")
    with pytest.raises(NotADirectoryError, match=r"is a file\. Pass the folder"):
        sync_folder(store, folder / "就業.txt")


def test_a_file_without_text_is_not_added_at_every_sync(folder, store):
    sync_folder(store, folder)
    (folder / "空.txt").write_text("", encoding="utf-8")
    for _ in range(2):
        summary = sync_folder(store, folder)
        assert (summary.added, summary.changed, len(summary.unchanged)) == ((), (), 2)
        assert list(summary.left_out) == [str(folder / "空.txt")]
    (folder / "就業.txt").write_text(" \n", encoding="utf-8")
    assert sync_folder(store, folder).changed == (str(folder / "就業.txt"),)
    assert texts(store) == ["会議\n\n3階です。"]
    assert str(sync_folder(store, folder)) == "1 unchanged, 2 left_out"
