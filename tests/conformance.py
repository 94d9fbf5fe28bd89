"""What every engine must do alike: one model, one suite.

A class per engine derives from `EngineConformance` and gives an `engine` fixture; `checkpoint` is a
folder that every engine can load. The reference is `model.generate` of transformers, written down
as ids, so that the suite needs no torch where the engine needs none.
"""

import asyncio
import functools
import gc
import json
import sys
import threading
import time

import pytest

from langchain_swallow.chat_models.streams import AsyncStream, Stream
from langchain_swallow.engines.detokenizer import Detokenizer, token_bytes
from langchain_swallow.engines.protocol import Chunk, Finish, Grammar, Request
from langchain_swallow.errors import EngineError, GenerationTimeoutError, PromptOverflowError
from tests.children import in_child

WINDOW = 2048
PROMPTS = tuple((1, *range(300, 320), *range(330 + 7 * i, 340 + 9 * i)) for i in range(5))
LENGTH = 24
PRESENCE_PENALTY = 2.0
SCHEMA = {
    "type": "object",
    "properties": {
        "名前": {"type": "string", "maxLength": 12},
        "年齢": {"type": "integer", "minimum": 0, "maximum": 150},
        "部署": {"enum": ["営業", "経理", "総務"]},
    },
    "required": ["名前", "年齢", "部署"],
    "additionalProperties": False,
}


