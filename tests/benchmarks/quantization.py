"""Weights of 8 and 4 bits on a CPU without AVX512, beside float32 and beside bitsandbytes.

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python tests/benchmarks/quantization.py \\
        llama2_tokenizer --output docs/runs/quantization.json

On a CPU with more, the two variables keep torch from using it, and bitsandbytes is told.

A Llama with random weights, as wide as Swallow-7b and of 3 layers of its 32. What a layer takes is
the difference to the same of one: the rest of a model this short is mostly its vocabulary.
"""

import argparse
import gc
import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.local import loading
from langchain_swallow.engines.local.packing import weight_bytes
from langchain_swallow.engines.protocol import Request
from langchain_swallow.evaluation.tables import Table, write_figures
from tests.benchmarks.engine import first_token_of_second_turn

LAYERS = (1, 3)
# Weights, how they are asked for. A device map leaves quantisation to bitsandbytes.
KINDS: dict[str, dict[str, Any]] = {
    "float32": {},
    "8 bits": {"quantization": "8bit"},
    "4 bits": {"quantization": "4bit"},
    "8 bits, bitsandbytes": {"quantization": "8bit", "device_map": "cpu"},
    "4 bits, bitsandbytes": {"quantization": "4bit", "device_map": "cpu"},
}
TOKENS, ROWS, PROMPT, TIMES = 8, 16, 512, 3
# Of a second turn: tokens of the first one's prompt and answer, and new ones.
KNOWN, ANSWER, NEW = 316, 16, 40


def make_checkpoint(tokenizer: Path, folder: Path, layers: int) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=43176,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=layers,
        num_attention_heads=32,
        max_position_embeddings=4096,
        eos_token_id=None,
        dtype="bfloat16",
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model = model.to(torch.bfloat16).to_empty(device="cpu")
    for weights in model.parameters():
        weights.data.normal_(0, 0.02)
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    return folder


def measure(folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """Seconds of a token, of one for each of 16 rows, of a prompt, a turn; bytes of the layers."""
    settings = {"dtype": "float32", "speculative": None, "prompt_format": "ver0.1"}
    llm = ChatSwallow(model=str(folder), **settings, **options)
    engine: Any = llm.load()
    number = iter(range(10**6))

    def seconds(rows: int, prompt: int, tokens: int) -> float:
        began = time.perf_counter()
        streams = [
            Stream(engine, Request(prompt_ids=(1, 300 + next(number), *range(400, 398 + prompt)),
                                   max_tokens=tokens))
            for _ in range(rows)
        ]  # fmt: skip
        for stream in streams:
            list(stream)
        return time.perf_counter() - began

    def best(rows: int, prompt: int, tokens: int) -> float:
        return min(seconds(rows, prompt, tokens) for _ in range(TIMES))

    def second_turn() -> float:
        known = (1, 300 + next(number), *range(400, 398 + KNOWN))
        return first_token_of_second_turn(engine, known, ANSWER, NEW)[1]

    seconds(ROWS, 16, 2)
    figures = {
        "token_s": (best(1, 16, 1 + TOKENS) - best(1, 16, 1)) / TOKENS,
        "rows_s": (best(ROWS, 16, 1 + TOKENS) - best(ROWS, 16, 1)) / TOKENS,
        "prompt_s": best(1, PROMPT, 1),
        "second_turn_s": min(second_turn() for _ in range(TIMES)),
        "bytes": float(weight_bytes(engine.model.model.layers)),
    }
    llm.unload()
    gc.collect()
    return figures


def of_a_layer(few: dict[str, float], many: dict[str, float]) -> dict[str, float]:
    return {name: (many[name] - few[name]) / (LAYERS[1] - LAYERS[0]) for name in few}


def table(figures: dict[str, dict[str, float]]) -> Table:
    def row(label: str, name: str, factor: float) -> Sequence[str]:
        return [label, *(f"{factor * figures[kind][name]:.1f}" for kind in KINDS)]

    return Table(
        "Quantization",
        ["a layer", *KINDS],
        [
            row("weights, MiB", "bytes", 1 / 2**20),
            row("a token, ms", "token_s", 1000),
            row("a token of each of 16 answers, ms", "rows_s", 1000),
            row("a prompt of 512 tokens, ms", "prompt_s", 1000),
            row("a second turn of 40 tokens after 332, ms", "second_turn_s", 1000),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        parser.error("set ATEN_CPU_CAPABILITY=avx2 and ONEDNN_MAX_CPU_ISA=AVX2")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    loading.cpu_has_bfloat16 = bitsandbytes.nn.modules.has_avx512bf16 = lambda: False
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        few, many = (
            make_checkpoint(arguments.tokenizer, Path(folder) / str(layers), layers)
            for layers in LAYERS
        )
        for kind, options in KINDS.items():
            figures[kind] = of_a_layer(measure(few, options), measure(many, options))
            print(kind, figures[kind], flush=True)
    print(table(figures).markdown())
    if arguments.output:
        write_figures(arguments.output, [table(figures)], {"layer": figures})


if __name__ == "__main__":
    main()
