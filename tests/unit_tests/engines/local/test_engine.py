"""The engine against `model.generate`, request by request: three architectures, every device."""

import asyncio
import math
import mmap
import random
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from accelerate import dispatch_model

from langchain_swallow.chat_models.streams import AsyncStream, Stream
from langchain_swallow.engines.local import engine as local
from langchain_swallow.engines.local.attention import use_quick_attention
from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.local.kv_cache import shared_length
from langchain_swallow.engines.local.kv_memory import can_reserve
from langchain_swallow.engines.local.lookup import MAX_DRAFT, PromptLookup
from langchain_swallow.engines.local.model_runner import ModelRunner
from langchain_swallow.engines.local.packing import pack_linear_layers
from langchain_swallow.engines.protocol import Finish, Grammar, Request
from langchain_swallow.errors import (
    EngineError,
    GenerationTimeoutError,
    OutOfMemoryError,
    PromptOverflowError,
)
from tests.support import tiny_models
from tests.support.local_engines import NoEnd, engine_of, held_up, logprobs, prompts, run

# Keys and values of a token: 3 layers of 2 heads of 16, in float32.
BYTES = 2 * 3 * 2 * 16 * 4
# Of a whole window and the longest guess.
ROW = BYTES * (256 + MAX_DRAFT)


class Here:
    """The device of a test."""

    device = "cpu"


@pytest.fixture(autouse=True, params=tiny_models.DEVICES)
def _here(request, monkeypatch):
    monkeypatch.setattr(Here, "device", request.param)


def tiny(kind="llama", **options):
    return tiny_models.tiny(kind, device=Here.device, **options)


def tiny_llama():
    return tiny_models.tiny_llama(Here.device)


@pytest.fixture
def engine():
    made = engine_of(tiny_llama())
    yield made
    made.close()


