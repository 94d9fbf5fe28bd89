"""Help fits one screen and is in one language; wrong usage and errors are too."""

import argparse
import os
import re
import shlex
import sqlite3
from dataclasses import fields

import pytest
from pydantic import BaseModel, ValidationError

from langchain_swallow import errors
from langchain_swallow.cli import _parser, main
from langchain_swallow.cli.common import Renamed
from langchain_swallow.cli.config import config_path
from langchain_swallow.cli.conversation import _COMMANDS as SLASH_COMMANDS
from langchain_swallow.cli.documents import _JAPANESE, _in_japanese
from langchain_swallow.cli.error_texts import JAPANESE as TEXTS
from langchain_swallow.cli.error_texts import error_text
from langchain_swallow.cli.old_names import OldName
from langchain_swallow.cli.parsers import Command, CommandError, columns, wrap
from langchain_swallow.retrieval.sync import SyncSummary

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
# A name is a name in either language.
NAMES = ("質問応答", "。", "部署", "総務")


@pytest.fixture(params=["ja", "en"], autouse=True)
def lang(request, monkeypatch, tmp_path):
    monkeypatch.setenv("SWALLOW_LANG", request.param)
    monkeypatch.setenv("SWALLOW_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("COLUMNS", "80")
    return request.param


def commands(parser, *names):
    """Every command under a parser: its words and its own parser."""
    yield names, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from commands(sub, *names, name)


ALL = [names for names, _ in commands(_parser())]


def shown(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_help_fits_a_terminal_of_24_lines(names, capsys, lang):
    lines = shown(capsys, *names, "--help").splitlines()
    assert len(lines) <= 24
    assert lines[0].startswith({"ja": "使い方: ", "en": "usage: "}[lang])
    # A command line and a path are not cut: they are to be copied.
    usage, path = lines[0], str(config_path())
    texts = [
        line
        for line in lines
        if line != usage and "langchain-swallow " not in line and path not in line
    ]
    assert max(map(columns, texts)) <= 80
    assert lines[2].strip()
    parser = dict(commands(_parser()))[names]
    assert ("--help-all" in lines[-1]) == bool(parser._further)


@pytest.mark.slow
@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_a_line_of_help_is_in_one_language(names, capsys, lang):
    everything = "--help-all" if dict(commands(_parser()))[names]._further else "--help"
    text = shown(capsys, *names, everything)
    for name in NAMES:
        text = text.replace(name, "")
    if lang == "en":
        assert not JAPANESE.search(text)
        return
    for _, parser in commands(_parser(), *names):
        assert JAPANESE.search(parser.description)
        for action in parser._actions:
            if action.help is not argparse.SUPPRESS and action.option_strings:
                assert JAPANESE.search(action.help), action.help
    assert " / " not in text


@pytest.mark.slow
@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_help_all_shows_every_option(names, capsys, lang):
    parser = dict(commands(_parser()))[names]
    if not parser._further:
        return
    text = shown(capsys, *names, "--help-all")
    current = [a for a in parser._actions if not isinstance(a, Renamed | OldName)]
    options = [a for a in current if a.option_strings]
    assert all(a.option_strings[-1] in text for a in options if a.dest != "help")
    engine = {"ja": "モデルの実行:", "en": "Engine:"}[lang]
    has_engine = any(a.dest == "engine" for a in options)
    assert text.count(f"\n{engine}\n") == has_engine


@pytest.mark.parametrize("names", [n for n in ALL if n not in [(), ("eval",), ("token",)]])
def test_examples_are_command_lines_that_the_parser_takes(names, capsys, lang):
    text = shown(capsys, *names, "--help")
    examples = text[text.index({"ja": "例:", "en": "Examples:"}[lang]) :].splitlines()
    lines = [line for line in examples if line.startswith("  ")]
    assert lines
    for line in lines:
        command = line.split("langchain-swallow ", 1)[1].split(" | ")[0].strip(")")
        assert _parser().parse_args(shlex.split(command)).command


def test_a_default_is_shown_and_a_secret_is_not(capsys, monkeypatch, lang):
    monkeypatch.setenv("SWALLOW_TOKEN", "ひみつ")
    monkeypatch.setenv("SWALLOW_API_KEY", "ひみつ")
    monkeypatch.setenv("SWALLOW_PORT", "81")
    text = shown(capsys, "serve", "--help-all")
    assert "ひみつ" not in text
    assert {"ja": "（デフォルト: 81）", "en": "(default: 81)"}[lang] in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["ask", "-i", "x"], "QUESTION"),
        (["ask", "質問"], "-i/--index"),
        (["ask", "-i", "x", "質問", "--k", "3"], "--k"),
        (["ask", "-i", "x", "質問", "-k"], "-k"),
        (["ask", "-i", "x", "質問", "-k", "零"], "-k"),
        (["ask", "-i", "x", "質問", "--engine", "vlm"], "--engine"),
        (["ask", "-i", "x", "質問", "--filter", "{"], "--filter"),
        (["ask", "-i", "x", "質問", "--gpu-memory-utilization", "2"], "--gpu-memory-utilization"),
        (["ask", "-i", "x", "質問", "--json=1"], "--json"),
        (["ask", "-i", "x", "質問", "--m", "1"], "--m"),
        (["serve", "-i", "x", "--port", "1.5"], "--port"),
        (["serve", "-i", "x", "--port", "99999"], "--port"),
        (["serve", "-i", "x", "--forwarded-allow-ips"], "--forwarded-allow-ips"),
        (["index", "x", "-o", "y", "--model", "demo"], "--model"),
        (["eval", "sweep", "x", "--seed", "x", "--model", "demo"], "--seed"),
        (["eval", "mt-bench", "--prices", "1"], "--prices"),
        (["sing"], "sing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_wrong_usage_names_the_option(arguments, named, capsys, lang):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    usage, *said = capsys.readouterr().err.splitlines()
    assert usage.startswith({"ja": "使い方: ", "en": "usage: "}[lang])
    assert len(said) == 1
    assert named in said[0]
    text = said[0].replace("零", "")
    assert bool(JAPANESE.search(text)) == (lang == "ja")
    if lang == "ja":
        assert not re.search(r"argument |expected|must be|should be|choose", text)


def test_an_error_is_in_the_users_language(capsys, tmp_path, lang):
    assert main(["ask", "-i", str(tmp_path / "none"), "問", "--model", "demo"]) == 1
    first, *details = capsys.readouterr().err.splitlines()
    if lang == "ja":
        assert first == "langchain-swallow: ファイルまたはフォルダーがありません。"
        first = details.pop(0)
    assert "holds no index. Make one with" in first
    assert details == []
    assert main(["eval", "rag", "--model", "demo", "-o", str(tmp_path)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert bool(JAPANESE.search(said[0])) == (lang == "ja")


def test_every_error_has_a_line_in_japanese(lang):
    for name in errors.__all__:
        kinds = [kind for kind in getattr(errors, name).__mro__ if kind in TEXTS]
        # That of the error or of its kind: SwallowError is none.
        assert kinds[0] is not errors.SwallowError or name == "SwallowError", name
        text = TEXTS[kinds[0]]
        assert JAPANESE.search(text), name
        assert text.endswith("。"), name


class Sizes(BaseModel):
    """What pydantic checks."""

    tokens: int


def test_what_an_error_says(lang, tmp_path):
    missing = tmp_path / "none"
    try:
        missing.read_text()
    except OSError as error:
        said = error_text(error)
    assert said.splitlines()[-1] == f"{missing}: {os.strerror(2)}."
    try:
        Sizes(tokens="x")
    except ValidationError as error:
        said = error_text(error)
    assert said.splitlines()[-1].startswith("tokens='x': Input should be a valid integer")
    assert error_text(CommandError("だめ")) == "だめ"
    assert error_text(sqlite3.OperationalError("disk full")).splitlines()[-1] == "disk full"
    assert len(error_text(ValueError("x")).splitlines()) == {"ja": 2, "en": 1}[lang]


def test_a_language_that_there_is_not_is_said(capsys, monkeypatch):
    monkeypatch.setenv("SWALLOW_LANG", "fr")
    assert main(["models"]) == 2
    assert "SWALLOW_LANG='fr' is not" in capsys.readouterr().err


def test_commands_of_a_conversation_are_in_both_languages():
    for ja, en, _ in SLASH_COMMANDS.values():
        assert JAPANESE.search(ja)
        assert not JAPANESE.search(en)


def test_a_summary_of_a_sync_is_in_both_languages():
    assert set(_JAPANESE) == {field.name for field in fields(SyncSummary)}
    summary = SyncSummary(added=("a", "b"), moved={"c": "d"})
    assert (_in_japanese(summary), str(summary)) == ("追加 2、移動 1", "2 added, 1 moved")
    assert (_in_japanese(SyncSummary()), str(SyncSummary())) == ("変更なし", "nothing")


def test_lines_are_wrapped_by_columns():
    text = "索引は、index で作ります。（長い行は 80 桁で折り返します。）abc"
    for width in range(8, 40):
        lines = list(wrap(text, width))
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(columns(line) <= width for line in lines)
        assert not any(line[0] in "、。）" or line[-1] == "（" for line in lines)
    assert isinstance(_parser(), Command)
