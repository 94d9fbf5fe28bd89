"""What was loaded before a fork works after it, in the child and in the parent."""

import queue
import sys
import threading

import faiss
import numpy as np
import pytest
import torch

from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.local import engine as local
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.protocol import Chunk, Finish, Request
from langchain_swallow.errors import EngineError
from tests.children import in_child
from tests.support.tiny_models import tiny_llama
from tests.support.tokenizers import trained_tokenizer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not fork by default"
)

PROMPT = (1, *range(300, 340))


@pytest.fixture
def two_threads():
    """OpenMP's threads in torch and in FAISS, kept by this thread when it forks."""
    torch.set_num_threads(2)
    multiply()
    yield
    torch.set_num_threads(1)


def multiply():
    numbers = np.arange(40000, dtype=np.float32).reshape(200, 200) % 7
    torch.from_numpy(numbers).matmul(torch.from_numpy(numbers)).softmax(-1)
    index = faiss.IndexFlatIP(200)
    index.add(numbers)
    return index.search(numbers, 2)[1][:3].tolist()


@pytest.fixture
def engine():
    engine = LocalEngine(tiny_llama(), trained_tokenizer(), context_window=256)
    yield engine
    engine.close()


def generate(engine, prompt=PROMPT, tokens=20):
    with Stream(engine, Request(prompt_ids=prompt, max_tokens=tokens)) as events:
        *chunks, end = list(events)
    return ["".join(chunk.text for chunk in chunks), end.completion_tokens]


@pytest.mark.slow
def test_a_child_computes_with_openmp_as_its_parent_did(two_threads):
    before = multiply()
    assert in_child(multiply) == before
    assert multiply() == before


@pytest.mark.slow
def test_a_child_generates_with_its_parents_weights(engine, two_threads):
    before = generate(engine)

    def work():
        return [generate(engine), generate(engine, (1, *range(340, 300, -1)))]

    same, other = in_child(work)
    assert same == before
    assert generate(engine, (1, *range(340, 300, -1))) == other
    assert generate(engine) == before


def test_a_childs_child_generates_too(engine):
    assert in_child(lambda: in_child(lambda: generate(engine))) == generate(engine)


def test_an_answer_under_way_goes_on_in_the_parent_only(engine):
    events, go = queue.SimpleQueue(), threading.Event()

    def sink(event):
        events.put(event)
        if isinstance(event, Chunk):
            go.wait()

    engine.submit(Request(prompt_ids=PROMPT, max_tokens=20), sink)
    assert isinstance(events.get(), Chunk)
    told = in_child(lambda: repr(events.get()))
    assert told == "EngineError('The process was forked during generation.')"
    go.set()
    while not isinstance(end := events.get(), Finish):
        assert isinstance(end, Chunk)
    assert end.completion_tokens == 20


def test_a_closed_engine_says_so_in_a_child(engine):
    engine.close()
    assert "unloaded" in in_child(lambda: generate(engine))


def test_a_model_on_a_gpu_is_its_parents(monkeypatch):
    monkeypatch.setattr(local, "is_on_cpu", lambda model: False)
    engine = LocalEngine(tiny_llama(), trained_tokenizer(), context_window=256)
    before = generate(engine)
    assert "spawn" in in_child(lambda: generate(engine))
    assert generate(engine) == before
    engine.close()
    with pytest.raises(EngineError, match="unloaded"):
        generate(engine)