def expected(model, prompt, count):
    with torch.inference_mode():
        ids = model.generate(
            torch.tensor([prompt], device=model.device),
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
        )
    return ids[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", ["llama", "gemma2", "mistral"])
def test_concurrent_requests_get_the_tokens_of_generate(kind):
    model = tiny(kind)
    engine = engine_of(model, max_batch=5)
    wanted = prompts(12)
    lengths = [3 + i for i in range(12)]
    results = {}

    def ask(i):
        request = Request(prompt_ids=wanted[i], max_tokens=lengths[i])
        results[i] = run(engine, request)[0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    for i in range(12):
        assert results[i] == expected(model, wanted[i], lengths[i])


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_a_model_in_several_places_gives_the_same_tokens(kind, tmp_path):
    """As over several GPUs: accelerate brings weights and inputs together, layer by layer."""
    if Here.device != "cpu":
        pytest.skip("the places are the CPU and the disk")
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.layers.0": "cpu"}
    rest = ["model.layers.1", "model.layers.2", "model.norm", "lm_head"]
    spread = dispatch_model(
        tiny(kind),
        {**places, **dict.fromkeys(rest, "disk")},
        main_device="cpu",
        offload_dir=tmp_path,
    )
    # Accelerate brings tensors to the first place; what chooses rows of the last one's is none.
    chosen = []
    spread.register_forward_pre_hook(
        lambda _, __, given: chosen.append(given["logits_to_keep"]), with_kwargs=True
    )
    engine = engine_of(spread)
    streams = [Stream(engine, Request(prompt_ids=p, max_tokens=9)) for p in prompts(3)]
    ids = [stream.ticket.ids for stream in streams if list(stream)]
    assert chosen
    assert not any(isinstance(rows, torch.Tensor) for rows in chosen)
    for prompt, found in zip(prompts(3), ids, strict=True):
        assert found[len(prompt) :] == expected(tiny(kind), prompt, 9)
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_rows_that_begin_alike_give_the_tokens_of_generate(kind):
    model, wanted = tiny(kind), prompts(9, shared=160)
    use_quick_attention(model)
    engine = engine_of(model)
    # A beginning in use by one that goes on alone at the end.
    tokens = [30 + 3 * i for i in range(len(wanted))]
    streams = [
        Stream(engine, Request(prompt_ids=prompt, max_tokens=count))
        for prompt, count in zip(wanted, tokens, strict=True)
    ]
    ids = [stream.ticket.ids for stream in streams if list(stream)]
    engine.close()
    for prompt, count, found in zip(wanted, tokens, ids, strict=True):
        assert found[len(prompt) :] == expected(tiny(kind), prompt, count)


def test_requests_that_run_together_share_each_forward_pass():
    model = tiny("llama", seed=1)
    passes = []
    model.register_forward_hook(lambda *_: passes.append(1))
    engine = engine_of(model, block=64)
    streams = [Stream(engine, Request(prompt_ids=p, max_tokens=20)) for p in prompts(4)]
    assert [list(stream)[-1].completion_tokens for stream in streams] == [20] * 4
    engine.close()
    # One pass a prompt, then one a token for all four; they may not all begin in the same step.
    assert len(passes) <= 4 + 20 + 4


def test_known_beginnings_are_not_computed_again(engine):
    first, second = prompts(2)
    _, events = run(engine, Request(prompt_ids=first, max_tokens=4))
    assert events[-1].cached_tokens == 0
    ids, events = run(engine, Request(prompt_ids=second, max_tokens=4))
    assert events[-1].cached_tokens == shared_length(list(first), second) == 21
    assert ids == expected(tiny_llama(), second, 4)


def assert_alike(events, others):
    """The same tokens, as likely but for rounding: a pass of another size may round otherwise."""
    for chunk, other in zip(events[:-1], others[:-1], strict=True):
        for one, two in zip(chunk.logprobs, other.logprobs, strict=True):
            assert one.logprob == pytest.approx(two.logprob, abs=1e-4)
    assert [chunk.text for chunk in events[:-1]] == [chunk.text for chunk in others[:-1]]


@pytest.mark.parametrize("shared", [6, 7, 20, 48])
def test_shared_beginnings_give_the_logits_of_a_cold_run(shared):
    first, second = prompts(2, shared=shared)
    options = {"max_tokens": 5, "logprobs": 3}
    warm, cold = engine_of(tiny("llama", seed=3)), engine_of(tiny("llama", seed=3))
    run(warm, Request(prompt_ids=first, max_tokens=5))
    _, with_cache = run(warm, Request(prompt_ids=second, **options))
    _, without = run(cold, Request(prompt_ids=second, **options))
    warm.close()
    cold.close()
    assert with_cache[-1].cached_tokens == shared + 1
    assert_alike(with_cache, without)


def test_the_beginning_of_a_longer_prompt_is_shared_but_for_its_last_token(engine):
    first = prompts(1)[0]
    run(engine, Request(prompt_ids=first, max_tokens=5))
    ids, events = run(engine, Request(prompt_ids=first[:12], max_tokens=4))
    # Its logits are not known.
    assert events[-1].cached_tokens == 11
    assert ids == expected(tiny_llama(), first[:12], 4)


def test_a_beginning_in_use_is_shared_while_it_is_generated_from(engine):
    first, second = prompts(2, shared=40)
    with Stream(engine, Request(prompt_ids=first, max_tokens=150, logprobs=0)) as running:
        next(iter(running))
        ids, events = run(engine, Request(prompt_ids=second, max_tokens=5))
        assert events[-1].cached_tokens == 41
        assert ids == expected(tiny_llama(), second, 5)


def test_turns_after_answers_give_the_logits_of_a_cold_run(engine):
    prompt, known = prompts(1)[0], 0
    for _ in range(3):
        request = Request(prompt_ids=prompt, max_tokens=9, logprobs=3)
        cold = engine_of(tiny_llama())
        (answer, with_cache), (_, without) = run(engine, request), run(cold, request)
        cold.close()
        assert with_cache[-1].cached_tokens == known
        assert_alike(with_cache, without)
        assert answer == expected(tiny_llama(), prompt, 9)
        # The last token of an answer was never fed back.
        known = len(prompt) + len(answer) - 1
        prompt = (*prompt, *answer, 77, 78)


def test_in_half_precision_the_next_turn_continues_where_the_last_one_ended():
    first = prompts(1)[0]
    engine = engine_of(tiny("llama").to(torch.bfloat16))
    answer, _ = run(engine, Request(prompt_ids=first, max_tokens=6))
    following = (*first, *answer, 77, 78)
    cold = engine_of(tiny("llama").to(torch.bfloat16))
    options = {"prompt_ids": following, "max_tokens": 1, "logprobs": 3}
    (_, with_cache), (_, without) = run(engine, Request(**options)), run(cold, Request(**options))
    engine.close()
    cold.close()
    # The last token of an answer was never fed back.
    assert with_cache[-1].cached_tokens == len(first) + 5
    (warm,), (other,) = logprobs(with_cache)[0], logprobs(without)[0]
    assert warm.logprob == pytest.approx(other.logprob, abs=0.05)


def test_in_half_precision_a_beginning_is_shared_to_its_last_token():
    first, second = prompts(2, shared=20)
    engine, cold = (engine_of(tiny("llama").to(torch.bfloat16)) for _ in range(2))
    run(engine, Request(prompt_ids=first, max_tokens=1))
    options = {"prompt_ids": second, "max_tokens": 1, "logprobs": 3}
    (_, with_cache), (_, without) = run(engine, Request(**options)), run(cold, Request(**options))
    engine.close()
    cold.close()
    assert with_cache[-1].cached_tokens == 1 + 20
    (warm,), (other,) = logprobs(with_cache)[0], logprobs(without)[0]
    assert warm.logprob == pytest.approx(other.logprob, abs=0.05)


def test_a_prompt_asked_again_gives_the_same_logits_bit_by_bit():
    prompt = prompts(1)[0]
    model = tiny("llama").to(torch.bfloat16)
    engine = engine_of(model)
    request = Request(prompt_ids=prompt, max_tokens=20, temperature=1.3, seed=1, logprobs=2)
    (_, cold), (_, warm) = run(engine, request), run(engine, request)
    engine.close()
    assert warm[-1].cached_tokens == len(prompt)
    assert [chunk.logprobs for chunk in warm[:-1]] == [chunk.logprobs for chunk in cold[:-1]]


def test_seeds_repeat_and_differ(engine):
    def sample(seed):
        request = Request(
            prompt_ids=prompts(1)[0], max_tokens=8, temperature=1.5, top_p=0.95, top_k=50, seed=seed
        )
        return run(engine, request)[0]

    assert sample(1) == sample(1)
    assert len({tuple(sample(seed)) for seed in range(5)}) > 1


def test_a_seed_gives_the_same_tokens_in_company(engine):
    request = Request(prompt_ids=prompts(1)[0], max_tokens=8, temperature=1.2, seed=7)
    alone = run(engine, request)[0]
    others = [
        Stream(engine, Request(prompt_ids=p, max_tokens=30, temperature=1.0, seed=3))
        for p in prompts(5)
    ]
    assert run(engine, request)[0] == alone
    for stream in others:
        stream.close()


@pytest.mark.parametrize(
    ("options", "limit"), [({"top_k": 1}, 1), ({"top_p": 1e-9}, 1), ({"top_k": 3}, 3)]
)
def test_top_k_and_top_p_limit_the_choice(engine, options, limit):
    first = {
        run(
            engine,
            Request(prompt_ids=prompts(1)[0], max_tokens=1, temperature=2.0, seed=s, **options),
        )[0][0]
        for s in range(12)
    }
    assert 1 <= len(first) <= limit


def test_repetition_penalty_is_transformers(engine):
    prompt = prompts(1)[0]
    ids, _ = run(engine, Request(prompt_ids=prompt, max_tokens=10, repetition_penalty=1.3))
    with torch.inference_mode():
        wanted = tiny_llama().generate(
            torch.tensor([prompt], device=Here.device),
            max_new_tokens=10,
            do_sample=False,
            repetition_penalty=1.3,
            pad_token_id=0,
        )[0, len(prompt) :]
    assert ids == wanted.tolist()


def test_logprobs_are_those_of_the_model(engine):
    prompt = prompts(1)[0]
    _, events = run(engine, Request(prompt_ids=prompt, max_tokens=1, logprobs=2))
    token = events[0].logprobs[0]
    with torch.inference_mode():
        logits = tiny_llama()(torch.tensor([prompt], device=Here.device)).logits[0, -1]
    best = logits.log_softmax(-1).topk(2).values
    assert token.logprob == pytest.approx(float(best[0]), abs=1e-4)
    assert [p for _, p in token.top] == pytest.approx(best.tolist(), abs=1e-4)


def assert_stopped(engine, sequence):
    """It had begun, and steps that others take add nothing to it."""
    made = []
    for _ in range(2):
        run(engine, Request(prompt_ids=(1, 9, 9, 9), max_tokens=5))
        made.append(sequence.generated)
    assert 0 < made[0] == made[1] < 200


def test_leaving_a_stream_stops_generation(engine):
    request = Request(prompt_ids=prompts(1)[0], max_tokens=200, logprobs=0)
    with Stream(engine, request) as events:
        next(iter(events))
    assert_stopped(engine, events.ticket)


async def test_cancelling_a_task_stops_generation(engine):
    request = Request(prompt_ids=prompts(1)[0], max_tokens=200, logprobs=0)
    started = asyncio.Event()
    tickets = []

    async def consume():
        with AsyncStream(engine, request) as events:
            tickets.append(events.ticket)
            async for _ in events:
                started.set()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(started.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_stopped(engine, tickets[0])


def test_timeout_is_a_typed_error(engine):
    _, events = run(engine, Request(prompt_ids=prompts(1)[0], max_tokens=230, timeout_s=0.02))
    assert isinstance(events[-1], GenerationTimeoutError)
    with pytest.raises(TimeoutError, match=r"timeout=0.02 s"):
        raise events[-1]


def test_a_late_request_does_not_wait_for_the_others(engine):
    running = [
        Stream(engine, Request(prompt_ids=p, max_tokens=200, logprobs=0)) for p in prompts(4)
    ]
    for stream in running:
        next(iter(stream))
    late = run(engine, Request(prompt_ids=(1, 9, 9, 9), max_tokens=1))
    assert isinstance(late[1][-1], Finish)
    assert all(stream.ticket.generated < 200 for stream in running)
    for stream in running:
        stream.close()


@pytest.fixture(params=["lazy", "grown"])
def memory(request, monkeypatch):
    """As on Linux's CPUs, and as elsewhere."""
    if request.param == "lazy" and (Here.device != "cpu" or not can_reserve(1)):
        pytest.skip("memory is not given lazily here")
    if request.param == "grown":
        monkeypatch.setattr(local, "can_reserve", lambda _: False)
    return request.param


@pytest.mark.usefixtures("memory")
def test_a_request_over_the_memory_fails_and_a_smaller_one_is_served():
    prompt = prompts(1)[0]
    need = (len(prompt) + 100 + MAX_DRAFT) * BYTES
    small = engine_of(tiny_llama(), kv_budget_bytes=need - 1)
    events = run(small, Request(prompt_ids=prompt, max_tokens=100))[1]
    assert isinstance(events[-1], OutOfMemoryError)
    assert "lower max_tokens" in str(events[-1])
    small.close()
    enough = engine_of(tiny_llama(), kv_budget_bytes=need)
    events = run(enough, Request(prompt_ids=prompt, max_tokens=100))[1]
    assert isinstance(events[-1], Finish)
    enough.close()


def test_when_the_device_is_full_the_latest_fails_and_the_others_go_on(engine, monkeypatch):
    first, other = prompts(2, shared=5)
    answer, _ = run(engine, Request(prompt_ids=first, max_tokens=6))
    held, released = threading.Event(), threading.Event()

    def full(runner, work):
        if work[0].is_answer:
            if held.is_set():
                released.wait(30)
            if len(work) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(runner, work)

    compute = ModelRunner.run
    monkeypatch.setattr(ModelRunner, "run", full)
    running = iter(Stream(engine, Request(prompt_ids=other, max_tokens=200, logprobs=0)))
    next(running)
    held.set()
    # It takes the first one's row over, before that of the one that runs.
    request = Request(prompt_ids=(*first, *answer, 77), max_tokens=50)
    latest = Stream(engine, request)
    released.set()
    with pytest.raises(OutOfMemoryError):
        list(latest)
    assert list(running)[-1].completion_tokens == 200
    monkeypatch.undo()
    assert run(engine, request)[0] == expected(tiny_llama(), request.prompt_ids, 50)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("MPS backend out of memory")],
    ids=["CUDA", "MPS"],
)
def test_a_request_whose_row_has_no_room_waits_for_the_others(monkeypatch, error):
    monkeypatch.setattr(local, "can_reserve", lambda _: False)
    # A device with room for rows as they are at first, and no longer ones.
    given = []

    def limited(allocate, size_of):
        def allocated(*arguments, **options):
            given.append(size_of(arguments))
            if given[-1] > given[0]:
                raise error
            return allocate(*arguments, **options)

        return allocated

    monkeypatch.setattr("mmap.mmap", limited(mmap.mmap, lambda arguments: arguments[1]))
    new_zeros = limited(torch.Tensor.new_zeros, lambda arguments: math.prod(arguments[1]))
    monkeypatch.setattr(torch.Tensor, "new_zeros", new_zeros)
    model = tiny("llama", max_position_embeddings=2048)
    engine = LocalEngine(model, NoEnd(), context_window=2048)
    prompt = prompts(1)[0][:20]
    running = Stream(engine, Request(prompt_ids=prompt, max_tokens=30, logprobs=0))
    next(iter(running))
    # Rows have 1,024 tokens at first.
    longer = Request(prompt_ids=(1, *(40 + i % 500 for i in range(990))), max_tokens=30)
    # It waits until it has the device for itself: one longer row has room then.
    assert run(engine, longer)[0] == expected(model, longer.prompt_ids, 30)
    assert list(running)[-1].completion_tokens == 30
    request = Request(prompt_ids=prompt, max_tokens=30)
    assert run(engine, request)[0] == expected(model, prompt, 30)
    assert max(given) > given[0]
    engine.close()


def test_a_request_over_the_window_is_refused_and_the_others_go_on(engine):
    other = Stream(engine, Request(prompt_ids=prompts(1)[0], max_tokens=50, logprobs=0))
    with pytest.raises(PromptOverflowError, match="200 tokens and max_tokens=57: together 257"):
        engine.submit(Request(prompt_ids=(1,) * 200, max_tokens=57), print)
    assert list(other)[-1].completion_tokens == 50
    assert isinstance(run(engine, Request(prompt_ids=(1,) * 200, max_tokens=56))[1][-1], Finish)


@pytest.mark.slow
@pytest.mark.usefixtures("memory")
def test_little_memory_is_shared_by_many_prompts_without_a_wrong_token():
    """Beginnings are forgotten, taken over and copied all the time."""
    model = tiny_llama()
    engine = engine_of(model, kv_budget_bytes=3 * ROW)
    generator = random.Random(5)
    beginnings = [tuple(generator.choices(range(40, 300), k=60)) for _ in range(4)]
    asked = [
        (1, *generator.choice(beginnings), *generator.choices(range(300, 400), k=9))
        for _ in range(24)
    ]
    known = []
    for few in range(0, len(asked), 4):
        requests = [Request(prompt_ids=p, max_tokens=6) for p in asked[few : few + 4]]
        with ThreadPoolExecutor(4) as threads:
            for request, (ids, events) in zip(
                requests, threads.map(lambda r: run(engine, r), requests), strict=True
            ):
                assert ids == expected(model, request.prompt_ids, 6)
                known.append(events[-1].cached_tokens)
    engine.close()
    assert sum(known) > 60 * 8


@pytest.mark.usefixtures("memory")
def test_requests_wait_for_memory_and_are_all_answered():
    engine = engine_of(tiny_llama(), kv_budget_bytes=2 * ROW)
    streams = [Stream(engine, Request(prompt_ids=p, max_tokens=6)) for p in prompts(6)]
    assert [list(s)[-1].completion_tokens for s in streams] == [6] * 6
    engine.close()


@pytest.mark.parametrize("token", [-1, 600, 10**6])
def test_an_id_outside_the_vocabulary_is_refused(engine, token):
    """On CUDA it would end the process's use of the GPU."""
    with pytest.raises(
        EngineError, match=f"token id {token}, but the ids of the model go from 0 to 599"
    ):
        engine.submit(Request(prompt_ids=(1, token, 5), max_tokens=3), print)


def fail_for(model, token, error):
    """Let every pass with this token fail."""

    def check(module, arguments):
        if (arguments[0] == token).any():
            raise error

    return model.get_input_embeddings().register_forward_pre_hook(check)


def test_an_error_in_the_worker_reaches_every_caller():
    model = tiny("llama")
    fail_for(model, 597, ValueError("no such row"))
    engine = engine_of(model)
    streams = [
        Stream(engine, Request(prompt_ids=(1, 597), max_tokens=3)),
        Stream(engine, Request(prompt_ids=(1, 597, 5), max_tokens=3)),
    ]
    for stream in streams:
        with pytest.raises(EngineError, match="Generation failed: no such row"):
            list(stream)
    assert isinstance(run(engine, Request(prompt_ids=(1, 5), max_tokens=2))[1][-1], Finish)
    engine.close()


def test_an_error_that_ends_the_gpu_closes_the_engine():
    model = tiny("llama")
    hook = fail_for(model, 597, RuntimeError("CUDA error: device-side assert triggered"))
    engine = engine_of(model)
    running = Stream(engine, Request(prompt_ids=(1, 5), max_tokens=200, logprobs=0))
    next(iter(running))
    failed = Stream(engine, Request(prompt_ids=(1, 597), max_tokens=3))
    for stream in (failed, running):
        with pytest.raises(EngineError, match="cannot use it any longer: CUDA error"):
            list(stream)
    hook.remove()
    with pytest.raises(EngineError, match="Start the process again"):
        engine.submit(Request(prompt_ids=(1, 5), max_tokens=3), print)
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("grammar", [None, Grammar("json_schema", '{"type": "string"}')])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.usefixtures("memory")
def test_a_request_of_nan_fails_and_leaves_nothing_behind(grammar, temperature):
    """Its row is used by the next requests, which attend to the rest of it with weight 0."""
    model = tiny("llama")
    other = prompts(1)[0]
    wanted = expected(model, other, 20)
    assert 597 not in [*other, *wanted]
    model.model.embed_tokens.weight.data[597] = float("nan")
    engine = engine_of(model, max_batch=2)
    doomed = Request(
        prompt_ids=(1, 597) * 60, max_tokens=3, temperature=temperature, grammar=grammar
    )
    for _ in range(3):
        events = run(engine, doomed)[1]
        assert "logits are not numbers" in str(events[-1])
    # Longer ones beside a short one read the short one's row beyond its end.
    streams = [
        Stream(engine, Request(prompt_ids=p, max_tokens=20)) for p in [other, (1, *range(40, 150))]
    ]
    assert [list(stream)[-1].completion_tokens for stream in streams] == [20, 20]
    for _ in range(3):
        assert run(engine, Request(prompt_ids=other, max_tokens=20))[0] == wanted
    engine.close()


@pytest.mark.usefixtures("memory")
def test_a_prompt_of_nan_that_is_cancelled_half_way_leaves_nothing_behind():
    """It has no logits yet that would show the NaN, and the next prompt takes over its row."""
    model = tiny("llama")
    other = prompts(1)[0]
    model.model.embed_tokens.weight.data[597] = float("nan")
    engine = engine_of(model, max_batch=2)
    engine.scheduler.max_prompt_tokens = len(other) + 3
    submitted, passed = threading.Event(), threading.Event()

    def cancel(*_):
        assert submitted.wait(60)
        doomed.cancel()
        passed.set()

    hook = model.register_forward_hook(cancel)
    doomed = engine.submit(Request(prompt_ids=(*other, *[597] * 40), max_tokens=3), print)
    submitted.set()
    assert passed.wait(60)
    hook.remove()
    engine.scheduler.max_prompt_tokens = 512
    # Longer ones beside a short one read the short one's row beyond its end.
    streams = [
        Stream(engine, Request(prompt_ids=p, max_tokens=20)) for p in [other, (1, *range(40, 150))]
    ]
    assert [list(stream)[-1].completion_tokens for stream in streams] == [20, 20]
    engine.close()


def test_a_failed_pass_is_freed_before_the_next_is_tried(monkeypatch):
    """Its tensors would live on in the frames of the traceback."""
    model = tiny("llama")
    use_quick_attention(model)
    alive = []
    failed = []

    class Large:
        pass

    def limited(runner, work):
        if alive and alive[-1]() is not None:
            raise AssertionError("the failed pass still has its memory")
        held = Large()
        alive.append(weakref.ref(held))
        if len(work) > 1:
            failed.append(len(work))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(runner, work)

    compute = ModelRunner.run
    monkeypatch.setattr(ModelRunner, "run", limited)
    engine = engine_of(model, block=256)
    with held_up(engine):
        streams = [Stream(engine, Request(prompt_ids=p, max_tokens=1)) for p in prompts(4)]
    assert [list(stream)[-1].completion_tokens for stream in streams] == [1] * 4
    assert failed == [4]
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("users", [20, 60])
def test_second_turns_find_their_prefixes_where_rows_are_grown(monkeypatch, users):
    monkeypatch.setattr(local, "can_reserve", lambda _: False)
    engine = engine_of(tiny_llama(), max_batch=64)
    firsts = [(1, 40 + i, *range(300, 340)) for i in range(users)]
    for prompt in firsts:
        run(engine, Request(prompt_ids=prompt, max_tokens=2))
    cached = []
    for prompt in firsts:
        _, events = run(engine, Request(prompt_ids=(*prompt, 3, 4, 5), max_tokens=2))
        cached.append(events[-1].cached_tokens)
    assert cached == [42] * users
    engine.close()


def test_requests_wait_where_the_device_has_room_for_fewer_rows(monkeypatch):
    monkeypatch.setattr(local, "can_reserve", lambda _: False)
    room = 8 * 3 * 2 * 16 * (256 + MAX_DRAFT) * 4

    def limited(*arguments, **options):
        if arguments[1] > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return reserve(*arguments, **options)

    reserve = mmap.mmap
    monkeypatch.setattr("mmap.mmap", limited)
    engine = engine_of(tiny_llama())
    with held_up(engine):
        streams = [Stream(engine, Request(prompt_ids=p, max_tokens=40)) for p in prompts(12)]
    assert [list(stream)[-1].completion_tokens for stream in streams] == [40] * 12
    engine.close()


def test_an_answer_that_fails_leaves_the_others_alone():
    model = tiny("llama", seed=1)
    doomed, other = prompts(2)
    fatal = expected(model, doomed, 4)[3]
    wanted = expected(model, other, 60)
    assert fatal not in [*doomed, *other, *wanted]
    model.model.embed_tokens.weight.data[fatal] = float("nan")
    engine = engine_of(model)
    running = Stream(engine, Request(prompt_ids=other, max_tokens=60, logprobs=0))
    next(iter(running))
    # Of logits that are no numbers nothing can be drawn.
    _, events = run(engine, Request(prompt_ids=doomed, max_tokens=60, temperature=1.0, top_k=1))
    assert isinstance(events[-1], EngineError)
    assert "logits are not numbers" in str(events[-1])
    assert list(running)[-1].completion_tokens == 60
    assert run(engine, Request(prompt_ids=other, max_tokens=60))[0] == wanted
    engine.close()


def test_closing_ends_running_requests_and_refuses_new_ones():
    engine = engine_of(tiny_llama())
    stream = Stream(engine, Request(prompt_ids=prompts(1)[0], max_tokens=200, logprobs=0))
    next(iter(stream))
    engine.close()
    with pytest.raises(EngineError, match="unloaded"):
        list(stream)
    with pytest.raises(EngineError, match="unloaded"):
        engine.submit(Request(prompt_ids=(1,), max_tokens=1), print)


LOOPING = (1, *[40, 41, 42, 43, 44, 45] * 12)


def passes_of(model, request, **options):
    """The answer, its events and how many forward passes they took."""
    counted = []
    hook = model.register_forward_hook(lambda *_: counted.append(1))
    engine = engine_of(model, block=256, **options)
    ids, events = run(engine, request)
    engine.close()
    hook.remove()
    return ids, events, len(counted)


def a_copier():
    """A model that repeats: after a token comes, greedily, the one that followed it before."""
    model = tiny("llama", seed=1)
    weights = model.lm_head.weight.data.zero_()
    embedded = torch.nn.functional.normalize(model.model.embed_tokens.weight.data)
    for layer in model.model.layers:
        layer.mlp.down_proj.weight.data.zero_()
        layer.self_attn.o_proj.weight.data.zero_()
    cycle = LOOPING[1:7]
    for token, following in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
        weights[following] = 9 * embedded[token]
    return model


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.7, "seed": 5}, {"repetition_penalty": 1.1}], ids=str
)
def test_prompt_lookup_gives_the_same_tokens_in_fewer_passes(options):
    model = a_copier()
    request = Request(prompt_ids=LOOPING, max_tokens=60, logprobs=1, **options)
    with_lookup = passes_of(model, request)
    without = passes_of(model, request, prompt_lookup=False)
    assert with_lookup[0] == without[0] == expected_copy(60)
    assert with_lookup[2] <= without[2] / 3
    for one, other in zip(with_lookup[1][:-1], without[1][:-1], strict=True):
        assert one.logprobs[0].logprob == pytest.approx(other.logprobs[0].logprob, abs=1e-4)


