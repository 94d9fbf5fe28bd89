"""The engine beside ChatHuggingFace and `model.generate`, on a Llama of 151 M random weights.

    python tests/benchmarks/engine.py LLAMA2_TOKENIZER_FOLDER --output docs/runs/engine.json

12 layers of 768, Swallow's vocabulary size (43,176), float32, greedy, 2 threads. The workloads are
`evaluation.speed`'s; added are a padded `generate` of the batch, users one after the other, a batch
that samples, one of 64 short questions, a second turn by token ids (text of random weights does not
encode to the ids it came from), and the cost of a grammar's mask. All in one process, so that
ratios hold on a busy machine.
"""

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from langchain_swallow import ChatSwallow
from langchain_swallow.chat_models.streams import Stream
from langchain_swallow.chat_models.structured_output import answer_grammar
from langchain_swallow.engines.protocol import Engine, Request
from langchain_swallow.evaluation import speed as benchmark
from langchain_swallow.evaluation.tables import Table, write_figures
from langchain_swallow.prompts import encode

# About 350 to 500 tokens that share 300, and a first turn of 1,500.
SIZES = benchmark.Sizes(shared=180, own=90, known=1150)
# Hidden size, that of the MLP, layers, heads: 151 M parameters.
SHAPE = (768, 2048, 12, 12)
# How many ask at the same time.
USERS = (1, 2, 4, 8, 16)
# 61 to 96 tokens with the system prompt.
SHORT = benchmark.Sizes(prompts=64, shared=0, own=20, tokens=8)


def random_llama(hidden: int, mlp: int, layers: int, heads: int) -> LlamaForCausalLM:
    """Random weights, the same ones each time, that end no answer."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=43176,
        hidden_size=hidden,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = None
    # Only pieces of the tokenizer that are text: a stream's first token is then its first text.
    model.lm_head.weight.data[:259] = 0
    model.lm_head.weight.data[32000:] = 0
    return model


def make_checkpoint(tokenizer: Path, folder: Path) -> None:
    random_llama(*SHAPE).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)


def prompts_of(llm: ChatSwallow, texts: list[str]) -> list[list[int]]:
    """What `llm` makes of questions."""
    system = ("system", llm.system_prompt or "")
    return [encode([system, ("user", text)], llm.load().tokenizer) for text in texts]


def padded_generate(
    llm: ChatSwallow,
    model: LlamaForCausalLM,
    texts: list[str],
    tokens: int = SIZES.tokens,
    **sampling: Any,
) -> float:
    """Seconds of one left-padded `generate` of the batch's prompts; greedy without `sampling`."""
    prompts = prompts_of(llm, texts)
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts], device=model.device)
    began = time.perf_counter()
    model.generate(
        ids,
        attention_mask=(ids > 0).long(),
        max_new_tokens=tokens,
        pad_token_id=0,
        **(sampling or {"do_sample": False}),
    ).cpu()
    print(f"batch: {len(prompts)} prompts of {min(map(len, prompts))} to {longest} tokens")
    return time.perf_counter() - began


def sampled(llm: ChatSwallow, model: LlamaForCausalLM) -> tuple[float, float]:
    """Seconds of a batch that samples as Swallow's model card does: ours, padded `generate`."""
    options = {"temperature": 0.99, "top_p": 0.95}
    texts = ["抽選。" + text for text in benchmark.shared_prompts(SIZES)]
    began = time.perf_counter()
    llm.batch(texts, **options)
    own = time.perf_counter() - began
    return own, padded_generate(llm, model, texts, do_sample=True, **options)


def short_questions(llm: ChatSwallow, model: LlamaForCausalLM) -> tuple[float, float]:
    """Seconds of many short questions: ours, padded `generate`."""
    texts = benchmark.shared_prompts(SHORT)
    began = time.perf_counter()
    llm.batch(texts, max_tokens=SHORT.tokens)
    own = time.perf_counter() - began
    return own, padded_generate(llm, model, texts, SHORT.tokens)


def drawn_and_greedy(llm: ChatSwallow) -> tuple[float, float]:
    """Seconds of many short questions: drawn with top-p, greedy; the best of six in turn.

    Args:
        llm: Without prompt lookup, which drafts more for greedy answers.
    """
    took: dict[str, list[float]] = {"drawn": [], "greedy": []}
    options = {"drawn": {"temperature": 0.99, "top_p": 0.95}, "greedy": {}}
    for turn, kind in itertools.product(range(6), took):
        texts = [f"{kind}{turn}。{text}" for text in benchmark.shared_prompts(SHORT)]
        began = time.perf_counter()
        llm.batch(texts, max_tokens=SHORT.tokens, **options[kind])
        took[kind].append(time.perf_counter() - began)
    return min(took["drawn"]), min(took["greedy"])


