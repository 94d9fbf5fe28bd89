"""`langchain-swallow demo | index | sync | ask`: answers from documents."""

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.cli.common import (
    add_counter,
    add_embeddings,
    add_index,
    add_json,
    add_output,
    build_store,
    counter_of,
    examples,
    load_store,
    open_store,
    print_json,
    rag_chain,
    say,
    say_unread,
    show_sources,
)
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings, load_encoder
from langchain_swallow.cli.retrieval import add_retrieval, retriever_of
from langchain_swallow.cli.running import add_model, add_running, running

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
    demo = commands.add_parser(
        "demo",
        help="answer five questions, no hub needed / デモを動かす",
        **examples(
            "langchain-swallow demo --copy 社内規程    例の文書を手元に / keep its documents",
            "langchain-swallow demo --documents 社内規程/    自分の文書で / with your documents",
        ),
    )
    demo.add_argument(
        "--documents",
        type=Path,
        default=_DEMO_DOCUMENTS,
        metavar="DIR",
        help="文書のフォルダー（標準は例の文書） / a folder of documents (the examples)",
    )
    demo.add_argument(
        "--copy",
        type=Path,
        metavar="DIR",
        help="その文書を置くフォルダー / where to put those documents, to try things with",
    )
    add_model(demo, default="demo")
    add_json(demo)
    add_running(demo)
    demo.set_defaults(command=_demo)

    index = commands.add_parser(
        "index",
        help="index a folder of documents / 文書の索引を作る",
        **examples(
            "langchain-swallow index 社内規程/ -o 索引",
            "langchain-swallow index 規程.docx 価格表.xlsx -o 索引 --skip-errors",
            "langchain-swallow index 社内規程/ -o 索引 --chunk-tokens 200 --tokenizer demo",
        ),
    )
    index.add_argument(
        "documents",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="フォルダーまたはファイル / folders or files",
    )
    add_output(index, "INDEX", "書き出す索引 / the index to write")
    add_embeddings(index)
    add_embeddings_server(index)
    index.add_argument(
        "--skip-errors",
        action="store_true",
        help="読めないファイルを飛ばす / go on after unreadable files",
    )
    add_counter(index)
    add_json(index)
    index.set_defaults(command=_index)

    sync = commands.add_parser(
        "sync",
        help="bring an index up to date / 索引を更新する",
        **examples(
            "langchain-swallow sync 社内規程/ -i 索引    変わったファイルだけ / changed files only"
        ),
    )
    sync.add_argument(
        "documents",
        type=Path,
        metavar="DIR",
        help="索引にしたフォルダー / the folder that it is of",
    )
    sync.add_argument(
        "--reread",
        action="store_true",
        help="変わっていないファイルも読み直す（このパッケージを新しくした後など） / "
        "read unchanged files again, as after an upgrade",
    )
    sync.add_argument(
        "--allow-deletions",
        action="store_true",
        help="大半のファイルがなくなっていても、その分を索引から消す / "
        "delete from the index what is gone, even if that is most of the files",
    )
    add_index(sync)
    add_embeddings(sync)
    add_counter(sync)
    add_json(sync)
    sync.set_defaults(command=_sync)

    convert = commands.add_parser(
        "convert",
        help="take over an index of LangChain's FAISS or an older version / 別の形式の索引を移す",
        **examples(
            "langchain-swallow convert 古い索引/ -o 索引 --embeddings cl-nagoya/ruri-v3-30m",
            "langchain-swallow convert 索引/ -o 索引    0.2.0より前の索引 / one from before 0.2.0",
        ),
    )
    convert.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="FAISS.save_local が書いたフォルダー、または 0.2.0 より前の開発版の索引 / "
        "what FAISS.save_local wrote, or an index of a development version before 0.2.0",
    )
    add_output(convert, "INDEX", "書き出す索引 / the index to write")
    convert.add_argument(
        "--embeddings",
        help="LangChain の索引を作った埋め込みモデル / the encoder of LangChain's index",
    )
    add_embeddings_server(convert)
    add_json(convert)
    convert.set_defaults(command=_convert)

    ask = commands.add_parser(
        "ask",
        help="answer a question from an index / 索引に質問する",
        **examples(
            "langchain-swallow ask -i 索引 有給休暇は何日ですか。 --model demo",
            "langchain-swallow ask -i 索引 日当はいくらですか。 --json | jq .citations",
            "langchain-swallow ask -i 索引 日当はいくらですか。 --quantization 4bit",
        ),
    )
    add_index(ask)
    ask.add_argument("question", metavar="QUESTION", help="質問 / what is asked")
    add_retrieval(ask)
    add_model(ask)
    add_json(ask)
    add_running(ask)
    ask.set_defaults(command=_ask)


