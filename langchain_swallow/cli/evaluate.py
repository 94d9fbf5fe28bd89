"""`langchain-swallow eval mt-bench | pairwise`: a chat model on Japanese MT-Bench."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_json, print_json
from langchain_swallow.cli.evaluated import (
    add_evaluated_model,
    add_results,
    asked_model,
    chat_model,
    resuming,
    say_failed,
    say_what_was_written,
)
from langchain_swallow.cli.model_options import (
    add_max_tokens,
    add_running,
    model_name,
)
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.cli.parsers import Command, add_command, say
from langchain_swallow.text.json_text import json_text

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from langchain_swallow.evaluation.mt_bench import JudgePrompts, Question
    from langchain_swallow.evaluation.mt_bench.report import Run
    from langchain_swallow.evaluation.run_file import Record

_RUN_FILE, _PAIR_FILE = "run.jsonl", "pairs.jsonl"


def add_parsers(evaluations: Any) -> None:
    """Add the commands to the subparsers of `eval`."""
    _add_mt_bench(evaluations)
    _add_pairwise(evaluations)


def _add_mt_bench(evaluations: Any) -> None:
    bench = add_command(
        evaluations,
        "mt-bench",
        in_language("日本語 MT-Bench", "Two-turn questions, graded by a judge (Japanese MT-Bench)"),
        resuming(),
        (
            "langchain-swallow eval mt-bench --model demo --judge openai:gpt-4o "
            "--questions questions.jsonl -o results",
        ),
    )
    add_evaluated_model(bench)
    _add_judge(bench)
    bench.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help=in_language(
            "並べて示す別の結果（何度でも指定可）", "Another run to compare with; may be repeated"
        ),
    )
    bench.add_argument(
        "--dry-run",
        action="store_true",
        help=in_language("呼び出しの数だけを見積もる", "Only estimate the calls"),
    )
    _add_answers(bench)
    _add_judging(bench)
    add_running(bench)
    bench.set_defaults(command=_mt_bench)


def _add_answers(bench: Command) -> None:
    answers = bench.add_further(in_language("回答", "Answers"))
    answers.add_argument(
        "--runs",
        type=at_least(1),
        default=5,
        metavar="N",
        help=in_language("一問あたりの回答数", "Answers to each question"),
    )
    add_max_tokens(answers, 1024)
    answers.add_argument(
        "--concurrency",
        type=at_least(1),
        default=32,
        metavar="N",
        help=in_language("同時に進める会話の数", "Conversations in a batch"),
    )
    answers.add_argument(
        "--no-seed",
        action="store_true",
        help=in_language(
            "seed を送らない（モデルが受け付けないとき）",
            "Send no seed, for a model that does not accept one",
        ),
    )
    answers.add_argument(
        "--average",
        choices=("answers", "categories"),
        default="answers",
        help=in_language(
            "平均の重み。回答ごと（モデルカードと同じ）か、分野ごと",
            "Weight of the average: each answer (as in the model card) or each category",
        ),
    )
    answers.add_argument(
        "--prices",
        type=between(0),
        nargs=4,
        metavar="USD",
        help=in_language(
            "百万トークンの値段: モデルの入力と出力、評価モデルの入力と出力",
            "Prices per million tokens: model input and output, judge input and output",
        ),
    )


def _add_pairwise(evaluations: Any) -> None:
    pairs = add_command(
        evaluations,
        "pairwise",
        in_language("二つの結果の回答を一対ずつ比べる", "Compare the answers of two runs"),
        in_language(
            "順番を入れ替えて二度判定し、二度とも勝った回答を勝ちとする。",
            "Each pair is judged twice, with the answers exchanged; a win must hold both times.",
        ),
        (
            "langchain-swallow eval pairwise results1 results2 --judge openai:gpt-4o "
            "--questions questions.jsonl -o comparison",
        ),
    )
    for name, about in (
        ("first", in_language("eval mt-bench の結果", "Results of eval mt-bench")),
        ("second", in_language("比べる結果", "Results to compare with")),
    ):
        pairs.add_argument(name, type=Path, metavar="DIR", help=about)
    _add_judge(pairs)
    _add_judging(pairs)
    pairs.set_defaults(command=_pairwise)


def _add_judge(parser: Command) -> None:
    parser.add_argument(
        "--judge",
        required=True,
        metavar="MODEL",
        help=in_language("評価モデル。形式は --model と同じ", "Judge, named as a model is"),
    )
    parser.add_argument(
        "--questions",
        type=Path,
        required=True,
        metavar="FILE",
        help=in_language("質問（JSON Lines）", "Questions (JSON lines)"),
    )
    parser.add_argument(
        "--references",
        type=Path,
        metavar="FILE",
        help=in_language("模範解答", "Reference answers"),
    )
    add_results(parser)
    add_json(parser)


def _add_judging(parser: Command) -> None:
    judging = parser.add_further(in_language("評価モデル", "Judge"))
    judging.add_argument(
        "--judge-prompts",
        type=Path,
        metavar="FILE",
        help=in_language(
            "FastChat 形式の判定プロンプト（デフォルト: このパッケージのもの）",
            "Judge prompts in FastChat's format (default: those of this package)",
        ),
    )
    judging.add_argument(
        "--judge-max-tokens",
        type=at_least(1),
        default=2048,
        metavar="N",
        help=in_language("判定の最大トークン数", "Maximum length of a judgment in tokens"),
    )
    judging.add_argument(
        "--judge-concurrency",
        type=at_least(1),
        default=8,
        metavar="N",
        help=in_language("同時に進める判定の数", "Judgments in flight"),
    )
    judging.add_argument(
        "--requests-per-minute",
        type=between(0.01),
        metavar="N",
        help=in_language("評価モデルへの毎分のリクエスト数の上限", "Rate limit of the judge"),
    )


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
        say_failed(len(failed), str(failed[0].error))
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
        say_failed(len(failed), str(failed[0].error))
        return 1
    wins = mt_bench.read_wins(records, judge=arguments.judge)
    data = json_text(asdict(wins), indent=2)
    (arguments.output / "pairs.json").write_text(data + "\n", encoding="utf-8")
    if arguments.json:
        print(data)
        return 0
    print(
        in_language(
            f"{wins.second} 対 {wins.first}: 勝ち {wins.win:.3f}、引き分け {wins.tie:.3f}、"
            f"負け {wins.loss:.3f}（{wins.pairs} 組、判定を読めないもの {wins.unreadable}）",
            f"{wins.second} vs {wins.first}: win {wins.win:.3f}, tie {wins.tie:.3f}, "
            f"loss {wins.loss:.3f} of {wins.pairs} pairs ({wins.unreadable} unreadable)",
        )
    )
    for name, score in {in_language("全体", "overall"): wins.score, **wins.by_category}.items():
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
    names = in_language("回答", "answers"), in_language("判定", "judgments")
    for i, (what, calls) in enumerate(zip(names, left, strict=True)):
        tokens_in = sum(estimate_tokens(call.prompt) for call in calls)
        tokens_out = sum(call.max_tokens for call in calls)
        cost += (tokens_in * prices[2 * i] + tokens_out * prices[2 * i + 1]) / 1e6
        say(
            in_language(
                f"これから行う{what}: {len(calls)} 件、入力は約 {tokens_in:,} トークン、"
                f"出力は最大 {tokens_out:,} トークン",
                f"{len(calls)} {what} to make: about {tokens_in:,} tokens in, "
                f"at most {tokens_out:,} out",
            )
        )
    if arguments.prices:
        say(in_language(f"費用は最大で約 {cost:,.2f} ドル", f"at most about {cost:,.2f} USD"))


def _two_models(arguments: argparse.Namespace) -> "tuple[BaseChatModel, BaseChatModel]":
    """Both; one object if they are the same, so that it is loaded once."""
    model = asked_model(arguments)
    return model, model if arguments.judge == arguments.model else chat_model(arguments.judge)