def single_generate(model: LlamaForCausalLM, llm: ChatSwallow, tokens: int) -> float:
    """Tokens a second of `generate` for one prompt."""
    prompt = encode([("user", benchmark.filler("一人", 300))], llm.load().tokenizer)
    began = time.perf_counter()
    model.generate(torch.tensor([prompt]), max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    return tokens / (time.perf_counter() - began)


def single_stream(llm: ChatSwallow, tokens: int) -> float:
    """Tokens a second of one stream, its prompt's keys and values computed anew."""
    prompt = encode([("user", benchmark.filler("一人", 300))], llm.load().tokenizer)
    began = time.perf_counter()
    with Stream(llm.load(), Request(prompt_ids=tuple(prompt), max_tokens=tokens)) as events:
        list(events)
    return tokens / (time.perf_counter() - began)


def one_after_another(model: LlamaForCausalLM, llm: ChatSwallow, tokens: int) -> list[float]:
    """Seconds after which `generate`, for each user in turn, has answered one, two, … of them."""
    began, took = time.perf_counter(), []
    for prompt in prompts_of(llm, benchmark.shared_prompts(SIZES)):
        model.generate(
            torch.tensor([prompt]), max_new_tokens=tokens, do_sample=False, pad_token_id=0
        )
        took.append(time.perf_counter() - began)
    return took


def all_at_once(llm: ChatSwallow, users: int) -> float:
    """Seconds until all of these users, who ask at the same time, are answered."""
    # Loaded again, so that no user's prompt is known from the runs before.
    llm.unload()
    llm.invoke("準備")
    took, _ = benchmark._arrivals(llm, replace(SIZES, users=users, every_s=0))
    assert took is not None
    return took


def first_token_of_second_turn(
    engine: Engine, known: tuple[int, ...], answer: int, new: int
) -> tuple[tuple[int, ...], float]:
    """The prompt of a turn after one that was asked with `known`, and seconds to its first token.

    Args:
        engine: Asked.
        known: Token ids.
        answer: Tokens of the first turn's answer.
        new: Tokens behind it.
    """
    with Stream(engine, Request(prompt_ids=known, max_tokens=answer)) as events:
        list(events)
    prompt = (*events.ticket.ids, *range(400, 400 + new))
    began = time.perf_counter()
    with Stream(engine, Request(prompt_ids=prompt, max_tokens=1)) as events:
        list(events)
    return prompt, time.perf_counter() - began


def second_turn(llm: ChatSwallow, model: LlamaForCausalLM) -> tuple[float, float]:
    """Seconds to the first token with 1,500 + 33 tokens known and 40 new: ours, cold `generate`."""
    known = (
        1,
        *torch.randint(300, 30000, (1499,), generator=torch.Generator().manual_seed(5)).tolist(),
    )
    prompt, own = first_token_of_second_turn(llm.load(), known, 33, 40)
    began = time.perf_counter()
    model.generate(torch.tensor([prompt]), max_new_tokens=1, do_sample=False, pad_token_id=0)
    return own, time.perf_counter() - began


def mask_cost(llm: ChatSwallow) -> tuple[float, float]:
    """Milliseconds a step without and with a grammar, on the same random text."""
    properties = {f"項目{i}": {"type": "string", "maxLength": 40} for i in range(4)}
    grammar = answer_grammar(
        {"type": "object", "properties": properties, "required": list(properties)}
    )
    engine, took = llm.load(), []
    for used in (None, grammar):
        request = Request(
            prompt_ids=(1, *range(300, 500)),
            max_tokens=100,
            temperature=1.0,
            seed=1,
            grammar=used,
        )
        with Stream(engine, replace(request, max_tokens=1)) as events:
            list(events)
        began = time.perf_counter()
        with Stream(engine, request) as events:
            finish = list(events)[-1]
        took.append(1000 * (time.perf_counter() - began) / finish.completion_tokens)
    return took[0], took[1]


def table(own: benchmark.Figures, peer: benchmark.Figures, figures: dict[str, float]) -> Table:
    """The figures beside those of the peers."""
    f = figures
    rows = [
        ["`batch`, against ChatHuggingFace's", f"{own.batch_s:.2f} s", f"{peer.batch_s:.1f} s",
         f"{f['batch_times_chathuggingface']:.1f}"],
        ["`batch`, against one padded `generate`", f"{own.batch_s:.2f} s",
         f"{f['padded_generate_s']:.1f} s", f"{f['batch_times_padded_generate']:.1f}"],
        ["the same with temperature 0.99 and top_p 0.95", f"{f['sampled_batch_s']:.2f} s",
         f"{f['sampled_padded_generate_s']:.1f} s",
         f"{f['sampled_padded_generate_s'] / f['sampled_batch_s']:.1f}"],
        ["64 short questions, against one padded `generate`", f"{f['short_s']:.2f} s",
         f"{f['short_padded_generate_s']:.1f} s",
         f"{f['short_padded_generate_s'] / f['short_s']:.1f}"],
        ["64 drawn with top_p 0.95, against greedy, both without prompt lookup",
         f"{f['short_drawn_s']:.2f} s", f"{f['short_greedy_s']:.2f} s",
         f"{f['short_greedy_s'] / f['short_drawn_s']:.2f}"],
        ["second turn, first token, against ChatHuggingFace's",
         f"{own.second_turn_first_token_s:.3f} s", f"{peer.second_turn_first_token_s:.2f} s",
         f"{peer.second_turn_first_token_s / own.second_turn_first_token_s:.1f}"],
        ["the same by token ids, after an answer of 33 tokens, against `generate` of the whole",
         f"{f['second_turn_s']:.3f} s", f"{f['second_turn_generate_s']:.2f} s",
         f"{f['second_turn_times_generate']:.1f}"],
        ["one stream of 64 tokens, against `generate`", "", "",
         f"{f['stream_times_generate']:.2f}"],
        ["the same without prompt lookup", "", "",
         f"{f['stream_without_lookup_times_generate']:.2f}"],
        ["8 users, all answered, against `generate` one after another",
         f"{f['users_64_tokens_s']:.2f} s", f"{f['users_64_tokens_one_after_another_s']:.1f} s",
         f"{f['users_64_tokens_one_after_another_s'] / f['users_64_tokens_s']:.1f}"],
        ["worst first token of a user, prompts new",
         f"{f['users_64_tokens_worst_first_token_s']:.2f} s", "", ""],
        ["a step under a grammar, against a step without", f"{f['step_ms_with_grammar']:.1f} ms",
         f"{f['step_ms_free']:.1f} ms", f"{f['step_ms_with_grammar'] / f['step_ms_free']:.2f}"],
    ]  # fmt: skip
    return Table("The engine", ["", "ChatSwallow", "peer", "ratio"], rows)


def users_table(together: list[float], serial: list[float]) -> Table:
    """Seconds until all users have 64 tokens: at once, and with `generate` in turn."""
    rows = []
    for users, own in zip(USERS, together, strict=True):
        turns = serial[users - 1]
        rows.append([str(users), f"{own:.1f}", f"{turns:.1f}", f"{turns / own:.1f}"])
    return Table("Users", ["users", "ChatSwallow, s", "`generate` in turn, s", "ratio"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", type=Path, help="folder of the Llama 2 tokenizer")
    parser.add_argument("--output", type=Path, help="file of figures")
    parser.add_argument("--checkpoint", type=Path, help="only write the model into this folder")
    arguments = parser.parse_args()
    if arguments.checkpoint:
        make_checkpoint(arguments.tokenizer, arguments.checkpoint)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(arguments.tokenizer, Path(folder))
        options = {"model": folder, "dtype": "float32", "device": "cpu", "prompt_format": "ver0.1"}
        llm = ChatSwallow(max_tokens=SIZES.tokens, **options)
        own = benchmark.measure("ChatSwallow", llm, SIZES, llm.get_num_tokens)
        long = ChatSwallow(max_tokens=64, **options)
        # Loaded again, so that no user's prompt is known from the runs before.
        llm.unload()
        long.invoke("準備")
        users = benchmark._arrivals(long, SIZES)
        together = [all_at_once(long, count) for count in USERS]
        lookup_off = ChatSwallow(max_tokens=SIZES.tokens, speculative=None, **options)
        streams = [single_stream(llm, 64), single_stream(lookup_off, 64)]
        masks = mask_cost(lookup_off)
        both = drawn_and_greedy(lookup_off)
        peer_llm = benchmark.chathuggingface(folder, SIZES.tokens, "float32")
        peer = benchmark.measure("ChatHuggingFace", peer_llm, SIZES, llm.get_num_tokens)
        print(benchmark.table([own, peer]).markdown())
        model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        model.generation_config.eos_token_id = None
        turns = second_turn(llm, model)
        padded = padded_generate(llm, model, benchmark.shared_prompts(SIZES))
        drawn = sampled(llm, model)
        short = short_questions(llm, model)
        alone = single_generate(model, llm, 64)
        serial = one_after_another(model, llm, 64)
        figures = {
            "padded_generate_s": padded,
            "batch_times_padded_generate": padded / own.batch_s,
            "batch_times_chathuggingface": peer.batch_s / own.batch_s,
            "sampled_batch_s": drawn[0],
            "sampled_padded_generate_s": drawn[1],
            "short_s": short[0],
            "short_padded_generate_s": short[1],
            "short_drawn_s": both[0],
            "short_greedy_s": both[1],
            "second_turn_s": turns[0],
            "second_turn_generate_s": turns[1],
            "second_turn_times_generate": turns[1] / turns[0],
            "stream_times_generate": streams[0] / alone,
            "stream_without_lookup_times_generate": streams[1] / alone,
            "users_64_tokens_s": users[0],
            "users_64_tokens_worst_first_token_s": users[1],
            "users_64_tokens_one_after_another_s": serial[SIZES.users - 1],
            "step_ms_free": masks[0],
            "step_ms_with_grammar": masks[1],
        }
        print(json.dumps(figures, indent=2))
        if arguments.output:
            tables = [table(own, peer, figures), users_table(together, serial)]
            write_figures(arguments.output, tables, {"figures": figures})


if __name__ == "__main__":
    main()
