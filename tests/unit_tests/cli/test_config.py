"""Settings: their order, and what is wrong in them."""

import json
import re
from pathlib import Path

import pytest

from langchain_swallow.cli import _parser, main


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "設定" / "config.toml"
    monkeypatch.setenv("SWALLOW_CONFIG", str(path))
    monkeypatch.delenv("SWALLOW_MODEL", raising=False)
    return path


def written(file, text):
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def parsed(*arguments):
    return _parser().parse_args(arguments)


def test_the_order(file, monkeypatch):
    ask = ("ask", "-i", "索引", "質問")
    assert parsed(*ask).max_tokens == 256
    written(file, 'max_tokens = 100\nmodel = "demo"\n[ask]\nmax_tokens = 200\n')
    assert parsed(*ask).max_tokens == 200
    assert parsed("chat").max_tokens == 100
    assert parsed("chat").model == "demo"
    monkeypatch.setenv("SWALLOW_MAX_TOKENS", "300")
    assert parsed(*ask).max_tokens == 300
    assert parsed(*ask, "--max-tokens", "400").max_tokens == 400


def test_the_length_of_an_answer_is_not_that_of_a_chunk(file, monkeypatch):
    index = ("index", "文書", "-o", "索引")
    written(file, 'max_tokens = 100\nmodel = "demo"\n[index]\nchunk_tokens = 200\n')
    assert parsed(*index).chunk_tokens == 200
    assert parsed(*index).tokenizer is None
    assert parsed("sync", "文書", "-i", "索引").chunk_tokens == 300
    monkeypatch.setenv("SWALLOW_MAX_TOKENS", "150")
    monkeypatch.setenv("SWALLOW_CHUNK_TOKENS", "250")
    monkeypatch.setenv("SWALLOW_TOKENIZER", "demo")
    assert parsed(*index).chunk_tokens == 250
    assert parsed(*index).tokenizer == "demo"
    assert parsed("chat").max_tokens == 150


def test_secrets_are_read_from_files(file, monkeypatch, tmp_path, capsys):
    (tmp_path / "token").write_text("秘密\n", encoding="utf-8")
    monkeypatch.setenv("SWALLOW_TOKEN_FILE", str(tmp_path / "token"))
    assert parsed("serve", "-i", "索引").token == "秘密"
    assert main(["config", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["settings"]
    assert (row["value"], row["from"]) == ("…", "$SWALLOW_TOKEN_FILE")
    monkeypatch.setenv("SWALLOW_TOKEN", "先")
    assert parsed("serve", "-i", "索引").token == "先"
    monkeypatch.delenv("SWALLOW_TOKEN")
    # An empty or mistyped file is not a server without a token.
    (tmp_path / "token").write_text("\n", encoding="utf-8")
    for name, reason in (("token", "names an empty file"), ("ない", "cannot be read")):
        monkeypatch.setenv("SWALLOW_TOKEN_FILE", str(tmp_path / name))
        assert main(["serve", "-i", "索引"]) == 1
        assert reason in capsys.readouterr().err


def test_a_database_of_conversations_is_named_without_showing_its_password(
    file, monkeypatch, tmp_path, capsys
):
    serve = ("serve", "-i", "索引")
    assert parsed(*serve, "--conversations", "会話.db").conversations == Path("会話.db")
    url = "postgresql://sato:ひみつ@db/kept"
    (tmp_path / "url").write_text(f"{url}\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setenv("SWALLOW_CONVERSATIONS_FILE", str(tmp_path / "url"))
        assert parsed(*serve).conversations == url
    monkeypatch.setenv("SWALLOW_CONVERSATIONS", url)
    assert parsed(*serve).conversations == url
    assert main(["config"]) == 0
    wrong = url.replace("postgresql", "mysql")
    with pytest.raises(SystemExit):
        main([*serve, "--conversations", wrong])
    monkeypatch.setenv("SWALLOW_CONVERSATIONS", wrong)
    assert main([*serve]) == 1
    shown = "".join(capsys.readouterr())
    assert shown.count("postgresql://") == 2
    assert "ひみつ" not in shown


def test_several_values_are_separated_by_spaces(file, monkeypatch):
    serve = ("serve", "-i", "索引")
    monkeypatch.setenv("SWALLOW_FORWARDED_ALLOW_IPS", "10.0.0.1 10.0.1.0/24")
    assert parsed(*serve).forwarded_allow_ips == ["10.0.0.1", "10.0.1.0/24"]
    written(file, '[serve]\ntrusted_proxy = ["10.0.0.5"]\n')
    assert parsed(*serve).trusted_proxy == ["10.0.0.5"]


def test_what_is_set_is_not_required(file):
    written(file, '[serve]\nindex = "索引"\nshared_uploads = true\nmax_file_mb = 5\n')
    arguments = parsed("serve")
    assert str(arguments.index) == "索引"
    assert arguments.shared_uploads is True
    assert arguments.max_file_mb == 5.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_tokns = 3\n", "max_tokns is not an option. Did you mean max_tokens?"),
        ("[serv]\nport = 3\n", r"\[serv\] is not a command. Did you mean serve?"),
        ("[serve]\nprt = 3\n", "prt is not an option of serve. Did you mean port?"),
        ("[index]\nmax_tokens = 3\n", "max_tokens is not an option of index. Use chunk_tokens."),
        ("[sync]\nmax_tokens = 3\n", "max_tokens is not an option of sync. Use chunk_tokens."),
        ('[sync]\nmodel = "demo"\n', "model is not an option of sync. Use tokenizer."),
        ('[serve]\nport = "八千"\n', "port is wrong: '八千'"),
        ('[serve]\napi = "maybe"\n', "api must be true or false"),
        ("port =\n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_said(file, capsys, text, said):
    written(file, text)
    assert main(["models"]) == 1
    error = capsys.readouterr().err
    assert str(file) in error
    assert re.search(said, error)


def test_settings_are_shown(file, monkeypatch, capsys):
    assert main(["config"]) == 0
    assert "does not exist" in capsys.readouterr().out
    assert main(["config", "--init"]) == 0
    assert main(["config", "--init"]) == 1
    capsys.readouterr()
    # The example sets nothing, and is right when it is uncommented.
    text = file.read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") if "=" in line or "[" in line else "" for line in
             text.splitlines() if "SWALLOW_" not in line]  # fmt: skip
    written(file, "\n".join(lines))
    monkeypatch.setenv("SWALLOW_TOKEN", "ひみつ")
    assert main(["config", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["settings"]
    by_option = {(row["command"], row["option"]): row for row in rows}
    assert by_option["serve", "port"]["value"] == 7860
    assert by_option["serve", "port"]["from"] == "file, [serve]"
    assert by_option["serve", "token"] == {
        "command": "serve",
        "option": "token",
        "value": "…",
        "from": "$SWALLOW_TOKEN",
    }
    assert by_option["chat", "model"]["from"] == "file, top"
