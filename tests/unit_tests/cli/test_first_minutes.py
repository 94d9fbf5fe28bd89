"""What the commands choose, ask and print for somebody who uses them for the first time."""

import argparse
import io
import os
import shutil

import pytest

from langchain_swallow import SwallowEmbeddings, SwallowFAISS
from langchain_swallow.cli import main
from langchain_swallow.cli.model_options import DefaultModel, choose_model
from langchain_swallow.engines import demo
from langchain_swallow.errors import ModelUnavailableError
from tests.support.embeddings import CharacterEmbeddings


class Typed(io.StringIO):
    """A terminal at which a person has typed."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("embeddings", "named", "base_url", "wanted"),
    [
        ("demo", DefaultModel("7b"), None, "demo"),
        ("demo", "7b", None, "7b"),
        ("demo", DefaultModel("7b"), "http://gpu:8000/v1", "7b"),
        ("cl-nagoya/ruri-v3-30m", DefaultModel("7b"), None, "7b"),
    ],
)
def test_an_index_of_the_demo_is_asked_with_the_demo(
    tmp_path, capsys, embeddings, named, base_url, wanted
):
    made = CharacterEmbeddings(embeddings)
    made.query_prefix = made.passage_prefix = ""
    SwallowFAISS.from_texts(["本文"], made).save_local(tmp_path)
    arguments = argparse.Namespace(model=named, base_url=base_url, index=tmp_path)
    assert choose_model(arguments) == wanted
    assert ("--model" in capsys.readouterr().err) == (wanted == "demo")


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 0), ("\n", 1, 3)])
def test_sync_asks_a_person_before_it_deletes_most_files(tmp_path, monkeypatch, typed, code, left):
    monkeypatch.setenv("SWALLOW_LANG", "en")
    monkeypatch.setattr(
        "langchain_swallow.retrieval.embeddings.local.SwallowEmbeddings",
        lambda model: CharacterEmbeddings(),
    )
    folder, index = tmp_path / "rules", tmp_path / "index"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.txt").write_text(f"第{n}条 本文。", encoding="utf-8")
    sync = ["sync", str(folder), "-i", str(index)]
    assert main(sync) == 0
    shutil.rmtree(folder)
    folder.mkdir()
    shown = Typed()
    monkeypatch.setattr("sys.stdin", Typed(typed))
    monkeypatch.setattr("sys.stderr", shown)
    assert main(sync) == code
    assert "Delete them from the index? [y/N]" in shown.getvalue()
    assert len(SwallowFAISS.load_local(index, CharacterEmbeddings()).sources()) == left


def test_a_log_has_one_line_for_each_step_and_no_bars(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SWALLOW_LANG", "en")
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS", raising=False)
    monkeypatch.setattr(
        "langchain_swallow.retrieval.embeddings.local.SwallowEmbeddings",
        lambda model: CharacterEmbeddings(),
    )
    rules = tmp_path / "規程.txt"
    rules.write_text("日当は3,000円とする。", encoding="utf-8")
    index = ["index", str(rules), "-o", str(tmp_path / "索引")]
    assert main(index) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"Reading the documents in {rules}.",
        "Embedding 1 chunks with characters.",
        f"1 files, 1 chunks → {tmp_path / '索引'}",
    ]
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"
    assert main([*index, "--verbose"]) == 0
    assert "Embedding: 100%" in capsys.readouterr().err


def test_embeddings_that_need_the_hub_say_what_to_pass(tmp_path):
    with pytest.raises(ModelUnavailableError, match=r'SwallowEmbeddings\("demo"\)'):
        SwallowEmbeddings(str(tmp_path / "none")).embed_query("質問")


def test_a_step_of_the_demo_model_is_whole_or_repeated(tmp_path):
    built = []

    def build(folder):
        (folder / "weights").write_text("half")
        built.append(folder)
        if len(built) == 1:
            raise KeyboardInterrupt
        (folder / "weights").write_text("whole")

    target = tmp_path / "weights"
    with pytest.raises(KeyboardInterrupt):
        demo._build(target, build)
    assert not target.exists()
    for _ in range(2):
        demo._build(target, build)
    assert (target / "weights").read_text() == "whole"
    assert len(built) == 2


def test_the_assembly_of_the_demo_model_is_one_line_in_a_log(capsys):
    from transformers import modeling_gguf_pytorch_utils as reader

    with demo._announced(steps=2) as progress:
        assert list(reader.tqdm([1, 2], desc="Converting")) == [1, 2]
        progress.update(2)
    assert len(capsys.readouterr().err.splitlines()) == 1
