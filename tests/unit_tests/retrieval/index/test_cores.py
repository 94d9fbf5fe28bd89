"""Work divided among idle cores: every row once, and no core taken for good."""

import threading
from concurrent.futures import ThreadPoolExecutor

import faiss
import pytest

from langchain_swallow.retrieval.index import cores


@pytest.fixture(autouse=True)
def _large_machine(monkeypatch):
    monkeypatch.setattr(cores, "allowed_cores", lambda: 8)


@pytest.fixture(params=[1, 3, 8])
def of_faiss(request, monkeypatch):
    # FAISS has a number for each thread.
    monkeypatch.setattr(faiss, "omp_get_max_threads", lambda: request.param)
    return request.param


def divided(count, least):
    parts = []
    cores.in_parts(lambda *part: parts.append(part), count, least)
    return sorted(parts)


@pytest.mark.parametrize("count", [0, 1, 10, 11, 29, 1000])
def test_every_row_is_in_one_part(of_faiss, count):
    parts = divided(count, 10)
    assert len(parts) == max(1, min(of_faiss, count // 10))
    assert [row for part in parts for row in range(*part)] == list(range(count))
    assert all(end - begin >= 10 for begin, end in parts) or len(parts) == 1


def test_who_comes_later_has_one_core_until_the_first_is_done(monkeypatch):
    monkeypatch.setattr(faiss, "omp_get_max_threads", lambda: 2)
    started, go_on = threading.Barrier(3), threading.Event()

    def waits(begin, end):
        started.wait(10)
        go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cores.in_parts, waits, 100, 10)
        started.wait(10)
        assert divided(100, 10) == [(0, 100)]
        go_on.set()
        first.result()
    assert divided(100, 10) == [(0, 50), (50, 100)]


def test_cores_are_given_back_after_an_error(of_faiss):
    with pytest.raises(ZeroDivisionError):
        cores.in_parts(lambda begin, end: begin // begin, 100, 10)
    assert len(divided(100, 10)) == of_faiss
