"""What this package adds to vLLM: 16 concurrent requests through it and through vLLM directly.

    PYTHONPATH=. VLLM_PYTHON tests/benchmarks/vllm_overhead.py LLAMA2_TOKENIZER_FOLDER [OUTPUT]

The same engine object serves both, in turn, five times; prompts differ each time, so that nothing
is known. The 151 M Llama of `engine.py`, float32.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")

from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.protocol import Request
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.engines.vllm import VLLMEngine, load_vllm_engine, sampling_parameters
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.benchmarks.engine import make_checkpoint

TOKENS = 64
ROUNDS = 5


def requests(number: int) -> list[Request]:
    start = 400 + 16 * 200 * number
    return [
        Request(prompt_ids=(1, *range(start + 200 * i, start + 200 * i + 200)), max_tokens=TOKENS)
        for i in range(16)
    ]


def ours(engine: VLLMEngine, number: int) -> float:
    began = time.perf_counter()
    for stream in [Stream(engine, request) for request in requests(number)]:
        list(stream)
    return time.perf_counter() - began


def directly(engine: VLLMEngine, number: int) -> float:
    import asyncio

    async def one(i: int, request: Request) -> None:
        prompt = {"prompt_token_ids": list(request.prompt_ids)}
        name = f"direct-{number}-{i}"
        async for _ in engine._engine.generate(prompt, sampling_parameters(request), name):
            pass

    async def everyone() -> None:
        await asyncio.gather(*(one(i, r) for i, r in enumerate(requests(number))))

    began = time.perf_counter()
    engine.wait(everyone())
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(Path(sys.argv[1]), Path(folder))
        options = {"enforce_eager": True, "max_model_len": 1024}
        settings = LoadSettings(
            model=folder, engine="vllm", dtype="float32", engine_options=options
        )
        engine = load_vllm_engine(settings)
        ours(engine, 0)
        ratios = []
        for i in range(ROUNDS):
            # Alternating, since the machine is shared: which goes first changes.
            pair = {}
            order = [("ours", ours), ("vllm", directly)]
            for j, (name, run) in enumerate(order if i % 2 else order[::-1]):
                pair[name] = run(engine, 1 + 2 * i + j)
            ratios.append(pair["ours"] / pair["vllm"])
            print(f"ours {pair['ours']:.2f} s, vLLM {pair['vllm']:.2f} s")
        overhead = 100 * (statistics.median(ratios) - 1)
        print(f"median overhead {overhead:.1f} %")
        if len(sys.argv) > 2:
            rows = [["16 concurrent requests, 64 tokens each", f"{overhead:.1f} %"]]
            columns = ["added to vLLM's own engine", "measured"]
            table = Table("vLLM in this process", columns, rows)
            write_figures(Path(sys.argv[2]), [table], {"ratios": ratios})
        engine.close()


if __name__ == "__main__":
    main()
