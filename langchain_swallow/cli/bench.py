"""`langchain-swallow bench`: how fast a model is on this machine, beside a peer."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_json, print_json
from langchain_swallow.cli.model_options import add_model, add_running, model_kwargs, model_name
from langchain_swallow.cli.numbers import at_least
from langchain_swallow.cli.parsers import CommandError, add_command


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    bench = add_command(
        commands,
        "bench",
        in_language("このマシンでの速度を測る", "Measure the speed of a model on this machine"),
        examples=[
            "langchain-swallow bench --model demo --against chathuggingface",
            "langchain-swallow bench --engine server --base-url http://localhost:8000/v1",
        ],
    )
    bench.add_argument(
        "--against",
        choices=("chathuggingface", "vllm"),
        help=in_language("比較する実装", "Implementation to compare with"),
    )
    bench.add_argument(
        "--prompts",
        type=at_least(1),
        default=16,
        metavar="N",
        help=in_language("バッチのプロンプト数", "Prompts in the batch"),
    )
    bench.add_argument(
        "--tokens",
        type=at_least(1),
        default=32,
        metavar="N",
        help=in_language("回答のトークン数", "Tokens of an answer"),
    )
    bench.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=in_language("結果を書く JSON ファイル", "JSON file for the results"),
    )
    bench.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help=in_language("図のファイル（PNG か SVG）", "File for a plot (PNG or SVG)"),
    )
    add_model(bench)
    add_json(bench)
    add_running(bench)
    bench.set_defaults(command=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.evaluation import speed as benchmark
    from langchain_swallow.evaluation.plots import check_plot

    # Before minutes of measuring.
    if arguments.plot:
        check_plot(arguments.plot)
    if arguments.output and not arguments.output.parent.is_dir():
        folder = arguments.output.parent
        raise CommandError(
            in_language(
                f"--output のフォルダー {folder} がありません。先に作ってください。",
                f"--output: {folder} is not a folder. Create it first.",
            )
        )
    sizes = benchmark.Sizes(prompts=arguments.prompts, tokens=arguments.tokens)
    common = {"model": arguments.model, "max_tokens": arguments.tokens}
    dtype = arguments.dtype or "auto"
    llm = ChatSwallow(**common, **model_kwargs(arguments))
    count = llm.get_num_tokens
    name = f"ChatSwallow ({llm.load().name})"
    figures = [benchmark.measure(name, llm, sizes, count, progress=True)]
    if arguments.against == "vllm":
        llm.unload()
        peer = ChatSwallow(engine="vllm", dtype=dtype, **common)
        figures.append(benchmark.measure("vLLM", peer, sizes, peer.get_num_tokens, progress=True))
        peer.unload()
    elif arguments.against:
        other = benchmark.chathuggingface(_folder(arguments.model), sizes.tokens, dtype)
        figures.append(benchmark.measure("ChatHuggingFace", other, sizes, count, progress=True))
    about = {"model": model_name(arguments), "sizes": asdict(sizes)}
    if arguments.output:
        benchmark.write_json(arguments.output, figures, about)
    if arguments.plot:
        benchmark.plot(arguments.plot, figures)
    if arguments.json:
        print_json([asdict(f) for f in figures])
    else:
        print(benchmark.table(figures).markdown())
    return 0


def _folder(model: str) -> str:
    """What transformers loads for a model's name."""
    from langchain_swallow.catalog import DEMO, chat_model_info
    from langchain_swallow.engines.demo import demo_model_folder

    if model == DEMO:
        return str(demo_model_folder())
    info = chat_model_info(model)
    return info.repo_id if info else model
