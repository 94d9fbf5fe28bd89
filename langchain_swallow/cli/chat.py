"""`langchain-swallow chat`: a conversation, with or without an index."""

import argparse
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import add_json, load_store, print_json, show_sources
from langchain_swallow.cli.encoders import add_embeddings_server
from langchain_swallow.cli.error_texts import error_text
from langchain_swallow.cli.model_options import add_model, add_running, choose_model, model_kwargs
from langchain_swallow.cli.parsers import add_command, say
from langchain_swallow.cli.progress import add_verbose, load_model
from langchain_swallow.cli.retrieval import add_retrieval, build_retriever

if TYPE_CHECKING:
    from langchain_swallow.cli.conversation import Conversation
    from langchain_swallow.cli.terminal import Terminal


def add_parsers(commands: Any) -> None:
    """Add the command to the subparsers."""
    question = in_language("試用期間はどのくらいですか。", '"How long is the trial period?"')
    chat = add_command(
        commands,
        "chat",
        in_language(
            "対話する（索引の文書から答えることもできる）", "Chat, with or without an index"
        ),
        in_language(
            "Ctrl-C で回答を中断、Ctrl-D で終了。/help でコマンドの一覧。パイプでは一行が一問。",
            "Ctrl-C stops an answer, Ctrl-D ends the program. /help lists the commands. In a pipe, "
            "each line is a question.",
        ),
        (
            "langchain-swallow chat -i index --model demo",
            f"echo {question} | langchain-swallow chat -i index --json",
        ),
    )
    chat.add_argument(
        "-i",
        "--index",
        type=Path,
        metavar="INDEX",
        help=in_language("答えを探す索引", "Index to answer from"),
    )
    add_model(chat)
    add_retrieval(chat)
    add_json(chat)
    add_verbose(chat)
    add_embeddings_server(chat)
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
            **model_kwargs(arguments, name),
        )
        load_model(llm)
        return llm

    arguments.model = choose_model(arguments)
    retrieve = functools.partial(build_retriever, arguments)
    open_index = functools.partial(load_store, arguments=arguments)
    conversation = Conversation(
        load,
        retrieve,
        arguments.model,
        arguments.index,
        open_index,
        lambda: say(in_language("考えています…", "thinking…")),
    )
    shown = terminal(COMMANDS, as_json=arguments.json)
    if not isinstance(shown, Plain):
        say(
            in_language(
                "Enter: 送信、Alt-Enter: 改行、Ctrl-C: 回答を中断、Ctrl-D: 終了、/help: 一覧",
                "Enter: send, Alt-Enter: new line, Ctrl-C: stop the answer, Ctrl-D: quit, /help",
            )
        )
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
        say(in_language("（中断しました）", "(stopped)"))
    answer = conversation.answer
    if as_json:
        total = time.perf_counter() - began
        print_json({**answer.as_dict(), "total_s": total})
    else:
        show_sources(answer)
        if answer.reasoning:
            length = len(answer.reasoning)
            say(
                in_language(
                    f"  思考 {length} 文字（/thought で表示）",
                    f"  thought {length} characters (/thought shows it)",
                )
            )
