"""The benchmark's own parts, on a fake engine: what is measured is measured elsewhere."""

import json

import pytest

from langchain_swallow import ChatSwallow
from langchain_swallow.engines.fake import FakeEngine
from langchain_swallow.evaluation import speed as benchmark
from langchain_swallow.evaluation.speed import Figures, Sizes
from tests.support.tokenizers import trained_tokenizer

OURS = Figures("ours", 2.0, 50.0, 0.1, 0.2, 0.01, 4.0, 0.5)
PEER = Figures("peer", 6.0, 20.0, 1.2, 0.3, 0.02, None, None)


def test_prompts_share_their_beginning_and_nothing_else():
    sizes = Sizes(prompts=20, shared=100, own=40)
    prompts = benchmark.shared_prompts(sizes)
    assert len({prompt[:100] for prompt in prompts}) == 1
    assert len({prompt[:104] for prompt in prompts}) == 20
    assert [len(prompts[0]), len(prompts[-1])] == [120, 160]


def test_every_workload_is_run():
    sizes = Sizes(prompts=3, users=2, every_s=0.01)
    engine = FakeEngine(["はい。"] * 100, trained_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="Swallow-7b-instruct-v0.1", max_tokens=8)
    figures = benchmark.measure("fake", llm, sizes, llm.get_num_tokens)
    # Warm-up and batch, two turns, one stream, two users.
    assert len(engine.requests) == 3 + 3 + 2 + 1 + 2
    assert figures.batch_tokens_per_s > 0
    assert figures.users_worst_first_token_s < figures.users_total_s


def test_the_table_says_how_many_times_the_first_is_faster():
    lines = benchmark.table([OURS, PEER]).markdown().splitlines()
    assert lines[2] == "| batch, s | 2 | 6 | 3.00 |"
    assert lines[3] == "| batch, tokens/s | 50 | 20 | 2.50 |"
    assert lines[-1] == "| users arriving, worst first token, s | 0.5 | – | – |"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["figures.png", "figures.svg"])
def test_figures_are_written_and_drawn(tmp_path, name):
    benchmark.write_json(tmp_path / "f.json", [OURS, PEER], {"model": "m"})
    assert json.loads((tmp_path / "f.json").read_text("utf-8"))["figures"][1]["name"] == "peer"
    benchmark.plot(tmp_path / name, [OURS, PEER])
    assert (tmp_path / name).stat().st_size > 5000
