"""A conversation in the terminal: what it says, and the commands that begin with a slash."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
    message_to_dict,
    messages_from_dict,
)

from langchain_swallow._system.language import in_language
from langchain_swallow.cli.common import load_store
from langchain_swallow.cli.parsers import CommandError
from langchain_swallow.prompts.messages import message_reasoning
from langchain_swallow.prompts.presets import Preset, get_preset, list_presets
from langchain_swallow.prompts.system_prompt import SYSTEM_PROMPT
from langchain_swallow.rag import Answer, create_rag_chain
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.text.json_text import json_text

_RAG_VARIABLES = {"context", "question"}
_FORMAT = 1
_NONE = ("なし", "none")


class Conversation:
    """Messages so far, and what they are answered with.

    Args:
        load: From a model's name to a chat model.
        retrieve: From a store and a model to a retriever.
        model: Its name.
        index: A saved index to answer from; `None` chats without documents.
        open_index: Makes the store of a saved index.
        on_thought: Called when the model begins to think.
    """

    def __init__(
        self,
        load: Callable[[str], Any],
        retrieve: Callable[[SwallowFAISS, Any], Any],
        model: str,
        index: Path | None = None,
        open_index: Callable[[Path], SwallowFAISS] = load_store,
        on_thought: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_thought = on_thought
        self._load, self._retrieve, self._open_index = load, retrieve, open_index
        self.llm = load(model)
        self.messages: list[BaseMessage] = []
        self.system = ""
        self.preset: Preset | None = None
        self.answer = Answer()
        self._store = None if index is None else open_index(index)

    # Talking

    def say(self, text: str) -> Iterator[str]:
        """The pieces of an answer. What was shown when the stream is left stays as said."""
        self.answer = Answer()
        asked = text
        try:
            for piece in self._from_documents(text) if self._store else self._from_model(text):
                if piece.reasoning and not self.answer.reasoning:
                    self._on_thought()
                self.answer += piece
                if piece.text:
                    yield piece.text
            asked = self.answer.question or text
        finally:
            if self.answer.text:
                self.messages += [HumanMessage(asked), AIMessage(self.answer.text)]

    def _from_documents(self, text: str) -> Iterator[Answer]:
        assert self._store is not None
        preset = (self.preset or get_preset("質問応答")).with_system_prompt(self.system)
        retriever = self._retrieve(self._store, self.llm)
        chain = create_rag_chain(self.llm, retriever, preset=preset)
        yield from chain.stream({"question": text, "history": self.messages})

    def _from_model(self, text: str) -> Iterator[Answer]:
        if self.preset is not None:
            (variable,) = self.preset.variables
            preset = self.preset.with_system_prompt(self.system)
            messages = preset.template.format_messages(**{variable: text})
        else:
            system = [SystemMessage(self.system)] if self.system else []
            messages = [*system, *self.messages, HumanMessage(text)]
        for chunk in self.llm.stream(messages):
            yield Answer(
                text=str(chunk.text),
                usage=getattr(chunk, "usage_metadata", None),
                reasoning=message_reasoning(chunk),
            )

    # Commands

    def run(self, line: str) -> str:
        """Carry out `/name argument`; what to say to the user.

        Raises:
            CommandError: There is no such command, or its argument is wrong.
            OSError: A file cannot be read or written.
        """
        name, _, argument = line[1:].strip().partition(" ")
        command = _COMMANDS.get(name)
        if command is None:
            raise CommandError(
                in_language(
                    f"/{name} というコマンドはありません。/help で一覧が出ます。",
                    f"/{name} is not a command. /help lists the commands.",
                )
            )
        return command[2](self, argument.strip())

    def help(self, _: str = "") -> str:
        """All commands."""
        texts = {name: in_language(ja, en) for name, (ja, en, _) in _COMMANDS.items()}
        return "\n".join(f"/{name:<8} {about}" for name, about in texts.items())

    def choose_preset(self, name: str) -> str:
        """Take a preset, or none."""
        fitting = [preset for preset in list_presets() if self._fits(preset)]
        names = {in_language(p.name, p.english_name or p.name): p for p in fitting}
        if not name:
            return in_language(
                f"プリセット: {'、'.join(names)}（使わない: /preset なし）",
                f"Presets: {', '.join(names)} (none: /preset none)",
            )
        if name in _NONE:
            self.preset = None
            return in_language("プリセットを使いません。", "No preset is used.")
        chosen = next((p for p in fitting if name in (p.name, p.english_name)), None)
        if chosen is None:
            raise CommandError(
                in_language(
                    f"プリセット「{name}」はここで使えません。使えるもの: {'、'.join(names)}",
                    f"Preset {name!r} cannot be used here. Use one of {', '.join(names)}.",
                )
            )
        self.preset = chosen
        return in_language(
            f"プリセット {name}: {chosen.description}",
            f"Preset {name}: {chosen.english_description or chosen.description}",
        )

    def choose_system(self, text: str) -> str:
        """Take a system prompt; an empty one is the default."""
        self.system = text
        return f"{in_language('システムプロンプト', 'System prompt')}: {text or SYSTEM_PROMPT}"

    def choose_model(self, name: str) -> str:
        """Go on with another model."""
        if not name:
            raise CommandError(
                in_language(
                    "/model の後に、モデルの名前かフォルダーを書いてください。",
                    "Write the name of a model or a folder after /model.",
                )
            )
        self.llm = self._load(name)
        return f"{in_language('モデル', 'Model')}: {name}"

    def choose_index(self, path: str) -> str:
        """Answer from another index, or without documents."""
        self._store = None if path in ("", *_NONE) else self._open_index(Path(path).expanduser())
        if self.preset is not None and not self._fits(self.preset):
            self.preset = None
        if self._store is None:
            return in_language("文書を使わずに答えます。", "Answers use no documents.")
        count = len(self._store)
        return in_language(
            f"{count} 個のチャンクから答えます。", f"Answers come from {count} chunks."
        )

    def sources(self, _: str = "") -> str:
        """The passages of the last answer, with what was cited."""
        if not self.answer.documents:
            return in_language(
                "最後の回答にはチャンクがありません。", "The last answer has no chunks."
            )
        cited = {c.number: c for c in self.answer.citations}
        lines = []
        for number, document in enumerate(self.answer.documents, 1):
            mark = f"「{cited[number].quote}」" if number in cited else ""
            text = " ".join(document.page_content.split())
            lines.append(f"[{number}] {document.metadata.get('source', '')} {mark}\n    {text}")
        return "\n".join(lines)

    def thought(self, _: str = "") -> str:
        """What the model thought before its last answer."""
        return self.answer.reasoning or in_language(
            "最後の回答には思考がありません。", "The last answer has no thought."
        )

    def save(self, path: str) -> str:
        """Write the conversation to a file."""
        if not path:
            raise _no_file("save")
        file = Path(path).expanduser()
        if file.exists() and not _is_conversation(file):
            raise CommandError(
                in_language(
                    f"{path} は会話ではないため、上書きしません。別の名前を使ってください。",
                    f"{path} is not a saved conversation and is not overwritten. Use another name.",
                )
            )
        data = {
            "langchain_swallow_conversation": _FORMAT,
            "system": self.system,
            "messages": [message_to_dict(message) for message in self.messages],
        }
        file.write_text(json_text(data, indent=2) + "\n", encoding="utf-8")
        count = len(self.messages)
        return in_language(
            f"{count} 件のメッセージを {path} に保存しました。",
            f"Saved {count} messages to {path}.",
        )

    def load(self, path: str) -> str:
        """Go on with a saved conversation."""
        if not path:
            raise _no_file("load")
        file = Path(path).expanduser()
        data = json.loads(file.read_text(encoding="utf-8")) if _is_conversation(file) else {}
        if data.get("langchain_swallow_conversation") != _FORMAT:
            raise CommandError(
                in_language(
                    f"{path} は /save で保存した会話ではありません。",
                    f"{path} is not a conversation that /save has written.",
                )
            )
        self.messages = convert_to_messages(messages_from_dict(data["messages"]))
        self.system = data["system"]
        count = len(self.messages)
        return in_language(f"{count} 件のメッセージを読み込みました。", f"Loaded {count} messages.")

    def clear(self, _: str = "") -> str:
        """Start a new conversation."""
        self.messages = []
        return in_language("新しい会話を始めます。", "This is a new conversation.")

    def _fits(self, preset: Preset) -> bool:
        variables = set(preset.variables)
        return variables == _RAG_VARIABLES if self._store else len(variables) == 1


def _no_file(command: str) -> CommandError:
    return CommandError(
        in_language(
            f"/{command} の後に、ファイルの名前を書いてください。",
            f"Write the name of a file after /{command}.",
        )
    )


def _is_conversation(file: Path) -> bool:
    try:
        return "langchain_swallow_conversation" in json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False


_COMMANDS: dict[str, tuple[str, str, Callable[[Conversation, str], str]]] = {
    "help": ("この一覧", "this list", Conversation.help),
    "preset": ("プリセットを選ぶ", "choose a preset", Conversation.choose_preset),
    "system": ("システムプロンプトを変える", "set the system prompt", Conversation.choose_system),
    "model": ("モデルを変える", "change the model", Conversation.choose_model),
    "index": ("索引を変える", "change the index", Conversation.choose_index),
    "sources": ("最後の回答のチャンク", "chunks of the last answer", Conversation.sources),
    "thought": ("最後の回答の前の思考", "thought before the last answer", Conversation.thought),
    "save": ("会話を保存する", "save the conversation", Conversation.save),
    "load": ("会話を読み込む", "load a conversation", Conversation.load),
    "new": ("新しい会話", "start a new conversation", Conversation.clear),
}
COMMANDS = tuple(f"/{name}" for name in _COMMANDS)