def save_checkpoint(folder):
    """A small Llama with heads as large as vLLM takes them, and `reference.json` beside it.

    Args:
        folder: Where to make it, in a folder called as the checkpoint whose prompt format it has.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList

    from tests.support.tokenizers import trained_tokenizer

    folder = folder / "Swallow-7b-instruct-v0.1"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=600,
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config).eval()
    for weights in model.parameters():
        weights.data *= 3
    # Neither bytes at random, which are no text, nor an end before the length that is asked for.
    model.lm_head.weight.data[:259] = 0
    model.save_pretrained(folder)
    trained_tokenizer().save_pretrained(folder)

    def answer(prompt, *processors):
        generated = model.generate(
            torch.tensor([prompt]),
            max_new_tokens=LENGTH,
            do_sample=False,
            pad_token_id=0,
            logits_processor=LogitsProcessorList(processors),
        )
        return generated[0, len(prompt) :].tolist()

    def lowered(start):
        """What is in the text from a position on, less likely."""

        def process(ids, scores):
            present = ids[0, start:].unique()
            scores[0, present] -= PRESENCE_PENALTY
            return scores

        return process

    with torch.inference_mode():
        answers = [answer(prompt) for prompt in PROMPTS]
        penalized = {
            "answer": [answer(prompt, lowered(len(prompt))) for prompt in PROMPTS],
            "answer and prompt": [answer(prompt, lowered(0)) for prompt in PROMPTS],
        }
        logits = model(torch.tensor([[*PROMPTS[0], *answers[0]]])).logits[0]
    all_logprobs = logits[len(PROMPTS[0]) - 1 : -1].log_softmax(-1)
    logprobs = all_logprobs[0]
    # Under a grammar a character may be written as the token of its byte, if that is likelier.
    # Where tokens are scored, it is the tokenizer's.
    seven = trained_tokenizer().convert_tokens_to_ids(["7", "<0x37>"])
    reference = {
        "answers": answers,
        "penalized": penalized,
        "logprobs": logprobs.topk(3).values.tolist(),
        "logprobs of 7": logprobs[seven].tolist(),
        "logprobs of an answer": all_logprobs.max(-1).values.tolist(),
    }
    (folder / "reference.json").write_text(json.dumps(reference), encoding="utf-8")
    return folder


def ask(engine, request):
    """All events of an answer."""
    with Stream(engine, request) as events:
        return list(events)


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, Chunk))


class EngineConformance:
    """Tests over the fixtures `engine` and `checkpoint`."""

    # What tokens a presence penalty looks for; llama.cpp counts the prompt's too.
    presence_is_in = "answer"
    # Whether an answer's log probabilities are those of tokens; otherwise those under its grammar.
    scores_tokens = False

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, checkpoint):
        return json.loads((checkpoint / "reference.json").read_text(encoding="utf-8"))

    @pytest.fixture(scope="class")
    @classmethod
    def decode(cls, engine):
        def decode(ids):
            detokenizer = Detokenizer(token_bytes(engine.tokenizer))
            return "".join(map(detokenizer.push, ids)) + detokenizer.finish()

        return decode

    @pytest.fixture(scope="class")
    @classmethod
    def decoded(cls, decode, reference):
        return list(map(decode, reference["answers"]))

    def test_greedy_answers_are_those_of_generate(self, engine, decoded):
        for prompt, text in zip(PROMPTS, decoded, strict=True):
            events = ask(engine, Request(prompt_ids=prompt, max_tokens=LENGTH))
            assert text_of(events) == text
            assert events[-1].reason == "length"

    def test_concurrent_answers_are_those_of_generate(self, engine, decoded):
        streams = [
            Stream(engine, Request(prompt_ids=prompt, max_tokens=LENGTH)) for prompt in PROMPTS
        ]
        assert [text_of(list(stream)) for stream in streams] == decoded

    async def test_async_answers_are_the_same(self, engine, decoded):
        async def one(prompt):
            with AsyncStream(engine, Request(prompt_ids=prompt, max_tokens=LENGTH)) as events:
                return text_of([event async for event in events])

        assert await asyncio.gather(*map(one, PROMPTS)) == decoded

    def test_min_p_keeps_what_is_nearly_as_likely_as_the_likeliest(self, engine, decoded):
        def draw(min_p):
            request = Request(
                prompt_ids=PROMPTS[0], max_tokens=LENGTH, temperature=2.0, min_p=min_p, seed=1
            )
            return text_of(ask(engine, request))

        assert draw(1.0) == decoded[0] != draw(0.0)

    def test_a_presence_penalty_is_that_of_the_reference(self, engine, decoded, decode, reference):
        penalized = list(map(decode, reference["penalized"][self.presence_is_in]))
        assert penalized != decoded
        for prompt, text in zip(PROMPTS, penalized, strict=True):
            request = Request(
                prompt_ids=prompt, max_tokens=LENGTH, presence_penalty=PRESENCE_PENALTY
            )
            assert text_of(ask(engine, request)) == text

    def test_usage_counts_every_token(self, engine):
        finish = ask(engine, Request(prompt_ids=PROMPTS[0], max_tokens=7))[-1]
        assert isinstance(finish, Finish)
        assert (finish.prompt_tokens, finish.completion_tokens) == (len(PROMPTS[0]), 7)

    def test_stop_strings_end_the_answer_and_are_not_in_it(self, engine, decoded):
        stop = decoded[1][5:9]
        request = Request(prompt_ids=PROMPTS[1], max_tokens=LENGTH, stop=("ない文字列", stop))
        events = ask(engine, request)
        assert text_of(events) == decoded[1][: decoded[1].index(stop)]
        assert (events[-1].reason, events[-1].stop_sequence) == ("stop", stop)

    def test_logprobs_are_those_of_the_model(self, engine, reference):
        events = ask(engine, Request(prompt_ids=PROMPTS[0], max_tokens=3, logprobs=3))
        reported = [token for event in events[:-1] for token in event.logprobs]
        assert len(reported) == 3
        assert reported[0].logprob == pytest.approx(reference["logprobs"][0], abs=1e-3)
        assert [p for _, p in reported[0].top] == pytest.approx(reference["logprobs"], abs=1e-3)
        assert reported[0].top[0][0] == reported[0].token

    def test_a_grammar_does_not_change_logprobs(self, engine, reference):
        request = Request(
            prompt_ids=PROMPTS[0],
            max_tokens=1,
            logprobs=0,
            grammar=Grammar("json_schema", '{"const": 7}'),
            scored_ids=(engine.tokenizer.convert_tokens_to_ids("7"),),
        )
        events = ask(engine, request)
        assert text_of(events) == "7"
        (token,) = events[0].logprobs
        canonical, byte = reference["logprobs of 7"]
        wanted = canonical if self.scores_tokens else max(canonical, byte)
        assert token.logprob == pytest.approx(wanted, abs=0.05)

    def test_all_tokens_of_an_answer_are_scored(self, engine, reference):
        ids = tuple(reference["answers"][0][:3])
        detokenizer = Detokenizer(token_bytes(engine.tokenizer), drops_first_space=False)
        answer = "".join(map(detokenizer.push, ids)) + detokenizer.finish()
        request = Request(
            prompt_ids=PROMPTS[0],
            max_tokens=3,
            logprobs=0,
            grammar=Grammar("lark", f"start: {json.dumps(answer, ensure_ascii=False)}"),
            scored_ids=ids,
            drops_first_space=False,
        )
        events = ask(engine, request)
        assert text_of(events) == answer
        reported = [token.logprob for event in events[:-1] for token in event.logprobs]
        assert reported == pytest.approx(reference["logprobs of an answer"][:3], abs=0.05)

    def test_seeds_repeat_and_differ(self, engine):
        def sample(seed):
            request = Request(
                prompt_ids=PROMPTS[2], max_tokens=10, temperature=1.5, top_p=0.95, seed=seed
            )
            return text_of(ask(engine, request))

        assert sample(3) == sample(3)
        assert len({sample(seed) for seed in range(4)}) > 1

    def test_top_k_of_one_is_greedy(self, engine, decoded):
        request = Request(
            prompt_ids=PROMPTS[3], max_tokens=LENGTH, temperature=1.5, top_k=1, seed=1
        )
        assert text_of(ask(engine, request)) == decoded[3]

    @pytest.mark.parametrize("seed", range(3))
    def test_json_of_a_schema_is_valid(self, engine, seed):
        jsonschema = pytest.importorskip("jsonschema")
        grammar = Grammar("json_schema", json.dumps(SCHEMA))
        request = Request(
            prompt_ids=PROMPTS[0], max_tokens=300, temperature=1.0, seed=seed, grammar=grammar
        )
        events = ask(engine, request)
        assert events[-1].reason == "stop"
        jsonschema.validate(json.loads(text_of(events)), SCHEMA)

    def test_a_grammar_with_json_in_it_is_followed(self, engine):
        properties = {"階": {"enum": [1, 2]}}
        schema = json.dumps(
            {"type": "object", "properties": properties, "additionalProperties": False}
        )
        lark = (
            f'start: "{{\\"name\\": \\"案内\\", \\"arguments\\": " args "}}"\nargs: %json {schema}'
        )
        request = Request(
            prompt_ids=PROMPTS[0],
            max_tokens=200,
            temperature=1.0,
            seed=2,
            grammar=Grammar("lark", lark),
        )
        answer = json.loads(text_of(ask(engine, request)))
        assert answer["name"] == "案内"

    def test_a_prompt_over_the_window_is_refused(self, engine):
        with pytest.raises(PromptOverflowError, match=f"the context window is {WINDOW}"):
            engine.submit(Request(prompt_ids=(1,) * 2000, max_tokens=49), print)

    def test_leaving_a_stream_frees_it_for_others(self, engine, decoded):
        for _ in range(3):
            with Stream(engine, Request(prompt_ids=PROMPTS[0], max_tokens=1900)) as events:
                next(iter(events))
        began = time.monotonic()
        assert text_of(ask(engine, Request(prompt_ids=PROMPTS[4], max_tokens=LENGTH))) == decoded[4]
        assert time.monotonic() - began < 30

    async def test_cancelling_a_task_is_quiet(self, engine):
        async def consume():
            request = Request(prompt_ids=PROMPTS[0], max_tokens=1900)
            with AsyncStream(engine, request) as events:
                return [event async for event in events]

        for pause in (0, 0.05):
            task = asyncio.create_task(consume())
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.wait([task])
            # A pause was seen to last until the answer was whole: a server kept both cores busy.
            whole = not task.cancelled() and task.result()[-1].completion_tokens == 1900
            assert task.cancelled() or (pause and whole)

    def test_timeout_is_a_typed_error(self, engine):
        request = Request(prompt_ids=PROMPTS[0], max_tokens=1900, timeout_s=0.003)
        with pytest.raises(GenerationTimeoutError, match=r"timeout=0.003 s"):
            ask(engine, request)

    def test_threads_share_the_engine(self, engine, decoded):
        answers = {}

        def one(i):
            request = Request(prompt_ids=PROMPTS[i % 5], max_tokens=LENGTH)
            answers[i] = text_of(ask(engine, request))

        threads = [threading.Thread(target=functools.partial(one, i)) for i in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert [answers[i] for i in range(10)] == decoded * 2

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork by default")
    def test_a_forked_child_is_answered_or_told_what_to_do(self, engine, decoded):
        request = Request(prompt_ids=PROMPTS[0], max_tokens=LENGTH)
        assert text_of(ask(engine, request)) == decoded[0]
        told = in_child(lambda: text_of(ask(engine, request)))
        assert told == decoded[0] or "Load it in each process and not before" in told
        assert text_of(ask(engine, request)) == decoded[0]


class ClosingConformance:
    """What an engine does when it is closed; over the fixture `new_engine`, a function."""

    def test_closing_ends_running_answers_and_refuses_new_ones(self, new_engine, caplog):
        ended = None
        # On a busy machine a server's first event may come when the answer is already whole; the
        # last answer is not waited for.
        for waits in (True, True, False):
            engine = new_engine()
            stream = Stream(engine, Request(prompt_ids=PROMPTS[0], max_tokens=1900, logprobs=0))
            if waits:
                next(iter(stream))
            engine.close()
            engine.close()
            try:
                events = list(stream)
            except EngineError as error:
                ended = error
                break
            assert events[-1].completion_tokens == 1900
        assert "unloaded" in str(ended)
        with pytest.raises(EngineError, match="unloaded"):
            engine.submit(Request(prompt_ids=PROMPTS[0], max_tokens=1), print)
        # Nothing of a loop is left pending, which asyncio would complain about.
        gc.collect()
        assert "Task was destroyed" not in caplog.text
