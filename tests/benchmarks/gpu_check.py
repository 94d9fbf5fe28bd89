"""What a GPU must show, step by step; `gpu_check.sh` runs all steps, each with a time limit.

    python tests/benchmarks/gpu_check.py STEP TOKENIZER_FOLDER [--device cpu --shape tiny --small]

Each step prints JSON lines as it measures, with its name in "step", so that what was measured
before a step failed or ran out of time is not lost.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoTokenizer

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.engines.local import fitting
from langchain_swallow.engines.local.devices import choose_dtype
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.local.loading import engine_from
from langchain_swallow.engines.protocol import Chunk, Event, Finish, Request
from langchain_swallow.errors import EngineError, SwallowError
from tests.benchmarks.engine import random_llama
from tests.benchmarks.gpu import SHAPES, make_model, seconds

# Hidden size, that of the MLP, layers, heads.
_EIGHT_LAYERS = (2048, 5504, 8, 16)
_BEST_MARGIN = 0.05


class Check:
    """One run: where it measures, and how much."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.step: str = arguments.step
        self.device: str = arguments.device
        self.shape: str = arguments.shape
        self.is_small: bool = arguments.small
        self.tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)

    @property
    def is_cuda(self) -> bool:
        """Whether there is a GPU; a step on a CPU shows that the step itself works."""
        return self.device.startswith("cuda")

    def say(self, **figures: Any) -> None:
        """Print a result, flushed."""
        print(json.dumps({"step": self.step, **figures}, ensure_ascii=False), flush=True)

    def engine(self, model: Any, **options: Any) -> LocalEngine:
        """An engine over a model that was made here; it is not packed, as the peers use it too."""
        return engine_from(model, self.tokenizer, **options)

    def allocated(self) -> int:
        """Bytes of GPU memory in use."""
        return torch.cuda.memory_allocated() if self.is_cuda else 0


def machine(check: Check) -> None:
    """Versions, the cost of a launch, and the bandwidth of memory."""
    check.say(
        torch=torch.__version__,
        transformers=transformers.__version__,
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version() if check.is_cuda else None,
        name=torch.cuda.get_device_name() if check.is_cuda else "CPU",
        dtype=str(choose_dtype("auto", check.device)),
    )
    small = torch.zeros(8, device=check.device)
    launches = 1000
    seconds(lambda: small.add_(1))
    took = seconds(lambda: [small.add_(1) for _ in range(launches)])
    check.say(launch_us=1e6 * took / launches)
    size = 2**26 if check.is_small else 2**30
    source = torch.empty(size, dtype=torch.uint8, device=check.device)
    target = torch.empty_like(source)
    seconds(lambda: target.copy_(source))
    # Each byte is read and written.
    check.say(bandwidth_tb_s=2 * size / seconds(lambda: target.copy_(source)) / 1e12)


