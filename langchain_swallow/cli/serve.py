"""`langchain-swallow serve`: a chat page and an API over an index."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_embeddings, add_index, add_ocr, open_store
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings
from langchain_swallow.cli.model_options import add_model, add_running, choose_model, model_kwargs
from langchain_swallow.cli.numbers import at_least, between
from langchain_swallow.cli.parsers import Command, add_command, say
from langchain_swallow.cli.people import add_people, load_people, warn_of_groups
from langchain_swallow.cli.progress import add_verbose, load_model

if TYPE_CHECKING:
    from langchain_swallow.serving.tracing import Tracing


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    serve = add_command(
        commands,
        "serve",
        in_language(
            "索引に質問するチャットページと API", "Serve a chat page and an API over an index"
        ),
        in_language(
            "ほかのマシンから使うには、--host とトークン（--token か SWALLOW_TOKEN）を指定する。",
            "To let other machines in, set --host and a token (--token or SWALLOW_TOKEN).",
        ),
        (
            "langchain-swallow serve -i index --model demo",
            "SWALLOW_TOKEN=… langchain-swallow serve -i index --host 0.0.0.0",
            "langchain-swallow serve -i index --base-url http://gpu:8000/v1",
        ),
    )
    add_index(serve)
    add_model(serve)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help=in_language("待ち受けるアドレス", "Address to listen on"),
    )
    serve.add_argument(
        "--port",
        type=_port,
        default=7860,
        help=in_language("待ち受けるポート", "Port to listen on"),
    )
    serve.add_argument(
        "--token",
        help=in_language("クライアントに求めるトークン", "Token that clients must present"),
    )
    serve.add_argument(
        "--api",
        action="store_true",
        help=in_language("ページなしで API だけ", "The API only, without the page"),
    )
    add_verbose(serve)
    _add_lengths(serve)
    _add_uploads(serve)
    add_people(serve)
    _add_load(serve)
    _add_watching(serve)
    _add_network(serve)
    add_embeddings_server(serve)
    add_running(serve)
    serve.set_defaults(command=_serve)


def _add_lengths(serve: Command) -> None:
    lengths = serve.add_further(in_language("回答の長さ", "Length of answers"))
    lengths.add_argument(
        "--max-tokens",
        type=at_least(16),
        metavar="N",
        help=in_language(
            "回答のデフォルトの長さ（トークン）。思考は含まない。選べる上限は、これ、コンテキスト長の"
            " 1/8、1024 のうち最大のもの（デフォルト: 256。思考するモデルは 1024）",
            "Default length of an answer in tokens, without its thought. Users may choose up to "
            "the largest of this, an eighth of the context window, and 1024 (default: 256; 1024 "
            "for a model that thinks)",
        ),
    )
    lengths.add_argument(
        "--max-reasoning-tokens",
        type=at_least(1),
        metavar="N",
        help=in_language(
            "思考の最大の長さ（トークン）（デフォルト: コンテキスト長の残りで、最大 16384）",
            "Maximum number of tokens of a thought (default: what the context window leaves, up "
            "to 16384)",
        ),
    )


def _add_uploads(serve: Command) -> None:
    uploads = serve.add_further(in_language("文書、評価、会話", "Uploads, ratings, conversations"))
    uploads.add_argument(
        "--shared-uploads",
        action="store_true",
        help=in_language(
            "全員の索引への文書の追加を許可する", "Let clients add documents to everyone's index"
        ),
    )
    uploads.add_argument(
        "--max-files",
        type=at_least(1),
        default=20,
        metavar="N",
        help=in_language("一つの会話に追加できるファイル数", "Files that a session can add"),
    )
    uploads.add_argument(
        "--max-file-mb",
        type=between(0.001),
        default=20.0,
        metavar="MIB",
        help=in_language("一つのファイルの最大サイズ（MiB）", "Maximum size of one file in MiB"),
    )
    add_ocr(uploads)
    uploads.add_argument(
        "--feedback",
        type=Path,
        metavar="FILE",
        help=in_language(
            "回答の評価を書くファイル（JSON Lines）", "File for ratings of answers (JSON lines)"
        ),
    )
    uploads.add_argument(
        "--conversations",
        type=_conversations,
        metavar="FILE",
        help=in_language(
            "会話を保存するファイル（SQLite）か、いくつかのサーバーが共有するデータベース"
            "（postgresql://…、エクストラ postgres が必要）。再起動しても残る。"
            "パスワードのある URL は環境変数 SWALLOW_CONVERSATIONS で渡す"
            "（デフォルト: メモリだけ）",
            "File (SQLite) that keeps conversations over restarts, or a database that several "
            "servers share (postgresql://…, needs the extra postgres). Pass a URL with a password "
            "in the environment, as SWALLOW_CONVERSATIONS (default: in memory only)",
        ),
    )
    add_embeddings(uploads)


def _add_load(serve: Command) -> None:
    load = serve.add_further(in_language("負荷の上限", "Limits of load"))
    load.add_argument(
        "--max-running",
        type=at_least(1),
        default=64,
        metavar="N",
        help=in_language("同時に生成する回答の数", "Answers that are generated at the same time"),
    )
    load.add_argument(
        "--max-waiting",
        type=at_least(0),
        default=128,
        metavar="N",
        help=in_language(
            "順番を待てる回答の数。超えた質問には 429 を返す",
            "Answers that may wait for their turn; above it, questions get 429",
        ),
    )
    load.add_argument(
        "--request-timeout",
        type=between(0),
        default=600.0,
        metavar="S",
        help=in_language(
            "回答にかける最大の秒数。待ち時間を含む（0 は無制限）",
            "Maximum seconds for an answer, waiting included (0: unlimited)",
        ),
    )


def _add_watching(serve: Command) -> None:
    watching = serve.add_further(in_language("監視", "Monitoring"))
    watching.add_argument(
        "--metrics-token",
        metavar="TOKEN",
        help=in_language(
            "/metrics だけを読めるトークン", "Token that gives access to /metrics only"
        ),
    )
    watching.add_argument(
        "--access-log",
        type=Path,
        metavar="FILE",
        help=in_language(
            "リクエストを 1 行ずつ書くファイル（JSON Lines）。- は標準出力",
            "File for one line per request (JSON lines); - is standard output",
        ),
    )
    watching.add_argument(
        "--otel",
        action="store_true",
        help=in_language(
            "OpenTelemetry のスパンを OTLP（HTTP）で送る。送り先などは環境変数 OTEL_* で決める"
            "（エクストラ otel が必要）",
            "Send OpenTelemetry spans by OTLP (HTTP), configured by the environment variables "
            "OTEL_* (needs the extra otel)",
        ),
    )


def _add_network(serve: Command) -> None:
    network = serve.add_further(in_language("プロキシと停止", "Proxies and shutdown"))
    network.add_argument(
        "--shutdown-grace",
        type=between(0),
        default=30.0,
        metavar="S",
        help=in_language(
            "停止するとき、新しいリクエストを拒否しながら、書きかけの回答を待つ秒数",
            "Seconds that a shutdown waits for unfinished answers, while it refuses new requests",
        ),
    )
    network.add_argument(
        "--forwarded-allow-ips",
        nargs="+",
        default=[],
        metavar="IP",
        help=in_language(
            "X-Forwarded-* ヘッダーを信頼するプロキシ",
            "Proxies whose X-Forwarded-* headers are trusted",
        ),
    )


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from langchain_swallow.serving.app import listen, serve
        from langchain_swallow.serving.assistant import Assistant
        from langchain_swallow.serving.conversations import Conversations
        from langchain_swallow.serving.proxies import Proxies
        from langchain_swallow.serving.settings import answer_lengths
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
    if arguments.feedback is not None:
        # Here its place can be corrected; at the first rating nobody would see why it is lost.
        arguments.feedback.parent.mkdir(parents=True, exist_ok=True)
        arguments.feedback.open("a", encoding="utf-8").close()
    # A database that cannot be used is reported before a model is loaded, which may take minutes.
    Conversations(arguments.conversations).close()
    people = load_people(arguments)
    is_protected = bool(arguments.token or any(people.values()))
    with listen(arguments.host, arguments.port, is_protected=is_protected) as listening:
        # Mistyped, it would be a new and empty index, and every answer a refusal.
        read_manifest(arguments.index)
        arguments.model = choose_model(arguments)
        llm = ChatSwallow(
            model=arguments.model,
            max_reasoning_tokens=arguments.max_reasoning_tokens,
            **model_kwargs(arguments),
        )
        load_model(llm)
        store = open_store(arguments.index, choose_embeddings(arguments), arguments)
        if not any(people.values()):
            warn_of_groups(store)
        assistant = Assistant(
            llm,
            store,
            limits=Limits(arguments.max_files, arguments.max_file_mb),
            lengths=answer_lengths(llm, arguments.max_tokens),
            shared_uploads=arguments.shared_uploads,
            feedback=arguments.feedback,
            ocr=arguments.ocr,
            default_groups=arguments.default_groups,
            audit_log=arguments.audit_log,
            requests_per_minute=arguments.requests_per_minute,
            max_running=arguments.max_running,
            max_waiting=arguments.max_waiting,
            request_timeout_s=arguments.request_timeout or None,
            tracing=_tracing() if arguments.otel else None,
            conversations=arguments.conversations,
        )
        count, address = len(store), _address(listening.getsockname())
        say(
            in_language(
                f"{count} 個のチャンク。{address} （Ctrl-C で終了）",
                f"{count} chunks; {address} (Ctrl-C stops it)",
            )
        )
        serve(
            assistant,
            listening,
            page=not arguments.api,
            token=arguments.token,
            metrics_token=arguments.metrics_token,
            access_log=arguments.access_log,
            proxies=arguments.forwarded_allow_ips,
            grace_s=arguments.shutdown_grace,
            **people,
        )
    return 0


def _tracing() -> "Tracing":
    try:
        from langchain_swallow.serving.tracing import Tracing
    except ImportError as error:
        from langchain_swallow.errors import MissingDependencyError

        raise MissingDependencyError(
            f"--otel needs {error.name}, which is not installed. Install it using "
            '`pip install "langchain-swallow[otel]"`.'
        ) from error
    return Tracing()


def _conversations(text: str) -> Path | str:
    """A file, or the URL of a database, which may have a password: errors do not repeat it."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text)
    if scheme not in ("postgresql", "postgres"):
        raise argparse.ArgumentTypeError(
            in_language(
                "ファイルか postgresql:// で始まる URL を指定してください",
                "must be a file, or a URL that starts with postgresql://",
            )
        )
    return text


def _address(name: tuple[Any, ...]) -> str:
    """Where the page is; of port 0 only the socket's name says what became of it."""
    host, port = name[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _port(text: str) -> int:
    port = between(0, 65535)(text)
    if not port.is_integer():
        raise argparse.ArgumentTypeError(
            in_language(
                f"整数を指定してください。指定した値: {text!r}",
                f"must be a whole number, not {text!r}",
            )
        )
    return int(port)
