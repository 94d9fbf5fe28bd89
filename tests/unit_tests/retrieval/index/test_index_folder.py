"""An index in a folder: what is saved, what is refused, and who may write."""

import itertools
import json
import subprocess
import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_swallow import SwallowEmbeddings, SwallowFAISS
from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index import folder as folders
from langchain_swallow.retrieval.index.bm25 import Lexical
from langchain_swallow.retrieval.index.filters import Column
from langchain_swallow.retrieval.index.folder import IndexFolder
from langchain_swallow.retrieval.index.manifest import StoredSegment, read_manifest
from langchain_swallow.retrieval.index.segment import Segment
from tests.support.embeddings import CharacterEmbeddings

TEXTS = [
    "有給休暇は10日です。",
    "会議室は3階です。",
    "出張の日当は3,000円です。",
    "食堂のカレーは500円。",
]
METADATA = [{"source": f"{i}.md", "page": i} for i in range(4)]


@pytest.fixture
def store():
    return SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings(), METADATA, ids=list("abcd"))


def load(folder):
    return SwallowFAISS.load_local(folder, CharacterEmbeddings())


def suffixes(folder):
    return sorted(path.suffix for path in folder.iterdir() if not path.name.startswith("."))


def test_a_saved_index_is_the_same(store, tmp_path):
    store.delete(["b"])
    folder = tmp_path / "索引"
    store.save_local(folder)
    loaded = load(folder)
    assert loaded.documents == store.documents
    found = loaded.similarity_search_with_score("円", 3)
    assert found == store.similarity_search_with_score("円", 3)
    assert suffixes(folder) == [".json", ".sqlite", ".terms", ".vectors"]
    # Nothing deleted is left in the file.
    assert read_manifest(folder).segments[0].count == 3


def test_what_is_loaded_changes_in_memory_only(store, tmp_path):
    store.save_local(tmp_path / "i")
    loaded = load(tmp_path / "i")
    loaded.add_texts(["新"], ids=["e"])
    loaded.delete(["a"])
    assert len(loaded) == 4
    assert len(load(tmp_path / "i")) == 4
    assert load(tmp_path / "i").get_by_ids(["e"]) == []
    loaded.save_local(tmp_path / "i")
    assert [d.id for d in load(tmp_path / "i").documents] == list("bcde")


def test_an_empty_store_is_saved(tmp_path):
    SwallowFAISS(CharacterEmbeddings()).save_local(tmp_path / "i")
    assert len(load(tmp_path / "i")) == 0
    assert suffixes(tmp_path / "i") == [".json"]


def test_every_change_is_in_the_folder(tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "i")
    assert not (tmp_path / "i").exists()
    store.add_texts(TEXTS, METADATA, ids=list("abcd"))
    assert len(load(tmp_path / "i")) == 4
    store.delete(["a"])
    store.add_texts(["会議室は4階です。"], [{"source": "1.md"}], ids=["b"])
    reopened = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "i")
    assert reopened.documents == store.documents
    assert [d.id for d in reopened.documents] == list("cdb")
    # A store that is open sees what another has written.
    reopened.add_texts(["新しい"], ids=["e"])
    assert [d.id for d in store.documents] == list("cdbe")
    assert read_manifest(tmp_path / "i").documents == 4


def test_files_of_no_manifest_are_removed(tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path)
    for i in range(30):
        store.add_texts([str(i)], ids=[str(i)])
    named = {name for s in read_manifest(tmp_path).segments for name in s.files}
    there = {path.name for path in tmp_path.iterdir() if len(path.stem) == 16}
    # Those of the manifest, and of the one before it.
    assert named <= there
    assert len(there) <= 2 * len(named) + 4


