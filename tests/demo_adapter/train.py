r"""Train the adapter of the demo model: Gemma 3 270M learns Ver0.1, cited answers, refusals, tools.

    python -m tests.demo_adapter.train valid-v1.3.json --base BASE --output runs/first
    python -m tests.demo_adapter.train valid-v1.3.json --base BASE --output runs/second \
        --start runs/first/adapter.safetensors --tools .45 --steps 90 --learning-rate 2e-4 --seed 1
    python -m tests.demo_adapter.train valid-v1.3.json --base BASE --output runs/third \
        --start runs/second/adapter.safetensors --tools .2 --retrieved .75 --steps 160 \
        --learning-rate 3e-4 --seed 2
    python -m tests.demo_adapter.train valid-v1.3.json --base BASE --output runs/fourth \
        --start runs/mean/adapter.safetensors --rank 16 --tools .12 --drawn .55 --retrieved .5 \
        --steps 232 --learning-rate 3e-4 --seed 3

The first run learns to read and to refuse, the second also to call tools, the third to refuse what
a search finds that is near and no answer. The fourth, from a mean of the second and the third,
reads documents that are drawn at random (`tests/support/drawn`).

Reads JSQuAD (CC BY-SA 4.0) in its public JSON form. Of its articles the first 47 in a seeded
order train; the other 12 are for `tests/benchmarks/demo_model.py` and are never read here.

A step trains several *groups*: a group is one prompt beginning (instructions and passages) and
all questions asked about it, packed into one sequence. Each question sees the beginning and
itself, through the attention mask, so a beginning is computed once for up to twelve questions;
on 2 CPU cores that is five times as many questions a minute as one prompt a row.

Seeded: step i always sees the same data. Resumable: run the same command again after a stop.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.demo_adapter.groups import Group, GroupMaker
from tests.demo_adapter.split import split_articles, to_notices


@dataclass(frozen=True, slots=True)
class Packed:
    """One group as one sequence of n tokens.

    `owner[i]` is 0 for the shared beginning, k for question k; `targets` holds (position, token)
    of every answer token to predict.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    owner: torch.Tensor
    predict_at: torch.Tensor
    targets: torch.Tensor


def pack(group: Group) -> Packed:
    """Share the beginning that all prompts of a group have in common."""
    shared = common_prefix(group)
    ids, positions, owner = group[0].prompt[:shared], list(range(shared)), [0] * shared
    predict_at: list[int] = []
    targets: list[int] = []
    for k, example in enumerate(group, 1):
        own = example.prompt[shared:] + example.answer[:-1]
        start = len(ids) + len(own) - len(example.answer)
        predict_at += range(start, start + len(example.answer))
        targets += example.answer
        ids = ids + own
        positions += range(shared, shared + len(own))
        owner += [k] * len(own)
    return Packed(*map(torch.tensor, (ids, positions, owner, predict_at, targets)))


def common_prefix(group: Group) -> int:
    """How many tokens all prompts share; every prompt keeps at least one of its own."""
    shortest = min(len(example.prompt) for example in group) - 1
    for i in range(shortest):
        if len({example.prompt[i] for example in group}) > 1:
            return i
    return shortest


