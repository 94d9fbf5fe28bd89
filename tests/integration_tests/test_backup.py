"""Backups while another process changes the index all the time."""

import subprocess
import sys
import time

import pytest

from langchain_swallow import SwallowFAISS
from langchain_swallow.retrieval.index.backup import back_up, restore
from tests.support.embeddings import CharacterEmbeddings
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

WRITER = """
import sys
import faiss
from langchain_swallow import SwallowFAISS
from tests.support.embeddings import CharacterEmbeddings

faiss.omp_set_num_threads(1)
store = SwallowFAISS(CharacterEmbeddings(), path=sys.argv[1], wait_s=60)
# After change i the index has the texts i - 29 to i.
for i in range(10**6):
    with store.transaction():
        store.add_texts([str(i)], ids=[str(i)])
        store.delete([str(i - 30)])
    print(i, flush=True)
"""


@pytest.fixture
def writer(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "索引")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stdout:
            if int(line) >= 30:
                break
        yield process
        process.kill()
        process.stdout.close()


def newest(folder):
    """The number of the last change, if the folder is an index after exactly that change."""
    numbers = {
        int(d.page_content)
        for d in SwallowFAISS.load_local(folder, CharacterEmbeddings()).documents
    }
    assert numbers == set(range(max(numbers) - 29, max(numbers) + 1))
    return max(numbers)


def test_each_of_20_backups_is_one_of_the_written_states(writer, tmp_path):
    states = []
    deadline = time.monotonic() + 120
    # On a busy machine, several backups may be of one state.
    while len(states) < 20 or len(set(states)) <= 10:
        assert time.monotonic() < deadline
        folder = tmp_path / str(len(states))
        back_up(tmp_path / "索引", folder)
        states.append(newest(folder))
    assert states == sorted(states)
    assert writer.poll() is None
    # After a restore between two changes, the writer goes on from the restored state, whose oldest
    # text it had deleted.
    restore(tmp_path / "0", tmp_path / "索引")
    store = SwallowFAISS(CharacterEmbeddings(), path=tmp_path / "索引")
    deadline = time.monotonic() + 60
    while len(numbers := {int(d.page_content) for d in store.documents}) < 35:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert numbers > set(range(states[0] - 29, states[0] - 20))