def test_saving_again_replaces_the_whole(store, tmp_path):
    store.save_local(tmp_path / "i")
    store.delete(["a"])
    store.save_local(tmp_path / "i")
    assert len(load(tmp_path / "i")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["i"]


def test_the_old_index_survives_a_failed_save(store, tmp_path, monkeypatch):
    store.save_local(tmp_path / "i")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(
        "langchain_swallow.retrieval.index.folder.IndexFolder._replace_manifest", fail
    )
    store.delete(["a"])
    with pytest.raises(OSError, match="disk full"):
        store.save_local(tmp_path / "i")
    assert len(load(tmp_path / "i")) == 4


def test_a_folder_of_something_else_is_not_written_to(store, tmp_path):
    (tmp_path / "大事.txt").write_text("x", encoding="utf-8")
    with pytest.raises(IndexStoreError, match="is not an index, and not empty"):
        store.save_local(tmp_path)
    with pytest.raises(IndexStoreError, match="is not an index, and not empty"):
        SwallowFAISS(CharacterEmbeddings(), path=tmp_path).add_texts(["x"])


# Damage


@pytest.mark.parametrize("suffix", ["vectors", "sqlite", "terms", "json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "remove"])
def test_damage_is_found_before_anything_is_read(store, tmp_path, suffix, damage):
    store.save_local(tmp_path / "i")
    (path,) = (tmp_path / "i").glob(f"*.{suffix}")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if damage == "flip":
        data[middle] ^= 0x10
    path.write_bytes({"cut": data[:middle], "grow": data + b"x"}.get(damage, data))
    if damage == "remove":
        path.unlink()
    if (suffix, damage) == ("json", "remove"):
        with pytest.raises(FileNotFoundError, match=r"holds no index\. Make one with"):
            load(tmp_path / "i")
    else:
        wanted = "is missing" if damage == "remove" else "is damaged"
        with pytest.raises(IndexStoreError, match=wanted) as caught:
            load(tmp_path / "i")
        assert path.name in str(caught.value)


def test_another_version_embedding_and_metric_are_refused(store, tmp_path):
    folder = tmp_path / "i"
    store.save_local(folder)
    with pytest.raises(IndexStoreError, match=r"with .*'characters'.* this is .*'other'"):
        SwallowFAISS.load_local(folder, CharacterEmbeddings("other"))
    with pytest.raises(IndexStoreError, match="was made with the embedding"):
        SwallowFAISS(CharacterEmbeddings("other"), path=folder)
    with pytest.raises(IndexStoreError, match="was made with the metric 'cosine', this is 'l2'"):
        SwallowFAISS(CharacterEmbeddings(), metric="l2", path=folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    for version, to_do in ((1, "Index the documents again"), (99, "Update langchain-swallow")):
        path.write_text(json.dumps({**manifest, "format_version": version}), encoding="utf-8")
        wanted = rf"index format {version}, this version reads 2 to 3\. {to_do}"
        with pytest.raises(IndexStoreError, match=wanted):
            load(folder)


def test_an_index_of_the_version_before_is_read_and_written_on(store, tmp_path):
    folder = tmp_path / "i"
    store.save_local(folder)
    path = folder / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    del content["sha256"]
    content["format_version"] = 2
    content["sha256"] = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content), encoding="utf-8")
    before = len(load(folder))
    again = SwallowFAISS(CharacterEmbeddings(), path=folder)
    again.add_texts(["新しい文章"])
    assert len(load(folder)) == before + 1
    assert json.loads(path.read_text("utf-8"))["format_version"] == 3


def test_a_manifest_names_no_file_outside_its_folder(store, tmp_path):
    store.save_local(tmp_path / "i")
    path = tmp_path / "i" / "manifest.json"
    text = path.read_text("utf-8").replace(".sqlite", "/../x.sqlite")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(IndexStoreError, match="is damaged"):
        load(tmp_path / "i")


def test_prefixes_are_part_of_the_index(tmp_path):
    made = SwallowFAISS(SwallowEmbeddings("intfloat/multilingual-e5-small"))
    made.save_local(tmp_path / "i")
    assert read_manifest(tmp_path / "i").embedding == {
        "class": "SwallowEmbeddings",
        "model": "intfloat/multilingual-e5-small",
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
    }
    other = SwallowEmbeddings("intfloat/multilingual-e5-small", query_prefix="")
    with pytest.raises(IndexStoreError, match="was made with the embedding"):
        SwallowFAISS.load_local(tmp_path / "i", other)


# Processes

WRITER = """
import sys, time
from langchain_swallow.retrieval.index.folder import IndexFolder
from pathlib import Path
with IndexFolder(Path(sys.argv[1])).writing():
    print("writing", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def writer(folder, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.slow
def test_a_second_writer_waits_and_then_gives_up(tmp_path):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path, wait_s=0.1)
    with writer(tmp_path, 60) as first:
        with pytest.raises(IndexStoreError, match=r"by another process for 0\.1 s"):
            store.add_texts(["x"])
        # A writer that was killed holds no lock.
        first.kill()
    store.add_texts(["x"])
    patient = SwallowFAISS(CharacterEmbeddings(), path=tmp_path, wait_s=30)
    with writer(tmp_path, 0.3):
        patient.add_texts(["y"])
    assert len(store) == 2


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (folders, "verify_segment"),
        (folders, "read_segment"),
        (Lexical, "read"),
        (Segment, "read"),
    ],
)
def test_a_reader_that_comes_late_reads_the_newer_index(tmp_path, monkeypatch, owner, step):
    """Whatever it was about to open when writers replaced it, and however often they do."""
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path)
    store.add_texts(["一"])
    folder, real = IndexFolder(tmp_path), getattr(owner, step)
    newer = iter("二三四五六七八九")

    def replaced_before(*args, **kwargs):
        with monkeypatch.context() as writing:
            writing.setattr(owner, step, real)
            for text in itertools.islice(newer, 2):
                store.delete()
                store.add_texts([text])
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, step, replaced_before)
    (passage,) = folder.read().snapshot.everything()
    assert passage.text == "九"


def test_a_late_reader_does_not_read_again_what_is_still_there(tmp_path, monkeypatch):
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path)
    store.add_texts([str(i) for i in range(200)])
    store.add_texts(["一"], ids=["last"])
    real, verified = folders.verify_segment, []

    def replaced_before(folder, segment):
        verified.append(segment.count)
        if len(verified) == 2:
            for text in "二三":
                store.delete(["last"])
                store.add_texts([text], ids=["last"])
        return real(folder, segment)

    monkeypatch.setattr(folders, "verify_segment", replaced_before)
    found = IndexFolder(tmp_path).read().snapshot
    assert verified == [200, 1, 1]
    assert [p.text for p in found.everything()][-1] == "三"


def test_an_index_whose_folder_became_a_file_is_an_index_that_is_gone(store, tmp_path):
    folder = tmp_path / "i"
    store.save_local(folder)
    loaded = SwallowFAISS.load_local(folder, store.embeddings)
    before = len(loaded)
    folder.rename(tmp_path / "moved")
    assert len(loaded) == before
    folder.write_text("", encoding="utf-8")
    assert len(loaded) == before


# Parts


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_deleted_rows_are_kept_in_the_manifest(alive):
    import numpy as np

    mask = np.array(alive)
    stored = StoredSegment("s", len(alive), "flat", {}).with_alive(mask)
    kept = stored.alive()
    assert (all(alive) and kept is None) or kept.tolist() == alive


def test_values_that_python_takes_for_equal_are_told_apart():
    column = Column.from_metadata([{"a": 1}, {"a": True}, {"a": 1.0}, {"a": [1]}, {}], "a")
    assert column.codes.tolist() == [0, 1, 2, 3, 4]
    assert column.value(4) is None
