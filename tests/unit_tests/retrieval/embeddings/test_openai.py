"""Encoders behind OpenAI's embeddings API: what is sent, and what a server may answer."""

import json
import sys
import traceback

import numpy as np
import pytest
import pytest_socket

from langchain_swallow import SwallowEmbeddings
from langchain_swallow.errors import (
    AuthenticationError,
    MissingDependencyError,
    ModelUnavailableError,
    ServerConnectionError,
    SwallowError,
)
from tests.support.broken_servers import Reply, Server

RURI = "cl-nagoya/ruri-v3-30m"


@pytest.fixture(autouse=True)
def _sockets():
    pytest_socket.enable_socket()


@pytest.fixture
def serve():
    started = []

    def start(post):
        started.append(Server(post))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def vectors(*rows):
    return {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]}


def counted(handler):
    """A vector for each text: its place among the texts of its request, and 1."""
    texts = json.loads(handler.server.bodies[-1])["input"]
    return Reply(vectors(*([float(i), 1.0] for i in range(len(texts)))))


def sent(server):
    return [json.loads(body) for body in server.bodies]


def test_texts_are_sent_in_batches_with_the_prefixes_of_the_model(serve):
    one = serve(counted)
    made = SwallowEmbeddings(RURI, base_url=one.url, batch_size=2)
    found = np.array(made.embed_documents(["甲", "乙", "丙"]))
    assert found == pytest.approx(np.array([[0, 1], [0.5**0.5, 0.5**0.5], [0, 1]]))
    assert made.embed_query("甲") == pytest.approx([0, 1])
    assert [body["input"] for body in sent(one)] == [
        ["検索文書: 甲", "検索文書: 乙"],
        ["検索文書: 丙"],
        ["検索クエリ: 甲"],
    ]
    assert {(body["model"], body["encoding_format"]) for body in sent(one)} == {(RURI, "float")}
    assert made.embed_documents([]) == []


def test_a_key_of_openai_goes_to_no_other_server(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    keys = []

    def answer(handler):
        keys.append(handler.headers["Authorization"])
        return Reply(vectors([3.0, 4.0]))

    one = serve(answer)
    assert SwallowEmbeddings("m", base_url=one.url).embed_query("x") == pytest.approx([0.6, 0.8])
    SwallowEmbeddings("m", base_url=one.url, api_key="own").embed_query("x")
    assert keys == ["Bearer none", "Bearer own"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>"), Reply(b""), Reply({}), Reply([]), Reply({"error": {"message": "no"}}),
        Reply({"data": None}), Reply({"data": [None, None]}), Reply({"data": {"a": 1}}),
        Reply(vectors([1.0])),
        *(Reply(vectors(bad, bad))
          for bad in (None, "x", 3, {"a": 1}, [None], ["x"], [[1]], [10**400], [0, 0])),
        Reply(vectors([1], [1, 2])),
    ],
    ids=lambda reply: repr(reply.parts[0][:60]),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
def test_wrong_vectors_are_an_error_of_this_package(serve, reply):
    with pytest.raises(SwallowError):
        SwallowEmbeddings("m", base_url=serve(reply).url).embed_documents(["a", "b"])


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, AuthenticationError, "Pass api_key="),
        (404, ModelUnavailableError, "no such model"),
        (400, SwallowError, "no such model"),
    ],
)
def test_what_a_server_refuses_is_said(serve, status, error, message):
    one = serve(Reply({"error": {"message": "no such model"}}, status))
    with pytest.raises(error, match=message):
        SwallowEmbeddings("m", base_url=one.url).embed_query("x")


def test_a_server_that_fails_once_is_asked_again(serve):
    replies = iter([Reply(b"", 503), Reply(vectors([3.0, 4.0]))])
    one = serve(lambda _: next(replies))
    assert SwallowEmbeddings("m", base_url=one.url).embed_query("x") == pytest.approx([0.6, 0.8])


@pytest.mark.slow
def test_what_is_not_one_server_is_refused():
    with pytest.raises(ServerConnectionError, match=r"127\.0\.0\.1:1/v1 cannot be reached"):
        SwallowEmbeddings("m", base_url="http://127.0.0.1:1/v1").embed_query("x")
    with pytest.raises(ServerConnectionError, match="does not begin with http"):
        SwallowEmbeddings("m", base_url="localhost").embed_query("x")
    with pytest.raises(ValueError, match=r"must be one URL, not .* use a load balancer"):
        SwallowEmbeddings("m", base_url=["http://a/v1", "http://b/v1"])
    with pytest.raises(ValueError, match="base_url needs model="):
        SwallowEmbeddings(base_url="http://a/v1")


def test_secrets_are_not_shown(serve, monkeypatch):
    with pytest.raises(AuthenticationError, match="an HTTP header cannot have") as met:
        SwallowEmbeddings("m", base_url="http://a/v1", api_key="hunter2\n").embed_query("x")
    assert "hunter2" not in str(met.value)
    monkeypatch.setenv("HTTPS_PROXY", "http://u:hunter2/@p")
    with pytest.raises(ServerConnectionError, match="HTTPS_PROXY") as met:
        SwallowEmbeddings("m", base_url="http://127.0.0.1:1/v1").embed_query("x")
    assert "hunter2" not in "".join(traceback.format_exception(met.value))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    with pytest.raises(MissingDependencyError, match=r"pip install langchain-swallow\[openai\]"):
        SwallowEmbeddings("m", base_url="http://127.0.0.1:1/v1").embed_query("x")
