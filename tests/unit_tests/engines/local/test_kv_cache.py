"""What the rows hold, whatever begins, ends, moves and is forgotten."""

import mmap
import random

import psutil
import pytest
import torch

from langchain_swallow.engines.local.kv_cache import KVCache
from langchain_swallow.engines.local.kv_memory import KVMemory, Window, can_reserve

LAYERS = 2


def cache_of(**options):
    wanted = {"max_slots": 6, "max_tokens": 64, "budget_bytes": 10**6}
    memory = KVMemory(lazy=options.pop("lazy", False))
    return KVCache(memory, bytes_per_token=1, **{**wanted, **options})


def compute(cache, slots, new):
    """Write tokens behind those that neighboring slots have: each token's keys are its id."""
    window = Window(cache.memory, slots[0].row, [len(s.ids) for s in slots], len(new[0]))
    keys = torch.tensor(new, dtype=torch.float32)[:, None, :, None].expand(-1, 2, -1, 3)
    for layer in range(LAYERS):
        window.update(keys + layer, -keys - layer, layer)
    for slot, ids in zip(slots, new, strict=True):
        slot.ids += ids


def holds(cache, slot):
    window = Window(cache.memory, slot.row, [0], len(slot.ids))
    wanted = torch.tensor(slot.ids, dtype=torch.float32)[None, None, :, None]
    for layer in range(LAYERS):
        keys, values = cache.memory.read(layer, window)
        assert (keys == wanted + layer).all()
        assert (values == -wanted - layer).all()


def test_rows_keep_their_content_when_they_move():
    cache = cache_of()
    prompts = [tuple(range(9 * i, 9 * i + i + 2)) for i in range(6)]
    slots = [cache.acquire(prompt, 9) for prompt in prompts]
    for slot, prompt in zip(slots, prompts, strict=True):
        compute(cache, [slot], [list(prompt)])
    before = [slot.row for slot in slots]
    together = [slots[0], slots[2], slots[3], slots[5]]
    gathered = cache.gather(together)
    first = gathered[0].row
    assert [slot.row for slot in gathered] == list(range(first, first + 4))
    # Three of them lie within four rows.
    assert sum(slot.row != row for slot, row in zip(slots, before, strict=True)) == 2
    for slot in slots:
        holds(cache, slot)
    after = [slot.row for slot in slots]
    assert cache.gather(gathered) == gathered
    assert cache.gather([slots[4]]) == [slots[4]]
    assert [slot.row for slot in slots] == after


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lazy", [True, False])
def test_whatever_happens_each_slot_holds_its_tokens_within_the_budget(lazy, seed):
    if lazy and not can_reserve(1):
        pytest.skip("memory is not given lazily here")
    chance = random.Random(seed)
    budget = 100
    cache = cache_of(lazy=lazy, max_tokens=64, budget_bytes=budget)
    beginnings = [chance.choices(range(100), k=12) for _ in range(3)]
    running, known, waited = [], 0, 0
    for _ in range(300):
        ended = [slot for slot in running if len(slot.ids) == slot.length or chance.random() < 0.2]
        for slot in ended:
            running.remove(slot)
            (cache.release if chance.random() < 0.8 else cache.discard)(slot)
        ids = [*chance.choice(beginnings), *chance.choices(range(100, 200), k=8)]
        if slot := cache.acquire(tuple(ids), len(ids) + 10):
            known += len(slot.ids)
            compute(cache, [slot], [ids[len(slot.ids) :]])
            running.append(slot)
        else:
            waited += 1
        if running:
            slots = cache.gather(running)
            compute(cache, slots, [[chance.randrange(200)] for _ in slots])
        for slot in cache.slots:
            holds(cache, slot)
        if lazy:
            # A sequence may have moved into a row that had taken more than it needs.
            assert sum(cache.memory.written) <= budget + 30
    assert known > 100
    assert waited


@pytest.mark.parametrize("max_tokens", [64, 101, 700])
def test_a_row_gives_back_what_a_shorter_sequence_does_not_need(max_tokens):
    if not can_reserve(1):
        pytest.skip("memory is not given lazily here")
    cache = cache_of(lazy=True, max_tokens=max_tokens, max_slots=2)
    long, other = (cache.acquire((i,) * 60, 64) for i in (1, 2))
    for slot, i in ((long, 1), (other, 2)):
        compute(cache, [slot], [[i] * 64])
    cache.release(long)
    short = cache.acquire((1,) * 40, 41)
    assert (short.row, len(short.ids)) == (long.row, 39)
    holds(cache, short)
    holds(cache, other)
    assert cache.memory.written[short.row] == 41
    window = Window(cache.memory, short.row, [0], cache.memory.capacity)
    for layer in range(LAYERS):
        for tensor in cache.memory.read(layer, window):
            assert tensor[:, :, :41].all()
            assert not tensor[:, :, 41:].any()