def expected_copy(count):
    return [LOOPING[1:7][i % 6] for i in range(count)]


def test_prompt_lookup_keeps_each_requests_tokens_in_company():
    model = a_copier()
    engine = engine_of(model)
    streams = [Stream(engine, Request(prompt_ids=p, max_tokens=25)) for p in prompts(3)]
    copying = Stream(engine, Request(prompt_ids=LOOPING, max_tokens=40))
    done = [list(stream)[-1] for stream in (*streams, copying)]
    assert [finish.completion_tokens for finish in done] == [25, 25, 25, 40]
    assert copying.ticket.ids[len(LOOPING) :] == expected_copy(40)
    for stream, prompt in zip(streams, prompts(3), strict=True):
        assert stream.ticket.ids[len(prompt) :] == expected(model, prompt, 25)
    engine.close()


def test_guesses_follow_the_latest_place_and_the_longest_match():
    ids = [1, 2, 3, 4, 9, 7, 3, 5, 1, 2, 3]
    lookup = PromptLookup(ids)
    # Three tokens match at the beginning; two (7, 3) and one stand later.
    assert lookup.draft(2) == [4, 9]
    ids += [7, 3]
    assert lookup.draft(1) == [5]
    ids += [8]
    assert lookup.draft(4) == []


def test_guesses_grow_while_they_hold_and_shrink_while_they_fail():
    lookup = PromptLookup([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2])
    assert lookup.draft(8) == [3, 4, 5, 6]
    lookup.learn(4, 4)
    assert lookup.draft(8) == [3, 4, 5, 6, 7, 8, 9, 10]
    for _ in range(5):
        lookup.learn(8, 0)
    assert lookup.draft(8) == [3]


def test_packed_layers_give_the_tokens_of_plain_ones():
    packed = tiny("llama", seed=2)
    pack_linear_layers(packed)
    engine = engine_of(packed)
    for prompt in prompts(3):
        ids, _ = run(engine, Request(prompt_ids=prompt, max_tokens=12))
        assert ids == expected(tiny("llama", seed=2), prompt, 12)
    engine.close()