def attention_masks(packed: Packed, window: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Additive masks of shape (1, 1, n, n) for full and sliding layers."""
    n = len(packed.ids)
    mine = (packed.owner[None] == packed.owner[:, None]) | (packed.owner[None] == 0)
    earlier = torch.ones(n, n, dtype=torch.bool).tril()
    near = packed.positions[:, None] - packed.positions[None] < window
    masks = {"full_attention": mine & earlier, "sliding_attention": mine & earlier & near}
    lowest = torch.finfo(dtype).min
    return {
        name: torch.zeros(n, n, dtype=dtype).masked_fill(~seen, lowest)[None, None]
        for name, seen in masks.items()
    }


def loss_sum(model: Any, packed: Packed) -> torch.Tensor:
    """Sum of −log p over the answer tokens; the vocabulary is projected at those places only."""
    base = model.get_base_model()
    masks = attention_masks(packed, base.config.sliding_window, torch.bfloat16)
    hidden = base.model(
        input_ids=packed.ids[None],
        position_ids=packed.positions[None],
        attention_mask=masks,
        use_cache=False,
    ).last_hidden_state[0]
    logits = base.lm_head(hidden[packed.predict_at]).float()
    return torch.nn.functional.cross_entropy(logits, packed.targets, reduction="sum")


def groups_of_step(maker: GroupMaker, step: int, args: argparse.Namespace) -> Iterator[Group]:
    """The data of one step, a function of seed, step and shares alone.

    A share `tools` of its groups calls tools; of the others a share `drawn` reads drawn documents;
    of what is left a share `retrieved` reads what a search finds.
    """
    rng = random.Random(f"{args.seed}:{step}")
    for _ in range(args.groups):
        if args.tools and rng.random() < args.tools:
            yield maker.tools(rng)
        elif args.drawn and rng.random() < args.drawn:
            yield maker.drawn(rng)
        elif args.retrieved and rng.random() < args.retrieved:
            yield maker.retrieved(rng)
        else:
            yield maker.chat(rng) if rng.random() < 0.1 else maker.reading(rng)


def learning_rate(step: int, steps: int, peak: float, warm_up: int = 20) -> float:
    """Linear up over `warm_up` steps, then linear to zero."""
    return peak * min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.bfloat16)
    model = get_peft_model(model, lora_config(args.rank))
    if args.start:
        set_peft_model_state_dict(model, widened(load_file(args.start), model))
    articles, _ = split_articles(json.loads(args.jsquad.read_text("utf-8"))["data"])
    maker = GroupMaker([to_notices(article) for article in articles], tokenizer)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=args.learning_rate, weight_decay=0.0)
    print(f"{len(articles)} articles, {sum(p.numel() for p in weights):,} parameters", flush=True)

    args.output.mkdir(parents=True, exist_ok=True)
    state_file = args.output / "state.pt"
    start = resume(model, optimizer, state_file)
    began = time.monotonic()
    for step in range(start, args.steps):
        for slot in optimizer.param_groups:
            slot["lr"] = learning_rate(step, args.steps, args.learning_rate)
        groups = groups_of_step(maker, step, args)
        packed = [pack(group) for group in groups]
        tokens = sum(len(p.targets) for p in packed)
        total = 0.0
        for one in packed:
            loss = loss_sum(model, one) / tokens
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        pace = (time.monotonic() - began) / (step + 1 - start)
        left = pace * (args.steps - step - 1) / 60
        print(
            f"step {step + 1}/{args.steps} loss {total:.3f} {pace:.1f} s/step {left:.0f} min left",
            flush=True,
        )
        if (step + 1) % args.save_every == 0 or step + 1 == args.steps:
            save(model, optimizer, state_file, step + 1, args)


def lora_config(rank: int) -> LoraConfig:
    """Adapters on all linear layers; α is twice the rank."""
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=modules, task_type="CAUSAL_LM")


def widened(start: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """An adapter with as many ranks as the model has; what is added changes nothing yet.

    Its rows of A stay as they were drawn, and its columns of B are zero, as in a new adapter.
    """
    wide = {name: tensor.clone() for name, tensor in get_peft_model_state_dict(model).items()}
    for name, tensor in start.items():
        wide[name][tuple(map(slice, tensor.shape))] = tensor
    return wide


def resume(model: Any, optimizer: torch.optim.Optimizer, state_file: Path) -> int:
    """Load the last checkpoint, if any; the number of steps already done."""
    if not state_file.exists():
        return 0
    state = torch.load(state_file, weights_only=True)
    set_peft_model_state_dict(model, state["adapter"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def save(
    model: Any,
    optimizer: torch.optim.Optimizer,
    state_file: Path,
    step: int,
    args: argparse.Namespace,
) -> None:
    """Write the checkpoint, then the adapter in bf16 as it ships."""
    adapter = {k: v.detach() for k, v in get_peft_model_state_dict(model).items()}
    temporary = state_file.with_suffix(".tmp")
    torch.save({"adapter": adapter, "optimizer": optimizer.state_dict(), "step": step}, temporary)
    temporary.replace(state_file)
    shipped = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in adapter.items()}
    metadata = {
        "format": "pt",
        "rank": str(args.rank),
        "alpha": str(2 * args.rank),
        "step": str(step),
    }
    save_file(shipped, args.output / "adapter.safetensors", metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jsquad", type=Path, help="valid-v1.3.json of JSQuAD")
    parser.add_argument(
        "--base", required=True, help="folder of the base model, see docs/demo-model.md"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="adapter to go on from")
    parser.add_argument("--tools", type=float, default=0.0, help="share of groups with tools")
    parser.add_argument(
        "--retrieved", type=float, default=0.0, help="share of the others that read search results"
    )
    parser.add_argument(
        "--drawn", type=float, default=0.0, help="share of the others that read drawn documents"
    )
    parser.add_argument("--steps", type=int, default=420)
    parser.add_argument("--groups", type=int, default=3, help="groups a step")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--save-every", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
