"""`langchain-swallow eval rag | sweep`: answers from documents."""

import argparse
import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import (
    add_embeddings,
    add_json,
    build_store,
    load_store,
    print_json,
    rag_chain,
)
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings, load_encoder
from langchain_swallow.cli.evaluated import (
    add_evaluated_model,
    add_results,
    asked_model,
    chat_model,
    resuming,
    say_failed,
    say_what_was_written,
)
from langchain_swallow.cli.model_options import add_max_tokens, add_running, model_name
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.cli.parsers import Command, CommandError, add_command
from langchain_swallow.retrieval.fusion_weights import LEXICAL_WEIGHT

if TYPE_CHECKING:
    from langchain_swallow.evaluation.rag import Example
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

_RUN_FILE = "run.jsonl"
_PRESET = "質問応答"
_RETRIEVED = 10


def add_parsers(evaluations: Any) -> None:
    """Add the commands to the subparsers of `eval`."""
    _add_rag(evaluations)
    _add_sweep(evaluations)


def _add_rag(evaluations: Any) -> None:
    rag = add_command(
        evaluations,
        "rag",
        in_language(
            "検索、回答、引用、回答拒否、時間を測る",
            "Measure retrieval, answers, citations, refusals and latency",
        ),
        resuming(),
        (
            "langchain-swallow eval rag -i index --questions q.jsonl --model demo -o results",
            "langchain-swallow eval rag -i index --jsquad valid-v1.3.json --model demo -o results",
        ),
    )
    rag.add_argument(
        "-i",
        "--index",
        type=Path,
        metavar="INDEX",
        help=in_language(
            "index で作った索引（--jsquad のときはここに作る）",
            "Index made by `index`; with --jsquad it is created here",
        ),
    )
    rag.add_argument(
        "--jsquad",
        type=Path,
        metavar="FILE",
        help=in_language(
            "JSQuAD の JSON（--questions の代わり）", "JSON of JSQuAD, instead of --questions"
        ),
    )
    _add_questions(rag, required=False)
    rag.add_argument(
        "--judge",
        metavar="MODEL",
        help=in_language("自由記述の回答の評価モデル", "Judge of free-form answers"),
    )
    rag.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help=in_language("一問ずつ比べる別の結果", "Another run to compare with"),
    )
    retrieval = rag.add_further(in_language("検索", "Retrieval"))
    retrieval.add_argument(
        "-k",
        type=at_least(1),
        default=4,
        help=in_language("参照するチャンク数", "Chunks in the prompt"),
    )
    retrieval.add_argument(
        "--lexical-weight",
        type=between(0, 1),
        default=LEXICAL_WEIGHT,
        metavar="W",
        help=in_language("BM25 の重み（0 から 1）", "Weight of BM25, from 0 to 1"),
    )
    retrieval.add_argument(
        "--preset",
        default=_PRESET,
        metavar="NAME",
        help=in_language("プリセット", "Preset"),
    )
    add_embeddings(retrieval)
    _add_asking(rag)
    rag.set_defaults(command=_rag)


def _add_sweep(evaluations: Any) -> None:
    sweep = add_command(
        evaluations,
        "sweep",
        in_language(
            "設定を変えて、質と時間を測る",
            "Measure quality against latency over several settings",
        ),
        in_language(
            "コンマで区切った値のすべての組み合わせを測り、結果を DIR のフォルダーに分けて書く。",
            "Measures every combination of the comma-separated values, each in a folder of DIR.",
        ),
        (
            "langchain-swallow eval sweep handbook/ --questions questions.jsonl --model demo "
            "-k 2,4 --chunk-tokens 150,300 -o results",
        ),
    )
    sweep.add_argument(
        "documents",
        type=Path,
        nargs="+",
        metavar="DIR",
        help=in_language("フォルダーまたはファイル", "Folders or files"),
    )
    count, share = at_least(1), between(0, 1)
    for option, kind, default, metavar, about in (
        ("--chunk-tokens", count, 300, "N,…", in_language("チャンクの長さ", "Tokens of a chunk")),
        ("-k", count, 4, "N,…", in_language("チャンク数", "Chunks in the prompt")),
        (
            "--lexical-weight",
            share,
            LEXICAL_WEIGHT,
            "W,…",
            in_language("BM25 の重み", "Weight of BM25"),
        ),
        ("--preset", str, _PRESET, "NAME,…", in_language("プリセット", "Preset")),
    ):
        sweep.add_argument(
            option,
            type=_list_reader(kind),
            default=[default],
            metavar=metavar,
            help=about,
        )
    _add_questions(sweep, required=True)
    plot = sweep.add_further(in_language("図", "Plot"))
    plot.add_argument(
        "--metric",
        default="f1",
        metavar="NAME",
        help=in_language("図に描く評価値", "Score that is drawn"),
    )
    add_embeddings(plot)
    _add_asking(sweep)
    sweep.set_defaults(command=_sweep)


