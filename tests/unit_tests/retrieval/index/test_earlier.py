"""Indexes of versions before 0.2.0 (`tests/data/make_indexes_0_1.py`) are read and converted."""

import json
import shutil
import threading
import time

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from langchain_swallow import SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.errors import IndexStoreError
from langchain_swallow.retrieval.index import vectors
from langchain_swallow.retrieval.migration import rewrite_index
from tests.support.paths import DATA

# The third was deleted.
LEFT = [i for i in range(135) if i != 2]


class Rows(Embeddings):
    """Vectors by number; the same in the script that wrote the indexes."""

    def __init__(self):
        rng = np.random.default_rng(0)
        near = rng.normal(size=(10, 4))[rng.integers(10, size=135)]
        self.rows = (near + 0.3 * rng.normal(size=near.shape)).astype(np.float32)

    def embed_documents(self, texts):
        return [self.rows[int(text)].tolist() for text in texts]

    def embed_query(self, text):
        return self.rows[int(text)].tolist()


@pytest.fixture(params=["hnsw", "ivfpq"])
def folder(request, tmp_path, monkeypatch):
    # As where they were written; and a graph answers, though there are few rows.
    monkeypatch.setattr(vectors, "_APPROXIMATE_FROM", 130)
    monkeypatch.setattr(vectors, "_EXHAUSTIVE_BELOW", 0)
    shutil.unpack_archive(DATA / "indexes-0.1.zip", tmp_path)
    return tmp_path / request.param


def assert_complete(store):
    """Texts, ids, metadata and vectors are as they were, and are found by each other."""
    found = [(d.id, d.page_content, d.metadata) for d in store.documents]
    assert found == [(str(i), str(i), {"seven": i % 7}) for i in LEFT]
    flat = SwallowFAISS.from_texts(
        [str(i) for i in LEFT], Rows(), [{"seven": i % 7} for i in LEFT], index="flat"
    )
    shares = []
    for query in map(str, LEFT):
        for filter in (None, {"seven": 3}):
            wanted = flat.similarity_search_with_score(query, 10, filter)
            got = store.similarity_search_with_score(query, 10, filter)
            assert len(got) == len(wanted)
            scores = {d.page_content: score for d, score in wanted}
            same = [(d.page_content, s) for d, s in got if d.page_content in scores]
            assert [s for _, s in same] == pytest.approx([scores[t] for t, _ in same], abs=1e-6)
            shares.append(len(same) / len(wanted))
    # A graph finds nearly all.
    assert np.mean(shares) >= (0.98 if "hnsw" in kinds(store) else 1)
    wanted = flat.snapshot().scores(flat.query_vector("5"))
    assert store.snapshot().scores(store.query_vector("5")) == pytest.approx(wanted, abs=1e-6)


def kinds(store):
    return [part.segment.vectors.kind for part in store.snapshot().parts]


def test_they_are_read_as_they_are(folder, caplog):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store = SwallowFAISS.load_local(folder, Rows())
    assert_complete(store)
    assert kinds(store) == ["hnsw" if folder.name == "hnsw" else "flat", "flat"]
    assert f"{folder} has the layout of a version before 0.2.0" in caplog.text
    assert "langchain-swallow convert" in caplog.text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_they_are_changed_as_they_are_and_optimized(folder, caplog):
    store = SwallowFAISS(Rows(), path=folder)
    store.delete(["7"])
    store.add_texts(["7"], [{"seven": 0}], ids=["7"])
    store.delete(["7"])
    again = SwallowFAISS(Rows(), path=folder)
    assert [d.id for d in again.documents] == [str(i) for i in LEFT if i != 7]
    again.optimize()
    caplog.clear()
    for optimized in (again, SwallowFAISS(Rows(), path=folder)):
        assert [d.id for d in optimized.documents] == [str(i) for i in LEFT if i != 7]
        assert kinds(optimized) == ["hnsw"]
    assert not caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [False, True])
def test_one_command_converts_them(folder, in_place, capsys, caplog):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    output = folder if in_place else folder.with_name("新しい")
    assert main(["convert", str(folder), "-o", str(output)]) == 0
    told = capsys.readouterr().err
    assert f"segments: {folder.name} + flat → hnsw\n134 chunks → {output}" in told
    store = SwallowFAISS(Rows(), path=output)
    assert_complete(store)
    assert kinds(store) == ["hnsw"]
    assert json.loads((output / "manifest.json").read_text())["index"] == "hnsw"
    assert not caplog.text
    if in_place:
        # As of any change, the files of before are there for readers until the next.
        store.add_texts(["7"], ids=["7"])
        store.add_texts(["8"], ids=["8"])
    else:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not [path for path in output.iterdir() if path.suffix == ".order"]


def texts(folder):
    return sorted(d.page_content for d in SwallowFAISS.load_local(folder, Rows()).documents)


@pytest.fixture
def compact(tmp_path):
    """An index of one segment, which needs no conversion."""
    SwallowFAISS(Rows(), path=tmp_path / "索引").add_texts(["1", "2"])
    return tmp_path / "索引"


@pytest.mark.parametrize(
    "again",
    [
        lambda folder: main(["convert", str(folder), "-o", str(folder)]),
        lambda folder: SwallowFAISS.load_local(folder, Rows()).save_local(folder),
        lambda folder: SwallowFAISS(Rows(), path=folder).save_local(folder),
    ],
    ids=["convert", "load and save", "open and save"],
)
def test_an_index_is_written_onto_itself(compact, again):
    for _ in range(2):
        again(compact)
        assert texts(compact) == ["1", "2"]


def test_a_store_in_memory_is_saved_twice(tmp_path):
    store = SwallowFAISS.from_texts(["1"], Rows())
    store.save_local(tmp_path)
    store.save_local(tmp_path)
    assert texts(tmp_path) == ["1"]
    store.add_texts(["2"])
    store.save_local(tmp_path)
    assert texts(tmp_path) == ["1", "2"]


def test_files_that_a_damaged_index_does_not_name_are_not_overwritten(compact):
    store = SwallowFAISS.load_local(compact, Rows())
    (compact / "manifest.json").write_text("{}", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in compact.iterdir()}
    with pytest.raises(IndexStoreError, match="Write to another folder"):
        store.save_local(compact)
    assert {path.name: path.read_bytes() for path in compact.iterdir()} == before
    assert len(store.documents) == 2


def test_what_is_written_while_a_conversion_waits_is_kept(compact):
    converting = threading.Thread(target=rewrite_index, args=(compact, compact))
    store = SwallowFAISS(Rows(), path=compact)
    with store.transaction():
        converting.start()
        time.sleep(0.5)
        store.add_texts(["3"])
    converting.join()
    assert texts(compact) == ["1", "2", "3"]


def test_another_index_is_not_replaced(compact, tmp_path):
    other = tmp_path / "別"
    SwallowFAISS(Rows(), path=other).add_texts(["5"])
    assert main(["convert", str(compact), "-o", str(other)]) == 1
    assert texts(other) == ["5"]


def test_the_kind_that_was_removed_is_named():
    with pytest.raises(ValueError, match=r"hnsw or auto, not 'ivfpq'\. Version 0\.2 removed ivfpq"):
        SwallowFAISS(Rows(), index="ivfpq")
