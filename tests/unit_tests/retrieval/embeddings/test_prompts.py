"""Prompts of embedding models: known ones, and those that a model brings."""

import json
import logging

import numpy as np
import pytest
from langchain_huggingface import HuggingFaceEmbeddings
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from langchain_swallow import SwallowEmbeddings, SwallowFAISS
from langchain_swallow.errors import IndexStoreError, ModelUnavailableError
from langchain_swallow.retrieval.embeddings.prompts import choose_prompts, known_prompts
from langchain_swallow.retrieval.index.manifest import read_manifest
from tests.support.embeddings import CharacterEmbeddings, static_encoder
from tests.support.tokenizers import trained_tokenizer

WEB = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
GEMMA = ("task: search result | query: ", "title: none | text: ")
OWN = {"query": "問い: ", "document": "文章: "}


@pytest.mark.parametrize(
    ("model", "query", "passage"),
    [
        ("demo", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", f"{WEB} ", ""),
        ("pkshatech/GLuCoSE-base-ja-v2", "query: ", "passage: "),
        ("cl-nagoya/ruri-v3-310m", "検索クエリ: ", "検索文書: "),
        ("cl-nagoya/ruri-large-v2", "クエリ: ", "文章: "),
        ("BAAI/bge-m3", "", ""),
        ("hotchpotch/static-embedding-japanese", "", ""),
        ("Qwen/Qwen3-Embedding-8B", WEB, ""),
        ("google/embeddinggemma-300m", *GEMMA),
        # Folders, the cache of the hub, and names on servers have no owner, or another one.
        ("/srv/models/ruri-v3-30m/", "検索クエリ: ", "検索文書: "),
        (r"C:\models\multilingual-e5-base", "query: ", "passage: "),
        ("/c/hub/models--cl-nagoya--ruri-v3-30m/snapshots/3fd1", "検索クエリ: ", "検索文書: "),
        ("ruri-v3-310m-f16.gguf", "検索クエリ: ", "検索文書: "),
        ("qwen3-embedding:0.6b", WEB, ""),
        ("unsloth/embeddinggemma-300m", *GEMMA),
    ],
)
def test_known_models_get_the_prompts_of_their_training(model, query, passage):
    made = SwallowEmbeddings(model, base_url="http://127.0.0.1:1/v1")
    assert (made.query_prefix, made.passage_prefix) == (query, passage)


def test_other_models_are_not_known():
    assert known_prompts("someone/else") is None
    assert known_prompts("/home/ruri/models/mine") is None


# As published in config_sentence_transformers.json.
@pytest.mark.parametrize(
    ("prompts", "default", "query", "passage"),
    [
        pytest.param({"query": WEB, "document": ""}, None, WEB, "", id="Qwen3-Embedding"),
        pytest.param(
            {
                "query": GEMMA[0],
                "document": GEMMA[1],
                "Clustering": "task: clustering | query: ",
                "Retrieval": GEMMA[0],
                "Retrieval-query": GEMMA[0],
                "Retrieval-document": GEMMA[1],
                "STS": "task: sentence similarity | query: ",
            },
            None,
            *GEMMA,
            id="EmbeddingGemma",
        ),
        pytest.param(
            {
                "Classification": "task: classification | query: ",
                "QuestionAnswering": "task: question answering | query: ",
                "Document": GEMMA[1],
                "SearchQuery": GEMMA[0],
            },
            None,
            *GEMMA,
            id="other names of EmbeddingGemma",
        ),
        pytest.param(
            {
                "retrieval.query": "Represent the query for retrieving evidence documents: ",
                "retrieval.passage": "Represent the document for retrieval: ",
                "separation": "",
                "classification": "",
                "text-matching": "",
            },
            None,
            "Represent the query for retrieving evidence documents: ",
            "Represent the document for retrieval: ",
            id="jina-embeddings-v3",
        ),
        pytest.param(
            {"query": "Query: ", "document": "Document: "},
            "document",
            "Query: ",
            "Document: ",
            id="jina-embeddings-v5",
        ),
        pytest.param(
            {"sts_query": "Instruct: similar\nQuery: ", "web_search_query": f"{WEB} "},
            None,
            f"{WEB} ",
            "",
            id="e5-mistral",
        ),
        pytest.param(
            {"s2p_query": f"{WEB} ", "s2s_query": "Instruct: similar\nQuery: "},
            None,
            f"{WEB} ",
            "",
            id="stella",
        ),
        pytest.param(
            {"query": "search_query: ", "passage": "search_document: ", "Classification": "c: "},
            None,
            "search_query: ",
            "search_document: ",
            id="nomic-embed-v2",
        ),
        pytest.param(
            {"code_search_query": "c: ", "search_query": "q: ", "search_corpus": "p: "},
            None,
            "q: ",
            "p: ",
            id="the shortest name",
        ),
        pytest.param({"retrieval": "r: ", "sts": "s: "}, "retrieval", "r: ", "r: ", id="default"),
    ],
)
def test_prompts_that_a_model_brings_are_recognized(prompts, default, query, passage):
    chosen = choose_prompts(prompts, default)
    assert (chosen.query, chosen.passage) == (query, passage)


@pytest.mark.parametrize(
    "prompts",
    [None, {}, [], {"query": "", "document": ""}, {"query": None}, {"sts_query": "s: "}, {"q": 1}],
)
def test_no_prompts_for_retrieval_are_none(prompts):
    assert choose_prompts(prompts) is None
    assert choose_prompts(prompts, ["query"]) is None


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("models")
    return {
        "bare": static_encoder(base / "bare"),
        "own": static_encoder(base / "own", OWN),
        "ruri": static_encoder(base / "ruri-v3-30m"),
        "unclear": static_encoder(base / "unclear", {"sts_query": "類似: "}),
    }


def test_a_model_is_used_with_the_prompts_it_brings(folders):
    made = SwallowEmbeddings(folders["own"], device="cpu")
    encoder = SentenceTransformer(folders["own"], device="cpu")
    query = encoder.encode_query("休暇は何日？", normalize_embeddings=True)
    passages = encoder.encode_document(["有給休暇は10日。"], normalize_embeddings=True)
    assert made.embed_query("休暇は何日？") == pytest.approx(query, abs=1e-6)
    assert made.embed_documents(["有給休暇は10日。"])[0] == pytest.approx(passages[0], abs=1e-6)
    # And not twice.
    bare = SwallowEmbeddings(folders["bare"], device="cpu")
    assert made.embed_query("東京") == pytest.approx(bare.embed_query("問い: 東京"), abs=1e-6)


def test_prompts_of_the_caller_go_first(folders):
    made = SwallowEmbeddings(folders["own"], query_prefix="", device="cpu")
    assert (made.query_prefix, made.passage_prefix) == ("", "文章: ")
    bare = SwallowEmbeddings(folders["bare"], device="cpu")
    assert made.embed_query("東京") == pytest.approx(bare.embed_query("東京"), abs=1e-6)


def test_a_server_gets_the_prompts_of_a_folder_on_this_machine(folders, caplog):
    made = SwallowEmbeddings(folders["own"], base_url="http://127.0.0.1:1/v1")
    assert (made.query_prefix, made.passage_prefix) == ("問い: ", "文章: ")
    assert caplog.messages == []
    assert SwallowEmbeddings("someone/else", base_url="http://127.0.0.1:1/v1").query_prefix == ""
    assert "not known which prompts the embedding model 'someone/else'" in caplog.text


def test_prompts_that_are_not_understood_are_said(folders, caplog):
    with caplog.at_level(logging.WARNING):
        assert SwallowEmbeddings(folders["unclear"]).query_prefix == ""
    assert "none of them is recognized" in caplog.text
    assert "'sts_query'" in caplog.text


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": ', encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match="is not valid JSON"):
        SwallowEmbeddings(str(tmp_path)).query_prefix  # noqa: B018
    (tmp_path / "config_sentence_transformers.json").write_text("[1]", encoding="utf-8")
    assert SwallowEmbeddings(str(tmp_path)).query_prefix == ""


def test_a_model_may_encode_questions_in_another_way(tmp_path):
    """As asymmetric models of sentence-transformers do, also where no prompt differs."""

    def static(seed):
        weights = np.random.default_rng(seed).normal(size=(600, 16)).astype(np.float32)
        return StaticEmbedding(trained_tokenizer().backend_tokenizer, embedding_weights=weights)

    router = Router.for_query_document([static(0)], [static(1)])
    SentenceTransformer(modules=[router]).save(str(tmp_path / "m"))
    made = SwallowEmbeddings(str(tmp_path / "m"), device="cpu", cache=tmp_path / "v.sqlite")
    documents = made.embed_documents(["東京"])
    encoder = SentenceTransformer(str(tmp_path / "m"), device="cpu")
    expected = encoder.encode_query("東京", normalize_embeddings=True)
    assert made.embed_query("東京") == pytest.approx(expected, abs=1e-6)
    assert made.embed_documents(["東京"]) == documents != [made.embed_query("東京")]


# Indexes


def test_prompts_that_a_model_brings_are_part_of_the_index(folders, tmp_path):
    SwallowFAISS.from_texts(
        ["文"], SwallowEmbeddings(folders["own"], device="cpu"), path=tmp_path / "i"
    )
    embedding = read_manifest(tmp_path / "i").embedding
    assert (embedding["query_prefix"], embedding["passage_prefix"]) == ("問い: ", "文章: ")
    other = SwallowEmbeddings(folders["own"], passage_prefix="", device="cpu")
    with pytest.raises(IndexStoreError, match=r"made with the embedding .*'文章: '"):
        SwallowFAISS(other, path=tmp_path / "i")


def langchains(folder, **options):
    return HuggingFaceEmbeddings(model_name=folder, model_kwargs={"device": "cpu"}, **options)


NAMED = {
    "encode_kwargs": {"prompt_name": "document"},
    "query_encode_kwargs": {"prompt_name": "query"},
}


def test_prompts_of_langchains_class_are_part_of_the_index(folders, tmp_path):
    SwallowFAISS.from_texts(["文"], langchains(folders["own"], **NAMED), path=tmp_path / "i")
    embedding = read_manifest(tmp_path / "i").embedding
    assert (embedding["query_prefix"], embedding["passage_prefix"]) == ("問い: ", "文章: ")
    written = {"encode_kwargs": {"prompt": "文章: "}, "query_encode_kwargs": {"prompt": "問い: "}}
    assert len(SwallowFAISS(langchains(folders["own"], **written), path=tmp_path / "i")) == 1
    written["encode_kwargs"] = {"prompt": "別: "}
    with pytest.raises(IndexStoreError, match="made with the embedding"):
        SwallowFAISS(langchains(folders["own"], **written), path=tmp_path / "i")


def test_an_index_of_version_0_1_without_prompts_in_its_manifest_opens(folders, tmp_path):
    store = SwallowFAISS.from_texts(["文"], langchains(folders["own"], **NAMED))
    del store._index.manifest.embedding["query_prefix"]
    del store._index.manifest.embedding["passage_prefix"]
    store.save_local(tmp_path / "i")
    assert (
        "query_prefix"
        not in json.loads((tmp_path / "i/manifest.json").read_text("utf-8"))["embedding"]
    )
    assert len(SwallowFAISS(langchains(folders["own"], **NAMED), path=tmp_path / "i")) == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="none"),
        pytest.param({"encode_kwargs": {"prompt_name": "document"}}, id="a question as a document"),
        pytest.param({"query_encode_kwargs": {"prompt_name": "query"}}, id="bare documents"),
    ],
)
def test_langchains_class_without_the_prompts_of_its_model_is_warned_of(folders, options):
    with pytest.warns(UserWarning, match=r"'問い: ' before questions.*SwallowEmbeddings\("):
        SwallowFAISS(langchains(folders["own"], **options))


def test_langchains_class_with_prompts_of_its_user_is_not_warned_of(folders):
    other = {"encode_kwargs": {"prompt": "規程: "}, "query_encode_kwargs": {"prompt": "問: "}}
    SwallowFAISS(langchains(folders["own"], **other))
    SwallowFAISS(langchains(folders["bare"]))


def test_known_models_without_their_prompts_are_warned_of(folders):
    with pytest.warns(UserWarning, match="'検索クエリ: ' before questions"):
        SwallowFAISS(langchains(folders["ruri"]))
    with pytest.warns(UserWarning, match="'検索文書: ' before documents"):
        SwallowFAISS(langchains(folders["ruri"], query_encode_kwargs={"prompt": "検索クエリ: "}))
    with pytest.warns(UserWarning, match="give it the attributes query_prefix and passage_prefix"):
        SwallowFAISS(CharacterEmbeddings("intfloat/multilingual-e5-small"))


def test_a_class_that_says_its_prefixes_is_trusted():
    own = CharacterEmbeddings("intfloat/multilingual-e5-small")
    own.query_prefix, own.passage_prefix = "query: ", "passage: "
    SwallowFAISS(own)
    SwallowFAISS(CharacterEmbeddings("BAAI/bge-m3"))
