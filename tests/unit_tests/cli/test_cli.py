"""The commands' interface; what they do with a real model is tested in integration_tests."""

import io
import json
import os
import subprocess
import sys

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_swallow import ChatSwallow, SwallowFAISS, __version__
from langchain_swallow.cli import _parser, common, main
from langchain_swallow.cli.common import print_json
from langchain_swallow.cli.evaluated import chat_model
from langchain_swallow.cli.retrieval import build_retriever
from langchain_swallow.errors import MissingDependencyError, UnknownModelError
from tests.support.embeddings import CharacterEmbeddings


def run(capsys, *arguments):
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("encoding", "plain", "as_json"),
    [
        ("cp932", "10時\\u201420時 caf\\xe9", '"10\\u6642\\u2014"'),
        ("ascii", "10\\u6642\\u201420\\u6642 caf\\xe9", '"10\\u6642\\u2014"'),
        ("utf-8", "10時—20時 café", '"10時—"'),
    ],
)
def test_a_character_that_the_output_has_not_is_its_code(monkeypatch, encoding, plain, as_json):
    output = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding=encoding))
        assert main(["models"]) == 0
        print("10時—20時 café")
        print_json("10時—")
        sys.stdout.flush()
        *_, text, data = output.getvalue().decode(encoding).splitlines()
    assert (text, data) == (plain, as_json)


def test_models_prints_the_table_and_what_fits(capsys):
    code, out, err = run(capsys, "models")
    assert code == 0
    assert "Swallow-7b-instruct-v0.1" in out
    lines = {line.split()[0]: line.split()[1:3] for line in out.splitlines()}
    assert lines["Qwen3-Swallow-8B-RL-v0.2"] == ["2026-02-20", "0.710"]
    assert lines["Swallow-7b-instruct-v0.1"] == ["2024-04-26", "-"]
    dates = [date for date, _ in list(lines.values())[1:]]
    assert dates == sorted(dates, reverse=True)
    assert "GiB" in err
    code, out, _ = run(capsys, "models", "--json")
    listed = json.loads(out)
    assert listed["machine"]["memory_gib"] > 0
    by_name = {m["repo_id"].removeprefix("tokyotech-llm/"): m for m in listed["models"]}
    fits = [name for name, m in by_name.items() if m["fits_here"]]
    assert all(
        by_name[name]["memory_gib"]["4bit"] < listed["machine"]["memory_gib"] for name in fits
    )
    known = {"bfloat16", "float16", "float32", "8bit", "4bit"}
    assert all(set(m["fits_here"]) <= known for m in listed["models"])