def _add_questions(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        required=required,
        help=in_language(
            "質問、答え、文書（JSON Lines）", "Questions, answers and documents (JSON lines)"
        ),
    )
    add_evaluated_model(parser)
    add_results(parser)
    add_json(parser)


def _add_asking(parser: Command) -> None:
    add_embeddings_server(parser)
    asking = parser.add_further(in_language("質問と回答", "Questions and answers"))
    asking.add_argument(
        "--limit",
        type=at_least(1),
        metavar="N",
        help=in_language("無作為に選ぶ質問の数", "Number of questions, drawn at random"),
    )
    asking.add_argument(
        "--seed", type=int, default=0, metavar="N", help=in_language("その乱数", "Seed of the draw")
    )
    add_max_tokens(asking, 256)
    asking.add_argument(
        "--concurrency",
        type=at_least(1),
        default=1,
        metavar="N",
        help=in_language(
            "同時に進める質問の数。1 なら、一人で使うときの時間を測る",
            "Questions in flight; 1 measures the latency for a single user",
        ),
    )
    add_running(parser)


def _rag(arguments: argparse.Namespace) -> int:
    from langchain_swallow.evaluation import rag
    from langchain_swallow.evaluation.run_file import RunFile
    from langchain_swallow.retrieval.hybrid import HybridRetriever

    store, examples = _store_and_examples(arguments)
    options = {"lexical_weight": arguments.lexical_weight, "preset": arguments.preset}
    settings = {
        "model": model_name(arguments), "max_tokens": arguments.max_tokens, "passages": len(store),
        "k": arguments.k, **options,
    }  # fmt: skip
    chain = rag_chain(store, _model(arguments), arguments.k, **options)
    retriever = HybridRetriever(
        store=store, k=max(_RETRIEVED, arguments.k), lexical_weight=arguments.lexical_weight
    )
    common = {"settings": settings, "concurrency": arguments.concurrency, "progress": True}
    with RunFile(arguments.output / _RUN_FILE) as run:
        failed = rag.retrieve_examples(retriever, examples, run, **common)
        failed += rag.answer_examples(chain, examples, run, **common)
        if arguments.judge:
            judge = chat_model(arguments.judge)
            failed += rag.judge_answers(judge, examples, run, name=arguments.judge, progress=True)
    if failed:
        say_failed(len(failed), str(failed[0].error))
        return 1
    folders = [arguments.output, *([arguments.against] if arguments.against else [])]
    _report(arguments, {folder.name: folder / _RUN_FILE for folder in folders}, examples)
    return 0


def _report(
    arguments: argparse.Namespace, runs: Mapping[str, Path], examples: "Sequence[Example]"
) -> None:
    from langchain_swallow.evaluation import rag
    from langchain_swallow.evaluation.rag.report import report_as_dict
    from langchain_swallow.evaluation.run_file import read_records

    scores = {name: rag.score_run(examples, read_records(path)) for name, path in runs.items()}
    files = rag.write_report(arguments.output, scores)
    say_what_was_written(files)
    if arguments.json:
        print_json(report_as_dict(scores))
    else:
        print(rag.markdown_report(scores), end="")


