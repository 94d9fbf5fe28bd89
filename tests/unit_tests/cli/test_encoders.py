"""Which embedding model the commands use."""

from argparse import Namespace

import pytest

from langchain_swallow.cli import _parser
from langchain_swallow.cli.encoders import choose_embeddings, load_encoder


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("index 社内規程 -o 索引", None),
        ("index 社内規程 -o 索引 --tokenizer demo", "demo"),
        ("index 社内規程 -o 索引 --embeddings demo", "demo"),
        ("index 社内規程 -o 索引 --tokenizer demo --embeddings BAAI/bge-m3", "BAAI/bge-m3"),
        ("sync 社内規程 -i 索引", None),
        ("sync 社内規程 -i 索引 --tokenizer demo", "demo"),
        ("serve -i 索引", None),
        ("serve -i 索引 --model demo", "demo"),
        ("demo", "demo"),
        ("demo --model tokyotech-llm/Swallow-7b-instruct-v0.1", None),
        ("eval rag --jsquad valid.json --model openai:gpt-4o -o 結果", None),
        ("eval rag --jsquad valid.json --model demo -o 結果", "demo"),
        ("eval sweep 社内規程 --questions 質問.jsonl --model demo -o 結果", "demo"),
    ],
)
def test_the_demo_encoder_is_used_only_where_the_demo_is_named(command, expected, monkeypatch):
    monkeypatch.delenv("SWALLOW_EMBEDDINGS", raising=False)
    monkeypatch.delenv("SWALLOW_MODEL", raising=False)
    assert choose_embeddings(_parser().parse_args(command.split())) == expected


def test_without_a_name_the_encoder_is_that_of_python():
    from langchain_swallow import SwallowEmbeddings

    chosen = choose_embeddings(Namespace(embeddings=None, model=None))
    assert load_encoder(chosen).model == SwallowEmbeddings().model
    assert load_encoder(chosen).model.startswith("cl-nagoya/ruri-v3-")


@pytest.mark.parametrize("name", ["./my-encoder", "a/b/c", "/srv/models/消えた", "..", "a b"])
def test_what_is_no_folder_and_no_hub_id_is_left_to_the_loader(name, capsys):
    assert load_encoder(name).model == name
    assert capsys.readouterr().err == ""
