"""`langchain-swallow demo | index | sync | ask`: answers from documents."""

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import (
    add_counter,
    add_embeddings,
    add_index,
    add_json,
    add_output,
    build_store,
    load_store,
    open_store,
    print_json,
    rag_chain,
    say_unread,
    show_sources,
    token_counter,
)
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings, load_encoder
from langchain_swallow.cli.parsers import CommandError, add_command, say
from langchain_swallow.cli.retrieval import add_retrieval, build_retriever
from langchain_swallow.cli.running import add_model, add_running, running

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_swallow.rag import Answer
    from langchain_swallow.retrieval.sync import SyncSummary

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

# What a sync did, by the field of its summary.
_JAPANESE = {
    "added": "追加",
    "changed": "変更",
    "moved": "移動",
    "deleted": "削除",
    "unchanged": "変更なし",
    "failed": "失敗",
    "ignored": "対象外",
    "left_out": "一部を読まず",
}


def add_parsers(commands: Any) -> None:
    """Add the commands to the subparsers."""
    _add_demo(commands)
    _add_index(commands)
    _add_sync(commands)
    _add_convert(commands)
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
    add_running(demo)
    demo.set_defaults(command=_demo)


def _add_index(commands: Any) -> None:
    index = add_command(
        commands,
        "index",
        in_language("文書の索引を作る", "Index documents"),
        examples=[
            "langchain-swallow index handbook/ -o index",
            "langchain-swallow index rules.docx prices.xlsx -o index --skip-errors",
            "langchain-swallow index handbook/ -o index --chunk-tokens 200 --tokenizer demo",
        ],
    )
    index.add_argument(
        "documents",
        type=Path,
        nargs="+",
        metavar="DIR",
        help=in_language("フォルダーまたはファイル", "Folders or files"),
    )
    add_output(index, "INDEX", in_language("書き出す索引", "Index to write"))
    add_embeddings(index)
    index.add_argument(
        "--skip-errors",
        action="store_true",
        help=in_language("読めないファイルを飛ばす", "Skip files that cannot be read"),
    )
    add_json(index)
    add_counter(index)
    add_embeddings_server(index)
    index.set_defaults(command=_index)


def _add_sync(commands: Any) -> None:
    sync = add_command(
        commands,
        "sync",
        in_language("索引を更新する", "Bring an index up to date"),
        in_language(
            "フォルダーで変わったファイルだけを読み、消えたファイルを索引から削除する。",
            "Reads only the files of the folder that changed, and deletes what is gone.",
        ),
        ["langchain-swallow sync handbook/ -i index"],
    )
    sync.add_argument(
        "documents",
        type=Path,
        metavar="DIR",
        help=in_language("索引にしたフォルダー", "Folder that was indexed"),
    )
    sync.add_argument(
        "--reread",
        action="store_true",
        help=in_language(
            "変わっていないファイルも読み直す（パッケージの更新後など）",
            "Read unchanged files again, for example after an upgrade",
        ),
    )
    sync.add_argument(
        "--allow-deletions",
        action="store_true",
        help=in_language(
            "大半のファイルが消えていても、索引から削除する",
            "Delete what is gone, even if that is most of the files",
        ),
    )
    add_index(sync)
    add_embeddings(sync)
    add_json(sync)
    add_counter(sync)
    add_embeddings_server(sync)
    sync.set_defaults(command=_sync)


def _add_convert(commands: Any) -> None:
    convert = add_command(
        commands,
        "convert",
        in_language(
            "LangChain の FAISS か開発版の索引を変換する",
            "Convert an index of LangChain's FAISS or of an older version",
        ),
        examples=[
            "langchain-swallow convert old_index/ -o index --embeddings cl-nagoya/ruri-v3-30m",
            "langchain-swallow convert old_index/ -o index",
        ],
    )
    convert.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help=in_language(
            "FAISS.save_local が書いたフォルダー、または 0.2.0 より前の開発版の索引",
            "Folder that FAISS.save_local wrote, or an index of a development version before 0.2.0",
        ),
    )
    add_output(convert, "INDEX", in_language("書き出す索引", "Index to write"))
    convert.add_argument(
        "--embeddings",
        metavar="MODEL",
        help=in_language(
            "LangChain の索引を作った埋め込みモデル", "Embedding model of LangChain's index"
        ),
    )
    add_json(convert)
    add_embeddings_server(convert)
    convert.set_defaults(command=_convert)


