"""`langchain-swallow serve`: a chat page and an API over an index."""

import argparse
from pathlib import Path
from typing import Any

from langchain_swallow.cli.common import (
    add_embeddings,
    add_index,
    examples,
    open_store,
    say,
)
from langchain_swallow.cli.encoders import choose_embeddings
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.cli.running import add_model, add_running, running


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    serve = commands.add_parser(
        "serve",
        help="a chat page over an index / 索引に聞くチャットページ",
        description="このマシンで使うチャットページと API。ほかのマシンから使うには、--host と"
        "トークン（SWALLOW_TOKEN か --token）が要る。\n"
        "A chat page and an API for this machine. Others are let in by --host with a token,\n"
        "from SWALLOW_TOKEN or --token.",
        **examples(
            "langchain-swallow serve -i 索引 --model demo",
            "SWALLOW_TOKEN=… langchain-swallow serve -i 索引 --host 0.0.0.0",
            "langchain-swallow serve -i 索引 --base-url http://gpu:8000/v1",
        ),
    )
    add_index(serve)
    add_embeddings(serve)
    serve.add_argument(
        "--host", default="127.0.0.1", help="待ち受けるアドレス / address to listen on (127.0.0.1)"
    )
    serve.add_argument(
        "--port", type=_port, default=7860, help="待ち受けるポート / port to listen on (7860)"
    )
    serve.add_argument("--token", help="使う人が示すトークン / what users must show")
    serve.add_argument(
        "--api", action="store_true", help="ページなしで API だけ / the API alone, without the page"
    )
    serve.add_argument(
        "--shared-uploads",
        action="store_true",
        help="全員の索引への追加を許す / users may add to everyone's index",
    )
    serve.add_argument(
        "--max-files",
        type=at_least(1),
        default=20,
        help="一つの会話に追加できるファイルの数 / uploads of a session (20)",
    )
    serve.add_argument(
        "--max-file-mb",
        type=between(0.001),
        default=20.0,
        help="その大きさ / size of one, MiB (20)",
    )
    serve.add_argument(
        "--feedback", type=Path, metavar="FILE", help="評価を書くファイル / JSON lines of ratings"
    )
    serve.add_argument(
        "--grace-s",
        type=between(0),
        default=5.0,
        help="止めるときに回答の終わりを待つ秒数 / seconds that answers may go on at a stop (5)",
    )
    serve.add_argument(
        "--forwarded-allow-ips",
        nargs="+",
        default=[],
        metavar="IP",
        help="X-Forwarded-* を信じるプロキシ / proxies whose X-Forwarded-* headers are believed",
    )
    add_model(serve)
    add_running(serve)
    serve.set_defaults(command=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from langchain_swallow.serving.app import listen, serve
        from langchain_swallow.serving.assistant import Assistant
        from langchain_swallow.serving.proxies import Proxies
        from langchain_swallow.serving.uploads import Limits
    except ImportError as error:
        from langchain_swallow.errors import MissingDependencyError

        raise MissingDependencyError(
            f"The chat page needs {error.name}, which is not installed. "
            "Install it using `pip install langchain-swallow[serve]`."
        ) from error
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.retrieval.index.manifest import read_manifest

    Proxies(arguments.forwarded_allow_ips)
    with listen(arguments.host, arguments.port, token=arguments.token) as listening:
        # Mistyped, it would be a new and empty index, and every answer a refusal.
        read_manifest(arguments.index)
        llm = ChatSwallow(model=arguments.model, **running(arguments))
        llm.load()
        store = open_store(arguments.index, choose_embeddings(arguments), arguments)
        assistant = Assistant(
            llm,
            store,
            limits=Limits(arguments.max_files, arguments.max_file_mb),
            shared_uploads=arguments.shared_uploads,
            feedback=arguments.feedback,
        )
        say(f"{len(store)} passages; {_address(listening.getsockname())} (Ctrl-C: 終わる)")
        serve(
            assistant,
            listening,
            page=not arguments.api,
            token=arguments.token,
            proxies=arguments.forwarded_allow_ips,
            grace_s=arguments.grace_s,
        )
    return 0


def _address(name: tuple[Any, ...]) -> str:
    """Where the page is; of port 0 only the socket's name says what became of it."""
    host, port = name[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _port(text: str) -> int:
    port = between(0, 65535)(text)
    if not port.is_integer():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")
    return int(port)
