"""`langchain-swallow models`: checkpoints, and which fit this machine."""

import argparse
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_json, print_json
from langchain_swallow.cli.parsers import add_command, say

if TYPE_CHECKING:
    from langchain_swallow.catalog import ModelInfo


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    models = add_command(
        commands,
        "models",
        in_language("モデルの一覧と、このマシンで動く精度", "List checkpoints, and which fit here"),
        examples=["langchain-swallow models", "langchain-swallow models --json | jq .machine"],
    )
    add_json(models)
    models.set_defaults(command=_models)


def _models(arguments: argparse.Namespace) -> int:
    from langchain_swallow.catalog import list_models
    from langchain_swallow.engines.local.devices import choose_device, free_gib

    device = choose_device(None)
    free = free_gib(device)
    rows = [{**info.as_dict(), "fits_here": _fitting(info, device)} for info in list_models()]
    if arguments.json:
        machine = {"device": device, "memory_gib": round(free, 1)}
        print_json({"machine": machine, "models": rows}, indent=2)
        return 0
    print(
        f"{'model':<41}{'date':<11}{'MT-Bench':>8}{'params':>8}{'bf16':>8}{'8bit':>7}{'4bit':>7}"
        f"{'KV/1k':>7}  {in_language('このマシン', 'fits here')}"
    )
    for row in rows:
        print(_line(row))
    say(
        in_language(
            "MT-Bench: Swallow LLM Leaderboard v2 の日本語 MT-Bench（0 から 1）。-: スコアなし\n"
            f"メモリは GiB。このマシン: {device}、{free:.1f} GiB",
            "MT-Bench: Japanese MT-Bench (0 to 1) of the Swallow LLM Leaderboard v2; -: no score\n"
            f"Memory in GiB. This machine: {device}, {free:.1f} GiB",
        )
    )
    return 0


def _line(row: dict[str, Any]) -> str:
    memory = row["memory_gib"]
    score = row["japanese_mt_bench"]
    sizes = [
        f"{'-' if memory[key] is None else f'{memory[key]:.1f}':>{width}}"
        for key, width in (("bf16", 8), ("8bit", 7), ("4bit", 7))
    ]
    return (
        f"{row['repo_id'].split('/')[1]:<41}{row['release_date']:<11}"
        f"{'-' if score is None else f'{score:.3f}':>8}"
        f"{row['parameters'] / 1e9:>7.1f}B{''.join(sizes)}"
        f"{memory['kv_cache_per_1000_tokens']:>7.2f}  {', '.join(row['fits_here']) or '-'}"
    )


def _fitting(info: "ModelInfo", device: str) -> list[str]:
    """Precisions in which a checkpoint fits the device."""
    from langchain_swallow.engines.local.devices import choose_dtype
    from langchain_swallow.engines.local.fitting import BITS, fits

    dtype = choose_dtype("auto", device, info.shape.architecture)
    precisions = {str(dtype).removeprefix("torch."): 16, **BITS}
    return [name for name, bits in precisions.items() if fits(info, device, dtype, bits)]