def _add_ask(commands: Any) -> None:
    question = in_language("有給休暇は何日ですか。", '"How many vacation days are there?"')
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
    llm = ChatSwallow(model=arguments.model, max_tokens=64, **running(arguments))
    llm.load()
    loaded = time.perf_counter()
    store = build_store([documents], choose_embeddings(arguments), 300, llm.get_num_tokens, "raise")
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


def _index(arguments: argparse.Namespace) -> int:
    _check_output(arguments.output)
    counter = token_counter(arguments.tokenizer)
    on_error = "skip" if arguments.skip_errors else "raise"
    store = build_store(
        arguments.documents,
        choose_embeddings(arguments),
        arguments.chunk_tokens,
        counter,
        on_error,
        arguments,
    )
    store.save_local(arguments.output)
    files = len(store.sources())
    figures = {"index": str(arguments.output), "passages": len(store), "files": files}
    if arguments.json:
        print_json(figures)
    else:
        say(
            in_language(
                f"{files} ファイル、{len(store)} 個のチャンク → {arguments.output}",
                f"{files} files, {len(store)} chunks → {arguments.output}",
            )
        )
    return 0


def _check_output(path: Path) -> None:
    """Refuse a place where no index can be written before anything is read and embedded."""
    from langchain_swallow.retrieval.index.folder import IndexFolder

    IndexFolder(path).check()


def _convert(arguments: argparse.Namespace) -> int:
    from langchain_swallow.retrieval.index.manifest import NAME, read_manifest

    _check_output(arguments.output)
    if (arguments.folder / NAME).exists():
        _rewrite(arguments.folder, arguments.output)
    else:
        _take_over(arguments)
    passages = read_manifest(arguments.output).documents
    if arguments.json:
        print_json({"index": str(arguments.output), "passages": passages})
    else:
        chunks = in_language(f"{passages} 個のチャンク", f"{passages} chunks")
        say(f"{chunks} → {arguments.output}")
    return 0


def _take_over(arguments: argparse.Namespace) -> None:
    """Convert a folder of LangChain's FAISS."""
    from langchain_swallow.retrieval.migration import convert_langchain_faiss

    if not arguments.embeddings:
        raise CommandError(
            in_language(
                "LangChain の索引には、それを作った埋め込みモデル --embeddings が必要です。",
                "An index of LangChain needs --embeddings, the embedding model it was made with.",
            )
        )
    embeddings = load_encoder(arguments.embeddings, arguments)
    convert_langchain_faiss(arguments.folder, embeddings, path=arguments.output, progress=True)


def _rewrite(folder: Path, output: Path) -> None:
    """Convert an index of an earlier version, and say what of it changed."""
    from langchain_swallow.retrieval.index.manifest import read_manifest
    from langchain_swallow.retrieval.migration import rewrite_index

    before = read_manifest(folder)
    rewrite_index(folder, output)
    kinds = [" + ".join(s.kind for s in m.segments) for m in (before, read_manifest(output))]
    say(f"{in_language('セグメント', 'segments')}: {kinds[0]} → {kinds[1]}")


def _sync(arguments: argparse.Namespace) -> int:
    from langchain_swallow.documents.split import JapaneseTextSplitter
    from langchain_swallow.retrieval.sync import sync_folder

    _check_output(arguments.index)
    store = open_store(arguments.index, choose_embeddings(arguments), arguments)
    splitter = JapaneseTextSplitter(arguments.chunk_tokens, token_counter(arguments.tokenizer))
    summary = sync_folder(
        store,
        arguments.documents,
        splitter=splitter,
        reread=arguments.reread,
        allow_mass_deletion=arguments.allow_deletions,
        progress=True,
    )
    say_unread(summary.failed, summary.ignored, summary.left_out)
    if arguments.json:
        print_json(summary.as_dict())
    else:
        chunks = in_language(f"{len(store)} 個のチャンク", f"{len(store)} chunks")
        say(f"{in_language(_in_japanese(summary), str(summary))} → {arguments.index}, {chunks}")
    return 1 if summary.failed else 0


def _in_japanese(summary: "SyncSummary") -> str:
    counts = {name: len(value) for name, value in summary.as_dict().items()}
    listed = [f"{_JAPANESE[name]} {count}" for name, count in counts.items() if count]
    return "、".join(listed) or "変更なし"


def _ask(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.rag import create_rag_chain

    store = load_store(arguments.index, arguments)
    llm = ChatSwallow(model=arguments.model, max_tokens=arguments.max_tokens, **running(arguments))
    # Not in the time of the answer.
    llm.load()
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