def attention(check: Check) -> None:
    """Decode attention over growing keys, by torch's choice and without cuDNN, in ms a call."""
    heads, width, calls = 32, 128, 20
    dtype = torch.bfloat16 if check.is_cuda else torch.float32
    query = torch.randn(1, heads, 1, width, device=check.device, dtype=dtype)
    memory = torch.randn(1, heads, 2048, width, device=check.device, dtype=dtype)
    attend = torch.nn.functional.scaled_dot_product_attention

    def grow(start: int) -> None:
        for end in range(start, start + calls):
            mask = torch.zeros(1, 1, 1, -(-end // 8) * 8, device=check.device, dtype=dtype)
            attend(query, memory[:, :, :end], memory[:, :, :end], attn_mask=mask[..., :end])

    check.say(chosen_ms=1000 * seconds(lambda: grow(1000)) / calls)
    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        check.say(without_cudnn_ms=1000 * seconds(lambda: grow(1200)) / calls)


def equality(check: Check) -> None:
    """The GPU's answers against the CPU's, `generate`'s, and those of 16 bits."""
    shape = SHAPES[check.shape] if check.is_small else _EIGHT_LAYERS
    model = random_llama(*shape)
    prompt = tuple(range(300, 340))
    tokens = 16 if check.is_small else 64
    on_cpu = _answer(check.engine(model), prompt, tokens)
    model = model.to(check.device)
    engine = check.engine(model)
    on_device = _answer(engine, prompt, tokens)
    ids = torch.tensor([prompt], device=check.device)
    generated = model.generate(ids, max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    check.say(
        equals_cpu=on_device == on_cpu,
        equals_generate=on_device == generated[0, len(prompt) :].tolist(),
    )
    with torch.inference_mode():
        text = torch.tensor([[*prompt, *on_device]], device=check.device)
        exact = model(input_ids=text).logits[0].float().softmax(-1)
        rounded = model.to(torch.bfloat16)(input_ids=text).logits[0].float().softmax(-1)
    best, second = exact.topk(2).values.unbind(-1)
    is_clear = best - second > _BEST_MARGIN * best
    same = exact.argmax(-1) == rounded.argmax(-1)
    check.say(bfloat16_same_where_clear=float(same[is_clear].float().mean()))


def _answer(engine: LocalEngine, prompt: tuple[int, ...], tokens: int) -> list[int]:
    with Stream(engine, Request(prompt_ids=prompt, max_tokens=tokens)) as events:
        end = list(events)[-1]
    engine.close()
    assert isinstance(end, Finish)
    return list(end.token_ids)


def decode(check: Check) -> None:
    """Milliseconds of a decode step with 1, 16 and 64 rows of 1,000 tokens, the model as it is and
    prepared (norms and projections with fewer operators)."""
    model = make_model(check.shape, check.device)
    for prepare in (False, True):
        engine = check.engine(model, prompt_lookup=False, prepare=prepare)
        _decode(check, engine, prepared=prepare)
        # Memory that torch holds and cannot return, after weights were merged.
        held = torch.cuda.memory_reserved() if check.is_cuda else 0
        check.say(prepared=prepare, held_mib=(held - check.allocated()) / 2**20)
        engine.close()


def _decode(check: Check, engine: LocalEngine, **figures: Any) -> None:
    context, tokens = (100, 8) if check.is_small else (1000, 64)
    for rows in (1, 16) if check.is_small else (1, 16, 64):
        times: list[float] = []
        requests = [
            Request(
                prompt_ids=(1, 300 + i, *range(300, 300 + context)),
                max_tokens=tokens,
                logprobs=0,  # an event for each token, whether it completes a character or not
            )
            for i in range(rows)
        ]
        ends = [threading.Event() for _ in requests]

        def sink(event: Event, end: threading.Event, times: list[float] = times) -> None:
            times.append(time.perf_counter())
            if not isinstance(event, Chunk):
                end.set()

        for request, end in zip(requests, ends, strict=True):
            engine.submit(request, lambda event, end=end: sink(event, end))
        for end in ends:
            end.wait()
        steps = sorted(times)[-rows * tokens // 2 :]
        step_ms = 1000 * (steps[-1] - steps[0]) / (len(steps) / rows)
        check.say(**figures, rows=rows, step_ms=step_ms, tokens_s=1000 * rows / step_ms)


def memory(check: Check) -> None:
    """Requests on cards of 24 and 16 GB: all are answered, or fail with a typed error."""
    lengths = (150, 400) if check.is_small else (1500, 4000)
    for gigabytes in (24, 16):
        if check.is_cuda:
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * 1e9 / total))
        model = make_model(check.shape, check.device)
        free = gigabytes * 1e9 - check.allocated()
        budget = int(0.8 * free) if check.is_cuda else 2**30
        engine = LocalEngine(
            model, check.tokenizer, context_window=4096, kv_budget_bytes=max(2**28, budget)
        )
        for length in lengths:
            count = 8 if check.is_small else 32
            requests = [
                Request(
                    prompt_ids=(1, *(300 + (i + j) % 9000 for j in range(length))), max_tokens=8
                )
                for i in range(count)
            ]
            streams = [Stream(engine, request) for request in requests]
            outcomes = [_outcome(stream) for stream in streams]
            check.say(
                gigabytes=gigabytes,
                prompt=length,
                answered=outcomes.count("answered"),
                errors=sorted(set(outcomes) - {"answered"}),
            )
        engine.close()
        del model, engine
        gc.collect()


def _outcome(stream: Stream) -> str:
    try:
        list(stream)
    except SwallowError as error:
        return type(error).__name__
    return "answered"


def leaving(check: Check) -> None:
    """Streams that are left, a task that is cancelled and a timeout leave nothing running."""
    engine = check.engine(make_model(check.shape, check.device))
    model = ChatSwallow.from_engine(engine, model="check", prompt_format="ver0.1")
    list(model.stream("準備。", max_tokens=4))
    before = check.allocated()
    for i in range(5 if check.is_small else 100):
        # With log probabilities there is a chunk for each token, whatever its text is.
        stream = model.stream(f"{i}番目の長い話をしてください。", max_tokens=200, logprobs=True)
        next(stream)
        stream.close()

    async def cancel() -> None:
        task = asyncio.create_task(model.ainvoke("長い話をしてください。", max_tokens=500))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    try:
        model.invoke("長い話をしてください。", max_tokens=3000, timeout=0.3)
        timeout = "answered"
    except SwallowError as error:
        timeout = type(error).__name__
    time.sleep(1)
    check.say(
        idle=not engine.scheduler.has_work,
        timeout=timeout,
        grown_mib=(check.allocated() - before) / 2**20,
    )
    engine.close()


def quantization(check: Check) -> None:
    """Bytes of 8 and 4 bits on the device beside what the catalog says, and `device_map`."""
    options: list[dict[str, Any]] = [{"quantization": "8bit"}, {"quantization": "4bit"}]
    if check.is_cuda:
        options.append({"device_map": "auto"})
    shape = SHAPES[check.shape] if check.is_small else _EIGHT_LAYERS
    with tempfile.TemporaryDirectory() as folder:
        random_llama(*shape).save_pretrained(folder)
        check.tokenizer.save_pretrained(folder)
        for option in options:
            llm = ChatSwallow(
                model=folder,
                prompt_format="ver0.1",
                device=None if option.get("device_map") else check.device,
                max_tokens=4,
                **option,
            )
            usage = llm.invoke("東京は？").usage_metadata or {}
            size = fitting.weight_bytes(llm.load().model)  # type: ignore[attr-defined]
            check.say(**option, weights_mib=size / 2**20, answer_tokens=usage.get("output_tokens"))
            llm.unload()


def errors(check: Check) -> None:
    """Bad ids, a fork after loading and float16 that overflows are typed errors."""
    engine = check.engine(make_model(check.shape, check.device))
    for token in (-1, 10**6):
        try:
            engine.submit(Request(prompt_ids=(1, token), max_tokens=1), print)
            check.say(token=token, error=None)
        except EngineError as error:
            check.say(token=token, error=str(error))
    if check.is_cuda:
        process = multiprocessing.get_context("fork").Process(target=_in_fork, args=(engine, check))
        process.start()
        process.join(30)
    with torch.no_grad():
        engine.model.model.embed_tokens.weight.fill_(float("nan"))
    try:
        with Stream(engine, Request(prompt_ids=(1, 300), max_tokens=4)) as events:
            list(events)
        check.say(nan=None)
    except EngineError as error:
        check.say(nan=str(error))
    engine.close()


def _in_fork(engine: LocalEngine, check: Check) -> None:
    try:
        engine.submit(Request(prompt_ids=(1, 300), max_tokens=1), print)
        check.say(fork=None)
    except EngineError as error:
        check.say(fork=str(error))


STEPS: dict[str, Callable[[Check], None]] = {
    step.__name__: step
    for step in (machine, attention, equality, decode, memory, leaving, quantization, errors)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("tokenizer", type=Path, help="folder of the Llama 2 tokenizer")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--small", action="store_true", help="few and short requests")
    arguments = parser.parse_args()
    STEPS[arguments.step](Check(arguments))


if __name__ == "__main__":
    main()
