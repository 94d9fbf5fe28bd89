"""The conversation in a terminal: commands, history, keys."""

import sys
import threading
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from langchain_swallow import ChatSwallow, HybridRetriever, SwallowFAISS
from langchain_swallow.cli import common
from langchain_swallow.cli.chat import talk
from langchain_swallow.cli.conversation import COMMANDS, Conversation
from langchain_swallow.cli.terminal import Plain, Rich, terminal
from langchain_swallow.engines.fake import FakeEngine
from tests.support.embeddings import CharacterEmbeddings
from tests.support.thinking import qwen3_tokenizer

TEXTS = ["会議室は3階にある。", "食堂のカレーは500円。"]


@pytest.fixture(autouse=True)
def japanese(monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "ja")


class Recording(FakeListChatModel):
    """Answers from a list, and keeps what it was asked."""

    asked: Any = None

    def _call(self, messages, *arguments, **options):
        self.asked.append(messages)
        return super()._call(messages, *arguments, **options)

    def _stream(self, messages, *arguments, **options):
        self.asked.append(messages)
        yield from super()._stream(messages, *arguments, **options)


@pytest.fixture
def index(tmp_path):
    metadatas = [{"source": f"{i}.md"} for i in range(2)]
    SwallowFAISS.from_texts(TEXTS, CharacterEmbeddings(), metadatas).save_local(tmp_path / "索引")
    return tmp_path / "索引"


def opened(path):
    return SwallowFAISS.load_local(path, CharacterEmbeddings())


def hybrid(store, llm):
    return HybridRetriever(store=store, k=4)


def conversation(*answers, index=None):
    llm = Recording(responses=list(answers) or ["はい。"], asked=[])
    # The encoder of a test has no name that could be loaded.
    return Conversation(lambda name: llm, hybrid, "demo", index, opened), llm.asked


def said(made, text):
    return "".join(made.say(text))


def test_what_was_said_is_remembered():
    made, asked = conversation("こんにちは。", "元気です。")
    assert said(made, "やあ。") == "こんにちは。"
    assert said(made, "元気？") == "元気です。"
    assert [message.text for message in asked[1]] == ["やあ。", "こんにちは。", "元気？"]
    made.run("/new")
    said(made, "誰？")
    assert [message.text for message in asked[2]] == ["誰？"]


def test_the_thought_is_kept_apart_and_shown_when_asked_for():
    engine = FakeEngine(["挨拶だ。</think>こんにちは。", "…</think>はい。"], qwen3_tokenizer())
    llm = ChatSwallow.from_engine(engine, model="Qwen/Qwen3-8B")
    told = []
    made = Conversation(lambda _: llm, hybrid, "x", None, opened, lambda: told.append("thinking"))
    assert made.run("/thought") == "最後の回答には思考がありません。"
    assert said(made, "やあ。") == "こんにちは。"
    assert (told, made.run("/thought")) == (["thinking"], "挨拶だ。")
    assert [message.text for message in made.messages] == ["やあ。", "こんにちは。"]
    said(made, "ええ。")
    assert "挨拶だ" not in engine.tokenizer.decode(engine.requests[2].prompt_ids)


def test_an_answer_that_is_stopped_was_said():
    made, _ = conversation("こんにちは。")
    pieces = made.say("やあ。")
    assert next(pieces) == "こ"
    pieces.close()
    assert [message.text for message in made.messages] == ["やあ。", "こ"]


def test_answers_come_from_an_index(index):
    made, _ = conversation("3階 [1]", index=index)
    assert said(made, "会議室は何階ですか。") == "3階 [1]"
    assert made.answer.citations[0].place == "0.md"
    assert "[1] 0.md 「3階」\n    会議室は3階にある。" in made.run("/sources")
    assert "文書を使わずに答えます" in made.run("/index なし")
    assert "チャンクがありません" in (said(made, "やあ。") and made.run("/sources"))
    assert "2 個のチャンク" in made.run(f"/index {index}")


def test_presets_and_system_prompts_are_chosen(index):
    made, asked = conversation()
    assert "要約" in made.run("/preset")
    assert "質問応答" not in made.run("/preset")
    made.run("/preset 要約")
    made.run("/system {短く}答える。")
    said(made, "長い文章。")
    assert asked[0][0].text == "{短く}答える。"
    assert "要約" in asked[0][1].text
    assert "長い文章。" in asked[0][1].text
    assert made.run("/preset summary") == made.run("/preset 要約").replace("要約:", "summary:")
    made.run("/preset なし")
    said(made, "やあ。")
    assert asked[1][0].text == "{短く}答える。"
    made.run(f"/index {index}")
    made.run("/preset 質問応答（短答）")
    said(made, "会議室は？")
    assert asked[-1][0].text == "{短く}答える。"
    assert "語句だけ" in asked[-1][1].text
    with pytest.raises(ValueError, match="質問応答"):
        made.run("/preset 要約")


