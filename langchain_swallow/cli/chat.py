"""`langchain-swallow chat`: a conversation, with or without an index."""

import argparse
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow.cli.common import (
    add_json,
    error_text,
    examples,
    load_store,
    print_json,
    say,
    show_sources,
)
from langchain_swallow.cli.encoders import add_embeddings_server
from langchain_swallow.cli.retrieval import add_retrieval, retriever_of
from langchain_swallow.cli.running import add_model, add_running, running

if TYPE_CHECKING:
    from langchain_swallow.cli.conversation import Conversation
    from langchain_swallow.cli.terminal import Terminal


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    chat = commands.add_parser(
        "chat",
        help="chat, with or without an index / 対話する",
        description="Ctrl-C は答えを、Ctrl-D は会話を終わらせる。/help はコマンドの一覧。パイプでは"
        "一行が一問。\n"
        "Ctrl-C stops an answer, Ctrl-D ends. /help lists commands. In a pipe each line is a\n"
        "question.",
        **examples(
            "langchain-swallow chat -i 索引 --model demo",
            "echo 有給休暇は何日ですか。 | langchain-swallow chat -i 索引 --json",
        ),
    )
    chat.add_argument(
        "-i", "--index", type=Path, metavar="INDEX", help="文書から答える / answer from documents"
    )
    add_embeddings_server(chat)
    add_retrieval(chat)
    add_model(chat)
    add_json(chat)
    add_running(chat)
    chat.set_defaults(command=_chat)


def _chat(arguments: argparse.Namespace) -> int:
    from langchain_swallow.chat_models.chat_swallow import ChatSwallow
    from langchain_swallow.cli.conversation import COMMANDS, Conversation
    from langchain_swallow.cli.terminal import Plain, terminal

    def load(name: str) -> ChatSwallow:
        llm = ChatSwallow(
            model=name,
            max_tokens=arguments.max_tokens,
            on_overflow="drop_oldest",
            **running(arguments, name),
        )
        llm.load()
        return llm

    retrieve = functools.partial(retriever_of, arguments)
    open_index = functools.partial(load_store, arguments=arguments)
    conversation = Conversation(load, retrieve, arguments.model, arguments.index, open_index)
    shown = terminal(COMMANDS, as_json=arguments.json)
    if not isinstance(shown, Plain):
        say("Enter: 送る、Alt-Enter: 改行、Ctrl-C: 回答を止める、Ctrl-D: 終わる、/help: コマンド")
    return talk(conversation, shown, as_json=arguments.json)


def talk(conversation: "Conversation", shown: "Terminal", *, as_json: bool) -> int:
    """Answer until the user ends the conversation; the exit code.

    Ctrl-C brings the prompt back wherever it comes: at the prompt, before the first token, within
    an answer, and while `/model` loads.
    """
    from langchain_swallow.cli.terminal import Plain
    from langchain_swallow.errors import SwallowError

    while True:
        try:
            line = shown.read().strip()
            if line.startswith("/"):
                _command(conversation, line)
            elif line:
                _turn(conversation, shown, line, as_json=as_json)
        except EOFError:
            return 0
        except KeyboardInterrupt:
            continue
        except SwallowError as error:
            # A script must see it; a person goes on with the conversation.
            if isinstance(shown, Plain):
                raise
            say(error_text(error))


def _command(conversation: "Conversation", line: str) -> None:
    from langchain_swallow.errors import SwallowError

    try:
        say(conversation.run(line))
    except (SwallowError, ValueError, OSError) as error:
        say(error_text(error))


def _turn(conversation: "Conversation", shown: "Terminal", question: str, *, as_json: bool) -> None:
    began = time.perf_counter()
    pieces = conversation.say(question)
    try:
        shown.show(pieces)
    except KeyboardInterrupt:
        # Ends the generation, and keeps what was shown.
        pieces.close()  # type: ignore[attr-defined]
        say("（中断しました）")
    answer = conversation.answer
    if as_json:
        total = time.perf_counter() - began
        print_json({**answer.as_dict(), "total_s": total})
    else:
        show_sources(answer)
