"""The engine on a GPU beside transformers' own ways, on a Llama as large as Swallow-7b.

    python tests/benchmarks/gpu.py LLAMA2_TOKENIZER_FOLDER --output docs/runs/gpu.json

Random weights, made on the device, bfloat16, greedy; one model for all, in turn. The workloads are
`evaluation.speed`'s and 64 short questions; peers are a padded `generate`, `generate` of one
prompt, and transformers' continuous batching (`generate_batch`). A second table says what a
step's share of prompts should be: more takes fewer passes, and holds running streams up longer.
`--shape 151m --device cpu --prompts 8` tries it out without a GPU.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GenerationConfig, LlamaForCausalLM

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.protocol import Request
from langchain_swallow.evaluation import speed as benchmark
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.benchmarks.engine import SHAPE, SHORT, padded_generate, prompts_of, random_llama

SIZES = benchmark.Sizes(prompts=64, shared=300, own=300)
SHARES = (512, 1024, 2048, 4096)
# Hidden size, that of the MLP, layers, heads.
SHAPES = {"7b": (4096, 11008, 32, 32), "151m": SHAPE, "tiny": (256, 688, 2, 4)}


def make_model(shape: str, device: str) -> LlamaForCausalLM:
    """On the device from the beginning: the host may have no room for it."""
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = random_llama(*SHAPES[shape])
    torch.set_default_dtype(torch.float32)
    return model


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes until the device has done it."""
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def new_texts(sizes: benchmark.Sizes) -> list[str]:
    """None of which `benchmark.measure` has asked."""
    return ["新しい。" + text for text in benchmark.shared_prompts(sizes)]


def batch(llm: ChatSwallow, model: LlamaForCausalLM, sizes: benchmark.Sizes) -> list[float]:
    """Seconds of a batch of new prompts: ours, padded `generate`."""
    texts = new_texts(sizes)
    own = seconds(lambda: llm.batch(texts, max_tokens=sizes.tokens))
    return [own, padded_generate(llm, model, texts, sizes.tokens)]


def continuous(llm: ChatSwallow, model: LlamaForCausalLM, sizes: benchmark.Sizes) -> float:
    """Seconds of the same prompts by transformers' continuous batching."""
    prompts = prompts_of(llm, new_texts(sizes))
    model.set_attn_implementation("sdpa")
    config = GenerationConfig(eos_token_id=-1, **greedy(sizes.tokens))
    return seconds(lambda: model.generate_batch(prompts, generation_config=config))


def greedy(tokens: int) -> dict[str, Any]:
    return {"max_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}


def stream(llm: ChatSwallow, model: LlamaForCausalLM, tokens: int) -> list[float]:
    """Seconds of one answer: ours, `generate`."""
    (prompt,) = prompts_of(llm, [benchmark.filler("一人", 300)])
    ids = torch.tensor([prompt], device=model.device)
    request = Request(prompt_ids=tuple(prompt), max_tokens=tokens)

    def answer() -> None:
        with Stream(llm.load(), request) as events:
            list(events)

    return [seconds(answer), seconds(lambda: model.generate(ids, **greedy(tokens)))]


def share(llm: ChatSwallow, tokens: int, sizes: benchmark.Sizes) -> list[str]:
    """A row of the second table: new prompts, while a stream runs."""
    llm.load().scheduler.max_prompt_tokens = tokens
    texts = [f"{tokens}、{i}。" + text for i, text in enumerate(benchmark.shared_prompts(sizes))]
    times: list[float] = []

    def watch(_: Any) -> None:
        times.append(time.perf_counter())

    running = Request(prompt_ids=(1, 300, 301), max_tokens=1000, logprobs=0)
    ticket = llm.load().submit(running, watch)
    while len(times) < 8:
        time.sleep(0.01)
    began = len(times)
    took = seconds(lambda: llm.batch(texts, max_tokens=1))
    ticket.cancel()
    waits = [b - a for a, b in zip(times[began - 1 :], times[began:], strict=False)]
    return [str(tokens), f"{took:.2f} s", f"{1000 * max(waits):.0f} ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", type=Path, help="folder of the Llama 2 tokenizer")
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompts", type=int, default=SIZES.prompts, help="of the batches")
    parser.add_argument("--output", type=Path, help="file of figures")
    arguments = parser.parse_args()
    sizes = benchmark.Sizes(prompts=arguments.prompts, shared=SIZES.shared, own=SIZES.own)
    model = make_model(arguments.shape, arguments.device)
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    llm = ChatSwallow.from_model(model, tokenizer, prompt_format="ver0.1", max_tokens=32)
    own = benchmark.measure("ChatSwallow", llm, sizes, llm.get_num_tokens)
    print(benchmark.table([own]).markdown(), flush=True)
    workloads = {f"{sizes.prompts} prompts": sizes, f"{SHORT.prompts} short questions": SHORT}
    timed = {
        f"{name}, against padded `generate`": batch(llm, model, workload)
        for name, workload in workloads.items()
    }
    timed["one stream of 128 tokens, against `generate`"] = stream(llm, model, 128)
    shares = [share(llm, tokens, sizes) for tokens in SHARES]
    # Last, since its thread stays, and on a CPU takes what others need.
    for name, workload in workloads.items():
        mine = timed[f"{name}, against padded `generate`"][0]
        peer = continuous(llm, model, workload)
        timed[f"{name}, against `generate_batch`"] = [mine, peer]
    rows = [
        [name, f"{mine:.2f} s", f"{peer:.2f} s", f"{peer / mine:.2f}"]
        for name, (mine, peer) in timed.items()
    ]
    tables = [
        Table("On a GPU", ["", "ChatSwallow", "peer", "ratio"], rows),
        Table(
            "Share of prompts",
            ["tokens of prompts a step", "prompts answered", "longest wait of a stream"],
            shares,
        ),
    ]
    for table in tables:
        print(table.markdown(), flush=True)
    if arguments.output:
        write_figures(arguments.output, tables, {"workloads": asdict(own)})


if __name__ == "__main__":
    main()
