"""Embeddings from servers over HTTP: a small one of ours, and a real vLLM."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from langchain_swallow import SwallowEmbeddings
from langchain_swallow.cli import main
from langchain_swallow.errors import (
    AuthenticationError,
    ModelUnavailableError,
    PromptOverflowError,
)
from tests.children import in_child
from tests.conformance import save_checkpoint
from tests.support.embeddings import static_encoder
from tests.support.vllm_server import VLLMServer, vllm_python

# A server of vLLM uses every core, and gigabytes.
pytestmark = pytest.mark.alone


class EmbeddingServer:
    """OpenAI's embeddings API over the static encoder."""

    def __init__(self, encoder_folder):
        bare = SwallowEmbeddings(encoder_folder, device="cpu")
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key, peer = self.headers.get("Authorization"), self.client_address
                server.requests.append({**body, "key": key, "peer": peer})
                vectors = bare.embed_documents(body["input"])
                data = [{"index": i, "embedding": v} for i, v in enumerate(vectors)]
                text = json.dumps({"data": data}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    return static_encoder(tmp_path_factory.mktemp("encoder") / "encoder")


@pytest.fixture
def server(encoder_folder):
    made = EmbeddingServer(encoder_folder)
    yield made
    made.close()


def test_vectors_are_those_of_the_encoder(server, encoder_folder):
    texts = [f"第{i}条" for i in range(50)]
    made = SwallowEmbeddings(
        "cl-nagoya/ruri-v3-30m", base_url=server.url, api_key="sk-test", batch_size=8
    )
    wanted = SwallowEmbeddings(
        encoder_folder, query_prefix="検索クエリ: ", passage_prefix="検索文書: ", device="cpu"
    )
    assert np.allclose(made.embed_documents(texts), wanted.embed_documents(texts), atol=1e-6)
    assert np.allclose(made.embed_query("休暇"), wanted.embed_query("休暇"), atol=1e-6)
    assert [len(request["input"]) for request in server.requests] == [8, 8, 8, 8, 8, 8, 2, 1]
    assert {request["key"] for request in server.requests} == {"Bearer sk-test"}
    assert {request["model"] for request in server.requests} == {"cl-nagoya/ruri-v3-30m"}


def test_commands_embed_on_a_server(server, tmp_path):
    (tmp_path / "文書").mkdir()
    (tmp_path / "文書" / "規程.txt").write_text("会議室は3階にある。", encoding="utf-8")
    command = ["--embeddings-url", server.url, "--embeddings-api-key", "sk-test"]
    index = str(tmp_path / "索引")
    documents = str(tmp_path / "文書")
    named = ["--embeddings", "cl-nagoya/ruri-v3-30m"]
    assert main(["index", documents, "-o", index, *named, *command]) == 0
    (tmp_path / "文書" / "規程.txt").write_text("会議室は4階にある。", encoding="utf-8")
    # The index knows its encoder.
    assert main(["sync", documents, "-i", index, *command]) == 0
    inputs = [request["input"] for request in server.requests]
    assert inputs == [[f"検索文書: 規程\n会議室は{i}階にある。"] for i in (3, 4)]
    assert {request["key"] for request in server.requests} == {"Bearer sk-test"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork by default")
def test_a_forked_child_has_connections_of_its_own(server):
    made = SwallowEmbeddings("m", base_url=server.url)
    before = made.embed_query("東京")
    assert in_child(lambda: made.embed_query("東京")) == before
    assert made.embed_query("東京") == before
    first, childs, second = (request["peer"] for request in server.requests)
    assert first == second != childs


@pytest.fixture(scope="module")
def vllm(tmp_path_factory):
    vllm_python()
    folder = tmp_path_factory.mktemp("vllm")
    checkpoint = save_checkpoint(folder / "checkpoint")
    options = ("--runner", "pooling", "--api-key", "sk-test", "--served-model-name", "encoder")
    server = VLLMServer(checkpoint, folder / "log", *options).wait()
    yield server, checkpoint
    server.kill()


def test_vllm_gives_the_vectors_of_the_model(vllm):
    """vLLM makes an encoder of a Llama: the last token's hidden state, of unit norm."""
    from transformers import AutoModel, AutoTokenizer

    server, checkpoint = vllm
    made = SwallowEmbeddings(
        "encoder",
        base_url=server.base_url,
        api_key="sk-test",
        passage_prefix="文章: ",
        batch_size=2,
    )
    texts = ["有給休暇は10日。", "会議室は3階。", "出張の日当は3,000円。"]
    vectors = np.array(made.embed_documents(texts))
    tokenizer, model = (
        AutoTokenizer.from_pretrained(checkpoint),
        AutoModel.from_pretrained(checkpoint),
    )
    for text, vector in zip(texts, vectors, strict=True):
        with torch.no_grad():
            last = model(**tokenizer("文章: " + text, return_tensors="pt")).last_hidden_state[0, -1]
        wanted = (last / last.norm()).numpy()
        assert float(wanted @ vector) == pytest.approx(1, abs=1e-3)
    with pytest.raises(AuthenticationError):
        SwallowEmbeddings("encoder", base_url=server.base_url).embed_query("東京")
    with pytest.raises(ModelUnavailableError):
        SwallowEmbeddings("other", base_url=server.base_url, api_key="sk-test").embed_query("東京")
    with pytest.raises(PromptOverflowError, match="maximum context length is 2048"):
        made.embed_documents(["長" * 5000])
