"""What the commands share: arguments, stores and chains made from them, messages to stderr."""

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.encoders import load_encoder
from langchain_swallow.cli.numbers import at_least
from langchain_swallow.cli.parsers import Command, CommandError, say
from langchain_swallow.cli.progress import shows_bars
from langchain_swallow.retrieval.fusion_weights import LEXICAL_WEIGHT
from langchain_swallow.text.json_text import json_text
from langchain_swallow.text.paths import readable_path

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_swallow.documents.readers.section import LeftOut
    from langchain_swallow.rag import Answer
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS


class Repeated(argparse.Action):
    """As `"append"`, but the command line replaces what is set elsewhere."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, value: Any, option_string: Any = None
    ) -> None:
        """Another value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [value] if before is self.default else [*before, value])


class Renamed(argparse.Action):
    """An option that has another name now, which its error says.

    Args:
        now: The option to use.
    """

    def __init__(self, *, now: str, **options: Any) -> None:
        super().__init__(**options, help=argparse.SUPPRESS)
        self.now = now

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Wrong usage."""
        old = self.option_strings[0]
        parser.error(
            in_language(
                f"このコマンドに {old} はありません。{self.now} を使ってください。",
                f"{old} is not an option of this command. Use {self.now}.",
            )
        )


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`, for programs that read the output."""
    parser.add_argument(
        "--json", action="store_true", help=in_language("JSON で出力する", "Print JSON")
    )


def print_json(data: Any, **options: Any) -> None:
    """JSON to stdout: as it is read, in an encoding that has all characters, else escaped."""
    has_all = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json_text(data, **options) if has_all else json.dumps(data, **options))


def print_all_characters() -> None:
    """Write a character that the output's encoding has not as its code, instead of failing.

    Of Japanese Windows, a file or a pipe is in cp932, which has no —, no é and no 𠮷.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def add_index(parser: argparse.ArgumentParser) -> None:
    """`--index`, of commands that need one."""
    parser.add_argument(
        "-i",
        "--index",
        type=Path,
        required=True,
        metavar="INDEX",
        help=in_language("index か sync で作った索引", "Index made by `index` or `sync`"),
    )


def add_output(parser: argparse.ArgumentParser, metavar: str, about: str) -> None:
    """`--output`, of commands that write an index or a folder."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=about)


def add_embeddings(parser: Any) -> None:
    """`--embeddings`, of commands that make an index where there is none."""
    parser.add_argument(
        "--embeddings",
        metavar="MODEL",
        help=in_language(
            "新しい索引の埋め込みモデル（デフォルト: GPU では ruri-v3-310m、CPU では ruri-v3-30m、"
            "デモモデルでは demo）",
            "Embedding model of a new index (default: ruri-v3-310m on a GPU, ruri-v3-30m on a CPU, "
            "demo with the demo model)",
        ),
    )


def add_counter(parser: Command) -> None:
    """`--chunk-tokens` and `--tokenizer` of commands that cut documents."""
    group = parser.add_further(in_language("チャンク", "Chunks"))
    group.add_argument(
        "--chunk-tokens",
        type=at_least(1),
        metavar="N",
        default=300,
        help=in_language("チャンクの最大トークン数", "Maximum length of a chunk in tokens"),
    )
    group.add_argument(
        "--tokenizer",
        metavar="MODEL",
        help=in_language(
            "トークンを数えるトークナイザーのモデル。重みは読み込まない（デフォルト: 見積もり）",
            "Model whose tokenizer counts the tokens; its weights are not loaded (default: an "
            "estimate)",
        ),
    )
    # As they were called before 0.2; to be removed with 1.0.
    parser.add_argument("--max-tokens", action=Renamed, now="--chunk-tokens")
    parser.add_argument("--model", action=Renamed, now="--tokenizer")


def add_permissions(parser: Command) -> None:
    """`--posix-groups` of commands that read documents into an index."""
    group = parser.add_further(in_language("権限", "Permissions"))
    group.add_argument(
        "--posix-groups",
        action="store_true",
        help=in_language(
            "規則（.access.toml）のないファイルのグループを、OS の読む権限から決める（Linux）",
            "Give files without rules (.access.toml) to the groups of the operating system that "
            "may read them (Linux)",
        ),
    )


def show_sources(answer: "Answer") -> None:
    """Where the cited passages are; after a refusal, where those are that were found."""
    from langchain_swallow.rag.citation import document_place, found_note, note

    for citation in answer.citations:
        print(f"  [{citation.number}] {citation.place}{note(citation)}")
    if answer.refused and answer.documents:
        print(f"  {found_note()}:")
        for document in answer.documents:
            print(f"    {document_place(document)}")


def say_unread(
    failed: Mapping[str, str],
    ignored: Sequence[str],
    left_out: Mapping[str, Sequence["LeftOut"]],
) -> None:
    """Which files, and which parts of files, are not in the index, and why."""
    from langchain_swallow.documents.readers.section import describe_left_out
    from langchain_swallow.documents.reasons import in_readers_language

    for source, reason in failed.items():
        name, why = readable_path(source), in_readers_language(reason)
        say(in_language(f"読めなかったファイル: {name}\n  {why}", f"not read: {name}: {why}"))
    if ignored:
        bare = in_language("拡張子なし", "without extension")
        counts = Counter(Path(name).suffix.lower() or bare for name in ignored)
        listed = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
        say(
            in_language("対応していない形式のファイル", "skipped, unsupported formats")
            + f": {listed}"
        )
    for source, parts in left_out.items():
        name = readable_path(source)
        what = "; ".join(map(in_readers_language, describe_left_out(parts)))
        say(in_language(f"{name} のうち読まなかった部分:\n  {what}", f"left out of {name}: {what}"))


