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

from langchain_swallow.cli.common import load_store
from langchain_swallow.prompts.presets import Preset, get_preset, list_presets
from langchain_swallow.prompts.system_prompt import SYSTEM_PROMPT
from langchain_swallow.rag import Answer, create_rag_chain
from langchain_swallow.retrieval.vectorstore import SwallowFAISS
from langchain_swallow.text.json_text import json_text

_RAG_VARIABLES = {"context", "question"}
_FORMAT = 1


class Conversation:
    """Messages so far, and what they are answered with.

    Args:
        load: From a model's name to a chat model.
        retrieve: From a store and a model to a retriever.
        model: Its name.
        index: A saved index to answer from; `None` chats without documents.
        open_index: Makes the store of a saved index.
    """

    def __init__(
        self,
        load: Callable[[str], Any],
        retrieve: Callable[[SwallowFAISS, Any], Any],
        model: str,
        index: Path | None = None,
        open_index: Callable[[Path], SwallowFAISS] = load_store,
    ) -> None:
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
            yield Answer(text=str(chunk.text), usage=getattr(chunk, "usage_metadata", None))

    # Commands

    def run(self, line: str) -> str:
        """Carry out `/name argument`; what to tell the user.

        Raises:
            ValueError: There is no such command, or its argument is wrong.
            OSError: A file cannot be read or written.
        """
        name, _, argument = line[1:].strip().partition(" ")
        command = _COMMANDS.get(name)
        if command is None:
            raise ValueError(f"/{name} というコマンドはありません。/help で一覧が出ます。")
        return command[1](self, argument.strip())

    def help(self, _: str = "") -> str:
        """All commands."""
        return "\n".join(f"/{name:<8} {about}" for name, (about, _) in _COMMANDS.items())

    def choose_preset(self, name: str) -> str:
        """Take a preset, or none."""
        fitting = {p.name: p for p in list_presets() if self._fits(p)}
        if not name:
            return f"プリセット: {'、'.join(fitting)}（なし: /preset なし）"
        if name == "なし":
            self.preset = None
            return "プリセットを使いません。"
        if name not in fitting:
            raise ValueError(f"ここで使えるプリセットは {'、'.join(fitting)} です。")
        self.preset = fitting[name]
        return f"プリセット「{name}」: {self.preset.description}"

    def choose_system(self, text: str) -> str:
        """Take a system prompt; an empty one is the standard one."""
        self.system = text
        return f"システムプロンプト: {text or SYSTEM_PROMPT}"

    def choose_model(self, name: str) -> str:
        """Go on with another model."""
        if not name:
            raise ValueError("/model の後に、モデルの名前かフォルダーを書いてください。")
        self.llm = self._load(name)
        return f"モデル: {name}"

    def choose_index(self, path: str) -> str:
        """Answer from another index, or without documents."""
        self._store = None if path in ("", "なし") else self._open_index(Path(path).expanduser())
        if self.preset is not None and not self._fits(self.preset):
            self.preset = None
        if self._store is None:
            return "文書を使わずに話します。"
        return f"{len(self._store)} 箇所の文書から答えます。"

    def sources(self, _: str = "") -> str:
        """The passages of the last answer, with what was cited."""
        if not self.answer.documents:
            return "最後の答えには資料がありません。"
        cited = {c.number: c for c in self.answer.citations}
        lines = []
        for number, document in enumerate(self.answer.documents, 1):
            mark = f"「{cited[number].quote}」" if number in cited else ""
            text = " ".join(document.page_content.split())
            lines.append(f"[{number}] {document.metadata.get('source', '')} {mark}\n    {text}")
        return "\n".join(lines)

    def save(self, path: str) -> str:
        """Write the conversation to a file."""
        if not path:
            raise ValueError("/save の後に、ファイルの名前を書いてください。")
        file = Path(path).expanduser()
        if file.exists() and not _is_conversation(file):
            raise ValueError(f"{path} は会話ではないファイルなので、上書きしません。")
        data = {
            "langchain_swallow_conversation": _FORMAT,
            "system": self.system,
            "messages": [message_to_dict(message) for message in self.messages],
        }
        file.write_text(json_text(data, indent=2) + "\n", encoding="utf-8")
        return f"{len(self.messages)} 件の発言を {path} に書きました。"

    def load(self, path: str) -> str:
        """Go on with a saved conversation."""
        if not path:
            raise ValueError("/load の後に、ファイルの名前を書いてください。")
        file = Path(path).expanduser()
        data = json.loads(file.read_text(encoding="utf-8")) if _is_conversation(file) else {}
        if data.get("langchain_swallow_conversation") != _FORMAT:
            raise ValueError(f"{path} は /save で書いた会話ではありません。")
        self.messages = convert_to_messages(messages_from_dict(data["messages"]))
        self.system = data["system"]
        return f"{len(self.messages)} 件の発言を読みました。"

    def clear(self, _: str = "") -> str:
        """Begin anew."""
        self.messages = []
        return "新しい会話を始めます。"

    def _fits(self, preset: Preset) -> bool:
        variables = set(preset.variables)
        return variables == _RAG_VARIABLES if self._store else len(variables) == 1


def _is_conversation(file: Path) -> bool:
    try:
        return "langchain_swallow_conversation" in json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False


_COMMANDS: dict[str, tuple[str, Callable[[Conversation, str], str]]] = {
    "help": ("この一覧 / this list", Conversation.help),
    "preset": ("プリセットを選ぶ / choose a preset", Conversation.choose_preset),
    "system": ("システムプロンプトを書く / set the system prompt", Conversation.choose_system),
    "model": ("モデルを替える / change the model", Conversation.choose_model),
    "index": ("索引を替える / change the index", Conversation.choose_index),
    "sources": ("最後の答えの資料 / passages of the last answer", Conversation.sources),
    "save": ("会話を書き出す / save the conversation", Conversation.save),
    "load": ("会話を読み込む / load a conversation", Conversation.load),
    "new": ("新しい会話 / begin anew", Conversation.clear),
}
COMMANDS = tuple(f"/{name}" for name in _COMMANDS)