def _demo(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow

    if not arguments.documents.is_dir():
        raise FileNotFoundError(f"{arguments.documents} is not a folder. Name one of documents.")
    if arguments.copy:
        say(f"{_copy_missing(arguments.documents, arguments.copy)} files → {arguments.copy}")
    began = time.perf_counter()
    llm = ChatSwallow(model=arguments.model, max_tokens=64, **running(arguments))
    llm.load()
    loaded = time.perf_counter()
    store = build_store(
        [arguments.documents], choose_embeddings(arguments), 300, llm.get_num_tokens, "raise"
    )
    indexed = time.perf_counter()
    say(f"model {loaded - began:.1f} s, {len(store)} passages indexed in {indexed - loaded:.1f} s")
    chain = rag_chain(store, llm, 4)
    for question in _DEMO_QUESTIONS:
        if not arguments.json:
            print(f"\n質問: {question}\n回答: ", end="")
        _answer(chain, question, arguments.json)
    say(f"total {time.perf_counter() - began:.1f} s")
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
    counter = counter_of(arguments.tokenizer)
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
        say(f"{files} files, {len(store)} passages → {arguments.output}")
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
        say(f"{passages} passages → {arguments.output}")
    return 0


def _take_over(arguments: argparse.Namespace) -> None:
    """Convert a folder of LangChain's FAISS."""
    from langchain_swallow.retrieval.migration import convert_langchain_faiss

    if not arguments.embeddings:
        raise ValueError("Pass --embeddings, the encoder that LangChain's index was made with.")
    embeddings = load_encoder(arguments.embeddings, arguments)
    convert_langchain_faiss(arguments.folder, embeddings, path=arguments.output, progress=True)


def _rewrite(folder: Path, output: Path) -> None:
    """Convert an index of an earlier version, and say what of it changed."""
    from langchain_swallow.retrieval.index.manifest import read_manifest
    from langchain_swallow.retrieval.migration import rewrite_index

    before = read_manifest(folder)
    rewrite_index(folder, output)
    kinds = [" + ".join(s.kind for s in m.segments) for m in (before, read_manifest(output))]
    say(f"segments: {kinds[0]} → {kinds[1]}")


def _sync(arguments: argparse.Namespace) -> int:
    from langchain_swallow.documents.split import JapaneseTextSplitter
    from langchain_swallow.retrieval.sync import sync_folder

    _check_output(arguments.index)
    store = open_store(arguments.index, choose_embeddings(arguments), arguments)
    splitter = JapaneseTextSplitter(arguments.chunk_tokens, counter_of(arguments.tokenizer))
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
        say(f"{summary} → {arguments.index}, {len(store)} passages")
    return 1 if summary.failed else 0


def _ask(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.rag import create_rag_chain

    store = load_store(arguments.index, arguments)
    llm = ChatSwallow(model=arguments.model, max_tokens=arguments.max_tokens, **running(arguments))
    # Not in the time of the answer.
    llm.load()
    chain = create_rag_chain(llm, retriever_of(arguments, store, llm))
    _answer(chain, arguments.question, arguments.json)
    return 0


def _answer(chain: "Runnable[Any, Answer]", question: str, as_json: bool) -> None:
    """Stream an answer to stdout, then its sources; timings go to stderr."""
    from langchain_swallow.rag import Answer

    began = time.perf_counter()
    first: float | None = None
    answer = Answer()
    for piece in chain.stream(question):
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
    say(f"  first token {first or total:.2f} s, total {total:.2f} s")
