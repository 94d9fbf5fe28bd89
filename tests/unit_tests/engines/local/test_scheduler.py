"""What is computed next, decided without a model: no torch, no clock, no threads."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_swallow.engines.local.kv_cache import KVCache
from langchain_swallow.engines.local.lookup import MAX_DRAFT, PromptLookup
from langchain_swallow.engines.local.scheduler import PROMPT_TOKENS, Scheduler
from langchain_swallow.engines.local.sequence import Sequence
from langchain_swallow.engines.protocol import Request
from langchain_swallow.errors import GenerationTimeoutError


class NoMemory:
    """Rows of which nothing is kept."""

    lazy = True

    def __init__(self):
        self.capacity, self.written = 0, []

    def resize(self, rows, capacity, kept):
        self.capacity, self.written = capacity, [0] * rows

    def copy(self, source, target, tokens):
        self.written[target] = max(self.written[target], tokens)

    def exchange(self, row, tokens, other, others):
        self.written[row] = max(self.written[row], others)
        self.written[other] = max(self.written[other], tokens)

    def release(self, row, tokens=0):
        self.written[row] = min(self.written[row], tokens)

    def has_nan(self, row):
        return False

    def clear(self):
        self.written.clear()


class Requests:
    """A scheduler, and a model whose every token is the same."""

    def __init__(self, *, budget=10**6, max_batch=64, **options):
        self.cache = KVCache(
            NoMemory(),
            bytes_per_token=1,
            max_slots=max_batch + 16,
            max_tokens=10**5,
            budget_bytes=budget,
        )
        self.budget, self.max_batch = budget, max_batch
        self.scheduler = Scheduler(self.cache, max_batch, **options)
        # Events by request, and which began their answers, in order.
        self.events, self.first = {}, []

    def ask(self, prompt, max_tokens=1, timeout=None, part_of=None):
        """A prompt of token ids, or one of so many that no other shares."""
        if isinstance(prompt, int):
            own = len(self.events) * 100_000
            prompt = range(own, own + prompt)
        ids = list(prompt)
        request = Request(
            prompt_ids=tuple(ids), max_tokens=max_tokens, timeout_s=timeout, part_of=part_of
        )
        sequence = Sequence(
            request=request,
            sink=lambda event: self.events[sequence].append(event),
            detokenizer=None,
            sampler=None,
            ids=ids,
            lookup=PromptLookup(ids),
            deadline=timeout,
        )
        self.events[sequence] = []
        self.scheduler.add(sequence)
        return sequence

    def step(self, now=0.0):
        """Compute a pass; what it computed."""
        work = self.scheduler.schedule(now)
        for one in work:
            whole = one.is_answer or one.ends_prompt
            self.scheduler.accept(one, [7] if whole else [])
            if not whole:
                continue
            sequence = one.sequence
            sequence.ids.append(7)
            if sequence.generated == 1:
                self.first.append(sequence)
            if sequence.generated >= sequence.request.max_tokens:
                self.scheduler.end(sequence)
        return work

    def passes(self, limit=10_000):
        """All passes until nothing is left."""
        made = []
        while self.scheduler.has_work:
            assert len(made) < limit, "it does not come to an end"
            made.append(self.step())
        return made


def sizes(passes):
    return [[len(one.ids) for one in work] for work in passes]


def test_it_needs_no_torch():
    code = (
        "import sys, langchain_swallow.engines.local.scheduler; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_prompts_that_wait_are_computed_together_within_the_pass():
    requests = Requests()
    for _ in range(30):
        requests.ask(40)
    made = sizes(requests.passes())
    assert made == [[40] * 12 + [32], [8] + [40] * 12 + [24], [16] + [40] * 4]


def test_where_prompts_are_not_joined_each_has_its_pass():
    requests = Requests(joins_prompts=False)
    for _ in range(3):
        requests.ask(9)
    assert sizes(requests.passes()) == [[9]] * 3


def test_a_short_prompt_goes_before_a_long_one_and_none_starves():
    requests = Requests(joins_prompts=False)
    long = requests.ask(1500)
    short = [requests.ask(20) for _ in range(12)]
    requests.passes()
    # The long one is passed over eight times, no more.
    assert requests.first == [*short[:8], long, *short[8:]]


@pytest.mark.parametrize("prompt_tokens", [512, 2048])
def test_the_attention_mask_of_a_pass_has_a_limit(prompt_tokens):
    """512 MiB in float32 for any prompt: without it, 100,000 tokens took 19 GiB."""
    requests = Requests(prompt_tokens=prompt_tokens)
    for length in (50, 90_000, 60, 40_000, 9_000, 90_000):
        requests.ask(length)
    made = requests.passes()
    sizes = [
        sum(len(one.ids) for one in work)
        * max(len(one.sequence.request.prompt_ids) for one in work)
        for work in made
    ]
    assert max(sizes) <= 2**26
    assert max(sum(len(one.ids) for one in work) for work in made) == prompt_tokens


def test_a_prompt_that_is_all_but_computed_is_not_overtaken_by_its_like():
    requests = Requests()
    asked = [requests.ask(length) for length in (442, 73, 73, 1)]
    requests.passes()
    assert requests.first.index(asked[1]) < requests.first.index(asked[2])


def test_an_answer_after_a_thought_does_not_wait_again():
    requests = Requests(max_batch=1)
    whole = threading.Event()  # any object
    thought = requests.ask(10, part_of=whole)
    others = [requests.ask(10) for _ in range(3)]
    requests.step()
    assert requests.first == [thought]
    answer = requests.ask([*thought.ids, 7, 8], part_of=whole)
    requests.passes()
    assert requests.first == [thought, answer, *others]


@pytest.mark.parametrize("length", [600, 5_000, 50_000])
def test_running_answers_wait_for_half_of_a_long_prompt_at_most(length):
    requests = Requests()
    answer = requests.ask(10, max_tokens=1_000)
    requests.step()
    long = requests.ask(length, max_tokens=2)
    made = []
    while long not in requests.first:
        made.append(requests.step())
    decodes = [work for work in made if work[0].is_answer]
    assert [one.sequence for work in decodes for one in work] == [answer] * len(decodes)
    assert len(decodes) <= 2
    assert max(len(one.ids) for work in made for one in work) <= PROMPT_TOKENS


@pytest.mark.parametrize(("shared", "waits"), [(31, False), (32, True), (100, True)])
def test_a_prompt_waits_for_a_prefix_that_is_worth_it(shared, waits):
    requests = Requests()
    prefix = range(10**6, 10**6 + shared)
    for own in range(3):
        requests.ask([*prefix, own, own + 50])
    made = sizes(requests.passes())
    assert made == ([[shared + 2], [2, 2]] if waits else [[shared + 2] * 3])


def test_a_request_waits_until_there_is_room():
    requests = Requests(budget=2 * (100 + 5 + MAX_DRAFT))
    asked = [requests.ask(100, max_tokens=5) for _ in range(3)]
    requests.step()
    assert list(requests.scheduler.waiting) == asked[2:]
    requests.passes()
    assert requests.first == asked


def test_a_request_that_can_never_have_room_fails_and_the_others_go_on():
    requests = Requests(budget=200)
    asked = [requests.ask(10), requests.ask(500), requests.ask(10)]
    requests.passes()
    assert requests.first == [asked[0], asked[2]]
    (error,) = requests.events[asked[1]]
    assert isinstance(error, MemoryError)


def test_a_request_that_needs_much_room_does_not_starve():
    requests = Requests(budget=1_000)
    for _ in range(5):
        requests.ask(50, max_tokens=20)
    requests.step()
    large = requests.ask(800, max_tokens=20)
    # Smaller ones that there is room for come all the time.
    for _ in range(100):
        requests.ask(50, max_tokens=20)
        requests.step()
    # Behind those that were there, and those that may go before a long prompt.
    assert requests.first.index(large) <= 5 + 8


def test_no_more_run_at_once_than_the_batch_has():
    requests = Requests(max_batch=2)
    for _ in range(5):
        requests.ask(10, max_tokens=3)
    while requests.scheduler.has_work:
        requests.step()
        assert len(requests.scheduler.running) <= 2
    assert len(requests.first) == 5


def test_what_is_cancelled_or_out_of_time_leaves_at_the_next_step():
    requests = Requests()
    cancelled, late, stays = (
        requests.ask(10, max_tokens=9, timeout=timeout) for timeout in (None, 5.0, 20.0)
    )
    requests.step()
    cancelled.cancel()
    assert {one.sequence for one in requests.step(now=6.0)} == {stays}
    assert requests.events[cancelled] == []
    assert [type(event) for event in requests.events[late]] == [GenerationTimeoutError]


def test_drafts_fill_a_pass_up_and_those_that_hold_are_kept():
    requests = Requests(decode_tokens=8)
    repeats = requests.ask([1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6], max_tokens=9)
    other = requests.ask(5, max_tokens=9)
    requests.step()
    (first, second) = sorted(requests.scheduler.schedule(0), key=lambda w: w.sequence is other)
    # 7 was chosen; 1, 2, 3 followed it before. The other one has nothing to guess from.
    assert (first.ids, first.drafts) == ([7, 1, 2, 3], [1, 2, 3])
    assert (second.ids, second.drafts) == ([7, 7, 7, 7], [])
    before = len(first.slot.ids)
    # Two held, and a third token was chosen in place of the last.
    requests.scheduler.accept(first, [1, 2, 9])
    assert first.slot.ids[before:] == [7, 1, 2]
    repeats.ids += [1, 2, 9]
    assert repeats.generated == 4


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_arrives_and_leaves_everybody_is_served(data):
    requests = Requests(
        budget=data.draw(st.integers(700, 4_000), "budget"),
        max_batch=data.draw(st.integers(1, 6), "max_batch"),
        block=data.draw(st.sampled_from([1, 16, 128]), "block"),
        joins_prompts=data.draw(st.booleans(), "joins_prompts"),
        decode_tokens=(most := data.draw(st.sampled_from([0, 4, 16]), "decode_tokens")),
    )
    arrivals = data.draw(
        st.lists(
            st.tuples(st.integers(0, 8), st.integers(1, 600), st.integers(1, 8), st.booleans()),
            max_size=20,
        ),
        "steps until it arrives, prompt, answer, whether it is cancelled later",
    )
    asked, leaving, between = [], [], 0
    for steps, prompt, tokens, leaves in [*arrivals, (10_000, 1, 1, False)]:
        for _ in range(steps):
            if not requests.scheduler.has_work:
                break
            if not any(s.generated and not s.cancelled for s in requests.scheduler.running):
                between = 0
            work = requests.step()
            assert work or not requests.scheduler.has_work
            if not work:
                continue
            assert len({one.is_answer for one in work}) == 1
            assert len({id(one.slot) for one in work}) == len(work)
            assert len(requests.scheduler.running) <= requests.max_batch
            computed = sum(len(one.ids) for one in work)
            if work[0].is_answer:
                assert computed <= max(most, len(work))
                between = 0
            else:
                assert computed <= PROMPT_TOKENS
                between += computed
                # The last prompt of a share may take half of itself, here 300.
                assert between < PROMPT_TOKENS + 300
            if leaving and len(requests.first) % 3 == 0:
                leaving.pop().cancel()
        asked.append(requests.ask(prompt, max_tokens=tokens))
        if leaves:
            leaving.append(asked[-1])
    requests.passes()
    served = [s for s in asked if s.generated == s.request.max_tokens]
    left = [s for s in asked if s.cancelled]
    failed = [s for s in asked if requests.events[s]]
    # Every request is served, or was cancelled, or is larger than the whole budget.
    assert set(asked) == {*served, *left, *failed}
    for sequence in failed:
        assert (
            len(sequence.request.prompt_ids) + sequence.request.max_tokens
            > requests.budget - MAX_DRAFT
        )
    # Among requests of one length, the first to come is the first to be answered.
    for length in {len(s.request.prompt_ids) for s in requests.first}:
        alike = [s for s in requests.first if len(s.request.prompt_ids) == length]
        assert alike == sorted(alike, key=asked.index)
