"""`langchain-swallow mcp`: an index's documents as tools of agents, over stdio."""

import argparse
import asyncio
import io
import os
import sys
from typing import Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_embeddings, add_index, open_store
from langchain_swallow.cli.encoders import add_embeddings_server, choose_embeddings
from langchain_swallow.cli.model_options import add_model, add_running, choose_model, model_kwargs
from langchain_swallow.cli.parsers import add_command


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    parser = add_command(
        commands,
        "mcp",
        in_language(
            "索引を MCP のツールとして提供する（標準入出力）",
            "Offer an index as MCP tools over standard input and output",
        ),
        in_language(
            "エージェントが起動する。ツールは search_documents と answer_from_documents。モデルは"
            "最初の回答のときに読み込む。HTTP では serve の /mcp にある。",
            "Agents start it. The tools are search_documents and answer_from_documents. The first "
            "answer loads the model. Over HTTP, `serve` has the same at /mcp.",
        ),
        (
            "langchain-swallow mcp -i index --model demo",
            "langchain-swallow mcp -i index --base-url http://gpu:8000/v1",
        ),
    )
    add_index(parser)
    add_model(parser)
    parser.add_argument(
        "--groups",
        nargs="+",
        metavar="GROUP",
        help=in_language(
            "全員の文書のほかに見せるのは、このグループの文書だけ（デフォルト: すべての文書）",
            "Show documents of these groups only, and those for everyone (default: all documents)",
        ),
    )
    add_embeddings(parser)
    add_embeddings_server(parser)
    add_running(parser)
    parser.set_defaults(command=_mcp, verbose=False)


def _mcp(arguments: argparse.Namespace) -> int:
    try:
        import anyio
        from mcp.server.stdio import stdio_server

        from langchain_swallow.serving.assistant import Assistant
        from langchain_swallow.serving.identity import Person
        from langchain_swallow.serving.mcp_server import create_mcp_server
    except ImportError as error:
        from langchain_swallow.errors import MissingDependencyError

        raise MissingDependencyError(
            f"The MCP server needs {error.name}, which is not installed. "
            "Install it using `pip install langchain-swallow[mcp,serve]`."
        ) from error
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.retrieval.index.manifest import read_manifest
    from langchain_swallow.serving.settings import answer_lengths

    # A mistyped path would be a new and empty index, and every answer a refusal.
    read_manifest(arguments.index)
    # Clients read the protocol from stdout, so nothing else may write to it, not even a library.
    output = io.TextIOWrapper(os.fdopen(os.dup(1), "wb"), encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    arguments.model = choose_model(arguments)
    llm = ChatSwallow(model=arguments.model, **model_kwargs(arguments))
    store = open_store(arguments.index, choose_embeddings(arguments), arguments)
    assistant = Assistant(llm, store, lengths=answer_lengths(llm))
    groups = None if arguments.groups is None else frozenset(arguments.groups)
    server = create_mcp_server(assistant, Person(groups=groups))

    async def run() -> None:
        async with stdio_server(stdout=anyio.wrap_file(output)) as (received, sent):
            await server.run(received, sent, server.create_initialization_options())

    try:
        asyncio.run(run())
    finally:
        assistant.close()
    return 0
