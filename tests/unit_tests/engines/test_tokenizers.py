"""A tokenizer is had without weights: counting loads no model, and asks no server."""

import pytest
import transformers
from langchain_core.messages import HumanMessage

from langchain_swallow import ChatSwallow, JapaneseTextSplitter
from langchain_swallow.cli import main
from langchain_swallow.cli.common import load_store
from langchain_swallow.engines import demo
from langchain_swallow.engines.registry import started_engine, tokenizer_for
from langchain_swallow.engines.settings import LoadSettings
from langchain_swallow.errors import ModelUnavailableError
from langchain_swallow.prompts import encode_text
from tests.support.embeddings import static_encoder
from tests.support.tokenizers import trained_tokenizer

TEXT = "東京都の会議室は三階です。薔薇🌸が咲いています。"


class WeightsLoaded(Exception):
    """What these tests are to catch."""


@pytest.fixture(autouse=True)
def no_weights(monkeypatch):
    def load(*_, **__):
        raise WeightsLoaded

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", load)


@pytest.fixture(params=["folder", "demo", "server"])
def llm(request, checkpoint, monkeypatch):
    monkeypatch.setattr(demo, "demo_model_folder", lambda: checkpoint)
    # Nobody listens there, and sockets are blocked.
    server = {"base_url": "http://127.0.0.1:1/v1"} if request.param == "server" else {}
    model = "demo" if request.param == "demo" else str(checkpoint)
    made = ChatSwallow(model=model, device="cpu", dtype="float32", **server)
    made.unload()
    yield made
    assert started_engine(made.load_settings(made.model)) is None
    made.unload()


def test_counting_loads_no_weights(llm):
    ids = encode_text(TEXT, trained_tokenizer())
    assert llm.get_token_ids(TEXT) == ids
    assert llm.get_num_tokens(TEXT) == len(ids)
    assert llm.get_num_tokens_from_messages([HumanMessage(TEXT)]) > len(ids)
    chunks = JapaneseTextSplitter(10, llm).split_text(TEXT * 5)
    assert max(map(llm.get_num_tokens, chunks)) <= 10 < llm.get_num_tokens(TEXT)


@pytest.mark.parametrize(("command", "to"), [("index", "-o"), ("sync", "-i")])
def test_documents_are_cut_by_a_models_tokens_without_its_weights(
    command, to, checkpoint, tmp_path
):
    folder, index = tmp_path / "文書", tmp_path / "索引"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT * 20, encoding="utf-8")
    encoder = static_encoder(tmp_path / "encoder")
    options = ["--embeddings", encoder, "--tokenizer", str(checkpoint), "--chunk-tokens", "40"]
    assert main([command, str(folder), to, str(index), *options]) == 0
    count = ChatSwallow(model=str(checkpoint)).get_num_tokens
    lengths = [count(document.page_content) for document in load_store(index).documents]
    assert len(lengths) > 5
    assert 20 < max(lengths) <= 40


def test_loading_a_model_would_be_noticed(checkpoint):
    llm = ChatSwallow(model=str(checkpoint), device="cpu")
    # Another test may have loaded it.
    llm.unload()
    with pytest.raises(WeightsLoaded):
        llm.load()


def test_the_engine_has_the_tokenizer_that_counted(checkpoint, monkeypatch):
    monkeypatch.undo()
    llm = ChatSwallow(model=str(checkpoint), device="cpu", dtype="float32", max_tokens=2)
    llm.unload()
    before = tokenizer_for(llm.load_settings(llm.model))
    engine = llm.load()
    assert engine.tokenizer is before
    llm.unload()
    # As the weights, it is read again after that: the files may be others.
    assert tokenizer_for(llm.load_settings(llm.model)) is not before
    llm.unload()


def test_a_tokenizer_that_cannot_be_had_is_named(tmp_path):
    with pytest.raises(ModelUnavailableError, match="The directory is incomplete"):
        tokenizer_for(LoadSettings(model=str(tmp_path)))
    with pytest.raises(ModelUnavailableError, match=r"neither .*json nor"):
        tokenizer_for(LoadSettings(model=str(tmp_path), base_url="http://a/v1"))
