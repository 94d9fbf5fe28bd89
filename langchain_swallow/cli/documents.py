"""`langchain-swallow index | sync | convert`: documents into an index."""

import argparse
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import (
    add_counter,
    add_embeddings,
    add_index,
    add_json,
    add_output,
    add_permissions,
    add_reading,
    build_store,
    open_store,
    print_json,
    refuse_losses,
    say_unread,
    token_counter,
)
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings, load_encoder
from langchain_swallow.cli.error_texts import error_text
from langchain_swallow.cli.parsers import CommandError, add_command, say
from langchain_swallow.cli.progress import add_verbose, shows_bars

if TYPE_CHECKING:
    from langchain_swallow.retrieval.sync import SyncSummary

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
    "regrouped": "権限を変更",
}


def add_parsers(commands: Any) -> None:
    """Add the commands to the subparsers."""
    _add_index(commands)
    _add_sync(commands)
    _add_convert(commands)


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
    add_reading(index)
    add_json(index)
    add_verbose(index)
    add_counter(index)
    add_permissions(index)
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
        "--yes",
        "--allow-deletions",
        dest="allow_deletions",
        action="store_true",
        help=in_language(
            "大半のファイルが消えていても、確認せずに索引から削除する",
            "Delete what is gone without asking, even if that is most of the files",
        ),
    )
    add_reading(sync)
    add_index(sync)
    add_embeddings(sync)
    add_json(sync)
    add_verbose(sync)
    add_counter(sync)
    add_permissions(sync)
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
    from langchain_swallow.errors import MassDeletionError
    from langchain_swallow.retrieval.sync import sync_folder

    _check_output(arguments.index)
    store = open_store(arguments.index, choose_embeddings(arguments), arguments)
    splitter = JapaneseTextSplitter(arguments.chunk_tokens, token_counter(arguments.tokenizer))
    sync = functools.partial(
        sync_folder,
        store,
        arguments.documents,
        splitter=splitter,
        reread=arguments.reread,
        ocr=arguments.ocr,
        posix_groups=arguments.posix_groups,
        progress=shows_bars(arguments),
    )
    try:
        summary = sync(allow_mass_deletion=arguments.allow_deletions)
    except MassDeletionError as error:
        if not _confirms(error):
            raise
        summary = sync(allow_mass_deletion=True)
    unread = summary.failed, summary.ignored, summary.left_out
    say_unread(*unread)
    if arguments.json:
        print_json(summary.as_dict())
    else:
        chunks = in_language(f"{len(store)} 個のチャンク", f"{len(store)} chunks")
        say(f"{in_language(_in_japanese(summary), str(summary))} → {arguments.index}, {chunks}")
    if arguments.strict:
        refuse_losses(*unread)
    return 1 if summary.failed else 0


def _confirms(error: Exception) -> bool:
    """Ask a person whether to delete the chunks of files that are gone; a script cannot answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(error_text(error))
    question = in_language("索引から削除しますか。[y/N] ", "Delete them from the index? [y/N] ")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "はい")


def _in_japanese(summary: "SyncSummary") -> str:
    counts = {name: len(value) for name, value in summary.as_dict().items()}
    listed = [f"{_JAPANESE[name]} {count}" for name, count in counts.items() if count]
    return "、".join(listed) or "変更なし"