@pytest.mark.parametrize("max_tokens", [64, 101, 700])
@pytest.mark.parametrize("lazy", [True, False])
def test_nothing_of_a_dropped_row_is_left(lazy, max_tokens):
    """Whether rows begin and end at a page of memory or within one."""
    if lazy and not can_reserve(1):
        pytest.skip("memory is not given lazily here")
    cache = cache_of(lazy=lazy, max_tokens=max_tokens)
    slots = [cache.acquire((i,) * 60, max_tokens) for i in range(3)]
    for i, slot in enumerate(slots):
        compute(cache, [slot], [[float("nan") if i == 1 else i] * 64])
    cache.discard(slots[1])
    window = Window(cache.memory, slots[1].row, [0], cache.memory.capacity)
    for layer in range(LAYERS):
        assert not any(tensor.any() for tensor in cache.memory.read(layer, window))
    holds(cache, slots[0])
    holds(cache, slots[2])


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("tensor", [0, 1])
def test_an_incomplete_prompt_of_nan_is_not_kept(lazy, tensor):
    if lazy and not can_reserve(1):
        pytest.skip("memory is not given lazily here")
    cache = cache_of(lazy=lazy)
    slots = [cache.acquire((i,) * 20, 64) for i in range(1, 4)]
    for i, slot in enumerate(slots, 1):
        compute(cache, [slot], [[i] * 10])
    window = Window(cache.memory, slots[1].row, [0], cache.memory.capacity)
    # One number, as an operator may make it.
    cache.memory.read(LAYERS - 1, window)[tensor][0, 1, 7, 2] = float("nan")
    for slot in slots:
        cache.release(slot)
    assert [len(slot.ids) for slot in slots] == [10, 0, 10]
    for layer in range(LAYERS):
        assert not any(held.any() for held in cache.memory.read(layer, window))
    holds(cache, slots[0])
    holds(cache, slots[2])


def test_all_of_a_prompt_is_known_only_with_its_logits():
    cache, prompt = cache_of(), tuple(range(8))
    slot = cache.acquire((*prompt, 8, 9), 20)
    compute(cache, [slot], [list(prompt)])
    # Cancelled between two passes.
    cache.release(slot)
    slot = cache.acquire(prompt, 20)
    assert slot.ids == list(prompt[:7])
    compute(cache, [slot], [list(prompt[7:])])
    slot.logits, slot.prompt_length = torch.zeros(3), 8
    cache.release(slot)
    again = [cache.acquire(prompt, 20) for _ in range(2)]
    assert [other.ids for other in again] == [list(prompt)] * 2
    assert all(other.logits is slot.logits for other in again)
    longer = cache.acquire((*prompt, 8), 20)
    assert longer.ids == list(prompt)
    assert longer.logits is None


def test_all_that_is_known_is_shared():
    cache, prompt = cache_of(), tuple(range(11))
    slot = cache.acquire(prompt, 20)
    compute(cache, [slot], [list(prompt)])
    slot.ids.append(90)
    cache.release(slot)
    assert cache.acquire((*prompt[:6], 80, 81), 20).ids == list(prompt[:6])
    assert cache.acquire((*prompt, 90, 80), 20).ids == [*prompt, 90]
    # The last token's logits are not known.
    assert cache.acquire(prompt[:3], 20).ids == list(prompt[:2])


def test_an_answer_cannot_wait_for_more_than_there_is():
    cache = cache_of(budget_bytes=20)
    with pytest.raises(MemoryError, match="of 21 tokens need"):
        cache.acquire((1,), 21)


@pytest.mark.skipif(not can_reserve(1), reason="memory is not given lazily here")
def test_what_is_forgotten_gives_its_memory_back():
    width, tokens = 2 * 3 * 4 * LAYERS * 2, 300_000
    cache = cache_of(lazy=True, max_tokens=tokens, budget_bytes=tokens)
    process = psutil.Process()
    before = process.memory_info().rss
    slot = cache.acquire((1, 2), tokens)
    compute(cache, [slot], [[1] * tokens])
    taken = process.memory_info().rss - before
    assert taken > 0.9 * width * tokens
    cache.discard(slot)
    left = process.memory_info().rss - before
    # All but the pages at both ends of a row, which may be others' too.
    assert left < taken - 0.9 * width * tokens + 2 * LAYERS * 2 * mmap.PAGESIZE
    slot = cache.acquire((1, 2), 10)
    compute(cache, [slot], [[7, 8]])
    holds(cache, slot)


def test_addresses_are_limited():
    assert not can_reserve(2**62)
