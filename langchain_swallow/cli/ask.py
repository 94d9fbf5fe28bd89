"""`langchain-swallow demo | ask`: answers from documents."""

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import (
    add_index,
    add_json,
    build_store,
    load_store,
    print_json,
    rag_chain,
    show_sources,
)
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings
from langchain_swallow.cli.model_options import add_model, add_running, choose_model, model_kwargs
from langchain_swallow.cli.parsers import CommandError, add_command, say
from langchain_swallow.cli.progress import add_verbose, load_model
from langchain_swallow.cli.retrieval import add_retrieval, build_retriever

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_swallow.rag import Answer

# A wheel has them in the package, a checkout beside its other examples.
_PACKAGED = Path(__file__).parents[1] / "data" / "documents"
_DEMO_DOCUMENTS = (
    _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "examples" / "documents"
)
_DEMO_QUESTIONS = (
    "試用期間はどのくらいですか。",
    "取引先との飲食は1人いくらまでですか。",
    "加湿器の表示部にE2が出たら何が起きていますか。",
    "社員食堂のカレーはいくらですか。",
    "社員旅行の行き先はどこですか。",
)


def add_parsers(commands: Any) -> None:
    """Add the commands to the subparsers."""
    _add_demo(commands)
    _add_ask(commands)


def _add_demo(commands: Any) -> None:
    demo = add_command(
        commands,
        "demo",
        in_language(
            "例の文書に五つの質問をする（Hub への接続は不要）",
            "Answer five questions from example documents, without the hub",
        ),
        examples=[
            "langchain-swallow demo --copy handbook",
            "langchain-swallow demo --documents handbook/",
        ],
    )
    demo.add_argument(
        "--documents",
        type=Path,
        metavar="DIR",
        help=in_language(
            "文書のフォルダー（デフォルト: 付属の例）",
            "Folder of documents (default: the examples that come with the package)",
        ),
    )
    demo.add_argument(
        "--copy",
        type=Path,
        metavar="DIR",
        help=in_language("文書をこのフォルダーにコピーする", "Copy the documents to this folder"),
    )
    add_model(demo, default="demo")
    add_json(demo)
    add_verbose(demo)
    add_running(demo)
    demo.set_defaults(command=_demo)


def _add_ask(commands: Any) -> None:
    question = in_language("試用期間はどのくらいですか。", '"How long is the trial period?"')
    ask = add_command(
        commands,
        "ask",
        in_language(
            "索引に質問し、出典付きの回答を得る", "Answer a question from an index, with sources"
        ),
        examples=[
            f"langchain-swallow ask -i index {question} --model demo",
            f"langchain-swallow ask -i index {question} --json | jq .citations",
            f"langchain-swallow ask -i index {question} --quantization 4bit",
        ],
    )
    add_index(ask)
    ask.add_argument("question", metavar="QUESTION", help=in_language("質問", "Question"))
    add_model(ask)
    add_retrieval(ask)
    add_json(ask)
    add_verbose(ask)
    add_embeddings_server(ask)
    add_running(ask)
    ask.set_defaults(command=_ask)


def _demo(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow

    documents: Path = arguments.documents or _DEMO_DOCUMENTS
    if not documents.is_dir():
        raise CommandError(
            in_language(
                f"--documents {documents} はフォルダーではありません。"
                "文書のあるフォルダーを指定してください。",
                f"--documents {documents} is not a folder. Name a folder of documents.",
            )
        )
    if arguments.copy:
        count = _copy_missing(documents, arguments.copy)
        say(f"{count} {in_language('ファイル', 'files')} → {arguments.copy}")
    began = time.perf_counter()
    llm = ChatSwallow(model=arguments.model, max_tokens=64, **model_kwargs(arguments))
    load_model(llm)
    loaded = time.perf_counter()
    store = build_store(
        [documents], choose_embeddings(arguments), 300, llm.get_num_tokens, "raise", arguments
    )
    load_s, index_s = loaded - began, time.perf_counter() - loaded
    say(
        in_language(
            f"モデル {load_s:.1f} 秒、{len(store)} 個のチャンクの索引 {index_s:.1f} 秒",
            f"model {load_s:.1f} s, {len(store)} chunks indexed in {index_s:.1f} s",
        )
    )
    chain = rag_chain(store, llm, 4)
    for question in _DEMO_QUESTIONS:
        if not arguments.json:
            asked, answered = in_language("質問", "Question"), in_language("回答", "Answer")
            print(f"\n{asked}: {question}\n{answered}: ", end="")
        _answer(chain, question, arguments.json)
    total = time.perf_counter() - began
    say(in_language(f"合計 {total:.1f} 秒", f"total {total:.1f} s"))
    return 0


def _copy_missing(source: Path, target: Path) -> int:
    """Copy the files that are not there yet; how many."""
    target.mkdir(parents=True, exist_ok=True)
    files = [file for file in source.iterdir() if file.is_file()]
    missing = [file for file in files if not (target / file.name).exists()]
    for file in missing:
        shutil.copyfile(file, target / file.name)
    return len(missing)


def _ask(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.rag import create_rag_chain

    arguments.model = choose_model(arguments)
    store = load_store(arguments.index, arguments)
    llm = ChatSwallow(
        model=arguments.model, max_tokens=arguments.max_tokens, **model_kwargs(arguments)
    )
    # Not in the time of the answer.
    load_model(llm)
    chain = create_rag_chain(llm, build_retriever(arguments, store, llm))
    _answer(chain, arguments.question, arguments.json)
    return 0


def _answer(chain: "Runnable[Any, Answer]", question: str, as_json: bool) -> None:
    """Stream an answer to stdout, then its sources; timings go to stderr."""
    from langchain_swallow.rag import Answer

    began = time.perf_counter()
    first: float | None = None
    answer = Answer()
    for piece in chain.stream(question):
        if piece.reasoning and not answer.reasoning:
            say(in_language("考えています…", "thinking…"))
        answer += piece
        if piece.text and first is None:
            first = time.perf_counter() - began
        if not as_json:
            print(piece.text, end="", flush=True)
    total = time.perf_counter() - began
    if as_json:
        print_json({**answer.as_dict(), "first_token_s": first, "total_s": total})
        return
    print()
    show_sources(answer)
    first = first or total
    thought = len(answer.reasoning)
    say(
        in_language(
            f"  最初のトークンまで {first:.2f} 秒、合計 {total:.2f} 秒"
            + (f"、思考 {thought} 文字（--json で表示）" if thought else ""),
            f"  first token {first:.2f} s, total {total:.2f} s"
            + (f", thought {thought} characters (--json shows it)" if thought else ""),
        )
    )