def test_a_conversation_is_saved_and_loaded(tmp_path):
    made, _ = conversation("こんにちは。")
    said(made, "やあ。")
    made.run("/system 短く。")
    file = tmp_path / "会話.json"
    assert "2 件" in made.run(f"/save {file}")
    other, asked = conversation()
    assert "2 件" in other.run(f"/load {file}")
    said(other, "続けて。")
    texts = ["短く。", "やあ。", "こんにちは。", "続けて。"]
    assert [message.text for message in asked[0]] == texts
    assert "4 件" in other.run(f"/save {file}")
    # What is no conversation is neither read nor written over.
    precious = tmp_path / "大事.txt"
    precious.write_text("大事", encoding="utf-8")
    for command in ("/save", "/load"):
        with pytest.raises(ValueError, match="大事"):
            other.run(f"{command} {precious}")
    assert precious.read_text(encoding="utf-8") == "大事"
    with pytest.raises(OSError, match="ない"):
        other.run(f"/load {tmp_path / 'ない.json'}")


def test_commands_that_are_wrong_say_so():
    made, _ = conversation()
    for line, wanted in (
        ("/何か", "/help"),
        ("/model", "/model の後に"),
        ("/save", "/save の後に"),
        ("/load", "/load の後に"),
        ("/preset 何か", "ここで使えません。使えるもの: "),
    ):
        with pytest.raises(ValueError, match=wanted):
            made.run(line)
    assert all(command in made.run("/help") for command in COMMANDS)


def test_pipes_get_plain_text(monkeypatch, capsys):
    shown = terminal(COMMANDS, as_json=False)
    assert type(shown) is Plain
    shown.show(iter(["**太", "字**"]))
    assert capsys.readouterr().out == "**太字**\n"
    terminal(COMMANDS, as_json=True).show(iter(["何か"]))
    assert capsys.readouterr().out == ""


class Typed:
    """A terminal at which these lines are typed; an exception is what comes instead of one."""

    def __init__(self, *lines):
        self.lines, self.shown = [*lines, EOFError()], []

    def read(self):
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    def show(self, pieces):
        self.shown += pieces


class Interrupted(Recording):
    """Ctrl-C is pressed before the first token."""

    def _stream(self, messages, *arguments, **options):
        raise KeyboardInterrupt


def test_ctrl_c_brings_the_prompt_back_wherever_it_comes():
    def load(name):
        if name == "large":
            raise KeyboardInterrupt
        kind = Interrupted if name == "slow" else Recording
        return kind(responses=["はい。"], asked=[])

    made = Conversation(load, hybrid, "slow")
    typed = Typed(KeyboardInterrupt(), "聞く", "/model large", "/model quick", "聞く")
    assert talk(made, typed, as_json=False) == 0
    assert "".join(typed.shown) == "はい。"
    assert [message.text for message in made.messages] == ["聞く", "はい。"]


@pytest.fixture
def keyboard(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_state_path", lambda *_, **__: tmp_path)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


def test_keys(keyboard, tmp_path):
    shown = Rich(COMMANDS)
    keyboard.send_text("一行目\x1b\r二行目\r")
    assert shown.read() == "一行目\n二行目"
    # Up brings back the last question, of an earlier program too.
    again = Rich(COMMANDS)
    keyboard.send_text("\x1b[A\x1b[A\r")
    assert again.read() == "一行目\n二行目"
    keyboard.send_text("/so\t")
    # Completing takes a turn of the event loop.
    threading.Timer(0.3, keyboard.send_text, ["\r"]).start()
    assert again.read() == "/sources"
    keyboard.send_text("\x04")
    with pytest.raises(EOFError):
        again.read()
    keyboard.send_text("\x03")
    with pytest.raises(KeyboardInterrupt):
        again.read()


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert type(terminal(COMMANDS, as_json=False)) is Plain
    assert "langchain-swallow[terminal]" in capsys.readouterr().err


def test_sources_name_their_place(index, capsys):
    made, _ = conversation("3階 [1]", index=index)
    said(made, "会議室は何階ですか。")
    common.show_sources(made.answer)
    assert capsys.readouterr().out == "  [1] 0.md（文書と一致）\n"


def test_what_was_found_for_a_refusal_is_shown_and_does_not_answer(index, capsys):
    made, _ = conversation("資料からは分かりません。", index=index)
    said(made, "会議室の定員は何人ですか。")
    common.show_sources(made.answer)
    shown = capsys.readouterr().out
    assert shown.startswith("  見つかったチャンク（質問への答えではありません）:\n")
    assert "    0.md\n" in shown
    page = made.answer._repr_html_()
    assert "会議室は3階にある。" in page
    assert "質問への答えではありません" in page