def add_ocr(parser: Any) -> None:
    """`--ocr`, of commands that read documents."""
    parser.add_argument(
        "--ocr",
        action="store_true",
        help=in_language(
            "スキャンしたページと画像の文字を Tesseract で読む（エクストラ ocr が必要）",
            "Recognize the text of scanned pages and images with Tesseract (needs the extra ocr)",
        ),
    )


def add_reading(parser: Command) -> None:
    """`--ocr` and `--strict`, of commands that read documents."""
    group = parser.add_further(in_language("読み取り", "Reading"))
    add_ocr(group)
    group.add_argument(
        "--strict",
        action="store_true",
        help=in_language(
            "読めない部分や文書が一つでもあれば、エラーにする（終了コード 1）",
            "Fail (exit code 1) if any document or part of one could not be read",
        ),
    )


def refuse_losses(
    failed: Mapping[str, str], ignored: Sequence[str], left_out: Mapping[str, Sequence["LeftOut"]]
) -> None:
    """Raise if text may be missing; `say_unread` has said what."""
    from langchain_swallow.documents.losses import losses

    if count := len(failed) + len(list(losses(left_out, ignored))):
        raise CommandError(
            in_language(
                f"--strict: 上に示した {count} 件を読めませんでした。文書を直すか移すか、"
                "--strict を外してください。",
                f"--strict: {count} documents or parts above could not be read. Mend or move "
                "them, or leave out --strict.",
            )
        )


def build_store(
    paths: list[Path],
    embeddings: str | None,
    chunk_tokens: int,
    counter: Any,
    on_error: Any,
    arguments: argparse.Namespace,
) -> "SwallowFAISS":
    """Documents read, split and embedded."""
    from langchain_swallow.documents.load import load_documents
    from langchain_swallow.documents.split import JapaneseTextSplitter
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

    places = ", ".join(map(str, paths))
    bars = shows_bars(arguments)
    if not bars:
        say(in_language(f"{places} の文書を読みます。", f"Reading the documents in {places}."))
    documents = load_documents(
        paths,
        on_error=on_error,
        ocr=getattr(arguments, "ocr", False),
        posix_groups=getattr(arguments, "posix_groups", False),
        progress=bars,
    )
    unread = documents.failed, documents.ignored, documents.left_out
    say_unread(*unread)
    if getattr(arguments, "strict", False):
        refuse_losses(*unread)
    chunks = JapaneseTextSplitter(chunk_tokens, counter).split_documents(documents)
    if not chunks:
        raise CommandError(
            in_language(
                f"{places} に読める文書がありません。文書を指定してください。",
                f"No readable documents in {places}. Name a folder or files with documents.",
            )
        )
    encoder = load_encoder(embeddings, arguments)
    if not bars:
        count, model = len(chunks), encoder.model
        say(
            in_language(
                f"{count} 個のチャンクを {model} で埋め込みます。",
                f"Embedding {count} chunks with {model}.",
            )
        )
    return SwallowFAISS.from_documents(chunks, encoder, progress=bars)


def token_counter(tokenizer: str | None) -> Any:
    """How tokens are counted: by a model's tokenizer, or estimated."""
    if tokenizer is None:
        return None
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow

    return ChatSwallow(model=tokenizer).get_num_tokens


def open_store(
    index: Path, embeddings: str | None, arguments: argparse.Namespace | None = None
) -> "SwallowFAISS":
    """A store that keeps its changes in a folder; a new one is made with this encoder."""
    from langchain_swallow.retrieval.index.manifest import NAME, read_manifest
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

    if (index / NAME).exists():
        embeddings = read_manifest(index).embedding.get("model", embeddings)
    return SwallowFAISS(load_encoder(embeddings, arguments), path=index)


def load_store(index: Path, arguments: argparse.Namespace | None = None) -> "SwallowFAISS":
    """A saved index, with the encoder it was made with; on a server if the arguments name one."""
    from langchain_swallow.retrieval.index.manifest import read_manifest
    from langchain_swallow.retrieval.vectorstore import SwallowFAISS

    made_with = read_manifest(index).embedding
    return SwallowFAISS.load_local(index, load_encoder(made_with.get("model", ""), arguments))


def rag_chain(
    store: "SwallowFAISS",
    llm: Any,
    k: int,
    *,
    lexical_weight: float = LEXICAL_WEIGHT,
    preset: str = "質問応答",
) -> "Runnable[Any, Answer]":
    """The chain with hybrid retrieval over a store."""
    from langchain_swallow.rag import create_rag_chain
    from langchain_swallow.retrieval.hybrid import HybridRetriever

    retriever = HybridRetriever(store=store, k=k, lexical_weight=lexical_weight)
    return create_rag_chain(llm, retriever, preset=preset)