def _sweep(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.evaluation import rag
    from langchain_swallow.evaluation.plots import why_not_drawn
    from langchain_swallow.evaluation.rag.report import report_as_dict
    from langchain_swallow.evaluation.rag.sweep import configurations, plot_sweep, sweep_table
    from langchain_swallow.evaluation.tables import write_figures
    from langchain_swallow.retrieval.embeddings.local import SwallowEmbeddings

    examples = _drawn(rag.read_examples(arguments.questions), arguments)
    model = _model(arguments)
    embeddings = SwallowEmbeddings(choose_embeddings(arguments)).model
    # Another model's own count would fetch GPT-2's tokenizer.
    counter = model.get_num_tokens if isinstance(model, ChatSwallow) else None

    @lru_cache(maxsize=1)
    def store(chunk_tokens: int) -> "SwallowFAISS":
        return build_store(
            arguments.documents, embeddings, chunk_tokens, counter, "raise", arguments
        )

    def build(settings: Mapping[str, Any]) -> Any:
        return rag_chain(
            store(settings["chunk_tokens"]), model, settings["k"],
            lexical_weight=settings["lexical_weight"], preset=settings["preset"],
        )  # fmt: skip

    choices = configurations(
        chunk_tokens=arguments.chunk_tokens,
        k=arguments.k,
        lexical_weight=arguments.lexical_weight,
        preset=arguments.preset,
    )
    common = {
        "model": model_name(arguments), "max_tokens": arguments.max_tokens,
        "embeddings": embeddings,
    }  # fmt: skip
    scores = rag.sweep(
        build, choices, examples, arguments.output, common=common,
        concurrency=arguments.concurrency, progress=True,
    )  # fmt: skip
    files = rag.write_report(arguments.output, scores)
    table = sweep_table(scores, metric=arguments.metric)
    files.append(arguments.output / "sweep.json")
    write_figures(files[-1], [table], {"benchmark": "sweep"})
    for suffix in (".svg", ".png") if why_not_drawn() is None else ():
        files.append(arguments.output / f"sweep{suffix}")
        plot_sweep(files[-1], scores, metric=arguments.metric)
    say_what_was_written(files)
    if arguments.json:
        print_json(report_as_dict(scores))
    else:
        print(table.markdown())
    return 0


def _store_and_examples(
    arguments: argparse.Namespace,
) -> "tuple[SwallowFAISS, list[Example]]":
    from langchain_swallow.evaluation import rag

    if arguments.jsquad:
        data = rag.read_jsquad(arguments.jsquad)
        return _jsquad_store(arguments, data.documents), _drawn(data.examples, arguments)
    if not arguments.index or not arguments.questions:
        raise CommandError(
            in_language(
                "--index と --questions、または --jsquad を指定してください。",
                "Give --index and --questions, or --jsquad.",
            )
        )
    examples = rag.read_examples(arguments.questions)
    return load_store(arguments.index, arguments), _drawn(examples, arguments)


def _jsquad_store(arguments: argparse.Namespace, documents: Any) -> "SwallowFAISS":
    """The saved index, or one of JSQuAD's paragraphs, saved where an index was named."""
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

    if arguments.index and arguments.index.exists():
        return load_store(arguments.index, arguments)
    encoder = load_encoder(choose_embeddings(arguments), arguments)
    store = SwallowFAISS.from_documents(documents, encoder, progress=True)
    if arguments.index:
        store.save_local(arguments.index)
    return store


def _drawn(examples: "list[Example]", arguments: argparse.Namespace) -> "list[Example]":
    if arguments.limit is None or arguments.limit >= len(examples):
        return examples
    return random.Random(arguments.seed).sample(examples, arguments.limit)


def _model(arguments: argparse.Namespace) -> Any:
    """The model, loaded: the first question's latency is to be that of the others."""
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow

    model = asked_model(arguments, max_tokens=arguments.max_tokens)
    if isinstance(model, ChatSwallow):
        model.load()
    return model


def _list_reader(kind: Any) -> Any:
    def read(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",")]

    read.__name__ = f"list of {kind.__name__}"
    return read
