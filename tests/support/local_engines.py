"""Local engines over tiny models, and what they answer."""

import contextlib
import threading

from langchain_swallow.engines.local.engine import LocalEngine
from langchain_swallow.engines.protocol import Chunk, Request
from tests.support.tokenizers import trained_tokenizer

# A prompt that begins with a token that no other has.
HOLDING = (597,)


class NoEnd:
    """The trained tokenizer without an end token, so that answers have the wanted length."""

    def __init__(self):
        self._tokenizer = trained_tokenizer()

    def __len__(self):
        return len(self._tokenizer)

    def __getattr__(self, name):
        return None if name == "eos_token_id" else getattr(self._tokenizer, name)


def engine_of(model, **options):
    return LocalEngine(model, NoEnd(), context_window=256, **{"block": 7, **options})


def prompts(count, shared=20):
    return [(1, *range(40, 40 + shared), *range(300 + i, 303 + 3 * i)) for i in range(count)]


def run(engine, request):
    """The token ids of an answer, and its last event."""
    done = threading.Event()
    events = []

    def sink(event):
        events.append(event)
        if not isinstance(event, Chunk):
            done.set()

    sequence = engine.submit(request, sink)
    assert done.wait(60)
    return sequence.ids[len(request.prompt_ids) :], events


@contextlib.contextmanager
def held_up(engine):
    """What is submitted in here waits, and begins at one step: the end of an answer is delivered.

    Of two tokens, so that the next prompts have a whole share of a step.
    """
    delivered, may_go_on = threading.Event(), threading.Event()

    def sink(event):
        if not isinstance(event, Chunk):
            delivered.set()
            may_go_on.wait(60)

    engine.submit(Request(prompt_ids=HOLDING, max_tokens=2), sink)
    assert delivered.wait(60)
    try:
        yield
    finally:
        may_go_on.set()


def logprobs(events):
    return [chunk.logprobs for chunk in events[:-1]]
