"""`langchain-swallow eval rag | sweep`: answers from documents."""

import argparse
import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.cli.common import (
    add_embeddings,
    add_json,
    add_output,
    build_store,
    examples,
    load_store,
    print_json,
    rag_chain,
    say,
)
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings, load_encoder
from langchain_swallow.cli.evaluate import (
    MODELS_HELP,
    RESULTS_HELP,
    asked_model,
    chat_model,
    say_what_was_written,
)
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.cli.running import add_max_tokens, add_running, model_name
from langchain_swallow.retrieval.defaults import LEXICAL_WEIGHT

if TYPE_CHECKING:
    from langchain_swallow.evaluation.rag import Example
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

_RUN_FILE = "run.jsonl"
_PRESET = "質問応答"
_RETRIEVED = 10


def add_parsers(evaluations: Any) -> None:
    """Add the commands to the subparsers of `eval`."""
    rag = evaluations.add_parser(
        "rag",
        help="retrieval, answers, citations, refusals, latency / 文書からの回答を測る",
        description="答えは書けたものから OUTPUT/run.jsonl に入り、同じコマンドで続きから始まる。"
        "--against は別の結果と一問ずつ比べる。\n"
        "Answers go into OUTPUT/run.jsonl as they come; the same command goes on where it was\n"
        "stopped. With --against a run is compared to another, question by question.",
        **examples(
            "langchain-swallow eval rag -i 索引 --questions 質問.jsonl --model demo -o 結果",
            "langchain-swallow eval rag -i 索引 --jsquad valid-v1.3.json --model demo -o 結果",
        ),
    )
    rag.add_argument(
        "-i",
        "--index",
        type=Path,
        metavar="INDEX",
        help="index で作った索引（--jsquad ならそこに作る） / of langchain-swallow index; with "
        "--jsquad it is made there",
    )
    rag.add_argument(
        "--jsquad",
        type=Path,
        metavar="FILE",
        help="JSQuAD の JSON / JSQuAD's JSON: paragraphs and questions",
    )
    add_embeddings(rag)
    rag.add_argument(
        "-k",
        type=at_least(1),
        default=4,
        help="モデルに見せる資料の数 / passages to show the model (4)",
    )
    rag.add_argument(
        "--lexical-weight",
        type=between(0, 1),
        default=LEXICAL_WEIGHT,
        help=f"BM25 の重み / weight of BM25, 0 to 1 ({LEXICAL_WEIGHT})",
    )
    rag.add_argument("--preset", default=_PRESET, help=f"プリセット / prompt ({_PRESET})")
    rag.add_argument(
        "--judge", help="自由な答えを採点するモデル / a chat model that grades free answers"
    )
    rag.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="比べる別の結果 / another run of these questions",
    )
    add_embeddings_server(rag)
    _add_questions(rag, required=False)
    rag.set_defaults(command=_rag)

    sweep = evaluations.add_parser(
        "sweep",
        help="chunk size, k, weights, presets: quality against latency / 設定を変えて測る",
        description="コンマで区切った値のすべての組み合わせを、OUTPUT のフォルダーに一つずつ。\n"
        "Every combination of the comma-separated values, each in a folder of OUTPUT.",
        **examples(
            "langchain-swallow eval sweep 社内規程/ --questions 質問.jsonl --model demo "
            "-k 2,4 --chunk-tokens 150,300 -o 結果",
        ),
    )
    sweep.add_argument(
        "documents",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="フォルダーまたはファイル / folders or files",
    )
    add_embeddings(sweep)
    add_embeddings_server(sweep)
    count, share = at_least(1), between(0, 1)
    for option, kind, default, metavar, about in (
        ("--chunk-tokens", count, 300, "N,…", "一つの資料の長さ / tokens of a chunk"),
        ("-k", count, 4, "N,…", "見せる資料の数 / passages to show the model"),
        ("--lexical-weight", share, LEXICAL_WEIGHT, "W,…", "BM25 の重み / weight of BM25, 0 to 1"),
        ("--preset", str, _PRESET, "NAME,…", "プリセット / prompt"),
    ):
        sweep.add_argument(
            option,
            type=_list_of(kind),
            default=[default],
            metavar=metavar,
            help=f"{about} ({default})",
        )
    sweep.add_argument(
        "--metric", default="f1", help="図に描く質の値 / the quality that is drawn (f1)"
    )
    _add_questions(sweep, required=True)
    sweep.set_defaults(command=_sweep)


def _add_questions(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        required=required,
        help="質問、答え、文書の行 / JSON lines: question, answers, documents",
    )
    parser.add_argument(
        "--limit", type=at_least(1), help="この数だけ選ぶ / so many questions, drawn at random"
    )
    parser.add_argument("--seed", type=int, default=0, help="その乱数 / of the drawing (0)")
    parser.add_argument("--model", required=True, help=MODELS_HELP)
    add_running(parser)
    add_max_tokens(parser, 256)
    parser.add_argument(
        "--concurrency",
        type=at_least(1),
        default=1,
        help="一度に進める質問の数 / questions at a time (1: latencies as one user has them)",
    )
    add_output(parser, "DIR", RESULTS_HELP)
    add_json(parser)


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
        say(f"{len(failed)} questions failed; the first: {failed[0].error}")
        say("Run the same command to try them again.")
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
        raise ValueError("Give --index and --questions, or --jsquad.")
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


def _list_of(kind: Any) -> Any:
    def read(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",")]

    read.__name__ = f"list of {kind.__name__}"
    return read
