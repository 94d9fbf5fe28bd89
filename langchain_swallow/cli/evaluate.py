"""`langchain-swallow eval mt-bench | pairwise`: a chat model on Japanese MT-Bench."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.cli.common import add_json, add_output, examples, print_json, say
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.cli.running import add_max_tokens, add_running, is_ours, model_name, running
from langchain_swallow.text.json_text import json_text

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from langchain_swallow.evaluation.mt_bench import JudgePrompts, Question
    from langchain_swallow.evaluation.mt_bench.report import Run
    from langchain_swallow.evaluation.run_file import Record

_RUN_FILE, _PAIR_FILE = "run.jsonl", "pairs.jsonl"
RESULTS_HELP = "結果のフォルダー / a folder for the results"
MODELS_HELP = (
    "モデルの名前、フォルダー、demo、LangChain の provider:model / checkpoint, folder, demo, or "
    "provider:model through LangChain"
)


def add_parsers(evaluations: Any) -> None:
    """Add the commands to the subparsers of `eval`."""
    bench = evaluations.add_parser(
        "mt-bench",
        help="two-turn questions, graded by a judge / 日本語MT-Bench",
        description="答えは書けたものから OUTPUT/run.jsonl に入り、同じコマンドで続きから始まる。"
        "質問の入手先は docs/evaluation.md。\n"
        "Answers go into OUTPUT/run.jsonl as they come; the same command goes on where it was\n"
        "stopped. docs/evaluation.md says where to get the questions.",
        **examples(
            "langchain-swallow eval mt-bench --model demo --judge openai:gpt-4o "
            "--questions 質問.jsonl -o 結果",
            "langchain-swallow eval mt-bench --model demo --judge demo --questions 質問.jsonl "
            "-o 結果 --dry-run",
        ),
    )
    bench.add_argument("--model", required=True, help=MODELS_HELP)
    add_running(bench)
    _add_judge(bench)
    bench.add_argument(
        "--runs",
        type=at_least(1),
        default=5,
        help="一問への答えの数 / answers to each question (5)",
    )
    add_max_tokens(bench, 1024)
    bench.add_argument(
        "--concurrency",
        type=at_least(1),
        default=32,
        help="一度に進める会話の数 / conversations at a time, in batches (32)",
    )
    bench.add_argument(
        "--no-seed",
        action="store_true",
        help="seed を送らない / the model takes no seed",
    )
    bench.add_argument(
        "--average",
        choices=("answers", "categories"),
        default="answers",
        help="平均の重み（モデルカードは answers） / what averages weigh; the model card's weigh "
        "answers",
    )
    bench.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="並べる別の結果、いくつでも / another run, to stand beside; may be repeated",
    )
    bench.add_argument(
        "--prices",
        type=between(0),
        nargs=4,
        metavar="USD",
        help="百万トークンの値段 / per million tokens: model in, out, judge in, out",
    )
    bench.add_argument(
        "--dry-run",
        action="store_true",
        help="呼び出しの数だけを見積もる / estimate the calls, make none",
    )
    bench.set_defaults(command=_mt_bench)

    pairs = evaluations.add_parser(
        "pairwise",
        help="two runs' answers against each other / 二つの回答を比べる",
        description="二つの答えを、順番を入れ替えて二度比べる。\n"
        "Each pair is judged twice, with the answers exchanged; a win must survive it.",
        **examples(
            "langchain-swallow eval pairwise 結果1 結果2 --judge openai:gpt-4o "
            "--questions 質問.jsonl -o 比較",
        ),
    )
    pairs.add_argument(
        "first", type=Path, metavar="DIR", help="eval mt-bench の結果 / a run of eval mt-bench"
    )
    pairs.add_argument("second", type=Path, metavar="DIR", help="もう一つ / another")
    _add_judge(pairs)
    pairs.set_defaults(command=_pairwise)


def _add_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", required=True, help=MODELS_HELP)
    parser.add_argument(
        "--questions", type=Path, required=True, metavar="FILE", help="質問 / the questions"
    )
    parser.add_argument(
        "--references", type=Path, metavar="FILE", help="手本の答え / reference answers"
    )
    parser.add_argument(
        "--judge-prompts",
        type=Path,
        metavar="FILE",
        help="FastChat の形式（標準はこのパッケージのもの） / in FastChat's format; by default "
        "this package's own",
    )
    parser.add_argument(
        "--judge-max-tokens",
        type=at_least(1),
        default=2048,
        help="判定の最大の長さ / tokens of a judgment (2048)",
    )
    parser.add_argument(
        "--judge-concurrency",
        type=at_least(1),
        default=8,
        help="一度に進める判定の数 / judgments at a time (8)",
    )
    parser.add_argument(
        "--requests-per-minute", type=between(0.01), help="判定者の制限 / limit of the judge"
    )
    add_output(parser, "DIR", RESULTS_HELP)
    add_json(parser)


def _mt_bench(arguments: argparse.Namespace) -> int:
    from langchain_swallow.evaluation import mt_bench
    from langchain_swallow.evaluation.run_file import RunFile, read_records

    questions, prompts = _inputs(arguments)
    path = arguments.output / _RUN_FILE
    settings = mt_bench.AnswerSettings(
        runs=arguments.runs,
        max_tokens=arguments.max_tokens,
        concurrency=arguments.concurrency,
        parameters=("temperature", "max_tokens") + (() if arguments.no_seed else ("seed",)),
    )
    judging = _judge_settings(arguments)
    _estimate(arguments, read_records(path), questions, prompts, settings, judging)
    if arguments.dry_run:
        return 0
    model, judge = _two_models(arguments)
    with RunFile(path) as run:
        failed = mt_bench.answer_questions(
            model, questions, run, name=model_name(arguments), settings=settings, progress=True
        )
        failed += mt_bench.judge_answers(
            judge, questions, prompts, run, name=arguments.judge, settings=judging, progress=True
        )
    if failed:
        say(f"{len(failed)} calls failed; the first: {failed[0].error}")
        say("Run the same command to try them again.")
        return 1
    _report(arguments, questions, prompts)
    return 0


def _report(
    arguments: argparse.Namespace, questions: "list[Question]", prompts: "JudgePrompts"
) -> None:
    from langchain_swallow.evaluation.mt_bench import report

    runs = [
        _scored(folder, arguments.judge, arguments.average)
        for folder in (arguments.output, *arguments.against)
    ]
    notes = report.notes_on(runs[0].scores, prompts)
    files = report.write_report(arguments.output, runs, questions, notes)
    say_what_was_written(files)
    if arguments.json:
        print_json(report.report_as_dict(runs, notes))
    else:
        print(report.markdown_report(runs, notes, card=True), end="")


def say_what_was_written(files: "Sequence[Path]") -> None:
    """Name the files of a report, and what is missing for its figures."""
    from langchain_swallow.evaluation.plots import why_not_drawn

    say("wrote " + ", ".join(map(str, files)))
    if missing := why_not_drawn():
        say(f"Figures were left out. {missing}")


def _scored(folder: Path, judge: str, average: Any) -> "Run":
    from langchain_swallow.evaluation.mt_bench import score_run
    from langchain_swallow.evaluation.mt_bench.report import Run
    from langchain_swallow.evaluation.run_file import read_records

    records = read_records(folder / _RUN_FILE)
    return Run(score_run(records, judge=judge, average=average), records)


def _pairwise(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from langchain_swallow.evaluation import mt_bench
    from langchain_swallow.evaluation.run_file import RunFile, read_records

    questions, prompts = _inputs(arguments)
    runs = [read_records(folder / _RUN_FILE) for folder in (arguments.first, arguments.second)]
    judge = chat_model(arguments.judge)
    with RunFile(arguments.output / _PAIR_FILE) as file:
        failed = mt_bench.compare_answers(
            judge, questions, prompts, runs[0], runs[1], file,
            name=arguments.judge, settings=_judge_settings(arguments), progress=True,
        )  # fmt: skip
        records = list(file.records)
    if failed:
        say(f"{len(failed)} comparisons failed; the first: {failed[0].error}")
        return 1
    wins = mt_bench.read_wins(records, judge=arguments.judge)
    data = json_text(asdict(wins), indent=2)
    (arguments.output / "pairs.json").write_text(data + "\n", encoding="utf-8")
    if arguments.json:
        print(data)
        return 0
    print(f"{wins.second} vs {wins.first}: win {wins.win:.3f}, tie {wins.tie:.3f}, "
          f"loss {wins.loss:.3f} of {wins.pairs} pairs ({wins.unreadable} unreadable)")  # fmt: skip
    for name, score in {"overall": wins.score, **wins.by_category}.items():
        print(f"  {name:<12}{score.mean:.3f}  ({score.low:.3f}–{score.high:.3f})")
    return 0


def _inputs(arguments: argparse.Namespace) -> "tuple[list[Question], JudgePrompts]":
    from langchain_swallow.evaluation import mt_bench

    questions = mt_bench.read_questions(arguments.questions, arguments.references)
    file = arguments.judge_prompts
    prompts = mt_bench.JudgePrompts
    return questions, prompts.read(file) if file else prompts.built_in()


def _judge_settings(arguments: argparse.Namespace) -> Any:
    from langchain_swallow.evaluation.mt_bench import JudgeSettings

    return JudgeSettings(
        max_tokens=arguments.judge_max_tokens,
        concurrency=arguments.judge_concurrency,
        requests_per_minute=arguments.requests_per_minute,
    )


def _estimate(
    arguments: argparse.Namespace,
    records: "Sequence[Record]",
    questions: "list[Question]",
    prompts: "JudgePrompts",
    settings: Any,
    judging: Any,
) -> None:
    """Say what the run will cost, before it costs anything."""
    from langchain_swallow.evaluation.mt_bench.run import calls_left
    from langchain_swallow.text.chunks import estimate_tokens

    left = calls_left(
        records, questions, prompts, name=model_name(arguments), judge_name=arguments.judge,
        settings=settings, judge_settings=judging,
    )  # fmt: skip
    prices = arguments.prices or [0.0] * 4
    cost = 0.0
    for i, (what, calls) in enumerate(zip(("answers", "judgments"), left, strict=True)):
        tokens_in = sum(estimate_tokens(call.prompt) for call in calls)
        tokens_out = sum(call.max_tokens for call in calls)
        cost += (tokens_in * prices[2 * i] + tokens_out * prices[2 * i + 1]) / 1e6
        say(f"{len(calls)} {what} to make: about {tokens_in:,} tokens in, "
            f"at most {tokens_out:,} out")  # fmt: skip
    if arguments.prices:
        say(f"at most about {cost:,.2f} USD")


def _two_models(arguments: argparse.Namespace) -> "tuple[BaseChatModel, BaseChatModel]":
    """Both; one object if they are the same, so that it is loaded once."""
    model = asked_model(arguments)
    return model, model if arguments.judge == arguments.model else chat_model(arguments.judge)


def asked_model(arguments: argparse.Namespace, **parameters: Any) -> "BaseChatModel":
    """The model that is evaluated; one of ours runs as the options say."""
    return chat_model(arguments.model, **parameters, **running(arguments))


def chat_model(name: str, **parameters: Any) -> "BaseChatModel":
    """A model by name: one of ours, or `provider:model` of a LangChain integration.

    Args:
        name: A checkpoint, a folder, `demo`, or `provider:model`.
        **parameters: Of the model, such as `max_tokens`.

    Raises:
        MissingDependencyError: LangChain, or the provider's integration, is not installed.
    """
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.errors import MissingDependencyError

    if is_ours(name):
        return ChatSwallow(model=name, **parameters)
    try:
        from langchain.chat_models import init_chat_model

        return init_chat_model(name, **parameters)
    except ImportError as error:
        provider = name.partition(":")[0].replace("_", "-")
        raise MissingDependencyError(
            f"{name} needs LangChain and the provider's integration: "
            f"pip install langchain langchain-{provider}. ({error})"
        ) from error
