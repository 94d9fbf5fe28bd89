"""Options that were renamed: the old names set the same, on the command line and in settings."""

import pytest

from langchain_swallow.cli import _parser, main

ASK = ("ask", "-i", "索引", "質問")
# A command, the old option with its value, the new one's name and value.
RENAMED = [
    (("chat",), "served_model", "swallow", "served_model_name", "swallow"),
    (("chat",), "prompt_as", "text", "prompt_encoding", "text"),
    (ASK, "neighbours", 2, "neighbors", 2),
    (ASK, "words", True, "bm25_tokenizer", "sudachi"),
]
EACH = pytest.mark.parametrize(
    ("command", "old", "word", "new", "value"), RENAMED, ids=[row[1] for row in RENAMED]
)


def option(name, word):
    return [f"--{name.replace('_', '-')}", *([] if word is True else [str(word)])]


def settings_file(tmp_path, monkeypatch, text):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("SWALLOW_CONFIG", str(path))
    return path


def toml(name, word):
    return f"{name} = {'true' if word is True else repr(word)}\n"


@EACH
def test_on_the_command_line(command, old, word, new, value, capsys):
    parsed = _parser().parse_args([*command, *option(old, word)])
    assert getattr(parsed, new) == value
    assert not hasattr(parsed, old)
    flags = option(old, word)[0], option(new, value)[0]
    said = "{} is deprecated and will be removed in 0.3. Use {}.\n".format(*flags)
    assert capsys.readouterr().err == said
    with pytest.raises(SystemExit):
        _parser().parse_args([*command, *option(old, word), *option(new, value)])
    assert "{1}: not allowed with argument {0}".format(*flags) in capsys.readouterr().err
    assert getattr(_parser().parse_args([*command, *option(new, value)]), new) == value
    assert capsys.readouterr().err == ""


@EACH
def test_in_the_environment(command, old, word, new, value, capsys, monkeypatch):
    monkeypatch.setenv(f"SWALLOW_{old.upper()}", str(word))
    assert getattr(_parser().parse_args(command), new) == value
    said = capsys.readouterr().err
    assert said.startswith(f"SWALLOW_{old.upper()} is deprecated")
    assert said.endswith(f" Use SWALLOW_{new.upper()}.\n")
    assert said.count("\n") == 1
    monkeypatch.setenv(f"SWALLOW_{new.upper()}", str(value))
    assert main(command) == 1
    assert f"SWALLOW_{old.upper()}, its old name, are both set" in capsys.readouterr().err


@EACH
@pytest.mark.parametrize("table", ["", "[{}]\n"], ids=["top", "command"])
def test_in_the_file(command, old, word, new, value, table, capsys, monkeypatch, tmp_path):
    head = table.format(command[0])
    path = settings_file(tmp_path, monkeypatch, head + toml(old, word))
    assert getattr(_parser().parse_args(command), new) == value
    said = capsys.readouterr().err
    assert said == f"{path}, {old} is deprecated and will be removed in 0.3. Use {new}.\n"
    settings_file(tmp_path, monkeypatch, head + toml(old, word) + toml(new, value))
    assert main(command) == 1
    assert f"{path}, {new} and {old}, its old name, are both set" in capsys.readouterr().err


def test_a_flag_that_is_off_by_its_old_name_is_the_default(monkeypatch):
    monkeypatch.setenv("SWALLOW_WORDS", "false")
    assert _parser().parse_args(ASK).bm25_tokenizer == "ngram"
