"""`langchain-swallow models | demo | index | ask | chat | bench`.

Answers go to stdout, everything else to stderr. Exit codes: 0, 1 for an error, 2 for wrong usage.
"""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._version import __version__

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_swallow.catalog import ModelInfo
    from langchain_swallow.rag import Answer
    from langchain_swallow.vectorstores import SwallowFAISS

_DEFAULT_MODEL = "tokyotech-llm/Swallow-7b-instruct-v0.1"
_DEMO_DOCUMENTS = Path(__file__).parents[1] / "examples" / "documents"
_DEMO_QUESTIONS = (
    "試用期間はどのくらいですか。",
    "取引先との飲食は1人いくらまでですか。",
    "加湿器の表示部にE2が出たら何が起きていますか。",
    "社員食堂のカレーはいくらですか。",
    "社員旅行の行き先はどこですか。",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        from langchain_swallow.errors import SwallowError

        if not isinstance(error, SwallowError | OSError | ValueError):
            raise
        print(f"langchain-swallow: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="langchain-swallow",
        description="Swallow language models and Japanese RAG. / Swallowと日本語RAG。",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list checkpoints, and which fit / モデル一覧")
    models.add_argument("--json", action="store_true", help="print JSON")
    models.set_defaults(command=_models)

    demo = commands.add_parser("demo", help="answer five questions, no hub needed / デモを動かす")
    demo.add_argument("--documents", type=Path, default=_DEMO_DOCUMENTS, metavar="DIR")
    _add_model(demo, default="demo")
    demo.set_defaults(command=_demo)

    index = commands.add_parser("index", help="index a folder of documents / 文書の索引を作る")
    index.add_argument("documents", type=Path, nargs="+", metavar="DIR", help="folders or files")
    index.add_argument("-o", "--output", type=Path, required=True, metavar="INDEX")
    index.add_argument(
        "--embeddings", default="demo", help="sentence-transformers model, or demo (default)"
    )
    index.add_argument("--max-tokens", type=int, default=300, help="tokens of a chunk (300)")
    index.add_argument("--skip-errors", action="store_true", help="go on after unreadable files")
    _add_model(index, default=None)
    index.set_defaults(command=_index)

    ask = commands.add_parser("ask", help="answer a question from an index / 索引に質問する")
    ask.add_argument("-i", "--index", type=Path, required=True, metavar="INDEX")
    ask.add_argument("question", metavar="QUESTION")
    _add_retrieval(ask)
    _add_model(ask)
    ask.set_defaults(command=_ask)

    chat = commands.add_parser("chat", help="chat, with or without an index / 対話する")
    chat.add_argument("-i", "--index", type=Path, metavar="INDEX", help="answer from documents")
    _add_retrieval(chat)
    _add_model(chat)
    chat.set_defaults(command=_chat)

    bench = commands.add_parser("bench", help="how fast a model is here / 速さを測る")
    bench.add_argument("--engine", default="auto", help="auto, transformers, vllm or server")
    bench.add_argument("--base-url", action="append", help="of a server; may be repeated")
    bench.add_argument("--dtype", default="auto", help="auto, bfloat16, float16 or float32")
    bench.add_argument(
        "--against", choices=("chathuggingface", "vllm"), help="a peer to run beside"
    )
    bench.add_argument("--prompts", type=int, default=16, help="prompts of the batch (16)")
    bench.add_argument("--tokens", type=int, default=32, help="tokens of an answer (32)")
    bench.add_argument("--output", type=Path, metavar="FILE", help="write the figures as JSON")
    bench.add_argument("--plot", type=Path, metavar="FILE", help="write a PNG or SVG (matplotlib)")
    _add_model(bench)
    bench.set_defaults(command=_bench)
    return parser


def _add_model(parser: argparse.ArgumentParser, default: str | None = "") -> None:
    chosen = os.environ.get("SWALLOW_MODEL", _DEFAULT_MODEL) if default == "" else default
    parser.add_argument("--model", default=chosen, help=f"checkpoint, folder or demo ({chosen})")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_retrieval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", type=int, default=4, help="passages to show the model (4)")
    parser.add_argument("--max-tokens", type=int, default=256, help="tokens of an answer (256)")


# models


def _models(arguments: argparse.Namespace) -> int:
    from langchain_swallow.catalog import list_models
    from langchain_swallow.engines.devices import choose_device, free_gib

    device = choose_device(None)
    free = free_gib(device)
    rows = [{**info.as_dict(), "fits_here": _fitting(info, device, free)} for info in list_models()]
    if arguments.json:
        machine = {"device": device, "memory_gib": round(free, 1)}
        print(json.dumps({"machine": machine, "models": rows}, ensure_ascii=False, indent=2))
        return 0
    print(f"{'model':<41}{'params':>8}{'bf16':>8}{'8bit':>7}{'4bit':>7}{'KV/1k':>7}  fits here")
    for row in rows:
        memory = row["memory_gib"]
        print(
            f"{row['repo_id'].split('/')[1]:<41}{row['parameters'] / 1e9:>7.1f}B"
            f"{memory['bf16']:>8.1f}{memory['8bit']:>7.1f}{memory['4bit']:>7.1f}"
            f"{memory['kv_cache_per_1000_tokens']:>7.2f}  {', '.join(row['fits_here']) or '-'}"
        )
    print(f"memory in GiB; this machine: {device}, {free:.1f} GiB", file=sys.stderr)
    return 0


def _fitting(info: "ModelInfo", device: str, free_gib: float) -> list[str]:
    """Precisions at which weights, and keys and values of 1,000 tokens, fit on the device."""
    from langchain_swallow.engines.devices import choose_dtype

    cache = info.kv_cache_gib_per_1000_tokens
    dtype = choose_dtype("auto", device)
    sizes = {str(dtype).removeprefix("torch."): info.weights_gib(16) * dtype.itemsize / 2}
    if device.startswith("cuda"):
        sizes |= {"8bit": info.weights_gib(8), "4bit": info.weights_gib(4)}
    return [name for name, size in sizes.items() if size + cache <= free_gib]


# demo, index, ask, chat


def _demo(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models import ChatSwallow

    if not arguments.documents.is_dir():
        raise FileNotFoundError(
            f"{arguments.documents} does not exist. Run the demo in a checkout of the "
            "repository, or name a folder with --documents."
        )
    began = time.perf_counter()
    llm = ChatSwallow(model=arguments.model, max_tokens=64)
    llm.load()
    loaded = time.perf_counter()
    store = _build([arguments.documents], "demo", 300, llm.get_num_tokens, "raise")
    indexed = time.perf_counter()
    _say(f"model {loaded - began:.1f} s, {len(store)} passages indexed in {indexed - loaded:.1f} s")
    chain = _rag_chain(store, llm, 4)
    for question in _DEMO_QUESTIONS:
        if not arguments.json:
            print(f"\n質問: {question}\n回答: ", end="")
        _answer(chain, question, arguments.json)
    _say(f"total {time.perf_counter() - began:.1f} s")
    return 0


def _index(arguments: argparse.Namespace) -> int:
    counter = None
    if arguments.model is not None:
        from langchain_swallow.chat_models import ChatSwallow

        counter = ChatSwallow(model=arguments.model).get_num_tokens
    on_error = "skip" if arguments.skip_errors else "raise"
    store = _build(
        arguments.documents, arguments.embeddings, arguments.max_tokens, counter, on_error
    )
    store.save_local(arguments.output)
    sources = {document.metadata["source"] for document in store.documents}
    if arguments.json:
        print(json.dumps({"index": str(arguments.output), "passages": len(store),
                          "files": len(sources)}, ensure_ascii=False))  # fmt: skip
    else:
        _say(f"{len(sources)} files, {len(store)} passages → {arguments.output}")
    return 0


def _ask(arguments: argparse.Namespace) -> int:
    _answer(_chain_of(arguments), arguments.question, arguments.json)
    return 0


def _chat(arguments: argparse.Namespace) -> int:
    from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

    history: list[BaseMessage] = []
    if arguments.index:
        chain = _chain_of(arguments)

        def ask(question: str) -> None:
            answer = _answer(chain, question, arguments.json, history)
            history.extend([HumanMessage(answer.question), AIMessage(answer.text)])

        return _converse(ask)
    from langchain_swallow.chat_models import ChatSwallow

    llm = ChatSwallow(
        model=arguments.model, max_tokens=arguments.max_tokens, on_overflow="drop_oldest"
    )
    llm.load()

    def turn(question: str) -> None:
        history.append(HumanMessage(question))
        parts: list[str] = []
        try:
            for chunk in llm.stream(history):
                parts.append(str(chunk.text))
                if not arguments.json:
                    print(parts[-1], end="", flush=True)
        finally:
            # An answer that was stopped is what the user saw; the next turn refers to it.
            history.append(AIMessage("".join(parts)))
            print(
                json.dumps({"answer": "".join(parts)}, ensure_ascii=False) if arguments.json else ""
            )

    return _converse(turn)


def _converse(turn: Callable[[str], Any]) -> int:
    """Read questions until the end of input; Ctrl-C stops an answer, not the program."""
    interactive = sys.stdin.isatty()
    if interactive:
        _say("Ctrl-C: 回答を止める、Ctrl-D: 終わる")
    while True:
        try:
            question = input("> " if interactive else "").strip()
        except EOFError:
            return 0
        except KeyboardInterrupt:
            _say("")
            continue
        if question:
            try:
                turn(question)
            except KeyboardInterrupt:
                _say("（中断しました）")


def _answer(
    chain: "Runnable[Any, Answer]", question: str, as_json: bool, history: Sequence[Any] = ()
) -> "Answer":
    """Stream an answer to stdout, then its sources; timings go to stderr."""
    from langchain_swallow.rag import Answer

    began = time.perf_counter()
    first: float | None = None
    answer = Answer()
    for piece in chain.stream({"question": question, "history": history}):
        answer += piece
        if piece.text and first is None:
            first = time.perf_counter() - began
        if not as_json:
            print(piece.text, end="", flush=True)
    total = time.perf_counter() - began
    if as_json:
        timings = {"first_token_s": first, "total_s": total}
        print(json.dumps({**answer.as_dict(), **timings}, ensure_ascii=False))
        return answer
    print()
    for citation in answer.citations:
        metadata = citation.document.metadata
        place = [metadata.get("headings"), f"{metadata['page']}頁" if "page" in metadata else None]
        name = Path(str(metadata.get("source", ""))).name
        mark = "" if citation.verified else "（未確認）"
        print(f"  [{citation.number}] {' '.join(filter(None, [name, *place]))}{mark}")
    _say(f"  first token {first or total:.2f} s, total {total:.2f} s")
    return answer


# What the commands share


def _build(
    paths: list[Path], embeddings: str, max_tokens: int, counter: Any, on_error: Any
) -> "SwallowFAISS":
    from langchain_swallow.documents import JapaneseTextSplitter, load_documents
    from langchain_swallow.embeddings import SwallowEmbeddings
    from langchain_swallow.vectorstores import SwallowFAISS

    documents = load_documents(paths, on_error=on_error, progress=True)
    chunks = JapaneseTextSplitter(max_tokens, counter).split_documents(documents)
    if not chunks:
        raise ValueError(f"No readable documents in {', '.join(map(str, paths))}.")
    return SwallowFAISS.from_documents(chunks, SwallowEmbeddings(embeddings), progress=True)


def _chain_of(arguments: argparse.Namespace) -> "Runnable[Any, Answer]":
    from langchain_swallow.chat_models import ChatSwallow
    from langchain_swallow.embeddings import SwallowEmbeddings
    from langchain_swallow.index_folder import read_manifest
    from langchain_swallow.vectorstores import SwallowFAISS

    made_with = read_manifest(arguments.index)["embedding"]
    store = SwallowFAISS.load_local(arguments.index, SwallowEmbeddings(made_with.get("model", "")))
    llm = ChatSwallow(model=arguments.model, max_tokens=arguments.max_tokens)
    return _rag_chain(store, llm, arguments.k)


def _rag_chain(store: "SwallowFAISS", llm: Any, k: int) -> "Runnable[Any, Answer]":
    from langchain_swallow.rag import create_rag_chain
    from langchain_swallow.retrievers import HybridRetriever

    return create_rag_chain(llm, HybridRetriever(store=store, k=k))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


# bench


def _bench(arguments: argparse.Namespace) -> int:
    from langchain_swallow import benchmark
    from langchain_swallow.chat_models import ChatSwallow

    sizes = benchmark.Sizes(prompts=arguments.prompts, tokens=arguments.tokens)
    common = {"model": arguments.model, "dtype": arguments.dtype, "max_tokens": arguments.tokens}
    llm = ChatSwallow(engine=arguments.engine, base_url=arguments.base_url, **common)
    count = llm.get_num_tokens
    name = f"ChatSwallow ({llm.load().name})"
    figures = [benchmark.measure(name, llm, sizes, count)]
    if arguments.against == "vllm":
        llm.unload()
        peer = ChatSwallow(engine="vllm", **common)
        figures.append(benchmark.measure("vLLM", peer, sizes, peer.get_num_tokens))
    elif arguments.against:
        other = benchmark.chathuggingface(_folder(arguments.model), sizes.tokens, arguments.dtype)
        figures.append(benchmark.measure("ChatHuggingFace", other, sizes, count))
    about = {"model": arguments.model, "sizes": asdict(sizes), "command": shlex.join(sys.argv)}
    if arguments.output:
        benchmark.write_json(arguments.output, figures, about)
    if arguments.plot:
        benchmark.plot(arguments.plot, figures)
    if arguments.json:
        print(json.dumps([asdict(f) for f in figures], ensure_ascii=False))
    else:
        print(benchmark.table(figures))
    return 0


def _folder(model: str) -> str:
    """What transformers loads for a model's name."""
    from langchain_swallow.catalog import DEMO, chat_model_info
    from langchain_swallow.engines.demo import demo_model_folder

    if model == DEMO:
        return str(demo_model_folder())
    info = chat_model_info(model)
    return info.repo_id if info else model


if __name__ == "__main__":
    sys.exit(main())
