"""`langchain-swallow backup`: copy an index that is in use, and put the copy back."""

import argparse
from pathlib import Path
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_index, add_json, print_json
from langchain_swallow.cli.parsers import add_command, say


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    backup = add_command(
        commands,
        "backup",
        in_language("使用中の索引をバックアップする、戻す", "Back up or restore an index in use"),
        in_language(
            "一つの時点の索引を写し、チェックサムを確かめる。sync や serve を止める必要はない。",
            "Copies one state of the index and verifies its checksums. sync and serve need not "
            "stop.",
        ),
        (
            "langchain-swallow backup -i index -o backups/2026-12-01",
            "langchain-swallow backup -i index --restore backups/2026-12-01",
        ),
    )
    add_index(backup)
    direction = backup.add_mutually_exclusive_group(required=True)
    direction.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help=in_language("書き出す新しいフォルダー", "New folder to write"),
    )
    direction.add_argument(
        "--restore",
        type=Path,
        metavar="DIR",
        help=in_language(
            "このバックアップで今の索引を置き換える", "Replace the current index by this backup"
        ),
    )
    add_json(backup)
    backup.set_defaults(command=_backup)


def _backup(arguments: argparse.Namespace) -> int:
    from langchain_swallow.retrieval.index.backup import back_up, restore

    if arguments.restore is not None:
        manifest, folder = restore(arguments.restore, arguments.index), arguments.index
    else:
        manifest, folder = back_up(arguments.index, arguments.output), arguments.output
    size = sum(file.bytes for s in manifest.segments for file in s.files.values())
    if arguments.json:
        print_json({"index": str(folder), "passages": manifest.documents, "bytes": size})
        return 0
    mib = f"{size / 2**20:.1f} MiB"
    say(
        in_language(
            f"{manifest.documents} 個のチャンク、{mib} → {folder}",
            f"{manifest.documents} chunks, {mib} → {folder}",
        )
    )
    return 0
