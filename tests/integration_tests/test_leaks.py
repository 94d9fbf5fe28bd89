"""Nothing is left behind: memory after `unload`, requests after a thousand cancelled streams."""

import subprocess
import sys
import threading

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.local.lookup import MAX_DRAFT
from langchain_swallow.engines.local.model_runner import kv_bytes_per_token
from langchain_swallow.engines.protocol import Finish, Request
from tests.support.tiny_models import tiny
from tests.support.tokenizers import trained_tokenizer

# What is measured is the memory of the process.
pytestmark = pytest.mark.alone

SIZES = {
    "vocab_size": 600,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "max_position_embeddings": 1024,
}


def test_a_thousand_cancelled_streams_leave_nothing():
    model = tiny()
    # Room for one of them: a row that was not given back would keep out all that follow.
    room = (512 + MAX_DRAFT) * kv_bytes_per_token(model)
    engine = LocalEngine(model, trained_tokenizer(), context_window=512, kv_budget_bytes=room)
    request = Request(prompt_ids=(1, *range(300, 340)), max_tokens=400, logprobs=0)
    before = threading.active_count()
    for i in range(1000):
        with Stream(engine, request) as events:
            if i % 2:
                next(iter(events))
    last = Request(prompt_ids=(1, *range(300, 340)), max_tokens=300, timeout_s=120)
    with Stream(engine, last) as events:
        assert isinstance(list(events)[-1], Finish)
    assert threading.active_count() <= before + 1
    engine.close()
    assert not engine.scheduler.has_work


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    folders = []
    for width in (64, 1024):
        folder = tmp_path_factory.mktemp(f"width{width}")
        config = LlamaConfig(**SIZES, hidden_size=width, num_key_value_heads=8)
        LlamaForCausalLM(config).save_pretrained(folder)
        trained_tokenizer().save_pretrained(folder)
        folders.append(str(folder))
    return folders


def test_unloading_gives_the_memory_back(two_checkpoints):
    code = f"""
import gc, psutil
from langchain_swallow import ChatSwallow
def rss(): gc.collect(); return psutil.Process().memory_info().rss
def use(folder):
    options = dict(dtype="float32", device="cpu", prompt_format="ver0.1", max_tokens=20)
    llm = ChatSwallow(model=folder, **options)
    llm.batch(["東京は？"] * 8)
    loaded = rss()
    llm.unload()
    return loaded
small, large = {two_checkpoints!r}
use(small); use(large)
before = rss()
loaded = use(large)
print(before, loaded, rss())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    before, loaded, after = map(int, done.stdout.split())
    assert loaded > 1.2 * before
    assert after < 1.05 * before


@pytest.mark.parametrize("ending", ["", "sys.exit(0)"])
def test_a_program_may_end_while_an_answer_is_generated(ending):
    code = f"""
import sys
from langchain_swallow.engines.local.lookup import MAX_DRAFT
from langchain_swallow.engines.local.model_runner import kv_bytes_per_token
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.protocol import Finish, Request
from tests.support.local_engines import engine_of, prompts
from tests.support.tiny_models import tiny_llama
request = Request(prompt_ids=prompts(1)[0], max_tokens=200, logprobs=0)
stream = Stream(engine_of(tiny_llama()), request)
next(iter(stream))
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, "terminate" in done.stderr) == (0, False), done.stderr
