"""Embeddings from servers over HTTP: a small one of ours that can fail, and a real vLLM."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from langchain_swallow import SwallowEmbeddings
from langchain_swallow.errors import (
    AuthenticationError,
    EmbeddingError,
    InvalidRequestError,
    ModelUnavailableError,
    PromptOverflowError,
    ServerBusyError,
    ServerConnectionError,
)
from tests.children import in_child
from tests.conformance import save_checkpoint
from tests.integration_tests.vllm_server import VLLMServer, vllm_python
from tests.support.embeddings import static_encoder

# A server of vLLM uses every core, and gigabytes.
pytestmark = pytest.mark.alone


class EmbeddingServer:
    """OpenAI's embeddings API over the static encoder; `faults` are answered first."""

    def __init__(self, encoder_folder):
        bare = SwallowEmbeddings(encoder_folder, device="cpu")
        self.requests, self.faults, self.shuffled = [], [], True
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key, peer = self.headers.get("Authorization"), self.client_address
                server.requests.append({**body, "key": key, "peer": peer})
                status, headers, answer = 200, {}, None
                if server.faults:
                    status, headers, answer = server.faults.pop(0)
                if answer is None:
                    vectors = bare.embed_documents(body["input"])
                    data = [{"index": i, "embedding": v} for i, v in enumerate(vectors)]
                    answer = {"data": data[::-1] if server.shuffled else data}
                text = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
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
def servers(encoder_folder):
    made = [EmbeddingServer(encoder_folder), EmbeddingServer(encoder_folder)]
    yield made
    for server in made:
        server.close()


def test_servers_share_the_work(servers, encoder_folder):
    texts = [f"第{i}条" for i in range(50)]
    made = SwallowEmbeddings(
        "cl-nagoya/ruri-v3-30m",
        base_url=[server.url for server in servers],
        api_key="sk-test",
        batch_size=8,
    )
    wanted = SwallowEmbeddings(encoder_folder, passage_prefix="検索文書: ", device="cpu")
    assert np.allclose(made.embed_documents(texts), wanted.embed_documents(texts), atol=1e-6)
    asked = [request for server in servers for request in server.requests]
    assert sorted(len(request["input"]) for request in asked) == [2, 8, 8, 8, 8, 8, 8]
    assert all(len(server.requests) >= 3 for server in servers)
    assert {request["key"] for request in asked} == {"Bearer sk-test"}
    assert {request["model"] for request in asked} == {"cl-nagoya/ruri-v3-30m"}
    made.embed_query("休暇")
    assert [r["input"] for s in servers for r in s.requests if "検索クエリ: 休暇" in r["input"]]


def test_a_server_that_fails_is_replaced_by_another(servers):
    servers[0].faults = [(500, {}, {"error": {"message": "CUDA error"}})] * 9
    made = SwallowEmbeddings("m", base_url=[server.url for server in servers], batch_size=1)
    assert np.array(made.embed_documents(["東京", "大阪"])).shape == (2, 16)
    busy = (429, {"Retry-After": "0"}, {"error": {"message": "busy"}})
    servers[0].faults, servers[1].faults = [busy], [busy]
    assert np.array(made.embed_documents(["東京"])).shape == (1, 16)
    servers[0].faults = [busy] * 9
    with pytest.raises(ServerBusyError, match="429: busy"):
        SwallowEmbeddings("m", base_url=servers[0].url).embed_query("東京")


def test_what_a_server_refuses_is_said(servers):
    server = servers[0]
    made = SwallowEmbeddings("m", base_url=server.url)
    server.faults = [(401, {}, {"error": {"message": "Unauthorized"}})]
    with pytest.raises(AuthenticationError, match="Pass api_key="):
        made.embed_query("東京")
    server.faults = [(400, {}, {"error": {"message": "input too long"}})]
    with pytest.raises(InvalidRequestError, match="input too long"):
        made.embed_query("東京")
    for answer in ({"data": []}, {"nothing": 1}, {"data": [{"index": 0, "embedding": "x"}]}):
        server.faults = [(200, {}, answer)]
        with pytest.raises(EmbeddingError, match="did not answer with 1 vectors"):
            made.embed_query("東京")
    with pytest.raises(ValueError, match="base_url needs model="):
        SwallowEmbeddings(base_url=server.url)
    assert len(server.requests) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork by default")
def test_a_forked_child_has_connections_of_its_own(servers):
    made = SwallowEmbeddings("m", base_url=servers[0].url)
    before = made.embed_query("東京")
    assert in_child(lambda: made.embed_query("東京")) == before
    assert made.embed_query("東京") == before
    first, childs, second = (request["peer"] for request in servers[0].requests)
    assert first == second != childs


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr("langchain_swallow.retrieval.embeddings.server._FIRST_BACKOFF_S", 0.0)
    made = SwallowEmbeddings("m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ServerConnectionError, match=r"127\.0\.0\.1:9/v1 cannot be reached"):
        made.embed_query("東京")


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