def test_errors_go_to_stderr_with_exit_code_1(capsys, tmp_path):
    code, out, err = run(capsys, "ask", "-i", str(tmp_path / "none"), "問", "--model", "demo")
    assert (code, out) == (1, "")
    assert "holds no index. Make one with `langchain-swallow index DIR -o" in err
    (tmp_path / "file").touch()
    ratings = str(tmp_path / "file" / "ratings.jsonl")
    # Before the index is looked for: a rating that cannot be written would be lost.
    code, _, err = run(capsys, "serve", "-i", str(tmp_path / "none"), "--feedback", ratings)
    assert code == 1
    assert "file" in err
    assert "holds no index" not in err
    code, _, err = run(capsys, "index", str(tmp_path / "none"), "-o", str(tmp_path / "i"))
    assert code == 1
    assert "does not exist" in err
    code, _, err = run(capsys, "index", str(tmp_path), "-o", str(tmp_path / "i"))
    assert code == 1
    assert "No readable documents" in err
    code, _, err = run(capsys, "chat", "--model", "swallow-7b-instrct-v0.1")
    assert code == 1
    assert "Did you mean" in err


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["ask"], ["index", "x"], ["eval"], ["eval", "mt-bench", "--model", "demo"]],
)
def test_wrong_usage_is_exit_code_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_version_and_help():
    done = subprocess.run(
        [sys.executable, "-m", "langchain_swallow.cli", "--version"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == __version__
    commands = ("models", "demo", "index", "ask", "chat", "bench", "eval")
    for command in (*commands, "eval mt-bench", "eval pairwise", "eval rag", "eval sweep"):
        with pytest.raises(SystemExit) as caught:
            main([*command.split(), "--help"])
        assert caught.value.code == 0


@pytest.mark.parametrize("command", [["index", "文書", "-o", "x"], ["sync", "文書", "-i", "x"]])
@pytest.mark.parametrize(
    ("old", "new"), [("--max-tokens", "--chunk-tokens"), ("--model", "--tokenizer")]
)
def test_a_renamed_option_names_the_new_one(capsys, command, old, new):
    with pytest.raises(SystemExit) as ended:
        main([*command, old, "3"])
    assert ended.value.code == 2
    assert f"{old} is not an option of this command. Use {new}." in capsys.readouterr().err


def test_a_command_that_handled_ctrl_c_ends_with_its_own_code(tmp_path):
    """CPython remembers an interrupt that came within `exec` of a text, as in an import."""
    program = """
import sys, types
from langchain_swallow import cli
def command(_):
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return 3
parsed = types.SimpleNamespace(command=command)
cli._parser = lambda: types.SimpleNamespace(parse_args=lambda _: parsed)
sys.exit(cli.main([]))
"""
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    # As the command itself is started: for `python -c` it makes no difference.
    run_module = [sys.executable, "-m", "program"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(run_module, env=environment, check=False, timeout=60)
    assert done.returncode == 3


def test_models_of_other_providers_say_what_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    with pytest.raises(MissingDependencyError, match="pip install langchain langchain-openai"):
        chat_model("openai:gpt-4o")
    # A path is no provider.
    for name in ("demo", r"C:\models\swallow", "./a:b"):
        try:
            assert isinstance(chat_model(name), ChatSwallow)
        except UnknownModelError:
            continue


def test_eval_needs_questions_and_an_index(capsys, tmp_path):
    command = ["eval", "rag", "--model", "demo", "-o", str(tmp_path)]
    code, _, err = run(capsys, *command)
    assert (code, err) == (1, "langchain-swallow: Give --index and --questions, or --jsquad.\n")
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"question": ""}', encoding="utf-8")
    code, _, err = run(capsys, *command, "--questions", str(questions), "-i", str(tmp_path))
    assert code == 1
    assert "is not an example" in err


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ([], "HybridRetriever"),
        (["--expand", "queries"], "MultiQueryRetriever"),
        (["--expand", "hyde"], "HyDERetriever"),
    ],
)
def test_options_of_ask_make_the_retriever(options, kind):
    store = SwallowFAISS.from_texts(
        ["会議室は3階。", "会議室は4階。"], CharacterEmbeddings(), [{"page": 1}, {"page": 2}]
    )
    condition = ["--filter", '{"page": {"$gte": 2}}']
    arguments = _parser().parse_args(["ask", "-i", "x", "q", "-k", "2", *condition, *options])
    llm = FakeListChatModel(responses=["会議室はどこにありますか。"])
    retriever = build_retriever(arguments, store, llm)
    assert type(retriever).__name__ == kind
    assert [d.page_content for d in retriever.invoke("会議室は何階ですか。")] == ["会議室は4階。"]


def test_a_filter_that_is_none_is_wrong_usage(capsys):
    for text, said in (("{", "is not valid JSON"), ("[1]", "must be an object")):
        with pytest.raises(SystemExit):
            main(["ask", "-i", "x", "q", "--filter", text])
        assert said in capsys.readouterr().err


def test_a_shell_completes_commands_and_options(capsys, monkeypatch):
    code, out, _ = run(capsys, "completion", "bash")
    assert code == 0
    assert "--max-tokens" in out
    assert "serve" in out
    monkeypatch.setitem(sys.modules, "shtab", None)
    code, _, err = run(capsys, "completion", "zsh")
    assert code == 1
    assert "langchain-swallow[terminal]" in err


def folder_with_a_loss(tmp_path):
    (tmp_path / "文書").mkdir()
    (tmp_path / "文書" / "規程.txt").write_text("休暇は10日。", encoding="utf-8")
    (tmp_path / "文書" / "旧.jtd").write_bytes(b"x")
    return str(tmp_path / "文書"), tmp_path / "索引"


def test_a_strict_index_is_not_written_if_anything_is_lost(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(common, "load_encoder", lambda *_: CharacterEmbeddings())
    folder, index = folder_with_a_loss(tmp_path)
    code, _, err = run(capsys, "index", folder, "-o", str(index), "--strict")
    assert code == 1
    assert "--strict: 1 documents" in err
    assert not index.exists()
    assert run(capsys, "index", folder, "-o", str(index))[0] == 0
    code, _, err = run(capsys, "sync", folder, "-i", str(index), "--strict")
    assert (code, "--strict: 1 documents" in err) == (1, True)
    assert run(capsys, "sync", folder, "-i", str(index))[0] == 0
    (tmp_path / "文書" / "旧.jtd").unlink()
    assert run(capsys, "sync", folder, "-i", str(index), "--strict")[0] == 0
