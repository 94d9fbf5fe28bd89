"""`langchain-swallow backup | restore`: copy an index that is in use."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_index, add_json, add_output, print_json
from langchain_swallow.cli.parsers import add_command, say

if TYPE_CHECKING:
    from langchain_swallow.retrieval.index.manifest import Manifest


def add_parsers(commands: Any) -> None:
    """Add the commands to the subparsers."""
    backup = add_command(
        commands,
        "backup",
        in_language("使用中の索引をバックアップする", "Back up an index that is in use"),
        in_language(
            "一つの時点の索引を新しいフォルダーに写し、チェックサムを確かめる。sync や serve を"
            "止める必要はない。",
            "Copies one state of the index to a new folder and verifies its checksums. sync and "
            "serve need not stop.",
        ),
        ["langchain-swallow backup -i index -o backups/2026-12-01"],
    )
    add_index(backup)
    add_output(backup, "DIR", in_language("書き出す新しいフォルダー", "New folder to write"))
    add_json(backup)
    backup.set_defaults(command=_backup)
    restore = add_command(
        commands,
        "restore",
        in_language("索引をバックアップに戻す", "Restore an index from a backup"),
        in_language(
            "今の索引は置き換えられる。serve を止める必要はなく、次の質問から使われる。",
            "Replaces the current index. serve need not stop: the next question uses the backup.",
        ),
        ["langchain-swallow restore backups/2026-12-01 -i index"],
    )
    restore.add_argument(
        "backup",
        type=Path,
        metavar="DIR",
        help=in_language("backup が書いたフォルダー", "Folder that `backup` wrote"),
    )
    add_index(restore)
    add_json(restore)
    restore.set_defaults(command=_restore)


def _backup(arguments: argparse.Namespace) -> int:
    from langchain_swallow.retrieval.index.backup import back_up

    manifest = back_up(arguments.index, arguments.output)
    return _report(manifest, arguments.output, arguments)


def _restore(arguments: argparse.Namespace) -> int:
    from langchain_swallow.retrieval.index.backup import restore

    manifest = restore(arguments.backup, arguments.index)
    return _report(manifest, arguments.index, arguments)


def _report(manifest: "Manifest", folder: Path, arguments: argparse.Namespace) -> int:
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
